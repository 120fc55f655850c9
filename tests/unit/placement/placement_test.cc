#include "ringmain/placement/placement.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pools.h"
#include <doctest/doctest.h>

namespace ringmain::placement {

namespace {

constexpr DistributionKind all_distributions[] = {
    DistributionKind::Ketama,
    DistributionKind::Modula,
    DistributionKind::Random,
    DistributionKind::Rendezvous,
    DistributionKind::Maglev,
};

std::vector<std::string> sorted(const std::vector<std::string>& names) {
    std::vector<std::string> result;
    for (const uint32_t position : sorted_order(names)) {
        result.push_back(names.at(position));
    }
    return result;
}

}  // namespace

TEST_CASE("each distribution has a name of its own") {
    CHECK(distribution_names().size() == 5);
    CHECK(name_of(DistributionKind::Ketama) == "ketama");
    CHECK(name_of(DistributionKind::Modula) == "modula");
    CHECK(name_of(DistributionKind::Random) == "random");
    CHECK(name_of(DistributionKind::Rendezvous) == "rendezvous");
    CHECK(name_of(DistributionKind::Maglev) == "maglev");
}

TEST_CASE("a server's own name is its name on the continuum") {
    CHECK(ring_name("cache1", "10.0.0.1", 6379) == "cache1");
    CHECK(ring_name("cache1", "/run/redis.sock", 0) == "cache1");
}

TEST_CASE("a server without a name is called host:port, or host on memcached's port") {
    CHECK(ring_name("", "10.0.0.1", 6379) == "10.0.0.1:6379");
    CHECK(ring_name("", "10.0.0.1", 11211) == "10.0.0.1");
    CHECK(ring_name("", "::1", 65535) == "::1:65535");
    CHECK(ring_name("", "cache.example", 1) == "cache.example:1");
}

TEST_CASE("a unix socket keeps the colon before the port it lacks") {
    CHECK(ring_name("", "/run/redis.sock", 0) == "/run/redis.sock:");
}

TEST_CASE("servers are in order of length, then of bytes") {
    CHECK(sorted({"node-10", "node-2", "node-1", "b"}) ==
          std::vector<std::string>{"b", "node-1", "node-2", "node-10"});
    CHECK(sorted({"b", "a", "B"}) == std::vector<std::string>{"B", "a", "b"});
    CHECK(sorted({"\xC3\xA9", "zz"}) == std::vector<std::string>{"zz", "\xC3\xA9"});
    CHECK(sorted({}).empty());
}

TEST_CASE("the sorted order is a permutation and keeps equal names as they came") {
    const std::vector<std::string> names = {"ccc", "a", "bb", "a"};
    CHECK(sorted_order(names) == std::vector<uint32_t>{1, 3, 2, 0});
}

TEST_CASE("what stands between the tags is hashed") {
    CHECK(hashed_part("user:{42}:name", "{}") == "42");
    CHECK(hashed_part("{42}", "{}") == "42");
    CHECK(hashed_part("{a}{b}", "{}") == "a");
    CHECK(hashed_part("a}b{c}d", "{}") == "c");
    CHECK(hashed_part("{{a}}", "{}") == "{a");
    CHECK(hashed_part("x$12$y$z", "$$") == "12");
    CHECK(hashed_part(std::string_view("{\0}", 3), "{}") == std::string_view("\0", 1));
    CHECK(hashed_part("{\xFF}", "{}") == "\xFF");
}

TEST_CASE("without a tag that is closed and not empty the whole key is hashed") {
    for (const std::string_view key :
         {"", "plain", "{", "}", "{}", "}{", "a{b", "a}b", "{}a{b}", "a{}b"}) {
        CAPTURE(key);
        CHECK(hashed_part(key, "{}") == key);
        CHECK(hashed_part(key, "") == key);
    }
    for (const std::string_view key : {"$", "$$", "a$b", "$$a$"}) {
        CAPTURE(key);
        CHECK(hashed_part(key, "$$") == key);
    }
}

TEST_CASE("keys with one tag live together") {
    const Placement placement(
        {.hash = HashKind::Md5, .distribution = DistributionKind::Ketama, .hash_tag = "{}"},
        test::equal_nodes(10));
    Prng prng(1);
    const uint32_t server = placement.server_of("{user}:0", prng);
    for (int i = 1; i < 100; ++i) {
        CHECK(placement.server_of("{user}:" + std::to_string(i), prng) == server);
    }
    CHECK(placement.hash_of("a{user}b") == hash(HashKind::Md5, "user"));
    CHECK(placement.hash_of("a{}b") == hash(HashKind::Md5, "a{}b"));
}

TEST_CASE("the empty key has the hash 0, whatever the function would say") {
    for (size_t i = 0; i < hash_names().size(); ++i) {
        const Placement placement({.hash = static_cast<HashKind>(i),
                                   .distribution = DistributionKind::Modula,
                                   .hash_tag = ""},
                                  test::equal_nodes(3));
        CHECK(placement.hash_of("") == 0);
    }
    CHECK(hash(HashKind::Jenkins, "") != 0);
}

TEST_CASE("a pool of one server gives it every key") {
    Prng prng(1);
    for (const DistributionKind kind : all_distributions) {
        const Placement placement = test::place(kind, test::equal_nodes(1));
        CHECK(placement.any_live());
        for (const std::string_view key : {"", "a", "{a}", "\xFF"}) {
            CHECK(placement.server_of(key, prng) == 0);
        }
        CHECK(placement.server_of_hash(UINT32_MAX, prng) == 0);
        CHECK(placement.points_of(0) > 0);
    }
}

TEST_CASE("the last live server gets every key, under its own index") {
    auto nodes = test::equal_nodes(4);
    nodes[0].live = false;
    nodes[1].live = false;
    nodes[3].live = false;
    for (const DistributionKind kind : all_distributions) {
        CAPTURE(name_of(kind));
        const Placement placement = test::place(kind, nodes);
        for (const uint32_t server : test::servers_of_keys(placement, 100)) {
            CHECK(server == 2);
        }
        Prng prng(1);
        for (uint32_t i = 0; i < 100; ++i) {
            CHECK(placement.server_of_hash(i * 42'949'673U, prng) == 2);
        }
    }
}

TEST_CASE("servers that are not live get no keys and have no points") {
    auto nodes = test::weighted_nodes({3, 1, 2, 5, 1, 1});
    nodes[0].live = false;
    nodes[3].live = false;
    for (const DistributionKind kind : all_distributions) {
        CAPTURE(name_of(kind));
        const Placement placement = test::place(kind, nodes);
        CHECK(placement.any_live());
        const auto counts = test::keys_by_server(placement, 2000, nodes.size());
        for (uint32_t i = 0; i < nodes.size(); ++i) {
            CHECK((counts[i] > 0) == nodes[i].live);
            CHECK((placement.points_of(i) > 0) == nodes[i].live);
        }
    }
}

TEST_CASE("a pool without live servers can be built and says so") {
    auto nodes = test::equal_nodes(2);
    nodes[0].live = false;
    nodes[1].live = false;
    for (const DistributionKind kind : all_distributions) {
        const Placement placement = test::place(kind, nodes);
        CHECK_FALSE(placement.any_live());
        CHECK(placement.points_of(0) == 0);
        CHECK(placement.points_of(1) == 0);
    }
}

TEST_CASE("the greatest total weight does not wrap") {
    auto nodes = test::equal_nodes(2);
    nodes[0].weight = total_weight_max - 1;
    for (const DistributionKind kind : all_distributions) {
        if (kind == DistributionKind::Random) continue;
        CAPTURE(name_of(kind));
        const Placement placement = test::place(kind, nodes);
        for (const uint32_t server : test::servers_of_keys(placement, 1000)) {
            CHECK(server == 0);
        }
    }
}

TEST_CASE("every hash finds a server, up to the ends of the range") {
    for (const DistributionKind kind : all_distributions) {
        for (const uint32_t server_count : {2U, 3U, 10U, 200U}) {
            const Placement placement = test::place(kind, test::equal_nodes(server_count));
            Prng prng(1);
            for (const uint32_t hash :
                 {0U, 1U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFEU, 0xFFFFFFFFU}) {
                CHECK(placement.server_of_hash(hash, prng) < server_count);
            }
        }
    }
}

TEST_CASE("a placement can be replaced by one of another kind") {
    const Placement wanted = test::place(DistributionKind::Ketama, test::equal_nodes(5));
    Placement placement = test::place(DistributionKind::Maglev, test::equal_nodes(1));
    placement = wanted;
    CHECK(test::servers_of_keys(placement, 1000) == test::servers_of_keys(wanted, 1000));
}

}  // namespace ringmain::placement
