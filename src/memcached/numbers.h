// src/memcached/numbers.h - numbers as memcached reads them, within bounds that it does not check.
//
// memcached reads with strtol: leading zeros and a plus sign are fine. It cuts 2^32 + 7 to 7 where
// the field has 32 bits; that is refused here, since two readers must not read two lengths. Other
// versions read less, and hang up on long lines: servers get canonical numbers.

#pragma once

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmain::memcached {

[[nodiscard]] inline std::optional<uint64_t> read_unsigned(std::string_view text, uint64_t max) {
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    const std::optional<uint64_t> value = ascii::parse_uint64(text);
    if (!value.has_value() || *value > max) return std::nullopt;
    return value;
}

// An exptime: 64 bits signed.
[[nodiscard]] inline bool is_signed_number(std::string_view text) {
    constexpr uint64_t max = INT64_MAX;
    if (text.empty() || text.front() != '-') return read_unsigned(text, max).has_value();
    const std::optional<uint64_t> value = ascii::parse_uint64(text.substr(1));
    return value.has_value() && *value <= max + 1;
}

// The length of a data block; memcached's own limit is INT_MAX - 2.
[[nodiscard]] inline std::optional<uint32_t> read_length(std::string_view text) {
    const std::optional<uint64_t> value = read_unsigned(text, INT32_MAX - 2);
    if (!value.has_value()) return std::nullopt;
    return static_cast<uint32_t>(*value);
}

// What memcached reads of the length of a line that is refused here: white space may stand before
// the number, and white space or a NUL ends it, whatever follows. It takes what comes behind such a
// line for the data.
[[nodiscard]] inline std::string_view loose_number(std::string_view text) {
    constexpr std::string_view spaces = "\t\v\f\r";
    text.remove_prefix(std::min(text.find_first_not_of(spaces), text.size()));
    const auto ends = [&](char byte) {
        return byte == '\0' || spaces.find(byte) != std::string_view::npos;
    };
    text = {text.begin(), std::ranges::find_if(text, ends)};
    const bool is_zero =
        text.starts_with("-0") && text.find_first_not_of('0', 1) == std::string_view::npos;
    return is_zero ? "0" : text;
}

// The one spelling that write_request() uses. Not empty; what is no number may be either.
[[nodiscard]] inline bool is_canonical_number(std::string_view text) {
    if (text.front() == '-') return text.size() > 1 && text[1] != '0';
    return ascii::is_digit(text.front()) && (text.size() == 1 || text.front() != '0');
}

// Of a number that was read.
[[nodiscard]] inline std::string_view canonical_number(std::string_view text) {
    if (is_canonical_number(text)) return text;
    const bool is_negative = text.front() == '-';
    if (!ascii::is_digit(text.front())) text.remove_prefix(1);
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
    // Whatever is below zero is a time that is over.
    return is_negative && text != "0" ? "-1" : text;
}

// A time is 32 bits wide to a server: one reads 2^32 + 7 as 7, another refuses what is beyond, and
// may take the data for requests then. Whatever lies beyond is far away in its direction.
[[nodiscard]] inline std::string_view canonical_time(std::string_view text) {
    constexpr std::string_view latest = "2147483647";
    text = canonical_number(text);
    if (text.front() == '-') return text.size() <= latest.size() ? text : "-1";
    const bool is_beyond =
        text.size() > latest.size() || (text.size() == latest.size() && text > latest);
    return is_beyond ? latest : text;
}

[[nodiscard]] inline bool is_canonical_time(std::string_view text) {
    constexpr size_t short_size = 9;  // of which none is beyond
    return is_canonical_number(text) && (text.size() <= short_size || canonical_time(text) == text);
}

// A number in its one spelling behind one blank, at `*at`, and of so few digits that it is within
// each field's bounds; `*at` is behind it then. Else nothing.
[[nodiscard]] inline std::optional<uint32_t> take_short_number(std::string_view line, size_t* at) {
    constexpr size_t digits_max = 9;
    const size_t begin = *at + 1;
    const size_t bound = std::min(begin + digits_max, line.size());
    if (begin >= bound || line[*at] != ' ') return std::nullopt;
    uint32_t value = 0;
    size_t end = begin;
    for (; end < bound && ascii::is_digit(line[end]); ++end) {
        value = value * 10 + static_cast<uint32_t>(line[end] - '0');
    }
    if (end == begin || (line[begin] == '0' && end > begin + 1)) return std::nullopt;
    *at = end;
    return value;
}

}  // namespace ringmain::memcached
