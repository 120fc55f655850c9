// ringmain/core/counters.h - what one worker has done, readable by all.
//
// One writer, the worker; any reader. A relaxed load and store cost the writer what a plain
// increment costs.

#pragma once

#include <atomic>
#include <cstdint>

namespace ringmain::core {

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

struct Counters {
    Counter clients;  // connected now
    Counter clients_accepted;
    Counter clients_refused;     // at a limit
    Counter requests;            // read from clients
    Counter fragments;           // sent towards servers
    Counter bytes_received;      // from clients
    Counter bytes_sent;          // to clients
    Counter server_connections;  // established now
    Counter server_connects;     // ever
    Counter server_failures;     // connections lost or refused
    Counter errors;              // error responses made here
    Counter timeouts;            // requests whose server did not answer in time
    Counter buffer_bytes;        // arena blocks in use
};

}  // namespace ringmain::core
