// src/memcached/numbers.h - numbers as memcached reads them, within bounds that it does not check.
//
// memcached reads with strtol: leading zeros and a plus sign are fine. It cuts 2^32 + 7 to 7 where
// the field has 32 bits; that is refused here, since two readers must not read two lengths. And
// zeros have a limit: old versions hang up on whoever sends them a long line.

#pragma once

#include "ringmain/base/ascii.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmain::memcached {

inline constexpr size_t number_size_max = 64;

[[nodiscard]] inline std::optional<uint64_t> read_any_zeros(std::string_view text, uint64_t max) {
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    const std::optional<uint64_t> value = ascii::parse_uint64(text);
    if (!value.has_value() || *value > max) return std::nullopt;
    return value;
}

[[nodiscard]] inline std::optional<uint64_t> read_unsigned(std::string_view text, uint64_t max) {
    if (text.size() > number_size_max) return std::nullopt;
    return read_any_zeros(text, max);
}

// An exptime: 64 bits signed.
[[nodiscard]] inline bool is_signed_number(std::string_view text) {
    constexpr uint64_t max = INT64_MAX;
    if (text.size() > number_size_max) return false;
    if (text.empty() || text.front() != '-') return read_unsigned(text, max).has_value();
    const std::optional<uint64_t> value = ascii::parse_uint64(text.substr(1));
    return value.has_value() && *value <= max + 1;
}

// The length of a data block; memcached's own limit is INT_MAX - 2. It may have any
// zeros, since it is written anew then: where the data ends is to be known.
[[nodiscard]] inline std::optional<uint32_t> read_length(std::string_view text) {
    const std::optional<uint64_t> value = read_any_zeros(text, INT32_MAX - 2);
    if (!value.has_value()) return std::nullopt;
    return static_cast<uint32_t>(*value);
}

// The one spelling that write_request() uses.
[[nodiscard]] inline bool is_canonical_number(std::string_view text) {
    return ascii::is_digit(text.front()) && (text.size() == 1 || text.front() != '0');
}

}  // namespace ringmain::memcached
