// tests/unit/memcached/arena.h - blocks for a test, and bytes laid out over them in odd ways.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "tests/mapped.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::memcached::test {

struct Arena {
    explicit Arena(uint32_t blocks)
        : memory(size_t{blocks} * block_size), pool(memory.bytes(), {}) {}

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

    ringmain::test::Mapped memory;
    BlockPool pool;
};

}  // namespace ringmain::memcached::test
