// ringmain/core/joins.h - gathers that have all their parts and wait for a batch to compute them.
//
// The worker serves nobody else while it computes. So a batch has a measure of work. What is small
// is computed at once, up to a quarter of it; that is nearly everything. The rest waits, and each
// of the next batches begins with a measure of that, or with one of them that is more, in the order
// in which they came. In between all others are served.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/core/request.h"

#include <cstdint>

namespace ringmain::core {

class WaitingJoins {
  public:
    // Work is counted in bytes of responses.
    explicit WaitingJoins(uint64_t work_max) : work_max_(work_max) {}

    void begin_batch() { done_ = 0; }

    // To be computed now; null: that is all for this batch, and those that come begin.
    [[nodiscard]] Join* next() {
        Join* join = list_.front();
        if (join == nullptr || (done_ > 0 && done_ + join->work > work_max_)) {
            done_ = 0;
            return nullptr;
        }
        list_.remove(*join);
        done_ += join->work;
        return join;
    }

    // Whether one that comes may be computed at once.
    [[nodiscard]] bool admit(uint64_t work) {
        if (done_ + work > work_max_ / 4) return false;
        done_ += work;
        return true;
    }

    void add(Join& join, uint64_t work) {
        join.work = work;
        list_.add(join);
    }

    // Its client has gone.
    void remove(Join& join) { list_.remove(join); }

    [[nodiscard]] bool empty() const { return list_.empty(); }

  private:
    uint64_t work_max_;
    uint64_t done_ = 0;  // in this batch, of those that waited or of those that come
    List<Join, &Join::waiting_link> list_;
};

}  // namespace ringmain::core
