// ringmain/placement/maglev.h - Maglev hashing (Eisenbud and others, 2016), with weights.
//
// A table of a prime number of entries. Each server has an order of its own, made from its name,
// in which it likes the entries; the servers take turns, heavier ones more often, and take the
// first entry of their order that is still free. A look-up is one read.
//
// Shares are even to one entry. When a server leaves, its entries are dealt to the others, and a
// few entries in a hundred move besides: the price of evenness.

#pragma once

#include "ringmain/placement/node.h"

#include <cstdint>
#include <span>
#include <vector>

namespace ringmain::placement {

class Maglev {
  public:
    explicit Maglev(std::span<const Node> nodes);

    // Call only when a node is live.
    [[nodiscard]] uint32_t server_of(uint32_t hash) const;

    // 0 also for a live server whose share is less than half an entry.
    [[nodiscard]] uint32_t points_of(uint32_t index) const { return entry_counts_[index]; }

  private:
    void deal(std::span<const Node> nodes);

    std::vector<uint32_t> entry_counts_;  // by server
    std::vector<uint16_t> table_;         // servers; empty when none is live
};

}  // namespace ringmain::placement
