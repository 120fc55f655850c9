// tests/unit/core/streaming.h - pools that stream, and what that takes.

#pragma once

#include "ringmain/core/limits.h"
#include "tests/unit/core/world.h"

#include <cstdint>
#include <string>

namespace ringmain::test {

constexpr uint64_t threshold = 64 * 1024;

inline config::Pool streaming_pool(uint32_t servers = 1) {
    config::Pool pool = redis_pool(servers);
    pool.stream_threshold = threshold;
    return pool;
}

inline std::string huge_value() {
    return std::string(8 * core::stream_window, 'h');
}

inline uint64_t bytes_in_use(World& world) {
    return uint64_t{world.loop().blocks().in_use()} * block_size;
}

}  // namespace ringmain::test
