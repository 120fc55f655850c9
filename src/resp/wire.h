// src/resp/wire.h - reads headers whose bytes are all at hand.
//
// The short cuts of both parsers. They say no (null) rather than decide: whatever is cut, long or
// wrong is left to the parser's states, which give the same answer for it however it is cut.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ringmain::resp::wire {

inline constexpr ptrdiff_t line_end_size = 2;

// Both bytes in one comparison.
[[nodiscard]] inline bool is_line_end(const char* at) {
    return std::memcmp(at, "\r\n", line_end_size) == 0;
}

// Above 9 when `byte` is no digit.
[[nodiscard]] inline uint32_t digit(char byte) {
    return static_cast<uint32_t>(static_cast<unsigned char>(byte)) - uint32_t{'0'};
}

// The rest of a size of more than three digits; `value` holds the first three. Nine digits at
// most: any longer one is a matter of limits.
[[nodiscard]] inline const char* read_long_size(const char* at, const char* end, uint32_t* value) {
    constexpr ptrdiff_t digits_left = 6;
    if (end - at < digits_left + line_end_size) return nullptr;
    for (ptrdiff_t i = 0; i < digits_left; ++i) {
        const uint32_t next = digit(at[i]);
        if (next > 9) return nullptr;
        *value = *value * 10 + next;
        if (is_line_end(at + i + 1)) return at + i + 1 + line_end_size;
    }
    return nullptr;
}

// Reads a canonical size and its line end, "64\r\n". Returns what follows, or null. Asks for five
// bytes, though "0\r\n" has three, so that sizes of up to three digits need one look at the end:
// behind "$0\r\n" there are two more bytes anyway.
[[nodiscard]] inline const char* read_size(const char* at, const char* end, uint32_t* size) {
    if (end - at < 5) return nullptr;
    uint32_t value = digit(at[0]);
    if (value > 9) return nullptr;
    if (is_line_end(at + 1)) {
        *size = value;
        return at + 1 + line_end_size;
    }
    for (ptrdiff_t i = 1; i < 3; ++i) {
        const uint32_t next = digit(at[i]);
        if (value == 0 || next > 9) return nullptr;
        value = value * 10 + next;
        if (is_line_end(at + i + 1)) {
            *size = value;
            return at + i + 1 + line_end_size;
        }
    }
    const char* rest = read_long_size(at + 3, end, &value);
    *size = value;
    return rest;
}

// A whole bulk, "$3\r\nGET\r\n". Returns where its body is, or null.
[[nodiscard]] inline const char* read_bulk(const char* at, const char* end, uint32_t* size) {
    if (at == end || *at != '$') return nullptr;
    const char* body = read_size(at + 1, end, size);
    if (body == nullptr || end - body < ptrdiff_t{*size} + line_end_size) return nullptr;
    return is_line_end(body + *size) ? body : nullptr;
}

// A canonical number of either sign and its line end. Returns what follows, or null.
[[nodiscard]] inline const char* read_integer(const char* at, const char* end, int64_t* number) {
    constexpr ptrdiff_t digits_max = 18;  // cannot overflow
    const bool negative = at != end && *at == '-';
    if (negative) ++at;
    const char* const first = at;
    int64_t value = 0;
    while (at != end && digit(*at) <= 9 && at - first < digits_max) {
        value = value * 10 + int64_t{digit(*at)};
        ++at;
    }
    if (at == first || end - at < line_end_size || !is_line_end(at)) return nullptr;
    if (*first == '0' && (negative || at - first > 1)) return nullptr;
    *number = negative ? -value : value;
    return at + line_end_size;
}

}  // namespace ringmain::resp::wire
