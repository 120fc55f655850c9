// ringmain/base/byte_range.h - a place in a stream of bytes, by offset and size.

#pragma once

#include <cstdint>

namespace ringmain {

struct ByteRange {
    uint32_t offset = 0;
    uint32_t size = 0;

    [[nodiscard]] uint32_t end() const { return offset + size; }
};

}  // namespace ringmain
