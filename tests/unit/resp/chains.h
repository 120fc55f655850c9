// tests/unit/resp/chains.h - chains whose slices end wherever a test wants.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/buffer/block_pool.h"
#include "ringmain/buffer/chain.h"
#include "tests/mapped.h"

#include <cstddef>
#include <string_view>

namespace ringmain::test {

struct Arena {
    explicit Arena(size_t blocks) : memory(blocks * block_size), pool(memory.bytes(), {}) {}

    Mapped memory;
    BlockPool pool;
};

// Appends `bytes` as slices of `piece_size`, each in a block of its own.
inline void append_in_pieces(Chain& chain,
                             BlockPool& pool,
                             std::string_view bytes,
                             size_t piece_size) {
    while (!bytes.empty()) {
        const std::string_view piece = bytes.substr(0, piece_size);
        Block* block = pool.take();
        RM_ASSERT(block != nullptr);
        piece.copy(block->data, piece.size());
        block->used = static_cast<uint32_t>(piece.size());
        RM_ASSERT(chain.append_shared({.block = block, .offset = 0, .size = block->used}));
        pool.release(block);
        bytes.remove_prefix(piece.size());
    }
}

}  // namespace ringmain::test
