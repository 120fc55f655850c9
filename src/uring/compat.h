// src/uring/compat.h - constants of the kernel's interface that liburing 2.3 does not know yet.

#pragma once

#include <cstdint>

namespace ringmain::uring::compat {

inline constexpr uint32_t feature_bundle = 1U << 14;  // IORING_FEAT_RECVSEND_BUNDLE, 6.10

// io_uring_getevents_arg. What is padding here has a meaning since 6.12; liburing 2.3 calls it
// `pad` and later versions do not.
struct GetEventsArgument {
    uint64_t signals = 0;
    uint32_t signals_size = 0;
    uint32_t padding = 0;
    uint64_t time = 0;
};

}  // namespace ringmain::uring::compat
