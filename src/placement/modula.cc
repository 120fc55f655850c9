#include "ringmain/placement/modula.h"

#include "ringmain/base/assert.h"

#include <cstddef>

namespace ringmain::placement {

Modula::Modula(std::span<const Node> nodes) {
    table_ends_.reserve(nodes.size());
    uint32_t end = 0;
    for (const Node& node : nodes) {
        if (node.live) end += node.weight;
        table_ends_.push_back(end);
    }
}

uint32_t Modula::server_of(uint32_t hash) const {
    RM_ASSERT(table_ends_.back() > 0);
    const uint32_t place = hash % table_ends_.back();
    // The first server whose end lies beyond the place, found by halving. Keys are in no order, so
    // a branch would be guessed wrong every other time; an addition is not.
    size_t first = 0;
    for (size_t count = table_ends_.size(); count > 1;) {
        const size_t half = count / 2;
        first += static_cast<size_t>(table_ends_[first + half - 1] <= place) * half;
        count -= half;
    }
    return static_cast<uint32_t>(first);
}

uint32_t Modula::points_of(uint32_t index) const {
    return index == 0 ? table_ends_[0] : table_ends_[index] - table_ends_[index - 1];
}

}  // namespace ringmain::placement
