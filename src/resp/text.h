// src/resp/text.h - which bytes are blank or printable to redis, and lines that are taken apart.

#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace ringmain::resp {

// isspace() of the C locale.
[[nodiscard]] constexpr bool is_blank(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

[[nodiscard]] constexpr bool is_printable(char byte) {
    return byte >= ' ' && byte <= '~';
}

// What stands before the first `until`, or all: it is taken off the text, with that.
inline std::string_view cut(std::string_view& text, std::string_view until) {
    const size_t end = std::min(text.find(until), text.size());
    const std::string_view head = text.substr(0, end);
    text.remove_prefix(std::min(end + until.size(), text.size()));
    return head;
}

}  // namespace ringmain::resp
