// ringmain/stats/counters.h - what one worker counts of a pool, of a server and of itself.
//
// Made from counters.def. One writer, the worker; any reader.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/stats/counter.h"
#include "ringmain/stats/histogram.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace ringmain::stats {

// Why a request got an error from ringmain instead of a response.
enum class Reason : uint8_t {
    Timeout,      // its server did not answer in time
    Refused,      // its server cannot be connected to
    Lost,         // the connection to its server was lost, or its response is no response
    NoServer,     // every server is ejected
    Unsupported,  // commands that ringmain does not serve, keys on several servers
    Protocol,     // no request of the protocol
    Limit,        // a limit of ringmain's
    Request,      // the client's own mistake: arguments, order, rights, what is no command
    Other,        // answers that do not fit, what a server refuses, what was ended half-way
};

inline constexpr uint32_t reason_count = 9;

// Of a protocol, by number; 0 is for what is no known command (core/counted_commands.h).
inline constexpr uint32_t commands_max = 256;

// When the oldest request in flight was queued, in one worker (core/oldest.h). On the monotonic
// clock.
struct OldestRequest {
    Counter queued_ns;  // 0: there is none

    // `as_of_ns`, of the worker: when that was so; 0: it still is.
    [[nodiscard]] Duration age(Instant now, const Counter& as_of_ns) const {
        const uint64_t queued = queued_ns.get();
        const uint64_t as_of = as_of_ns.get();
        if (queued == 0) return {};
        const auto until = as_of == 0 ? now.ns : static_cast<int64_t>(as_of);
        // The two are not read at one moment.
        return {std::max<int64_t>(until - static_cast<int64_t>(queued), 0)};
    }
};

// Workers' stand side by side, and none of them shares a line with another's.
struct alignas(64) PoolCounters {
#define POOL(kind, field, text) Counter field;
#include "ringmain/stats/counters.def"
    std::array<Counter, commands_max> commands;  // requests read, by the command's number
    std::array<Counter, reason_count> errors;    // by Reason
    Histogram latency;                           // from a request's last byte to its response
    OldestRequest oldest;
};

struct alignas(64) ServerCounters {
#define SERVER(kind, field, text) Counter field;
#include "ringmain/stats/counters.def"
    Histogram latency;  // from queued to answered
};

struct WorkerCounters {
#define WORKER(kind, field, text) Counter field;
#include "ringmain/stats/counters.def"
};

}  // namespace ringmain::stats
