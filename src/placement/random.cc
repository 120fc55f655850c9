#include "ringmain/placement/random.h"

#include <algorithm>

namespace ringmain::placement {

Random::Random(std::span<const Node> nodes) {
    live_.reserve(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].live) live_.push_back(static_cast<uint32_t>(i));
    }
}

uint32_t Random::points_of(uint32_t index) const {
    return std::binary_search(live_.begin(), live_.end(), index) ? 1 : 0;
}

}  // namespace ringmain::placement
