// ringmain/stats/slow_log.h - which requests took long, and where the time went.
//
//   a worker --push--> SlowQueue --pop--> the control thread --add--> SlowLog --> /slowlog
//
// A worker pays one comparison for a request that was fast enough. What it notes of a slow one
// crosses to the control thread through a queue of fixed size; when that is full the note is
// counted and dropped, and nobody waits.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::stats {

// Text of at most N bytes, the rest cut off.
template <size_t N>
struct ShortText {
    static_assert(N <= UINT8_MAX);
    uint8_t size = 0;
    std::array<char, N> bytes = {};

    void assign(std::string_view text) {
        size = static_cast<uint8_t>(text.size() < N ? text.size() : N);
        text.copy(bytes.data(), size);
    }

    [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
};

struct SlowRequest {
    int64_t at_ns = 0;      // when its end came; the calendar's time
    int64_t total_us = 0;   // from queued to answered
    int64_t queued_us = 0;  // of that: until it was sent; the rest the server took
    uint64_t client_id = 0;
    uint32_t key_size = 0;  // of the whole key
    uint32_t worker = 0;
    bool answered = true;  // by the server; false: the time was up
    ShortText<48> pool;
    ShortText<96> server;  // name and address; of a split one the last to answer
    ShortText<24> command;
    ShortText<32> key;  // its beginning
    ShortText<48> client;
};

// One thread pushes, one thread pops.
class SlowQueue {
  public:
    static constexpr uint32_t capacity = 64;

    // False: it is full.
    bool push(const SlowRequest& request);
    bool pop(SlowRequest& request);

    [[nodiscard]] uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  private:
    std::array<SlowRequest, capacity> entries_;
    alignas(64) std::atomic<uint32_t> pushed_ = 0;
    std::atomic<uint64_t> dropped_ = 0;
    alignas(64) std::atomic<uint32_t> popped_ = 0;
};

struct SlowEntry {
    uint64_t id = 0;  // counted up
    SlowRequest request;
};

// The latest, and the slowest there were.
class SlowLog {
  public:
    // Keeps that many of the latest, and a quarter as many of the slowest.
    explicit SlowLog(uint32_t size) : size_(size) {}

    void add(const SlowRequest& request);
    // What came since the last time, of all workers, in any order: ids follow time.
    void add_all(std::vector<SlowRequest>& requests);

    [[nodiscard]] const std::deque<SlowEntry>& latest() const { return latest_; }  // newest first

    [[nodiscard]] const std::vector<SlowEntry>& slowest() const { return slowest_; }

    [[nodiscard]] uint64_t added() const { return added_; }

    // {"added":..., "dropped":..., "slowest": [...], "latest": [...]}
    [[nodiscard]] std::string to_json(uint64_t threshold_us, uint64_t dropped) const;

  private:
    uint32_t size_;
    uint64_t added_ = 0;
    std::deque<SlowEntry> latest_;
    std::vector<SlowEntry> slowest_;
};

}  // namespace ringmain::stats
