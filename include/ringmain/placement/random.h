// ringmain/placement/random.h - any live server, each as likely as the next.
//
// As in twemproxy, neither key nor weight matters. For pools whose servers all hold the same data.

#pragma once

#include "ringmain/base/prng.h"
#include "ringmain/placement/node.h"

#include <cstdint>
#include <span>
#include <vector>

namespace ringmain::placement {

class Random {
  public:
    explicit Random(std::span<const Node> nodes);

    // Call only when a node is live.
    [[nodiscard]] uint32_t any_server(Prng& prng) const { return live_[prng.below(live_.size())]; }

    [[nodiscard]] uint32_t points_of(uint32_t index) const;

  private:
    std::vector<uint32_t> live_;
};

}  // namespace ringmain::placement
