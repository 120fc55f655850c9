// ringmain/core/counters.h - what one worker has done in all, readable by all.

#pragma once

#include "ringmain/stats/counter.h"
#include "ringmain/stats/counters.h"
#include "ringmain/stats/slow_log.h"

namespace ringmain::core {

using stats::Counter;

struct Counters {
    Counter clients;  // connected now
    Counter clients_accepted;
    Counter clients_refused;      // at a limit
    Counter clients_closed_slow;  // did not take their responses
    Counter accept_failures;      // no descriptor or memory for a client; it waits in the backlog
    Counter requests;             // read from clients
    Counter fragments;            // sent towards servers
    Counter bytes_received;       // from clients
    Counter bytes_sent;           // to clients
    Counter server_connections;   // established now
    Counter server_connects;      // ever
    Counter server_failures;      // connections lost or refused
    Counter errors;               // error responses made here
    Counter timeouts;             // requests whose server did not answer in time
    Counter buffer_bytes;         // arena blocks in use
    stats::WorkerCounters ring;
    stats::SlowQueue slow_requests;
};

}  // namespace ringmain::core
