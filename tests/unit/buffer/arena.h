// tests/unit/buffer/arena.h - memory for a few blocks, and blocks with bytes in them.

#pragma once

#include "ringmain/buffer/block_pool.h"
#include "tests/mapped.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmain::test {

struct Arena {
    explicit Arena(uint32_t blocks, uint32_t warm_max = 4)
        : memory(size_t{blocks} * block_size), pool(memory.bytes(), {.warm_max = warm_max}) {}

    Mapped memory;
    BlockPool pool;
};

inline Block* filled_block(BlockPool& pool, std::string_view bytes) {
    Block* block = pool.take();
    bytes.copy(block->data, bytes.size());
    block->used = static_cast<uint32_t>(bytes.size());
    return block;
}

}  // namespace ringmain::test
