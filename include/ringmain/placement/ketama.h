// ringmain/placement/ketama.h - consistent hashing as in libketama and twemproxy.
//
// Each live server has about 160 points on a ring of 2^32 values, in proportion to its weight. A
// hash belongs to the first point at or after it, past the last point to the first one.
//
// A server's points follow from its name alone, but their number from all live weights, counted in
// 32-bit floats whose rounding decides where keys live. That explains three surprises, all kept:
// among some numbers of equal servers (25, 47, 50 ...) each has 156 points; a server of very low
// weight has none; and when one of several unequal servers leaves, keys also move between others.

#pragma once

#include "ringmain/placement/node.h"

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace ringmain::placement {

class Ketama {
  public:
    // `known`: of the same nodes, others of which were live; or null. What both have is not made
    // anew, and that is most of the work. The result is the same.
    explicit Ketama(std::span<const Node> nodes, const Ketama* known = nullptr);

    // How many points each would have; without making them.
    [[nodiscard]] static std::vector<uint32_t> count_points(std::span<const Node> nodes);

    // Call only when a node is live.
    [[nodiscard]] uint32_t server_of(uint32_t hash) const {
        // The end mark has the greatest value, so the walk needs no other end. Whether its first
        // steps are taken no branch could guess: one that does, and waits for the hash to be told
        // that it was wrong, costs as much as the hash.
        const Point* point = &ring_[first_of_bucket_[hash >> bucket_shift_]];
        point += point->value < hash ? 1 : 0;
        point += point->value < hash ? 1 : 0;
        while (point->value < hash)
            [[unlikely]] {
                ++point;
            }
        return point->server;
    }

    [[nodiscard]] uint32_t points_of(uint32_t index) const { return point_counts_[index]; }

  private:
    struct Point {
        uint32_t value;
        uint32_t server;

        auto operator<=>(const Point&) const = default;
    };

    void take_points(std::span<const Point> known,
                     std::span<const Point> more,
                     std::span<const Point> fewer);
    void index_ring();

    std::vector<uint32_t> point_counts_;  // by server
    std::vector<Point>
        ring_;  // ascending, by server where equal; then an end mark that repeats the first

    // Where the values that start with the same bits begin in the ring. A bucket seldom has more
    // than one point, so that a look-up costs about two cache misses, however long the ring.
    std::vector<uint32_t> first_of_bucket_;
    uint32_t bucket_shift_ = 0;
};

}  // namespace ringmain::placement
