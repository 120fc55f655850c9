// perf/lab/histogram.h - latencies, within 1.6 %.
//
// Log-linear: 64 buckets per power of two of nanoseconds, up to 18 minutes.

#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace ringmain::lab {

class Histogram {
  public:
    void record(uint64_t nanoseconds, uint64_t times) {
        counts_[bucket(nanoseconds)] += times;
        total_ += times;
        max_ = std::max(max_, nanoseconds);
    }

    // The upper end of the bucket below which `share` of all lie, and never more than the maximum.
    [[nodiscard]] uint64_t percentile(double share) const {
        const auto wanted = static_cast<uint64_t>(share * static_cast<double>(total_));
        uint64_t seen = 0;
        for (uint32_t i = 0; i < bucket_count; ++i) {
            seen += counts_[i];
            if (seen > wanted) return std::min(upper_end(i), max_);
        }
        return max_;
    }

    [[nodiscard]] uint64_t max() const { return max_; }

  private:
    static constexpr uint32_t sub_bits = 6;
    static constexpr uint32_t sub_count = 1U << sub_bits;
    static constexpr uint32_t bits_max = 40;
    static constexpr uint32_t bucket_count = (bits_max - sub_bits + 1) * sub_count;

    // Below 2 * sub_count one value each; above, the exponent and the six bits behind the first.
    static uint32_t bucket(uint64_t value) {
        const uint64_t capped = std::min(value, (uint64_t{1} << bits_max) - 1);
        if (capped < sub_count) return static_cast<uint32_t>(capped);
        const auto shift = static_cast<uint32_t>(std::bit_width(capped)) - sub_bits - 1;
        return (shift << sub_bits) + static_cast<uint32_t>(capped >> shift);
    }

    static uint64_t upper_end(uint32_t index) {
        if (index < 2 * sub_count) return index;
        const uint32_t shift = (index >> sub_bits) - 1;
        const uint64_t first = uint64_t{index - (shift << sub_bits)} << shift;
        return first + (uint64_t{1} << shift) - 1;
    }

    std::array<uint64_t, bucket_count> counts_ = {};
    uint64_t total_ = 0;
    uint64_t max_ = 0;
};

}  // namespace ringmain::lab
