// ringmain/placement/rendezvous.h - weighted rendezvous (highest random weight) hashing.
//
// Every key draws a number u in (0, 1] for every server, from its hash and the server's name; the
// server with the least -log2(u) / weight has the key. A server's share is therefore exactly its
// share of the weights, and when a server leaves, or its weight changes, no key moves between the
// others. There is no table to build; a look-up costs about a nanosecond per live server.
//
// The same on every machine: u is a 64-bit integer, its logarithm is computed in integers, and the
// one division is IEEE 754's, which is exact to the last bit. No mathematical library is asked.

#pragma once

#include "ringmain/placement/node.h"

#include <cstdint>
#include <span>
#include <vector>

namespace ringmain::placement {

class Rendezvous {
  public:
    explicit Rendezvous(std::span<const Node> nodes);

    // Call only when a node is live.
    [[nodiscard]] uint32_t server_of(uint32_t hash) const;

    [[nodiscard]] uint32_t points_of(uint32_t index) const { return weights_[index]; }

  private:
    // Among servers of one weight the highest u wins, so that each group needs one logarithm and a
    // pool of equal weights none.
    struct Group {
        double weight;
        uint32_t begin;  // in seeds_ and servers_
        uint32_t end;
    };

    struct Winner {
        uint32_t place;  // in seeds_ and servers_
        uint64_t score;
    };

    [[nodiscard]] Winner winner_of(const Group& group, uint64_t key) const;

    std::vector<uint32_t> weights_;  // by server; 0 when it is not live
    std::vector<Group> groups_;
    std::vector<uint64_t> seeds_;  // one per live server, from its name
    std::vector<uint32_t> servers_;
};

}  // namespace ringmain::placement
