// src/core/memcached_stats.h - "stats" of a pool: the servers' figures added up, and our own.
//
//   stats            every server is asked; counts are summed, see sum_stats()
//   stats reset      every server is told
//   stats ringmain   this process alone; no server is asked
//
// Other kinds (items, slabs, settings, conns ...) mean something for one server only and are
// refused.

#pragma once

#include "ringmain/buffer/chain.h"
#include "ringmain/core/proxy.h"

#include <span>
#include <string>

namespace ringmain::core {

// One "STAT name value" line per name, in the order of the first response, without END. Whole and
// decimal numbers are summed, but for those that do not add up: the smallest `uptime`, the largest
// `time` and `max_connections`; everything else (version, pid, texts) is the first server's.
[[nodiscard]] std::string sum_stats(std::span<const Chain* const> responses);

// "STAT ringmain_..." lines of this process, without END.
[[nodiscard]] std::string own_stats(const Proxy& proxy);

}  // namespace ringmain::core
