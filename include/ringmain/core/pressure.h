// ringmain/core/pressure.h - since when buffer memory has been low (src/core/pressure.cc).

#pragma once

#include "ringmain/base/time.h"

namespace ringmain::core {

struct Pressure {
    Instant next_look;  // for who holds it
    Instant low_since;
    Instant exhausted_since;
    bool was_told = false;  // that it is low and nobody is to blame

    void end(Instant now) {
        low_since = now;
        exhausted_since = now;
        was_told = false;
    }
};

}  // namespace ringmain::core
