#include "ringmain/placement/ketama.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>

#include "md5.h"

namespace ringmain::placement {

namespace {

constexpr uint32_t points_per_digest = 4;
constexpr size_t point_name_size_max = 272;  // longer ones are cut, as in nc_ketama.c

struct Totals {
    uint32_t live_count = 0;
    uint32_t weight = 0;
};

Totals totals_of(std::span<const Node> nodes) {
    Totals totals;
    for (const Node& node : nodes) {
        if (!node.live) continue;
        totals.live_count += 1;
        totals.weight += node.weight;
    }
    return totals;
}

// 160 points for an average weight. The rounding after every step, to 32 bits but for the addition
// in 64, is part of the result.
uint32_t points_for(uint32_t weight, const Totals& totals) {
    static_assert(FLT_EVAL_METHOD == 0, "float arithmetic must round to float");
    const float share = static_cast<float>(weight) / static_cast<float>(totals.weight);
    const float digests = share * 160.0F / 4.0F * static_cast<float>(totals.live_count);
    const auto nudged = static_cast<float>(static_cast<double>(digests) + 1e-10);
    return static_cast<uint32_t>(std::floor(nudged)) * points_per_digest;
}

// By their value; equal ones keep their order, that of the servers. Eleven bits at a time, the
// lowest first: a thousand servers have 160 000 points, and every worker sorts them anew when a
// server leaves.
template <class Point>
void sort_points(std::vector<Point>& points) {
    constexpr uint32_t digit_count = 1U << 11;
    std::vector<Point> sorted(points.size());
    for (const uint32_t shift : {0U, 11U, 22U}) {
        auto digit_of = [shift](const Point& point) {
            return (point.value >> shift) % digit_count;
        };
        std::array<uint32_t, digit_count> next = {};  // where the next point with a digit goes
        for (const Point& point : points) {
            next[digit_of(point)] += 1;
        }
        std::exclusive_scan(next.begin(), next.end(), next.begin(), 0U);
        for (const Point& point : points) {
            sorted[next[digit_of(point)]++] = point;
        }
        points.swap(sorted);
    }
}

// Those of one server from the `begin`-th to before the `end`-th.
template <class Point>
void append_points(
    const Node& node, uint32_t index, uint32_t begin, uint32_t end, std::vector<Point>& points) {
    std::string point_name = node.name + "-";
    const size_t prefix_size = point_name.size();
    for (uint32_t i = begin / points_per_digest; i < end / points_per_digest; ++i) {
        point_name.resize(prefix_size);
        point_name += ascii::Decimal(uint64_t{i}).view();
        const std::string_view hashed = std::string_view(point_name).substr(0, point_name_size_max);
        for (const uint32_t value : md5(hashed)) {
            points.push_back({.value = value, .server = index});
        }
    }
}

}  // namespace

std::vector<uint32_t> Ketama::count_points(std::span<const Node> nodes) {
    std::vector<uint32_t> counts(nodes.size(), 0);
    const Totals totals = totals_of(nodes);
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].live) counts[i] = points_for(nodes[i].weight, totals);
    }
    return counts;
}

Ketama::Ketama(std::span<const Node> nodes, const Ketama* known)
    : point_counts_(count_points(nodes)) {
    if (std::ranges::none_of(nodes, &Node::live)) return;

    const auto point_count = std::accumulate(point_counts_.begin(), point_counts_.end(), size_t{0});
    // A weight is at least the average for one server, which so has points.
    RM_ASSERT(point_count > 0);

    std::vector<Point> more;   // than are known
    std::vector<Point> fewer;  // of servers that keep others
    for (uint32_t i = 0; i < nodes.size(); ++i) {
        const uint32_t before = known == nullptr ? 0 : known->point_counts_[i];
        const uint32_t now = point_counts_[i];
        if (now > before) append_points(nodes[i], i, before, now, more);
        if (now < before && now > 0) append_points(nodes[i], i, now, before, fewer);
    }
    sort_points(more);
    sort_points(fewer);
    if (known == nullptr || known->ring_.empty()) {
        ring_ = std::move(more);
    } else {
        ring_.reserve(point_count + 1);
        take_points(std::span(known->ring_).first(known->ring_.size() - 1), more, fewer);
    }
    RM_ASSERT(ring_.size() == point_count);
    ring_.push_back({.value = UINT32_MAX, .server = ring_.front().server});
    index_ring();
}

// All are in the order of the ring.
void Ketama::take_points(std::span<const Point> known,
                         std::span<const Point> more,
                         std::span<const Point> fewer) {
    for (const Point& point : known) {
        if (point_counts_[point.server] == 0) continue;
        if (!fewer.empty() && fewer.front() == point) {
            fewer = fewer.subspan(1);
            continue;
        }
        while (!more.empty() && more.front() < point) {
            ring_.push_back(more.front());
            more = more.subspan(1);
        }
        ring_.push_back(point);
    }
    ring_.insert(ring_.end(), more.begin(), more.end());
}

void Ketama::index_ring() {
    // The next power of two: one to two buckets for each point.
    const auto value_bits = static_cast<uint32_t>(std::bit_width(ring_.size()));
    RM_ASSERT(value_bits < 32);
    bucket_shift_ = 32 - value_bits;
    first_of_bucket_.resize(size_t{1} << value_bits);
    uint32_t point = 0;
    for (size_t bucket = 0; bucket < first_of_bucket_.size(); ++bucket) {
        // Never past the end mark: no bucket starts above the greatest value.
        while (ring_[point].value < bucket << bucket_shift_) {
            ++point;
        }
        first_of_bucket_[bucket] = point;
    }
}

}  // namespace ringmain::placement
