// ringmain/worker/timekeeper.h - who has something to do when: workers say so, one thread keeps
// time.
//
//   worker:   set(deadline)  --->  slot   --->  control thread sleeps until the earliest of all
//                  |                                   ^
//                  +-- earlier than it sleeps for: wake +
//
// Under load a worker's deadline moves only when it has passed, so that setting it is a comparison
// and nobody is woken. See src/design/0005-time.md.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/base/time.h"
#include "ringmain/worker/event.h"

#include <atomic>
#include <cstdint>
#include <deque>

namespace ringmain::worker {

class Timekeeper {
  public:
    // The resolution of all timeouts: the control thread sleeps at least this long.
    static constexpr Duration resolution = Duration::millis(5);

    explicit Timekeeper(uint32_t workers) : slots_(workers) {}

    Timekeeper(const Timekeeper&) = delete;
    Timekeeper& operator=(const Timekeeper&) = delete;
    ~Timekeeper() = default;

    // Whether it can be woken.
    [[nodiscard]] Status status() const { return event_.status(); }

    // --- a worker's side -----------------------------------------------------------------------

    // Before it waits. never(): there is nothing to do until something happens.
    void set(uint32_t worker, Instant deadline);

    // It works, or it waits in the kernel: what a look from outside can tell about it.
    void begin_batch(uint32_t worker) {
        Slot& slot = slots_[worker];
        slot.batches.store(slot.batches.load(std::memory_order_relaxed) + 1,
                           std::memory_order_relaxed);
        slot.waiting.store(false, std::memory_order_relaxed);
    }

    void end_batch(uint32_t worker) {
        slots_[worker].waiting.store(true, std::memory_order_relaxed);
    }

    // --- the control thread's side -------------------------------------------------------------

    // Readable when a worker has got an earlier deadline than arm() has returned, or wake() was
    // called.
    [[nodiscard]] int descriptor() const { return event_.descriptor(); }

    // From any thread.
    void wake() const { event_.set(); }

    // It is awake and will look at the deadlines before it sleeps: nobody needs to wake it. Forgets
    // what made descriptor() readable.
    void awake();

    // Until when it may sleep, at most until `latest`.
    [[nodiscard]] Instant arm(Instant now, Instant latest);

    // The worker's deadline has passed, and it was not told before.
    [[nodiscard]] bool take_due(uint32_t worker, Instant now);

    // Batches begun, and whether it is waiting in the kernel.
    [[nodiscard]] uint64_t batches(uint32_t worker) const {
        return slots_[worker].batches.load(std::memory_order_relaxed);
    }

    [[nodiscard]] bool is_waiting(uint32_t worker) const {
        return slots_[worker].waiting.load(std::memory_order_relaxed);
    }

  private:
    struct alignas(64) Slot {
        std::atomic<int64_t> deadline_ns = INT64_MAX;
        std::atomic<uint64_t> batches = 0;
        std::atomic<bool> waiting = true;
        int64_t told_ns = 0;  // the control thread's: the deadline that it woke the worker for
    };

    [[nodiscard]] int64_t earliest() const;

    std::deque<Slot> slots_;
    // A deadline before this has to wake the control thread.
    std::atomic<int64_t> sleeps_until_ns_ = INT64_MIN;
    Event event_;
};

}  // namespace ringmain::worker
