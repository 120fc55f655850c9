// ringmain/base/utf8.h - characters of several bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmain {

// The size of the character at the front of `text`, which is not empty: 1 to 4; 0 when it is
// malformed.
[[nodiscard]] inline uint32_t utf8_size(std::string_view text) {
    const auto byte_at = [text](size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char first = byte_at(0);
    if (first < 0x80) return 1;
    const uint32_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
    for (uint32_t i = 1; i < size; ++i) {
        if ((byte_at(i) & 0xc0U) != 0x80) return 0;
    }
    const unsigned char second = byte_at(1);
    // More bytes than it needs.
    if ((first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90)) return 0;
    // Halves of UTF-16, and what is beyond Unicode.
    if ((first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90)) return 0;
    return size;
}

}  // namespace ringmain
