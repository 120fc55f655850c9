// src/resp/text.h - which bytes are blank or printable to redis.

#pragma once

namespace ringmain::resp {

// isspace() of the C locale.
[[nodiscard]] constexpr bool is_blank(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

[[nodiscard]] constexpr bool is_printable(char byte) {
    return byte >= ' ' && byte <= '~';
}

}  // namespace ringmain::resp
