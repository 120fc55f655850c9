// src/core/memcached_stats.h - "stats" of a pool: the servers' figures joined, and our own.
//
//   stats            every server is asked; counts are summed: the smallest `uptime`, the largest
//                    `time` and `max_connections`, the first server's version, pid and texts; and
//                    the figures of this process behind them
//   stats reset      every server is told
//   stats settings   what all servers have in common; "STAT name@server value" where they differ
//   stats items      by class, summed; the largest ages. Classes have the same sizes where the
//                    servers' settings are the same
//   stats slabs      the same; an error where the classes differ
//   stats sizes      summed by size
//   stats detail     on, off: every server is told; dump: summed by prefix
//   stats ringmain   this process alone; no server is asked
//
// All answers together have at most stats_size_max bytes, and a client has gathers_max of its
// requests under way: the worker serves nobody else while it adds up.
//
// Other kinds are refused: conns shows ringmain's own connections to a server, cachedump the keys
// of one server's class.

#pragma once

#include "ringmain/buffer/chain.h"
#include "ringmain/core/proxy.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::core {

// `what` and `detail`: the words behind "stats", which may be missing. Nothing when it is refused.
[[nodiscard]] std::optional<StatsKind> stats_kind_of(std::string_view what,
                                                     std::string_view detail);

// Each server's response, and its name.
struct StatsSources {
    std::span<const Chain* const> responses;
    std::span<const std::string_view> names;
};

// The whole response for the client.
[[nodiscard]] std::string join_stats(const Proxy& proxy,
                                     StatsKind kind,
                                     const StatsSources& sources);

// "STAT ringmain_..." lines of this process, without END.
[[nodiscard]] std::string own_stats(const Proxy& proxy);

}  // namespace ringmain::core
