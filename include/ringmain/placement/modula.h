// ringmain/placement/modula.h - the hash modulo the total weight.
//
// As in twemproxy: think of a table in which each live server, in ascending order, stands as often
// as its weight says; the hash modulo the table's size is the place to look. Only the running sums
// of the weights are kept, so the table may be as large as it likes.
//
// Even, but when a server comes or goes almost every key moves.

#pragma once

#include "ringmain/placement/node.h"

#include <cstdint>
#include <span>
#include <vector>

namespace ringmain::placement {

class Modula {
  public:
    explicit Modula(std::span<const Node> nodes);

    // Call only when a node is live.
    [[nodiscard]] uint32_t server_of(uint32_t hash) const;
    [[nodiscard]] uint32_t points_of(uint32_t index) const;

  private:
    // By server: the table's size up to and with it. A server that is not live adds nothing.
    std::vector<uint32_t> table_ends_;
};

}  // namespace ringmain::placement
