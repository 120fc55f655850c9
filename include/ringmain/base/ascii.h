// ringmain/base/ascii.h - numbers and letter case in text, checked and without locale.
//
// The strict parsers accept exactly what a server accepts: no sign but '-', no leading zero, no
// blanks. Whatever they accept has one spelling only, so it may be forwarded as it came.

#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace ringmain::ascii {

[[nodiscard]] constexpr bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

[[nodiscard]] constexpr char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
}

[[nodiscard]] constexpr char upper(char byte) {
    return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 32) : byte;
}

[[nodiscard]] constexpr bool is_letter(char byte) {
    const char low = lower(byte);
    return low >= 'a' && low <= 'z';
}

[[nodiscard]] constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

// text.starts_with() and == for a text that is known when this is compiled: a comparison of words
// of the machine, where the library calls a function.
template <size_t Size>
[[nodiscard]] constexpr bool begins_with(std::string_view text, const char (&prefix)[Size]) {
    constexpr size_t length = Size - 1;
    return text.size() >= length && __builtin_memcmp(text.data(), prefix, length) == 0;
}

template <size_t Size>
[[nodiscard]] constexpr bool is(std::string_view text, const char (&word)[Size]) {
    return text.size() == Size - 1 && begins_with(text, word);
}

static_assert(begins_with("STAT a", "STAT ") && !begins_with("STA", "STAT "));
static_assert(is("get", "get") && !is("gets", "get") && !is("gat", "get"));

// Without the blanks and tabs around it.
[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t";
    const size_t begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

static_assert(trimmed("\t a b ") == "a b");
static_assert(trimmed(" ").empty());

// Canonical signed decimal, as redis reads a length: "-12", "0", "7"; not "+7", "07", "-0", " 7".
[[nodiscard]] constexpr std::optional<int64_t> parse_int64(std::string_view text) {
    const bool negative = !text.empty() && text.front() == '-';
    const std::string_view digits = text.substr(negative ? 1 : 0);
    if (digits.empty() || digits.size() > 19) return std::nullopt;
    if (digits.front() == '0' && (digits.size() > 1 || negative)) return std::nullopt;
    uint64_t value = 0;
    for (const char byte : digits) {
        if (!is_digit(byte)) return std::nullopt;
        value = value * 10 + static_cast<uint64_t>(byte - '0');
    }
    constexpr uint64_t max = INT64_MAX;
    if (negative) {
        if (value > max + 1) return std::nullopt;
        return static_cast<int64_t>(0 - value);
    }
    if (value > max) return std::nullopt;
    return static_cast<int64_t>(value);
}

// Digits only, leading zeros allowed, 0..UINT64_MAX: as memcached reads its numbers.
[[nodiscard]] constexpr std::optional<uint64_t> parse_uint64(std::string_view text) {
    if (text.empty()) return std::nullopt;
    constexpr size_t always_fits = 19;
    uint64_t value = 0;
    for (const char byte : text.substr(0, always_fits)) {
        if (!is_digit(byte)) return std::nullopt;
        value = value * 10 + static_cast<uint64_t>(byte - '0');
    }
    for (size_t i = always_fits; i < text.size(); ++i) {
        if (!is_digit(text[i])) return std::nullopt;
        const auto digit = static_cast<uint64_t>(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

// The whole text as the standard library reads a number with a point: "-1.5", "1e3", "inf".
[[nodiscard]] inline std::optional<double> parse_double(std::string_view text) {
    double value = 0;
    const char* const end = text.data() + text.size();
    const std::from_chars_result result = std::from_chars(text.data(), end, value);
    if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
    return value;
}

// Decimal text of a number without an allocation; the view lives as long as this object.
class Decimal {
  public:
    explicit Decimal(int64_t value) : end_(std::to_chars(text_, text_ + sizeof text_, value).ptr) {}

    explicit Decimal(uint64_t value)
        : end_(std::to_chars(text_, text_ + sizeof text_, value).ptr) {}

    [[nodiscard]] std::string_view view() const {
        return {text_, static_cast<size_t>(end_ - text_)};
    }

  private:
    char text_[24] = {};
    char* end_;
};

}  // namespace ringmain::ascii
