// ringmain/worker/run_limit.h - a limit in the time that a worker runs.
//
// A worker that waits for what has arrived to be read may not wait for ever, but a clock is no
// bound for that: who was stopped for a second, or whose machine was, has not looked yet. So of the
// time between two of its rounds only a little counts. One thread.

#pragma once

#include "ringmain/base/time.h"

#include <algorithm>

namespace ringmain::worker {

class RunLimit {
  public:
    // What one round and the wait before it count at most.
    static constexpr Duration round_max = Duration::millis(10);

    void begin(Instant now, Duration limit) {
        seen_ = now;
        left_ = limit;
    }

    // At the beginning of a round.
    void count(Instant now) {
        const Duration passed = now - seen_;
        seen_ = now;
        left_.ns -= std::min(passed, round_max).ns;
    }

    [[nodiscard]] bool is_over() const { return left_ <= Duration{}; }

    // By then there has to be another round.
    [[nodiscard]] Instant next() const { return seen_ + std::min(left_, round_max); }

  private:
    Instant seen_;
    Duration left_;
};

}  // namespace ringmain::worker
