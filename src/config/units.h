// src/config/units.h - durations and sizes with their units, read and written; modes of files.

#pragma once

#include "ringmain/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::config {

// "400ms" "2s" "1m" "1h" -> milliseconds.
[[nodiscard]] Result<int64_t> parse_duration(std::string_view text);

// "512B" "16KiB" "1MiB" "1GiB" -> bytes. "MB" is refused: it means two things.
[[nodiscard]] Result<int64_t> parse_size(std::string_view text);

// With the largest unit that fits: "400ms", "24h"; "1GiB", "100B".
[[nodiscard]] std::string duration_text(int64_t milliseconds);
[[nodiscard]] std::string size_text(int64_t bytes);

// Of a file: "0660".
[[nodiscard]] std::string mode_text(uint32_t mode);

}  // namespace ringmain::config
