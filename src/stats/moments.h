// src/stats/moments.h - moments and spans of time as they are shown: what has not been is 0.

#pragma once

#include <algorithm>
#include <cstdint>

namespace ringmain::stats {

[[nodiscard]] inline uint64_t count_of(int64_t number) {
    return static_cast<uint64_t>(std::max<int64_t>(number, 0));
}

}  // namespace ringmain::stats
