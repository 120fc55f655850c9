// ringmain/config/cpu_list.h - a list of CPUs as text: "0,2-5".

#pragma once

#include "ringmain/base/result.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace ringmain::config {

inline constexpr uint32_t cpu_max = 1023;  // what a cpu_set_t can name

// In the order given, without repetition.
[[nodiscard]] Result<std::vector<uint32_t>> parse_cpu_list(std::string_view text);

}  // namespace ringmain::config
