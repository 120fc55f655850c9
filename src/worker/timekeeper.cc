#include "ringmain/worker/timekeeper.h"

#include <algorithm>

namespace ringmain::worker {

// Either we see here that the control thread sleeps for too long, or it sees our deadline in arm():
// each side writes its own value before it reads the other's.
void Timekeeper::set(uint32_t worker, Instant deadline) {
    Slot& slot = slots_[worker];
    if (slot.deadline_ns.load(std::memory_order_relaxed) == deadline.ns) return;
    slot.deadline_ns.store(deadline.ns, std::memory_order_seq_cst);
    int64_t until = sleeps_until_ns_.load(std::memory_order_seq_cst);
    while (deadline.ns < until) {
        if (sleeps_until_ns_.compare_exchange_weak(until, deadline.ns)) {
            wake();
            return;
        }
    }
}

void Timekeeper::awake() {
    sleeps_until_ns_.store(INT64_MIN, std::memory_order_seq_cst);
    event_.clear();
}

int64_t Timekeeper::earliest() const {
    int64_t earliest = INT64_MAX;
    for (const Slot& slot : slots_) {
        const int64_t deadline = slot.deadline_ns.load(std::memory_order_seq_cst);
        if (deadline != slot.told_ns) earliest = std::min(earliest, deadline);
    }
    return earliest;
}

Instant Timekeeper::arm(Instant now, Instant latest) {
    const int64_t soonest = (now + resolution).ns;
    while (true) {
        const int64_t until = std::min(earliest(), latest.ns);
        if (until <= soonest) {
            // Awake again before anybody could ask for it.
            sleeps_until_ns_.store(INT64_MIN, std::memory_order_seq_cst);
            return {soonest};
        }
        sleeps_until_ns_.store(until, std::memory_order_seq_cst);
        if (earliest() >= until) return {until};
    }
}

bool Timekeeper::take_due(uint32_t worker, Instant now) {
    Slot& slot = slots_[worker];
    const int64_t deadline = slot.deadline_ns.load(std::memory_order_relaxed);
    if (deadline > now.ns || deadline == slot.told_ns) return false;
    slot.told_ns = deadline;
    return true;
}

}  // namespace ringmain::worker
