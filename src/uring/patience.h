// src/uring/patience.h - memory for rings that is about to be given back is waited for.
//
// A ring that is closed, by us or by the end of a process, gives its locked memory back some 10 ms
// later (a grace period of the kernel's RCU, and a turn of a kernel thread). Who starts anew, or
// has just tried whether rings can be made, would be refused because of rings that are gone.

#pragma once

#include "ringmain/uring/clock.h"

#include <cerrno>

namespace ringmain::uring {

// Until `call` gets something else than -ENOMEM, or time is up.
template <typename Call>
int with_patience(Call call) {
    constexpr Duration patience = Duration::millis(500);
    constexpr Duration pause = Duration::millis(1);
    const Instant until = now() + patience;
    while (true) {
        const int result = call();
        if (result != -ENOMEM || now() >= until) return result;
        pause_for(pause);
    }
}

}  // namespace ringmain::uring
