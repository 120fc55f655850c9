// tests/unit/core/wire.h - requests as clients write them, and errors as they read them.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringmain::test {

inline std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// A request as an array of bulks.
inline std::string resp(const std::vector<std::string>& arguments) {
    std::string text = "*" + std::to_string(arguments.size()) + "\r\n";
    for (const std::string& argument : arguments) {
        text += bulk(argument);
    }
    return text;
}

// What redis clients are told by ringmain itself.
inline std::string error(std::string_view text) {
    return "-ERR ringmain: " + std::string(text) + "\r\n";
}

}  // namespace ringmain::test
