// tests/unit/config/text.h - what a text says.

#pragma once

#include <string_view>

namespace ringmain::config {

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace ringmain::config
