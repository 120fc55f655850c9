// ringmain/stats/json.h - the snapshot as twemproxy's tools read it, and more.
//
// Fields, nesting and spacing are twemproxy 0.5.0's; ours come behind them. In the process part
// every object is a pool and in a pool every object is a server, as the tools take it; so what
// ringmain adds there are numbers and texts. A pool or server whose name is a field's gets its
// address behind the name. One line, with a newline at the end.

#pragma once

#include "ringmain/stats/snapshot.h"

#include <cstdint>
#include <string>

namespace ringmain::stats {

enum class JsonScope : uint8_t {
    Pools,       // for the statistics port
    Everything,  // /stats.json: the process and its workers besides
};

[[nodiscard]] std::string to_json(const Snapshot& snapshot, JsonScope scope);

}  // namespace ringmain::stats
