// ringmain/config/file.h - reads a small text file whole, for start-up and tools.

#pragma once

#include "ringmain/base/result.h"

#include <cstddef>
#include <string>

namespace ringmain::config {

inline constexpr size_t file_size_max = size_t{8} * 1024 * 1024;

// Pipes work too ("/dev/stdin"). A missing file, a folder and a file beyond the limit are errors
// that name the file and the reason.
[[nodiscard]] Result<std::string> read_file(const std::string& path);

// The same of what is piped to this process.
[[nodiscard]] Result<std::string> read_standard_input();

}  // namespace ringmain::config
