// src/resp/info_fields.h - "keys=3,expires=1": what several servers say behind a name in INFO.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmain::resp {

// In the order in which they came first.
using InfoFields = std::vector<std::pair<std::string_view, int64_t>>;

// Servers have five, and a few are left for newer ones.
inline constexpr size_t info_fields_max = 16;

// Null: there is none of that name.
template <class Fields>
[[nodiscard]] auto* find_field(Fields& fields, std::string_view name) {
    const auto found = std::ranges::find(fields, name, &InfoFields::value_type::first);
    return found == fields.end() ? nullptr : &found->second;
}

// What no server would say adds up to the largest there is.
inline void add_field(InfoFields& fields, std::string_view name, int64_t number) {
    if (int64_t* sum = find_field(fields, name)) {
        if (__builtin_add_overflow(*sum, number, sum)) *sum = number < 0 ? INT64_MIN : INT64_MAX;
    } else if (fields.size() < info_fields_max) {
        fields.emplace_back(name, number);
    }
}

inline void append_field(std::string& out, char before, const InfoFields::value_type& field) {
    out += before;
    out.append(field.first).append("=").append(std::to_string(field.second));
}

}  // namespace ringmain::resp
