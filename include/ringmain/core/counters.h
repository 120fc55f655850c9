// ringmain/core/counters.h - what one worker has done in all, readable by all.
//
// Of pools and servers it counts besides, in core/shared.h: those figures are the control thread's
// to find and to add up. These are what INFO and `stats ringmain` tell, in any worker, for as long
// as the process lives.

#pragma once

#include "ringmain/stats/counter.h"
#include "ringmain/stats/counters.h"
#include "ringmain/stats/slow_log.h"

#include <cstdint>
#include <span>

namespace ringmain::core {

using stats::Counter;
using stats::Tally;

struct Counters {
    Counter clients;  // connected now
    Counter clients_accepted;
    Counter clients_refused;     // at a limit
    Counter requests;            // read from clients
    Counter fragments;           // sent towards servers
    Counter bytes_received;      // from clients
    Counter bytes_sent;          // to clients
    Counter server_connections;  // established now
    Counter server_connects;     // ever
    Counter server_failures;     // connections lost or refused
    Counter errors;              // error responses made here
    Counter timeouts;            // requests whose server did not answer in time
    Counter looked_at_ns;        // for the oldest requests of all pools; 0: that still holds
    stats::WorkerCounters worker;
    stats::SlowQueue slow_requests;
};

// One counter of all workers, added up.
class Totals {
  public:
    explicit Totals(std::span<const Counters* const> workers) : workers_(workers) {}

    [[nodiscard]] uint64_t of(Counter Counters::*counter) const {
        uint64_t sum = 0;
        for (const Counters* one : workers_) {
            sum += (one->*counter).get();
        }
        return sum;
    }

    [[nodiscard]] uint64_t of(Counter stats::WorkerCounters::*counter) const {
        uint64_t sum = 0;
        for (const Counters* one : workers_) {
            sum += (one->worker.*counter).get();
        }
        return sum;
    }

  private:
    std::span<const Counters* const> workers_;
};

}  // namespace ringmain::core
