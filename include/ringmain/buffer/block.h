// ringmain/buffer/block.h - one fixed-size piece of the arena, counted by reference.
//
// Bytes below `used` are written once and never change while a reference is held. Bytes above it
// are free: the last slice of a chain that ends exactly at `used` may grow into them (chain.h).
// All of it belongs to one worker; the counts are plain integers.

#pragma once

#include <cstdint>

namespace ringmain {

struct Block {
    char* data = nullptr;
    Block* next_free = nullptr;
    uint32_t used = 0;
    uint32_t references = 0;
};

static_assert(sizeof(Block) == 24, "one per 16 KiB: keep it small");

inline constexpr uint32_t block_size = 16 * 1024;

// Where in its page the memory of a worker's blocks begins (src/design/0004).
inline constexpr uint32_t block_skew = 2048;

}  // namespace ringmain
