#include "ringmain/core/oldest.h"

#include "ringmain/core/pool.h"
#include "ringmain/core/streams.h"
#include "ringmain/core/subscriptions.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ringmain::core {

namespace {

Instant oldest_of(const Pool& pool) {
    Instant oldest = Instant::never();
    for (const auto& server : pool.servers) {
        for (const auto& conn : server->connections()) {
            // Those before it were late: they have their answers.
            const Fragment* fragment = conn->first_in_time;
            if (fragment == nullptr || fragment->special == Special::Wait) continue;
            // Its client's time, not the server's.
            if (Streams::is_arriving(*conn, *fragment) || conn->paused) continue;
            oldest = std::min(oldest, fragment->queued);
        }
    }
    return oldest;
}

}  // namespace

void OldestRequests::look(Instant now, Pools pools, Pools retired) {
    looked_at_ = now;
    is_shown_ = false;
    is_in_doubt_ = false;
    std::vector<std::pair<const stats::PoolCounters*, Instant>> owed;
    for (const auto& old_pool : retired) {
        const Instant oldest = oldest_of(*old_pool);
        if (oldest != Instant::never()) owed.emplace_back(old_pool->counters, oldest);
    }
    for (const auto& pool : pools) {
        Instant oldest = std::min(oldest_of(*pool), subscriptions_->oldest_of(*pool));
        for (const auto& [counters, queued] : owed) {
            // The same name: what its servers still owe is this pool's, too.
            if (counters == pool->counters) oldest = std::min(oldest, queued);
        }
        const bool is_there = oldest != Instant::never();
        is_shown_ = is_shown_ || is_there;
        pool->counters->oldest.queued_ns.set(is_there ? static_cast<uint64_t>(oldest.ns) : 0);
    }
    counters_->looked_at_ns.set(0);
}

void OldestRequests::begin_doubt() {
    is_in_doubt_ = true;
    counters_->looked_at_ns.set(static_cast<uint64_t>(looked_at_.ns));
}

void OldestRequests::clear(Pools pools) {
    is_shown_ = false;
    for (const auto& pool : pools) {
        pool->counters->oldest.queued_ns.set(0);
    }
}

}  // namespace ringmain::core
