// ringmain/core/time_shift.h - which of a worker's times move, and by how much.
//
// After a pause all of them do. After a batch that took long those do that began in it: what was
// queued at its beginning left at its end, and until then nobody could answer it. They move before
// the next batch begins, which plans anew from then on.

#pragma once

#include "ringmain/base/time.h"

namespace ringmain::core {

struct TimeShift {
    Duration by;
    Instant from = {};  // earlier ones stay

    [[nodiscard]] bool is_of_all() const { return from == Instant{}; }

    [[nodiscard]] bool covers(Instant at) const { return at >= from && at != Instant::never(); }

    void move(Instant& at) const {
        if (covers(at)) at = at + by;
    }

    // What is due some time after `began`.
    void move_due(Instant& due, Instant began) const {
        if (covers(began)) move(due);
    }
};

}  // namespace ringmain::core
