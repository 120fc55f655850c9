// ringmain/placement/node.h - a server as placement sees it.

#pragma once

#include <cstdint>
#include <string>

namespace ringmain::placement {

// Limits that the configuration holds a pool to; placement asserts them. Weights are at least 1,
// and their sum stays within 31 bits, where no table of twemproxy's wraps.
inline constexpr uint32_t nodes_max = UINT16_MAX;
inline constexpr uint32_t total_weight_max = INT32_MAX;

struct Node {
    std::string name;  // its name on the continuum (ring_name)
    uint32_t weight = 1;
    bool live = true;
};

}  // namespace ringmain::placement
