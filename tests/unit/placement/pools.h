// tests/unit/placement/pools.h - pools of servers for the tests of placement.

#pragma once

#include "ringmain/placement/placement.h"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace ringmain::test {

inline std::vector<placement::Node> equal_nodes(uint32_t count) {
    std::vector<placement::Node> nodes;
    for (uint32_t i = 0; i < count; ++i) {
        nodes.push_back({.name = "server" + std::to_string(i), .weight = 1, .live = true});
    }
    return nodes;
}

inline std::vector<placement::Node> weighted_nodes(std::initializer_list<uint32_t> weights) {
    auto nodes = equal_nodes(static_cast<uint32_t>(weights.size()));
    size_t i = 0;
    for (const uint32_t weight : weights) {
        nodes[i++].weight = weight;
    }
    return nodes;
}

inline std::vector<placement::Node> without(std::vector<placement::Node> nodes, uint32_t index) {
    nodes[index].live = false;
    return nodes;
}

inline placement::Placement place(placement::DistributionKind distribution,
                                  std::span<const placement::Node> nodes) {
    return {{.hash = placement::HashKind::Xxh3, .distribution = distribution, .hash_tag = ""},
            nodes};
}

inline constexpr uint32_t many_keys = 100'000;  // so many show how large a share is

// The server of "key:0", "key:1" and so on.
inline std::vector<uint32_t> servers_of_keys(const placement::Placement& placement,
                                             uint32_t key_count) {
    Prng prng(1);
    std::vector<uint32_t> servers;
    for (uint32_t i = 0; i < key_count; ++i) {
        servers.push_back(placement.server_of("key:" + std::to_string(i), prng));
    }
    return servers;
}

inline std::vector<uint32_t> keys_by_server(const placement::Placement& placement,
                                            uint32_t key_count,
                                            size_t server_count) {
    std::vector<uint32_t> counts(server_count, 0);
    for (const uint32_t server : servers_of_keys(placement, key_count)) {
        counts.at(server) += 1;
    }
    return counts;
}

// What happens to keys when one server leaves.
struct Movement {
    uint32_t from_the_server = 0;  // they have to move
    uint32_t to_the_server = 0;    // must never be
    uint32_t between_others = 0;   // they need not
};

inline Movement movement(std::span<const uint32_t> before,
                         std::span<const uint32_t> after,
                         uint32_t left) {
    Movement result;
    for (size_t i = 0; i < before.size(); ++i) {
        if (after[i] == left) result.to_the_server += 1;
        if (before[i] == left) {
            result.from_the_server += 1;
        } else if (before[i] != after[i]) {
            result.between_others += 1;
        }
    }
    return result;
}

}  // namespace ringmain::test
