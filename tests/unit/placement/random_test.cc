#include "ringmain/placement/random.h"

#include <cstdint>
#include <vector>

#include "pools.h"
#include <doctest/doctest.h>

namespace ringmain::placement {

TEST_CASE("random gives every live server the same share, whatever its weight") {
    auto nodes = test::weighted_nodes({1, 100, 3, 1, 1});
    nodes[2].live = false;
    const Random random(nodes);
    Prng prng(42);
    std::vector<uint32_t> counts(nodes.size(), 0);
    for (int i = 0; i < 40'000; ++i) {
        counts.at(random.any_server(prng)) += 1;
    }
    CHECK(counts[2] == 0);
    for (const size_t i : {0U, 1U, 3U, 4U}) {
        CHECK(counts[i] > 9'500);
        CHECK(counts[i] < 10'500);
    }
}

TEST_CASE("random follows the generator it is given") {
    const Placement placement = test::place(DistributionKind::Random, test::equal_nodes(10));
    CHECK(test::servers_of_keys(placement, 100) == test::servers_of_keys(placement, 100));
    Prng one(1);
    Prng two(2);
    bool differs = false;
    for (int i = 0; i < 100; ++i) {
        differs |= placement.server_of("key", one) != placement.server_of("key", two);
    }
    CHECK(differs);
}

}  // namespace ringmain::placement
