// ringmain/resp/inline.h - an inline line rewritten as the array that it stands for.
//
// By redis's rules (sds.c, sdssplitargs): arguments are separated by blanks; "..." knows the
// escapes \n \r \t \b \a and \xHH, '...' only \'; a closing quote ends its argument. A server gets
// the array only, never the line.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmain::resp {

// Behind "-ERR Protocol error: "; the connection is then closed.
inline constexpr std::string_view unbalanced_quotes = "unbalanced quotes in request";

// Replaces `array` by the arguments of `line`, whose line end may be there or not, as
// "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n". Returns how many there are, 0 for a blank line, which leaves
// `array` empty; nothing when the quotes are not balanced.
[[nodiscard]] std::optional<uint32_t> inline_to_array(std::string_view line, std::string& array);

}  // namespace ringmain::resp
