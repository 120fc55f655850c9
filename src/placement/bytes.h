// src/placement/bytes.h - reading a key's bytes as the hash functions want them.
//
// The loads are little-endian on every machine and need no alignment; compilers make one
// instruction of each.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmain::placement {

[[nodiscard]] constexpr uint32_t unsigned_byte(char byte) {
    return static_cast<unsigned char>(byte);
}

// twemproxy added plain `char`s, which are signed on x86-64: 0x80 and above count as 0xFFFFFF80
// and above, whatever `char` is here.
[[nodiscard]] constexpr uint32_t signed_byte(char byte) {
    return static_cast<uint32_t>(static_cast<signed char>(byte));
}

[[nodiscard]] constexpr uint32_t load_u16(std::string_view bytes, size_t offset) {
    return unsigned_byte(bytes[offset]) | unsigned_byte(bytes[offset + 1]) << 8;
}

[[nodiscard]] constexpr uint32_t load_u32(std::string_view bytes, size_t offset) {
    return load_u16(bytes, offset) | load_u16(bytes, offset + 2) << 16;
}

}  // namespace ringmain::placement
