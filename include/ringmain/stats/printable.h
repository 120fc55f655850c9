// ringmain/stats/printable.h - bytes of others in texts for people.

#pragma once

#include <string>
#include <string_view>

namespace ringmain::stats {

// As redis-cli shows bytes: printable ASCII as it is, the rest as \n, \" or \x00.
[[nodiscard]] std::string printable(std::string_view bytes);

}  // namespace ringmain::stats
