// ringmain/core/oldest.h - since when the oldest request in flight of each pool waits.
//
// Its age grows while nothing happens, so no worker can count it: a worker publishes when that
// request was queued (stats::OldestRequest), and who reads it knows what time it is. Nothing is
// done per request: connections are looked at once in a while, and in between one figure of the
// worker says that what was published of all pools holds as of the last look. While it does there
// has to be another look soon.
//
// A command that waits on its server (BLPOP) is not meant, however long it does. One that waits for
// servers without a fragment (SUBSCRIBE) is.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/core/counters.h"

#include <memory>
#include <span>

namespace ringmain::core {

class Pool;
class Subscriptions;

class OldestRequests {
  public:
    using Pools = std::span<const std::unique_ptr<Pool>>;

    OldestRequests(Counters& counters, const Subscriptions& subscriptions)
        : counters_(&counters), subscriptions_(&subscriptions) {}

    // At the end of a batch: `live` requests are in flight, in `pools` and in those of earlier
    // configurations.
    void end_batch(Instant now, size_t live, Pools pools, Pools retired) {
        if (live == 0) {
            is_in_doubt_ = false;
            if (is_shown_) clear(pools);
        } else if (now >= looked_at_ + look_interval) {
            look(now, pools, retired);
        } else if (!is_in_doubt_) {
            begin_doubt();
        }
    }

    // By then there has to be a batch; never: what is published holds until something happens.
    [[nodiscard]] Instant next_look() const {
        return is_in_doubt_ ? looked_at_ + look_interval : Instant::never();
    }

  private:
    static constexpr Duration look_interval = Duration::millis(100);

    void look(Instant now, Pools pools, Pools retired);
    void begin_doubt();
    void clear(Pools pools);

    Counters* counters_;
    const Subscriptions* subscriptions_;
    Instant looked_at_ = {};
    bool is_shown_ = false;     // some pool has an oldest request
    bool is_in_doubt_ = false;  // something may have changed since the last look
};

}  // namespace ringmain::core
