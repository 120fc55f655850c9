// ringmain/config/cpu_list.h - a list of CPUs as text: "0,2-5".

#pragma once

#include "ringmain/base/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::config {

inline constexpr uint32_t cpu_max = 1023;  // what a cpu_set_t can name

// In the order given, without repetition.
[[nodiscard]] Result<std::vector<uint32_t>> parse_cpu_list(std::string_view text);

// The same the other way, with ranges where there are any: "0,2-5" of {0, 2, 3, 4, 5}.
[[nodiscard]] std::string cpu_list_text(std::span<const uint32_t> cpus);

}  // namespace ringmain::config
