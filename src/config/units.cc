#include "units.h"

#include "ringmain/base/ascii.h"

#include <array>
#include <optional>
#include <span>

#include "words.h"

namespace ringmain::config {

namespace {

struct Unit {
    std::string_view name;
    int64_t factor;
};

// Largest first: the writers take the first that divides.
constexpr std::array<Unit, 4> duration_units = {
    {{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 5> size_units = {{{"TiB", int64_t{1} << 40},
                                             {"GiB", int64_t{1} << 30},
                                             {"MiB", int64_t{1} << 20},
                                             {"KiB", int64_t{1} << 10},
                                             {"B", 1}}};

struct Words {
    std::string_view number;
    std::string_view unit;
};

Words split(std::string_view text) {
    size_t digits = 0;
    while (digits < text.size() && ascii::is_digit(text[digits])) {
        digits += 1;
    }
    return {text.substr(0, digits), text.substr(digits)};
}

std::optional<int64_t> multiply(std::string_view digits, int64_t factor) {
    const std::optional<uint64_t> number = ascii::parse_uint64(digits);
    int64_t product = 0;
    if (!number || __builtin_mul_overflow(*number, factor, &product)) return std::nullopt;
    return product;
}

const Unit* find(std::span<const Unit> units, std::string_view name) {
    for (const Unit& unit : units) {
        if (unit.name == name) return &unit;
    }
    return nullptr;
}

std::string text_of(std::span<const Unit> units, int64_t number) {
    for (const Unit& unit : units) {
        if (number != 0 && number % unit.factor == 0) {
            return std::to_string(number / unit.factor).append(unit.name);
        }
    }
    return std::to_string(number);
}

}  // namespace

Result<int64_t> parse_duration(std::string_view text) {
    const auto [number, unit_name] = split(text);
    if (number.empty()) {
        return Error{quoted(text) +
                     " is not a duration; write \"400ms\", \"2s\", \"1m\" or \"1h\""};
    }
    if (unit_name.empty()) {
        return Error{quoted(text) + " has no unit; write \"" + std::string(number) +
                     "ms\", or the number of milliseconds without quotes"};
    }
    const Unit* unit = find(duration_units, unit_name);
    if (unit == nullptr) {
        return Error{"a duration ends in ms, s, m or h, and is a whole number: " + quoted(text) +
                     " is not"};
    }
    const std::optional<int64_t> product = multiply(number, unit->factor);
    if (!product) return Error{quoted(text) + " is too long a time"};
    return *product;
}

Result<int64_t> parse_size(std::string_view text) {
    const auto [number, unit_name] = split(text);
    if (number.empty()) {
        return Error{quoted(text) +
                     " is not a size; write \"16KiB\", \"1MiB\" or \"1GiB\", or a number of bytes"};
    }
    if (unit_name.empty()) {
        return Error{quoted(text) + " has no unit; write \"" + std::string(number) +
                     "B\", or the number of bytes without quotes"};
    }
    const Unit* unit = find(size_units, unit_name);
    if (unit != nullptr) {
        const std::optional<int64_t> product = multiply(number, unit->factor);
        if (!product) return Error{quoted(text) + " is too large a size"};
        return *product;
    }
    for (const Unit& other : size_units) {
        if (other.factor == 1 ||
            ascii::lower(unit_name.front()) != ascii::lower(other.name.front())) {
            continue;
        }
        const bool is_misspelt = ascii::equal_ignoring_case(unit_name, other.name);
        return Error{
            quoted(unit_name) + (is_misspelt ? " is spelled otherwise" : " may mean two things") +
            "; write \"" + std::string(number) + std::string(other.name) + "\" (" +
            std::to_string(other.factor) + " bytes each), or the number of bytes without quotes"};
    }
    return Error{"a size ends in B, KiB, MiB, GiB or TiB, and is a whole number: " + quoted(text) +
                 " is not"};
}

std::string duration_text(int64_t milliseconds) {
    return text_of(duration_units, milliseconds);
}

std::string size_text(int64_t bytes) {
    return text_of(size_units, bytes);
}

std::string mode_text(uint32_t mode) {
    std::string digits = "0";
    for (const uint32_t shift : {6U, 3U, 0U}) {
        digits += static_cast<char>('0' + (mode >> shift & 7U));
    }
    return digits;
}

}  // namespace ringmain::config
