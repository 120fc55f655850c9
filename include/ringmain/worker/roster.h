// ringmain/worker/roster.h - how many clients each worker has; new ones go where there are few.
//
// The kernel gives a new client to one of the workers' listeners by a hash of its addresses
// (SO_REUSEPORT): even enough for thousands of clients, and anything for ten that stay for days. So
// whoever has accepted one asks here who is to serve it, and hands it over through that worker's
// inbox. A move costs a wake-up, so where there are many clients small differences stay.
//
// Any thread; a few atomics, touched when a client comes and when it goes.

#pragma once

#include "ringmain/worker/inbox.h"

#include <atomic>
#include <cstdint>
#include <memory>

namespace ringmain::worker {

class Roster {
  public:
    explicit Roster(uint32_t workers);

    [[nodiscard]] uint32_t size() const { return count_; }

    [[nodiscard]] Inbox& inbox(uint32_t worker) { return seats_[worker].inbox; }

    // Who is to serve a client that `worker` has accepted: itself, or one with fewer clients and
    // the same configuration. It counts there from now on.
    [[nodiscard]] uint32_t place(uint32_t worker);

    // It stays where it was accepted.
    void keep(uint32_t worker);

    void leave(uint32_t worker);

    // The worker drains, or is about to have another configuration: from now on it is handed nobody
    // and hands over nobody. Who counts there by then and is not there is on its way through its
    // inbox.
    void close(uint32_t worker);

    // The number of the configuration that the worker has from now on.
    void adopt(uint32_t worker, uint64_t generation);

    [[nodiscard]] uint32_t clients(uint32_t worker) const;

  private:
    struct alignas(64) Seat {
        std::atomic<uint32_t> clients = 0;
        std::atomic<uint64_t> generation = 0;
        Inbox inbox;
    };

    [[nodiscard]] uint32_t emptiest_like(uint32_t worker, uint64_t generation) const;

    uint32_t count_;
    std::unique_ptr<Seat[]> seats_;
};

}  // namespace ringmain::worker
