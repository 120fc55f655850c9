// ringmain/core/batch_total.h - how much one batch takes of all clients together.
//
// Each client's turn is bounded (ClientConn::has_had_its_turn), but thousands may come at once. Who
// comes when the batch has taken enough is read on in the next one, first come, first served: in
// between is sent what there is.

#pragma once

#include "ringmain/core/limits.h"

#include <cstdint>

namespace ringmain::core {

class BatchTotal {
  public:
    explicit BatchTotal(const BatchBounds& bounds)
        : requests_max_(bounds.requests), answers_max_(bounds.answers) {}

    // From the `requests` on that were ever taken. Once for those that come, once for those that
    // have waited.
    void renew(uint64_t requests) {
        end_ = requests + requests_max_;
        answered_ = 0;
    }

    // Bytes of an answer of our own.
    void note_answer(uint64_t size) {
        answered_ += size;
        if (answered_ >= answers_max_) end_ = 0;
    }

    [[nodiscard]] bool is_spent(uint64_t requests) const { return requests >= end_; }

  private:
    uint64_t requests_max_;
    uint64_t answers_max_;
    uint64_t end_ = UINT64_MAX;
    uint64_t answered_ = 0;
};

}  // namespace ringmain::core
