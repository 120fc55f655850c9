// ringmain/core/stores.h - where a worker's clients and requests are kept.
//
// Each store keeps the memory of what is gone for what comes, some of it for ever; the rest goes
// back when trim() finds that nobody has needed it since the last call.

#pragma once

#include "ringmain/base/slab.h"
#include "ringmain/base/stock.h"
#include "ringmain/core/client_conn.h"
#include "ringmain/core/intake.h"
#include "ringmain/core/request.h"

#include <cstddef>

namespace ringmain::core {

struct Stores {
    // `requests_max`: of requests, and of the fragments of those that are split.
    explicit Stores(size_t requests_max)
        : requests(requests_max, 512), fragments(requests_max, 512) {}

    void trim() {
        clients.trim();
        requests.trim();
        fragments.trim();
        joins.trim();
        intakes.trim();
    }

    // There may be something for trim().
    [[nodiscard]] bool has_spare() const {
        return clients.has_spare() || requests.has_spare() || fragments.has_spare() ||
               joins.has_spare() || intakes.has_spare();
    }

    // One request with `count` fragments can be made.
    [[nodiscard]] bool has_fragments(size_t count) const {
        return requests.live() < requests.count_max() &&
               fragments.live() + count <= fragments.count_max();
    }

    Slab<ClientConn> clients{SIZE_MAX, 64};
    Slab<Request> requests;
    Slab<Fragment> fragments;
    Stock<Join> joins{64};
    Stock<Intake> intakes{64};
};

}  // namespace ringmain::core
