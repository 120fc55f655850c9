#include "ringmain/placement/maglev.h"

#include <cstdint>
#include <vector>

#include "pools.h"
#include <doctest/doctest.h>

namespace ringmain::placement {

namespace {

constexpr uint32_t small_table = 65'537;

uint32_t total_points(const Maglev& maglev, uint32_t server_count) {
    uint32_t total = 0;
    for (uint32_t i = 0; i < server_count; ++i) {
        total += maglev.points_of(i);
    }
    return total;
}

}  // namespace

TEST_CASE("equal servers share the table evenly to one entry") {
    for (const uint32_t count : {1U, 2U, 3U, 10U, 100U, 1000U}) {
        const Maglev maglev(test::equal_nodes(count));
        for (uint32_t i = 0; i < count; ++i) {
            CHECK(maglev.points_of(i) >= small_table / count);
            CHECK(maglev.points_of(i) <= small_table / count + 1);
        }
        CHECK(total_points(maglev, count) == small_table);
    }
}

TEST_CASE("a large pool has a larger table, in which every server has entries") {
    const Maglev maglev(test::equal_nodes(3000));
    CHECK(total_points(maglev, 3000) == 655'373);
    for (uint32_t i = 0; i < 3000; ++i) {
        CHECK(maglev.points_of(i) >= 655'373 / 3000);
    }
}

TEST_CASE("a server that is not live does not shrink the table") {
    auto nodes = test::equal_nodes(2100);
    for (size_t i = 0; i < 2000; ++i) {
        nodes[i].live = false;
    }
    CHECK(total_points(Maglev(nodes), 2100) == 655'373);
}

TEST_CASE("entries are the servers' shares of the weights, rounded") {
    const auto nodes = test::weighted_nodes({1, 2, 3, 4, 10, 1000});
    const Maglev maglev(nodes);
    for (uint32_t i = 0; i < nodes.size(); ++i) {
        const double share = small_table * (nodes[i].weight / 1020.0);
        CHECK(maglev.points_of(i) >= share - 1);
        CHECK(maglev.points_of(i) <= share + 1);
    }
    CHECK(total_points(maglev, 6) == small_table);
}

TEST_CASE("maglev shares keys in proportion to the weights") {
    const auto nodes = test::weighted_nodes({1, 2, 3, 4, 10});
    const Placement placement = test::place(DistributionKind::Maglev, nodes);
    const auto counts = test::keys_by_server(placement, test::many_keys, nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
        const double expected = test::many_keys * nodes[i].weight / 20.0;
        CHECK(counts[i] > expected * 0.95);
        CHECK(counts[i] < expected * 1.05);
    }
}

TEST_CASE("maglev spreads hashes that use few of their bits") {
    // As crc32 gives them: below 2^15.
    const Maglev maglev(test::equal_nodes(4));
    std::vector<uint32_t> counts(4, 0);
    for (uint32_t hash = 0; hash < 32'768; ++hash) {
        counts.at(maglev.server_of(hash)) += 1;
    }
    for (const uint32_t count : counts) {
        CHECK(count > 7'700);
        CHECK(count < 8'700);
    }
}

TEST_CASE("when a server leaves a maglev pool few keys move but its own") {
    const auto nodes = test::equal_nodes(10);
    const auto before =
        test::servers_of_keys(test::place(DistributionKind::Maglev, nodes), test::many_keys);
    const auto after = test::servers_of_keys(
        test::place(DistributionKind::Maglev, test::without(nodes, 4)), test::many_keys);
    const test::Movement moved = test::movement(before, after, 4);
    CHECK(moved.from_the_server > test::many_keys / 11);
    CHECK(moved.to_the_server == 0);
    CHECK(moved.between_others < test::many_keys / 20);
}

TEST_CASE("maglev places these keys here for ever") {
    // Recorded: a change of these moves the keys of everybody's pools.
    const Maglev equal(test::equal_nodes(10));
    const Maglev weighted(test::weighted_nodes({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
    std::vector<uint32_t> servers;
    for (uint32_t i = 0; i < 8; ++i) {
        servers.push_back(equal.server_of(i * 0x20000001U));
    }
    CHECK(servers == std::vector<uint32_t>{7, 3, 5, 5, 2, 5, 2, 3});
    servers.clear();
    for (uint32_t i = 0; i < 8; ++i) {
        servers.push_back(weighted.server_of(i * 0x20000001U));
    }
    CHECK(servers == std::vector<uint32_t>{7, 3, 5, 5, 9, 5, 9, 3});
}

}  // namespace ringmain::placement
