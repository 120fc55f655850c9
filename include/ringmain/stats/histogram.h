// ringmain/stats/histogram.h - how long things took, from 1 us to 100 s, within 3 %.
//
// Log-linear: each power of two of microseconds is cut into 16 equal buckets; the first 16 hold one
// microsecond each. What took longer than the last bucket's end is counted in the last one. One
// writer, any reader, as Counter.
//
// The buckets, 3 KiB, come with prepare(), before the first value: a thousand servers have as many
// histograms in every worker, and start sooner without.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/base/time.h"
#include "ringmain/stats/counter.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace ringmain::stats {

class Histogram {
  public:
    Histogram() = default;
    Histogram(const Histogram&) = delete;
    Histogram& operator=(const Histogram&) = delete;

    ~Histogram();

    static constexpr uint32_t steps_bits = 4;
    static constexpr uint32_t steps = 1U << steps_bits;  // buckets per power of two
    static constexpr uint32_t octaves = 24;              // above the first: up to 268 s
    static constexpr uint32_t buckets = steps * (octaves + 1);

    // What took so long, for several histograms.
    struct Entry {
        uint64_t us;
        uint32_t bucket;
    };

    [[nodiscard]] static constexpr Entry entry_of(Duration took) {
        const uint64_t us = took.ns <= 0 ? 0 : static_cast<uint64_t>(took.ns) / 1000;
        return {.us = us, .bucket = bucket_of(us)};
    }

    void record(const Entry& entry, uint64_t count) {
        if constexpr (!is_counting) return;
        Buckets* made = buckets_.load(std::memory_order_relaxed);
        RM_ASSERT(made != nullptr);
        (*made)[entry.bucket].add(count);
        sum_us_.add(entry.us * count);
    }

    void record(Duration took, uint64_t count = 1) { record(entry_of(took), count); }

    // The writer's, before it records; again is nothing.
    void prepare();

    [[nodiscard]] bool is_prepared() const {
        return buckets_.load(std::memory_order_relaxed) != nullptr;
    }

    [[nodiscard]] uint64_t count_in(uint32_t bucket) const {
        const Buckets* made = buckets_.load(std::memory_order_acquire);
        return made == nullptr ? 0 : (*made)[bucket].get();
    }

    [[nodiscard]] uint64_t sum_us() const { return sum_us_.get(); }

    [[nodiscard]] static constexpr uint32_t bucket_of(uint64_t us) {
        if (us < steps) return static_cast<uint32_t>(us);
        const auto log = static_cast<uint32_t>(std::bit_width(us)) - 1;  // at least steps_bits
        const uint32_t octave = log - steps_bits + 1;
        if (octave > octaves) return buckets - 1;
        const auto step = static_cast<uint32_t>((us >> (log - steps_bits)) & (steps - 1));
        return octave * steps + step;
    }

    // The first microsecond that is beyond the bucket.
    [[nodiscard]] static constexpr uint64_t end_of(uint32_t bucket) {
        const uint32_t octave = bucket / steps;
        const uint64_t step = bucket % steps;
        if (octave == 0) return step + 1;
        return (steps + step + 1) << (octave - 1);
    }

  private:
    using Buckets = std::array<Counter, buckets>;

    std::atomic<Buckets*> buckets_ = nullptr;  // owned
    Counter sum_us_;
};

}  // namespace ringmain::stats
