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

// Two keys, each on a server of its own, and values for them that stream; whatever comes is cut.
struct LargeValues {
    LargeValues(const config::Pool& pool, uint64_t seed)
        : world(pool, {.blocks = 2048, .seed = seed, .cut = true}),
          client(world.client()),
          a(world.key_on(0)),
          b(world.key_on(1)) {}

    World world;
    Channel& client;
    std::string a;
    std::string b;
    std::string one = std::string(150'000, '1');
    std::string two = std::string(150'000, '2');
};

}  // namespace ringmain::test
