// ringmain/stats/counter.h - a number with one writer and any reader.
//
// The writer is one worker. A relaxed load and store cost it what a plain increment costs.

#pragma once

#include <atomic>
#include <cstdint>

namespace ringmain::stats {

class Counter {
  public:
    void add(uint64_t count) {
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

}  // namespace ringmain::stats
