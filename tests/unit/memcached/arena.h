// tests/unit/memcached/arena.h - blocks for a test, and bytes laid out over them in odd ways.

#pragma once

#include "ringmain/buffer/bytes.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::memcached::test {

struct Arena {
    // Only the pages that are used cost anything.
    explicit Arena(uint32_t blocks)
        : size(size_t{blocks} * block_size),
          memory(std::make_unique_for_overwrite<char[]>(size)),
          pool({memory.get(), size}, {}) {}

    // A block of its own for every `piece_size` bytes.
    Chain spread(std::string_view bytes, size_t piece_size) {
        Chain chain(pool);
        while (!bytes.empty()) {
            const std::string_view piece = bytes.substr(0, piece_size);
            Block* block = pool.take();
            REQUIRE(block != nullptr);
            std::copy(piece.begin(), piece.end(), block->data);
            block->used = block_size;
            REQUIRE(chain.append_shared({block, 0, static_cast<uint32_t>(piece.size())}));
            pool.release(block);
            bytes.remove_prefix(piece.size());
        }
        return chain;
    }

    size_t size;
    std::unique_ptr<char[]> memory;
    BlockPool pool;
};

}  // namespace ringmain::memcached::test
