#include "ringmain/placement/rendezvous.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "pools.h"
#include "src/placement/hash_functions.h"
#include <doctest/doctest.h>

namespace ringmain::placement {

namespace {

// The definition in floating point. May differ from the real thing where two servers are as good
// as equal, which no key of these tests is.
uint32_t plain_server_of(const std::vector<Node>& nodes, uint32_t hash) {
    uint32_t best = 0;
    long double best_cost = HUGE_VALL;
    for (uint32_t i = 0; i < nodes.size(); ++i) {
        if (!nodes[i].live) continue;
        const uint64_t score = mix(mix(hash) ^ hash_name(nodes[i].name));
        const long double u = std::ldexp(static_cast<long double>(score) + 0.5L, -64);
        const long double cost = -std::log2(u) / static_cast<long double>(nodes[i].weight);
        if (cost >= best_cost) continue;
        best_cost = cost;
        best = i;
    }
    return best;
}

}  // namespace

TEST_CASE("rendezvous picks the server with the least -log2(u) / weight") {
    auto nodes = test::weighted_nodes({1, 2, 3, 3, 1, 50, 7, 2, 900, 1});
    nodes[3].live = false;
    const Rendezvous rendezvous(nodes);
    Prng prng(3);
    uint32_t mismatches = 0;
    for (int i = 0; i < 20'000; ++i) {
        const auto hash = static_cast<uint32_t>(prng.next());
        if (rendezvous.server_of(hash) != plain_server_of(nodes, hash)) mismatches += 1;
    }
    // The interpolated logarithm may decide a tie of a few millionths differently.
    CHECK(mismatches <= 2);
}

TEST_CASE("rendezvous shares keys in proportion to the weights") {
    const auto nodes = test::weighted_nodes({1, 2, 3, 4, 10});
    const Placement placement = test::place(DistributionKind::Rendezvous, nodes);
    const auto counts = test::keys_by_server(placement, test::many_keys, nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
        const double expected = test::many_keys * nodes[i].weight / 20.0;
        CHECK(counts[i] > expected * 0.95);
        CHECK(counts[i] < expected * 1.05);
    }
}

TEST_CASE("rendezvous is fair to a light server among many heavy ones") {
    auto nodes = test::equal_nodes(100);
    for (size_t i = 1; i < nodes.size(); ++i) {
        nodes[i].weight = 10;
    }
    const Placement placement = test::place(DistributionKind::Rendezvous, nodes);
    const auto counts = test::keys_by_server(placement, test::many_keys, nodes.size());
    CHECK(counts[0] > 60);  // 101 expected; four standard deviations are 40
    CHECK(counts[0] < 142);
}

TEST_CASE("when a server leaves a rendezvous pool only its keys move, and to everybody") {
    for (const bool weighted : {false, true}) {
        auto nodes = test::equal_nodes(10);
        for (uint32_t i = 0; weighted && i < nodes.size(); ++i) {
            nodes[i].weight = i + 1;
        }
        const auto before =
            test::servers_of_keys(test::place(DistributionKind::Rendezvous, nodes), 20'000);
        const auto left = test::place(DistributionKind::Rendezvous, test::without(nodes, 4));
        const auto after = test::servers_of_keys(left, 20'000);
        const test::Movement moved = test::movement(before, after, 4);
        CHECK(moved.from_the_server > 1'500);
        CHECK(moved.to_the_server == 0);
        CHECK(moved.between_others == 0);

        std::vector<uint32_t> heirs(nodes.size(), 0);
        for (size_t i = 0; i < before.size(); ++i) {
            if (before[i] == 4) heirs[after[i]] += 1;
        }
        for (size_t i = 0; i < nodes.size(); ++i) {
            CHECK((heirs[i] > 0) == (i != 4));
        }
    }
}

TEST_CASE("when a weight grows keys move to that server only") {
    auto nodes = test::weighted_nodes({1, 1, 2, 2, 5});
    const auto before =
        test::servers_of_keys(test::place(DistributionKind::Rendezvous, nodes), 20'000);
    nodes[1].weight = 2;
    const auto after =
        test::servers_of_keys(test::place(DistributionKind::Rendezvous, nodes), 20'000);
    uint32_t gained = 0;
    uint32_t others = 0;
    for (size_t i = 0; i < before.size(); ++i) {
        if (before[i] == after[i]) continue;
        (after[i] == 1 ? gained : others) += 1;
    }
    CHECK(gained > 1'000);
    CHECK(others == 0);
}

TEST_CASE("rendezvous decides by name, not by position") {
    auto nodes = test::weighted_nodes({3, 1, 2});
    const auto before =
        test::servers_of_keys(test::place(DistributionKind::Rendezvous, nodes), 1'000);
    std::swap(nodes[0], nodes[2]);
    const auto after =
        test::servers_of_keys(test::place(DistributionKind::Rendezvous, nodes), 1'000);
    for (size_t i = 0; i < before.size(); ++i) {
        CHECK(before[i] == 2 - after[i]);
    }
}

TEST_CASE("rendezvous places these keys here for ever") {
    // Recorded: a change of these moves the keys of everybody's pools.
    const Rendezvous equal(test::equal_nodes(10));
    const Rendezvous weighted(test::weighted_nodes({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
    std::vector<uint32_t> servers;
    for (uint32_t i = 0; i < 8; ++i) {
        servers.push_back(equal.server_of(i * 0x20000001U));
    }
    CHECK(servers == std::vector<uint32_t>{9, 9, 2, 7, 8, 4, 5, 0});
    servers.clear();
    for (uint32_t i = 0; i < 8; ++i) {
        servers.push_back(weighted.server_of(i * 0x20000001U));
    }
    CHECK(servers == std::vector<uint32_t>{9, 9, 9, 7, 8, 4, 6, 6});
}

}  // namespace ringmain::placement
