// ringmain/base/version.h - which ringmain this is. The build file says the same; a test compares.

#pragma once

#include <string_view>

namespace ringmain {

inline constexpr std::string_view version = "0.1.0";

// What clients are told where they expect a server's version: they choose features by it, and some
// accept three numbers only. The newest versions whose commands are all in the tables here.
inline constexpr std::string_view redis_version = "7.0.15";
inline constexpr std::string_view memcached_version = "1.6.18";

}  // namespace ringmain
