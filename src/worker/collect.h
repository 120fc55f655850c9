// src/worker/collect.h - from what the workers count to one snapshot.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/config/config.h"
#include "ringmain/core/counters.h"
#include "ringmain/core/shared.h"
#include "ringmain/stats/snapshot.h"

#include <cstdint>
#include <span>

namespace ringmain::worker {

struct WorkerFigures {
    const core::Counters* counters = nullptr;
    uint64_t batches = 0;
    Duration lived = {};       // since it serves
    Duration cpu_time = {};    // zero: not known any more
    Duration ready_time = {};  // of its life: able to run, and without a CPU
};

struct CollectSources {
    const config::Config* config = nullptr;
    std::span<const core::PoolShared> pools;  // of that configuration
    std::span<const WorkerFigures> workers;
    stats::ProcessSnapshot process = {};  // client_limit: what the descriptors allow
    uint64_t listeners_opened = 0;
    Instant now = {};
    Duration wall_offset = {};  // from the monotonic clock to the calendar
    // The one before, for what is a share of time; null at first.
    const stats::Snapshot* before = nullptr;
    Instant before_at = {};
};

// `used`: one that nobody reads any more, for its memory: of thousands of servers it is megabytes.
[[nodiscard]] stats::Snapshot collect(const CollectSources& sources, stats::Snapshot used = {});

}  // namespace ringmain::worker
