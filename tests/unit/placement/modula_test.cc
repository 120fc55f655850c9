#include "ringmain/placement/modula.h"

#include <cstdint>
#include <vector>

#include "pools.h"
#include <doctest/doctest.h>

namespace ringmain::placement {

TEST_CASE("modula looks up the table of servers, each repeated as its weight says") {
    auto nodes = test::weighted_nodes({3, 1, 7, 2, 1, 5});
    for (int round = 0; round < 4; ++round) {
        if (round == 1) nodes[0].live = false;
        if (round == 2) nodes[5].live = false;
        if (round == 3) nodes[2].live = nodes[3].live = false;
        std::vector<uint32_t> table;
        for (uint32_t i = 0; i < nodes.size(); ++i) {
            if (nodes[i].live) table.insert(table.end(), nodes[i].weight, i);
        }
        const Modula modula(nodes);
        for (uint32_t hash = 0; hash < 200; ++hash) {
            CHECK(modula.server_of(hash) == table[hash % table.size()]);
        }
        CHECK(modula.server_of(UINT32_MAX) == table[UINT32_MAX % table.size()]);
    }
}

TEST_CASE("modula counts table entries as points") {
    auto nodes = test::weighted_nodes({3, 1, 7});
    nodes[1].live = false;
    const Modula modula(nodes);
    CHECK(modula.points_of(0) == 3);
    CHECK(modula.points_of(1) == 0);
    CHECK(modula.points_of(2) == 7);
}

TEST_CASE("modula takes weights whose table would not fit in memory") {
    const Modula modula(test::weighted_nodes({1'000'000'000, 1'000'000'000, 147'483'647}));
    CHECK(modula.server_of(999'999'999) == 0);
    CHECK(modula.server_of(1'000'000'000) == 1);
    CHECK(modula.server_of(2'147'483'646) == 2);
    CHECK(modula.server_of(2'147'483'647) == 0);
}

}  // namespace ringmain::placement
