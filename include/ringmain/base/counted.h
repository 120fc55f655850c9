// ringmain/base/counted.h - how many of a thing, for people.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain {

// "1 worker", "2 workers"
[[nodiscard]] inline std::string counted(uint64_t count, std::string_view noun) {
    return std::to_string(count).append(" ").append(noun).append(count == 1 ? "" : "s");
}

}  // namespace ringmain
