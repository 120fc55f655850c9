// ringmain/uring/compat.h - constants of the kernel's interface that liburing 2.3 does not know
// yet.

#pragma once

#include <cstdint>

namespace ringmain::uring::compat {

inline constexpr uint32_t feature_bundle = 1U << 14;  // IORING_FEAT_RECVSEND_BUNDLE, 6.10

}  // namespace ringmain::uring::compat
