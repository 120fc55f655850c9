// ringmain/base/hex.h - numbers and bytes in hexadecimal digits.

#pragma once

#include "ringmain/base/ascii.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmain {

// The value of a digit, in either case; nothing of another byte.
[[nodiscard]] constexpr std::optional<uint8_t> hex_digit(char byte) {
    if (ascii::is_digit(byte)) return static_cast<uint8_t>(byte - '0');
    const char low = ascii::lower(byte);
    if (low >= 'a' && low <= 'f') return static_cast<uint8_t>(low - 'a' + 10);
    return std::nullopt;
}

// What two digits say.
[[nodiscard]] constexpr std::optional<uint8_t> hex_byte(char high, char low) {
    const std::optional<uint8_t> first = hex_digit(high);
    const std::optional<uint8_t> second = hex_digit(low);
    if (!first || !second) return std::nullopt;
    return static_cast<uint8_t>(*first << 4U | *second);
}

static_assert(hex_byte('7', 'f') == 0x7f && hex_byte('A', '0') == 0xa0);
static_assert(!hex_byte('g', '0') && !hex_byte('0', '@'));

// All digits of its type: "0f" of a byte, "0000000f" of 32 bits.
template <class Unsigned>
void append_hex(std::string& out, Unsigned number) {
    static_assert(Unsigned(-1) > Unsigned(0));
    constexpr std::string_view digits = "0123456789abcdef";
    const uint64_t value = number;
    for (size_t shift = 8 * sizeof number; shift > 0;) {
        shift -= 4;
        out += digits[value >> shift & 0xfU];
    }
}

}  // namespace ringmain
