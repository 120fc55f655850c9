#include "ringmain/placement/placement.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <type_traits>

namespace ringmain::placement {

namespace {

// In the order of DistributionKind.
constexpr std::array<std::string_view, 5> distribution_kind_names = {
    "ketama",
    "modula",
    "random",
    "rendezvous",
    "maglev",
};
static_assert(distribution_kind_names.size() == static_cast<size_t>(DistributionKind::Maglev) + 1);

constexpr uint16_t default_port = 11211;  // memcached's; left out of a server's name

}  // namespace

std::string_view name_of(DistributionKind kind) {
    return distribution_kind_names[static_cast<size_t>(kind)];
}

std::span<const std::string_view> distribution_names() {
    return distribution_kind_names;
}

std::string ring_name(std::string_view name, std::string_view host, uint16_t port) {
    if (!name.empty()) return std::string(name);
    std::string result(host);
    if (host.starts_with('/')) {
        result += ':';  // the colon before the port that a socket does not have
    } else if (port != default_port) {
        result += ':';
        result += ascii::Decimal(uint64_t{port}).view();
    }
    return result;
}

std::vector<uint32_t> sorted_order(std::span<const std::string> names) {
    std::vector<uint32_t> order(names.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [names](uint32_t a, uint32_t b) {
        if (names[a].size() != names[b].size()) return names[a].size() < names[b].size();
        return names[a] < names[b];
    });
    return order;
}

std::string_view tagged_part(std::string_view key, std::string_view tag) {
    const size_t open = key.find(tag[0]);
    if (open == std::string_view::npos) return key;
    const size_t close = key.find(tag[1], open + 1);
    if (close == std::string_view::npos || close == open + 1) return key;
    return key.substr(open + 1, close - open - 1);
}

Placement::Placement(const Options& options, std::span<const Node> nodes, const Placement* known)
    : options_(options), distribution_(make_distribution(options.distribution, nodes, known)) {
    RM_ASSERT(options.hash_tag.empty() || options.hash_tag.size() == 2);
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (!nodes[i].live) continue;
        live_count_ += 1;
        only_ = live_count_ == 1 ? static_cast<uint32_t>(i) : none;
    }
}

Placement::Distribution Placement::make_distribution(DistributionKind kind,
                                                     std::span<const Node> nodes,
                                                     const Placement* known) {
    RM_ASSERT(nodes.size() <= nodes_max);
    uint64_t total_weight = 0;
    for (const Node& node : nodes) {
        RM_ASSERT(node.weight > 0);
        total_weight += node.weight;
    }
    RM_ASSERT(total_weight <= total_weight_max);

    switch (kind) {
        case DistributionKind::Ketama:
            return Ketama(nodes,
                          known == nullptr ? nullptr : std::get_if<Ketama>(&known->distribution_));
        case DistributionKind::Modula:
            return Modula(nodes);
        case DistributionKind::Random:
            return Random(nodes);
        case DistributionKind::Rendezvous:
            return Rendezvous(nodes);
        case DistributionKind::Maglev:
            return Maglev(nodes);
    }
    RM_ASSERT(false);
}

uint32_t Placement::hash_of(std::string_view key) const {
    // twemproxy never asks a hash function about nothing; some of them would not say 0.
    if (key.empty()) return 0;
    return hash(options_.hash, hashed_part(key, options_.hash_tag));
}

uint32_t Placement::server_of_hash(uint32_t hash, Prng& prng) const {
    RM_ASSERT(live_count_ > 0);
    if (const auto* ketama = std::get_if<Ketama>(&distribution_)) return ketama->server_of(hash);
    return std::visit(
        [&](const auto& distribution) {
            using Kind = std::remove_cvref_t<decltype(distribution)>;
            if constexpr (std::is_same_v<Kind, Random>) {
                return distribution.any_server(prng);
            } else {
                return distribution.server_of(hash);
            }
        },
        distribution_);
}

uint32_t Placement::points_of(uint32_t index) const {
    return std::visit([index](const auto& distribution) { return distribution.points_of(index); },
                      distribution_);
}

}  // namespace ringmain::placement
