// ringmain/stats/counter.h - a number with one writer and any reader.
//
// The writer is one worker. A relaxed load and store cost it what a plain increment costs.

#pragma once

#include <atomic>
#include <cstdint>

namespace ringmain::stats {

// False in a build that shows what counting costs (perf/README.md), and for nothing else: limits
// rest on figures too.
#ifdef RINGMAIN_WITHOUT_COUNTING
inline constexpr bool is_counting = false;
#else
inline constexpr bool is_counting = true;
#endif

class Counter {
  public:
    void add(uint64_t count) {
        if constexpr (!is_counting) return;
        value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }

    void subtract(uint64_t count) {
        value_.store(value_.load(std::memory_order_relaxed) - count, std::memory_order_relaxed);
    }

    void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }

    [[nodiscard]] uint64_t get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<uint64_t> value_ = 0;
};

// Counts in a register what a loop does, and adds it at its end.
class Tally {
  public:
    explicit Tally(Counter& counter) : counter_(counter) {}

    Tally(const Tally&) = delete;
    Tally& operator=(const Tally&) = delete;

    ~Tally() { counter_.add(count); }

    uint64_t count = 0;

  private:
    Counter& counter_;
};

}  // namespace ringmain::stats
