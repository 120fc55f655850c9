// ringmain/base/printable.h - texts and bytes from outside, for people and their terminals.

#pragma once

#include "ringmain/base/hex.h"
#include "ringmain/base/utf8.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain {

// The size of the UTF-8 character at the front of `text`, 1 to 4; 0 when it is malformed, or a
// character that does something to a terminal or to the order of a line.
[[nodiscard]] inline uint32_t printable_size(std::string_view text) {
    const auto byte_at = [text](size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char first = byte_at(0);
    if (first < 0x20 || first == 0x7f) return 0;
    const uint32_t size = utf8_size(text);
    // U+0080 to U+009F are control characters to some terminals.
    if (size == 2 && first == 0xc2 && byte_at(1) < 0xa0) return 0;
    if (size != 3 || first != 0xe2) return size;
    // U+2028 to U+202E and U+2066 to U+2069 end lines, or turn what follows round.
    if (byte_at(1) == 0x80 && byte_at(2) >= 0xa8 && byte_at(2) <= 0xae) return 0;
    if (byte_at(1) == 0x81 && byte_at(2) >= 0xa6 && byte_at(2) <= 0xa9) return 0;
    return size;
}

// The character at the front of `text`, or '?' for a byte that must not be shown, moves to `out`.
inline void move_printable(std::string_view& text, std::string& out) {
    const uint32_t size = printable_size(text);
    if (size == 0) {
        out += '?';
    } else {
        out += text.substr(0, size);
    }
    text.remove_prefix(std::max(size, 1U));
}

// With '?' for each byte that must not be shown.
[[nodiscard]] inline std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        move_printable(text, out);
    }
    return out;
}

// As redis-cli shows bytes, so that none is lost: printable ASCII as it is, the rest as \n, \" or
// \x00.
[[nodiscard]] inline std::string escaped(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (const char byte : bytes) {
        if (byte == '\\' || byte == '"') {
            out += '\\';
            out += byte;
        } else if (byte == '\n') {
            out += "\\n";
        } else if (byte == '\r') {
            out += "\\r";
        } else if (byte < 0x20 || byte > 0x7E) {
            out += "\\x";
            append_hex(out, static_cast<uint8_t>(byte));
        } else {
            out += byte;
        }
    }
    return out;
}

}  // namespace ringmain
