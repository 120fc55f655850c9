// ringmain/core/shared.h - what the workers of a process share about one configuration.
//
// Made at start and at each reload, before the workers see it; they keep a pointer to it. Inside is
// nothing but atomics: each worker writes counters of its own, and Health makes one decision per
// server that all of them follow.

#pragma once

#include "ringmain/config/config.h"
#include "ringmain/core/health.h"
#include "ringmain/stats/counters.h"

#include <atomic>
#include <cstdint>
#include <deque>

namespace ringmain::core {

struct ServerShared {
    explicit ServerShared(uint32_t workers) : counters(workers) {}

    Health health;
    std::deque<stats::ServerCounters> counters;  // by worker
};

struct PoolShared {
    PoolShared(const config::Pool& options, uint32_t workers);

    std::deque<ServerShared> servers;          // in placement order, as config::Pool::servers
    std::deque<stats::PoolCounters> counters;  // by worker
};

class Shared {
  public:
    // `config` outlives it.
    Shared(const config::Config& config, uint32_t workers);

    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() = default;

    // Changes whenever a server comes or goes: a worker that sees a new value places keys anew.
    [[nodiscard]] uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

    void announce_change() { epoch_.fetch_add(1, std::memory_order_acq_rel); }

    std::deque<PoolShared> pools;  // as config::Config::pools

  private:
    std::atomic<uint64_t> epoch_ = 1;
};

}  // namespace ringmain::core
