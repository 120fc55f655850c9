// tests/unit/resp/wire.h - bulk strings and requests as they are sent.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringmain::test {

inline std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// An array of bulks.
inline std::string request(const std::vector<std::string>& arguments) {
    std::string text = "*" + std::to_string(arguments.size()) + "\r\n";
    for (const std::string& argument : arguments) {
        text += bulk(argument);
    }
    return text;
}

}  // namespace ringmain::test
