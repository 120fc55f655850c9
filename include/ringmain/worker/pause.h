// ringmain/worker/pause.h - tells a worker that was stopped from one that is slow.
//
// Who wakes up long after its time was stopped, or the machine was: what came meanwhile has yet to
// be read, the servers are not to blame for it, and all deadlines move. A worker whose batches take
// that long again and again looks the same; if its deadlines moved each time none would ever be
// reached. So only a few pauses within a while are forgiven. What is always forgiven is work of the
// worker's own, which nobody asked for: placing keys anew, taking another configuration.

#pragma once

#include "ringmain/base/time.h"

#include <array>
#include <cstddef>
#include <utility>

namespace ringmain::worker {

class PauseWatch {
  public:
    // Later than that nobody wakes up whose machine works.
    static constexpr Duration pause_min = Duration::millis(300);
    // So many are forgiven within that time.
    static constexpr size_t pauses_max = 3;
    static constexpr Duration window = Duration::millis(60'000);
    // Work that takes less is in no timeout's way.
    static constexpr Duration work_min = Duration::millis(1);

    // In the batch before the wait that is judged next.
    void note_work(Instant began, Instant ended) {
        if (ended - began >= work_min) work_.ns += (ended - began).ns;
    }

    // By how much deadlines move for it. Besides what judge() says, and after that.
    [[nodiscard]] Duration take_work() { return std::exchange(work_, {}); }

    // Of a wait that was to end at `deadline` at the latest: the batch before it began at `before`,
    // and now it has ended. By how much deadlines move; zero when it was no pause.
    [[nodiscard]] Duration judge(Instant before, Instant deadline, Instant now) {
        before = before + work_;
        const Instant due = before < deadline ? deadline : before;
        if (deadline == Instant::never() || now <= due || now - due <= pause_min) return {};
        Instant& oldest = forgiven_[next_];
        if (oldest != Instant{} && before - oldest < window) return {};
        oldest = now;
        next_ = (next_ + 1) % pauses_max;
        return now - before;
    }

  private:
    std::array<Instant, pauses_max> forgiven_ = {};  // when; a ring of the last ones
    size_t next_ = 0;
    Duration work_;
};

}  // namespace ringmain::worker
