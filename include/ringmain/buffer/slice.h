// ringmain/buffer/slice.h - a counted view of bytes in one block.
//
// Borrowing: a Slice does not hold a reference by itself. Whoever passes one guarantees that the
// block lives for the call; whoever keeps the bytes appends them to a Chain, which counts.

#pragma once

#include "ringmain/buffer/block.h"

#include <cstdint>
#include <string_view>

namespace ringmain {

struct Slice {
    Block* block = nullptr;
    uint32_t offset = 0;
    uint32_t size = 0;

    [[nodiscard]] const char* data() const { return block->data + offset; }

    [[nodiscard]] std::string_view view() const { return {data(), size}; }

    [[nodiscard]] Slice cut(uint32_t from, uint32_t count) const {
        return {block, offset + from, count};
    }
};

}  // namespace ringmain
