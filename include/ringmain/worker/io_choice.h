// ringmain/worker/io_choice.h - on io_uring or on epoll: one decision for the whole process.
//
// The option io_backend says what is wanted. "io_uring" is refused where it does not work, with
// cause and remedy; "auto" falls back to epoll then; "epoll" does not even try the other.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"
#include "ringmain/uring/backend.h"
#include "ringmain/uring/features.h"
#include "ringmain/uring/ring.h"

#include <string>
#include <string_view>

namespace ringmain::worker {

struct IoChoice {
    uring::Backend backend = uring::Backend::IoUring;
    uring::Features features = {};  // of io_uring
    std::string why_not = {};       // Epoll because io_uring does not work: cause and remedy
};

// Features are what the kernel has, less those named in `ignored`, proven by a self-test; and all
// rings at once have room under the limit of locked memory. Asks the kernel, unless epoll is
// wanted.
Result<IoChoice> choose_io(const config::Proxy& settings, std::string_view ignored);

// The rings of a worker and of the control thread.
[[nodiscard]] uring::RingOptions worker_ring(const config::Proxy& settings, const IoChoice& io);
[[nodiscard]] uring::RingOptions timer_ring(const IoChoice& io);

// For the log, where io_uring was wanted.
[[nodiscard]] std::string fallback_text(const IoChoice& choice);

}  // namespace ringmain::worker
