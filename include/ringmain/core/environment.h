// ringmain/core/environment.h - what a worker needs to know about the process it runs in.

#pragma once

#include "ringmain/base/siphash.h"
#include "ringmain/base/time.h"
#include "ringmain/core/counters.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/pairing.h"
#include "ringmain/core/shared.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace ringmain::core {

// Which of how many workers.
struct Share {
    uint32_t worker = 0;
    uint32_t worker_count = 1;
};

struct Environment {
    Shared* shared = nullptr;                       // of this configuration; outlives the proxy
    std::span<const Counters* const> all_counters;  // of every worker, this one's included
    Instant started_at = {};
    int64_t process_id = 0;
    uint32_t worker_index = 0;
    uint32_t worker_count = 1;
    uint64_t seed = 1;
    SipKey hash_key = {};                      // a secret: what clients choose is told apart by it
    std::string_view io_backend = "io_uring";  // or "epoll"
    BatchBounds bounds = {};
    Duration pairing_interval = core::pairing_interval;

    // The calendar may be set meanwhile.
    [[nodiscard]] int64_t uptime_s(Instant now) const {
        return (now - started_at).to_millis() / 1000;
    }

    [[nodiscard]] Share share() const { return {worker_index, worker_count}; }
};

}  // namespace ringmain::core
