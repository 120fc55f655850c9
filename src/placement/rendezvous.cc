#include "ringmain/placement/rendezvous.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>

#include "hash_functions.h"

namespace ringmain::placement {

namespace {

// Logarithms are in units of 2^-32.
constexpr int fraction_bits = 32;
constexpr uint64_t one = uint64_t{1} << fraction_bits;

// The mantissa of a score is looked up by its first bits and interpolated by the next ones.
constexpr int segment_bits = 8;
constexpr int rest_bits = 24;
constexpr uint64_t segment_count = uint64_t{1} << segment_bits;

// log2(mantissa / 2^31) for a mantissa of 32 bits, the first of them set. Squaring doubles a
// logarithm: whether the square reaches 2 is its next binary digit.
constexpr uint64_t log2_of_mantissa(uint64_t mantissa) {
    uint64_t result = 0;
    for (int bit = 0; bit < fraction_bits; ++bit) {
        mantissa = (mantissa * mantissa) >> 31;
        const uint64_t digit = mantissa >> 32;
        mantissa >>= digit;
        result = result << 1 | digit;
    }
    return result;
}

// log2(1 + i / segment_count), both ends included.
constexpr std::array<uint64_t, segment_count + 1> make_log2_table() {
    std::array<uint64_t, segment_count + 1> table = {};
    for (uint64_t i = 0; i < segment_count; ++i) {
        table[i] = log2_of_mantissa((segment_count + i) << (31 - segment_bits));
    }
    table[segment_count] = one;
    return table;
}

constexpr std::array<uint64_t, segment_count + 1> log2_table = make_log2_table();

// -log2(u) for u = score / 2^64, always positive. A line through the two ends of a segment is at
// most 3 in a million off, and less near 1, where the winners are.
uint64_t minus_log2(uint64_t score) {
    score |= 1;
    const int zeros = std::countl_zero(score);
    const uint64_t after_first_bit = score << zeros << 1;
    const uint64_t segment = after_first_bit >> (64 - segment_bits);
    const uint64_t rest = after_first_bit << segment_bits >> (64 - rest_bits);
    const uint64_t rise = log2_table[segment + 1] - log2_table[segment];
    const uint64_t log2 = log2_table[segment] + ((rise * rest) >> rest_bits);
    return (static_cast<uint64_t>(zeros) + 1) * one - log2;
}

}  // namespace

Rendezvous::Rendezvous(std::span<const Node> nodes) : weights_(nodes.size(), 0) {
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (!nodes[i].live) continue;
        weights_[i] = nodes[i].weight;
        servers_.push_back(static_cast<uint32_t>(i));
    }
    // The order, heaviest first and then by index, also decides in case of a tie.
    std::stable_sort(servers_.begin(), servers_.end(), [this](uint32_t a, uint32_t b) {
        return weights_[a] > weights_[b];
    });

    seeds_.reserve(servers_.size());
    for (const uint32_t server : servers_) {
        const auto place = static_cast<uint32_t>(seeds_.size());
        seeds_.push_back(hash_name(nodes[server].name));
        const double weight = weights_[server];
        if (groups_.empty() || groups_.back().weight != weight) {
            groups_.push_back({.weight = weight, .begin = place, .end = place});
        }
        groups_.back().end += 1;
    }
}

uint32_t Rendezvous::server_of(uint32_t hash) const {
    static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1, "a quotient must round to double");
    RM_ASSERT(!groups_.empty());
    const uint64_t key = mix(hash);
    Winner best = winner_of(groups_.front(), key);
    if (groups_.size() == 1) return servers_[best.place];

    double best_cost = static_cast<double>(minus_log2(best.score)) / groups_.front().weight;
    for (const Group& group : std::span(groups_).subspan(1)) {
        const Winner winner = winner_of(group, key);
        const double cost = static_cast<double>(minus_log2(winner.score)) / group.weight;
        if (cost >= best_cost) continue;
        best_cost = cost;
        best = winner;
    }
    return servers_[best.place];
}

Rendezvous::Winner Rendezvous::winner_of(const Group& group, uint64_t key) const {
    Winner best = {.place = group.begin, .score = mix(key ^ seeds_[group.begin])};
    for (uint32_t place = group.begin + 1; place < group.end; ++place) {
        const uint64_t score = mix(key ^ seeds_[place]);
        if (score > best.score) best = {.place = place, .score = score};
    }
    return best;
}

}  // namespace ringmain::placement
