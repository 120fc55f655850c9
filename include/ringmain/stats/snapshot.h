// ringmain/stats/snapshot.h - everything that is known about the process at one moment.
//
// Plain values without atomics: made anew once per [stats] interval (worker/collect.h) and not
// changed until the next one is there, so that all who read it see the same figures. json.h,
// prometheus.h and pages.h turn it into text. Counters count since the start of the process; times
// are the calendar's.

#pragma once

#include "ringmain/stats/counters.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::stats {

// The same buckets as Histogram; none while that has none.
struct HistogramValues {
    std::vector<uint64_t> counts;
    uint64_t sum_us = 0;

    void add(const Histogram& other);

    [[nodiscard]] uint64_t total() const;

    // What that share of the values (0.99) does not exceed, in microseconds, rounded up to a
    // bucket's end. 0 when there are none.
    [[nodiscard]] uint64_t quantile_us(double share) const;

    // How many are below `us`; exact where a bucket ends there.
    [[nodiscard]] uint64_t count_below(uint64_t us) const;
};

struct PoolValues {
#define POOL(kind, field, text) uint64_t field = 0;
#include "ringmain/stats/counters.def"
    std::array<uint64_t, commands_max> commands = {};  // by number
    std::array<uint64_t, reason_count> errors = {};    // by Reason
    HistogramValues latency;

    void add(const PoolCounters& worker);
};

struct ServerValues {
#define SERVER(kind, field, text) uint64_t field = 0;
#include "ringmain/stats/counters.def"
    HistogramValues latency;

    void add(const ServerCounters& worker);
};

struct WorkerValues {
#define WORKER(kind, field, text) uint64_t field = 0;
#include "ringmain/stats/counters.def"

    void add(const WorkerCounters& worker);
};

enum class ServerState : uint8_t {
    Up,
    Down,     // not ejected, and not to be reached
    Ejected,  // out of the placement until a probe succeeds
};

inline constexpr std::array<std::string_view, 3> server_state_names = {"up", "down", "ejected"};
inline constexpr std::array<std::string_view, reason_count> reason_names = {
    "timeout",
    "refused",
    "reset",
    "no_server",
    "unsupported",
    "protocol",
    "limit",
    "request",
    "other",
};

[[nodiscard]] constexpr std::string_view name_of(ServerState state) {
    return server_state_names[static_cast<size_t>(state)];
}

struct ServerSnapshot {
    std::string name;  // on the ring; the address where none was given
    std::string address;
    uint32_t weight = 1;
    ServerState state = ServerState::Up;
    std::string reason;         // of the last change of state; empty while there was none
    int64_t state_since_s = 0;  // of the last change; 0: as at start
    // When Health last saw a change, on the monotonic clock, and the calendar's time of that: asked
    // for once, for both clocks drift and the calendar is set. 0: never.
    int64_t changed_ns = 0;
    int64_t changed_us = 0;
    uint64_t ejections = 0;
    int64_t ejected_at_us = 0;  // the last ejection; 0: never
    ServerValues values;
};

struct CommandCount {
    std::string_view name;  // of a table that lives as long as the process
    uint64_t count = 0;
};

struct PoolSnapshot {
    std::string name;
    std::string protocol;
    std::string listen;
    uint64_t client_limit = 0;  // 0: none
    // How often each command came that ever did, and the sums of those that only read, that write,
    // and all other.
    std::vector<CommandCount> commands;
    uint64_t requests_read = 0;
    uint64_t requests_write = 0;
    uint64_t requests_other = 0;
    uint64_t oldest_request_us = 0;  // its age; 0: none is in flight
    PoolValues values;
    std::vector<ServerSnapshot> servers;

    [[nodiscard]] size_t servers_up() const;
};

struct WorkerSnapshot {
    uint64_t batches = 0;
    // Since it serves: on a CPU, able to run and without one, and with nothing to do.
    uint64_t cpu_us = 0;
    uint64_t ready_us = 0;
    uint64_t waiting_us = 0;
    uint32_t busy_millionths = 0;  // CPU time per time, since the snapshot before
    WorkerValues values;
};

struct ProcessSnapshot {
    std::string version;
    std::string kernel;
    std::string host;
    std::string io_backend;  // "io_uring" or "epoll"
    int64_t id = 0;
    int64_t started_at_s = 0;
    int64_t taken_at_s = 0;
    int64_t uptime_s = 0;  // the calendar may be set meanwhile
    bool draining = false;
    bool reload_succeeded = true;  // the last one
    int64_t reloaded_at_s = 0;     // the last that succeeded, or the start
    // Listeners, and connections of clients and to servers: now, and ever. Those of pools and
    // servers that a reload took out are among them.
    uint64_t connections = 0;
    uint64_t connections_opened = 0;
    uint64_t client_limit = 0;  // 0: none
    uint64_t cpu_us = 0;
    uint64_t resident_bytes = 0;
    uint64_t descriptors = 0;
    uint64_t descriptors_max = 0;
};

struct Snapshot {
    ProcessSnapshot process;
    std::vector<WorkerSnapshot> workers;
    std::vector<PoolSnapshot> pools;
};

}  // namespace ringmain::stats
