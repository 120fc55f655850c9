#include "ringmain/worker/roster.h"

#include "ringmain/base/assert.h"

namespace ringmain::worker {

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

// One client in so many is a difference that is left alone.
constexpr uint32_t tolerance = 8;

constexpr uint64_t closed = UINT64_MAX;  // in the place of a generation

}  // namespace

Roster::Roster(uint32_t workers) : count_(workers), seats_(std::make_unique<Seat[]>(workers)) {
    RM_ASSERT(workers > 0);
}

uint32_t Roster::emptiest_like(uint32_t worker, uint64_t generation) const {
    uint32_t best = worker;
    if (generation == closed) return best;
    uint32_t fewest = clients(worker);
    for (uint32_t i = 0; i < count_; ++i) {
        if (clients(i) < fewest && seats_[i].generation.load(relaxed) == generation) {
            best = i;
            fewest = clients(i);
        }
    }
    return best;
}

uint32_t Roster::place(uint32_t worker) {
    const uint64_t generation = seats_[worker].generation.load(relaxed);
    const uint32_t mine = clients(worker);
    const uint32_t best = emptiest_like(worker, generation);
    if (best == worker || mine <= clients(best) + mine / tolerance) {
        keep(worker);
        return worker;
    }
    // It counts there before that seat is looked at once more; who closes it looks the other way
    // round. So either it stays here, or that worker waits for it.
    seats_[best].clients.fetch_add(1);
    if (seats_[best].generation.load() == generation) return best;
    leave(best);
    inbox(best).wake();
    keep(worker);
    return worker;
}

void Roster::keep(uint32_t worker) {
    seats_[worker].clients.fetch_add(1, relaxed);
}

void Roster::leave(uint32_t worker) {
    const uint32_t before = seats_[worker].clients.fetch_sub(1, relaxed);
    RM_DCHECK(before > 0);
    static_cast<void>(before);
}

void Roster::close(uint32_t worker) {
    seats_[worker].generation.store(closed);
}

void Roster::adopt(uint32_t worker, uint64_t generation) {
    seats_[worker].generation.store(generation, relaxed);
}

uint32_t Roster::clients(uint32_t worker) const {
    return seats_[worker].clients.load();
}

}  // namespace ringmain::worker
