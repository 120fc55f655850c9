// ringmain/uring/compat.h - constants of the kernel's interface that liburing 2.3 does not know
// yet.

#pragma once

#include <cstdint>

namespace ringmain::uring::compat {

inline constexpr uint32_t feature_bundle = 1U << 14;    // IORING_FEAT_RECVSEND_BUNDLE, 6.10
inline constexpr uint32_t feature_min_wait = 1U << 15;  // IORING_FEAT_MIN_TIMEOUT, 6.12

// io_uring_getevents_arg. What is `min_wait_us` since 6.12 was padding, which has to be zero.
struct GetEventsArgument {
    uint64_t signals = 0;
    uint32_t signals_size = 0;
    uint32_t min_wait_us = 0;
    uint64_t time = 0;
};

}  // namespace ringmain::uring::compat
