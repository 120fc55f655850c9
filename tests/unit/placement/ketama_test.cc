#include "ringmain/placement/ketama.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pools.h"
#include "src/placement/md5.h"
#include <doctest/doctest.h>

namespace ringmain::placement {

namespace {

// The ring as its definition says, without index or end mark: (value, server), ascending.
using PlainRing = std::vector<std::pair<uint32_t, uint32_t>>;

PlainRing plain_ring(const std::vector<Node>& nodes, const Ketama& ketama) {
    PlainRing ring;
    for (uint32_t i = 0; i < nodes.size(); ++i) {
        for (uint32_t digest = 0; digest < ketama.points_of(i) / 4; ++digest) {
            const std::string name = nodes[i].name + "-" + std::to_string(digest);
            for (const uint32_t value : md5(name)) {
                ring.emplace_back(value, i);
            }
        }
    }
    std::sort(ring.begin(), ring.end());
    return ring;
}

uint32_t server_on(const PlainRing& ring, uint32_t hash) {
    for (const auto& [value, server] : ring) {
        if (value >= hash) return server;
    }
    return ring.front().second;
}

}  // namespace

TEST_CASE("a hash belongs to the first point at or after it, and wraps") {
    const auto nodes = test::weighted_nodes({1, 2, 3, 40});
    const Ketama ketama(nodes);
    const PlainRing ring = plain_ring(nodes, ketama);
    for (const auto& [value, server] : ring) {
        CHECK(ketama.server_of(value) == server);
        CHECK(ketama.server_of(value + 1) == server_on(ring, value + 1));
        CHECK(ketama.server_of(value - 1) == server_on(ring, value - 1));
    }
    CHECK(ketama.server_of(0) == ring.front().second);
    CHECK(ketama.server_of(UINT32_MAX) == ring.front().second);
}

TEST_CASE("the look-up agrees with a search from the start for rings of every size") {
    Prng prng(7);
    for (const uint32_t server_count : {1U, 2U, 3U, 6U, 7U, 26U, 120U}) {
        const auto nodes = test::equal_nodes(server_count);
        const Ketama ketama(nodes);
        const PlainRing ring = plain_ring(nodes, ketama);
        for (int i = 0; i < 500; ++i) {
            const auto hash = static_cast<uint32_t>(prng.next());
            CHECK(ketama.server_of(hash) == server_on(ring, hash));
        }
    }
}

TEST_CASE("points follow the weights as 32-bit floats count them") {
    const Ketama thirds(test::weighted_nodes({1, 2, 3}));
    CHECK(thirds.points_of(0) == 80);
    CHECK(thirds.points_of(1) == 160);
    CHECK(thirds.points_of(2) == 240);

    const Ketama four(test::weighted_nodes({10, 7, 5, 1}));
    const std::vector<uint32_t> counts = Ketama::count_points(test::weighted_nodes({10, 7, 5, 1}));
    for (uint32_t i = 0; i < 4; ++i) {
        CHECK(counts[i] == four.points_of(i));
    }
    CHECK(four.points_of(0) == 276);
    CHECK(four.points_of(1) == 192);
    CHECK(four.points_of(2) == 136);
    CHECK(four.points_of(3) == 24);
}

TEST_CASE("some numbers of equal servers lose four points each to rounding") {
    for (const uint32_t count : {25U, 47U, 50U, 55U, 61U, 71U, 94U, 100U, 107U, 200U}) {
        CAPTURE(count);
        CHECK(Ketama(test::equal_nodes(count)).points_of(0) == 156);
    }
    for (const uint32_t count : {1U, 2U, 24U, 26U, 48U, 101U, 128U}) {
        CAPTURE(count);
        CHECK(Ketama(test::equal_nodes(count)).points_of(0) == 160);
    }
}

TEST_CASE("a server of very low weight has no points and gets no keys") {
    const auto nodes = test::weighted_nodes({100'000, 1});
    const Placement placement = test::place(DistributionKind::Ketama, nodes);
    CHECK(placement.points_of(0) == 316);
    CHECK(placement.points_of(1) == 0);
    CHECK(test::keys_by_server(placement, 1000, 2)[0] == 1000);
}

TEST_CASE("a point's name is cut after 272 bytes") {
    // Both names have the same first 272 bytes, number included, so all points coincide, and of
    // equal points the lower server's comes first.
    std::vector<Node> nodes = test::equal_nodes(2);
    nodes[0].name = std::string(272, 'a') + "x";
    nodes[1].name = std::string(272, 'a') + "y";
    const Placement placement = test::place(DistributionKind::Ketama, nodes);
    CHECK(test::keys_by_server(placement, 1000, 2)[0] == 1000);
}

TEST_CASE("when one of equal servers leaves a ketama ring only its keys move") {
    // From 24 to 23: numbers at which everybody has 160 points.
    const auto nodes = test::equal_nodes(24);
    const auto before = test::servers_of_keys(test::place(DistributionKind::Ketama, nodes), 10'000);
    const auto after = test::servers_of_keys(
        test::place(DistributionKind::Ketama, test::without(nodes, 5)), 10'000);
    const test::Movement moved = test::movement(before, after, 5);
    CHECK(moved.from_the_server > 200);
    CHECK(moved.to_the_server == 0);
    CHECK(moved.between_others == 0);
}

TEST_CASE("a ring that is made from another is the same as one made anew") {
    Prng prng(5);
    for (int pool = 0; pool < 12; ++pool) {
        CAPTURE(pool);
        auto nodes = test::equal_nodes(1 + static_cast<uint32_t>(prng.below(120)));
        // Names that are cut have equal points.
        if (pool % 3 == 1) nodes.front().name = std::string(300, 'a');
        if (pool % 3 == 1) nodes.back().name = std::string(301, 'a');
        for (Node& node : nodes) {
            if (pool % 3 == 2) node.weight = 1 + static_cast<uint32_t>(prng.below(9));
        }
        Ketama ring(nodes);
        for (int change = 0; change < 30; ++change) {
            CAPTURE(change);
            const uint64_t changing = change % 5 == 0 ? nodes.size() : 1;
            for (uint64_t i = 0; i < changing; ++i) {
                nodes[prng.below(nodes.size())].live = prng.below(3) != 0;
            }
            ring = Ketama(nodes, &ring);
            const Ketama anew(nodes);
            bool any_live = false;
            for (uint32_t i = 0; i < nodes.size(); ++i) {
                CHECK(ring.points_of(i) == anew.points_of(i));
                any_live = any_live || nodes[i].live;
            }
            for (int i = 0; i < 2000 && any_live; ++i) {
                const auto hash = static_cast<uint32_t>(prng.next());
                REQUIRE(ring.server_of(hash) == anew.server_of(hash));
            }
        }
    }
}

TEST_CASE("when one of unequal servers leaves the others' points are counted anew") {
    const auto nodes = test::weighted_nodes({1, 2, 3});
    const Ketama ketama(test::without(nodes, 2));
    CHECK(ketama.points_of(0) == 104);
    CHECK(ketama.points_of(1) == 212);
    CHECK(ketama.points_of(2) == 0);
}

}  // namespace ringmain::placement
