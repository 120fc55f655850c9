#include "ringmain/stats/snapshot.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ringmain::stats {

void HistogramValues::add(const Histogram& other) {
    if (!other.is_prepared()) return;
    counts.resize(Histogram::buckets);
    for (uint32_t bucket = 0; bucket < Histogram::buckets; ++bucket) {
        counts[bucket] += other.count_in(bucket);
    }
    sum_us += other.sum_us();
}

uint64_t HistogramValues::total() const {
    return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

uint64_t HistogramValues::quantile_us(double share) const {
    const uint64_t all = total();
    if (all == 0) return 0;
    const auto wanted = static_cast<uint64_t>(std::ceil(static_cast<double>(all) * share));
    const uint64_t rank = std::clamp<uint64_t>(wanted, 1, all);
    uint64_t seen = 0;
    uint32_t bucket = 0;
    while (seen + counts[bucket] < rank) {
        seen += counts[bucket];
        bucket += 1;
    }
    return Histogram::end_of(bucket);
}

uint64_t HistogramValues::count_below(uint64_t us) const {
    uint64_t below = 0;
    for (uint32_t bucket = 0; bucket < counts.size(); ++bucket) {
        if (Histogram::end_of(bucket) > us) break;
        below += counts[bucket];
    }
    return below;
}

void PoolValues::add(const PoolCounters& worker) {
#define POOL(kind, field, text) field += worker.field.get();
#include "ringmain/stats/counters.def"
    for (uint32_t number = 0; number < commands_max; ++number) {
        commands[number] += worker.commands[number].get();
    }
    for (uint32_t reason = 0; reason < reason_count; ++reason) {
        errors[reason] += worker.errors[reason].get();
    }
    latency.add(worker.latency);
}

void ServerValues::add(const ServerCounters& worker) {
#define SERVER(kind, field, text) field += worker.field.get();
#include "ringmain/stats/counters.def"
    latency.add(worker.latency);
}

void WorkerValues::add(const WorkerCounters& worker) {
#define WORKER(kind, field, text) field += worker.field.get();
#include "ringmain/stats/counters.def"
}

size_t PoolSnapshot::servers_up() const {
    return static_cast<size_t>(
        std::count_if(servers.begin(), servers.end(), [](const ServerSnapshot& server) {
            return server.state == ServerState::Up;
        }));
}

}  // namespace ringmain::stats
