// ringmain/base/byte_range.h - a place in a stream of bytes, by offset and size.

#pragma once

#include <cstdint>

namespace ringmain {

struct ByteRange {
    uint32_t offset = 0;
    uint32_t size = 0;

    [[nodiscard]] uint32_t end() const { return offset + size; }

    // Its beginning, of so many bytes at most.
    [[nodiscard]] ByteRange first(uint32_t count) const {
        return {.offset = offset, .size = count < size ? count : size};
    }
};

}  // namespace ringmain
