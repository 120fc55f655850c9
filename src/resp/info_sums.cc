#include "ringmain/resp/info_sums.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "text.h"

namespace ringmain::resp {

namespace {

constexpr std::string_view mean_time_name = "usec_per_call";

// In seconds; no sum of times is as long, and neither is infinity nor what is no number.
constexpr double decimal_max = 1e15;

std::string with_places(double value, int places) {
    std::array<char, 64> text = {};
    const int size = std::snprintf(text.data(), text.size(), "%.*f", places, value);
    return {text.data(), static_cast<size_t>(size)};
}

// Fields in the order in which they came first.
struct Line {
    std::vector<std::pair<std::string_view, int64_t>> fields;
    bool has_mean = false;  // behind the second

    // Null when there are too many.
    [[nodiscard]] int64_t* field(std::string_view name) {
        const auto found = std::ranges::find(fields, name, &decltype(fields)::value_type::first);
        if (found != fields.end()) return &found->second;
        if (fields.size() >= info_fields_max) return nullptr;
        return &fields.emplace_back(name, 0).second;
    }

    [[nodiscard]] double number(std::string_view name) {
        const int64_t* found = field(name);
        return found == nullptr ? 0 : static_cast<double>(*found);
    }

    void add(std::string_view text) {
        while (!text.empty()) {
            std::string_view value = cut(text, ",");
            const std::string_view name = cut(value, "=");
            if (name == mean_time_name) {
                has_mean = true;
                continue;
            }
            const std::optional<int64_t> number = ascii::parse_int64(value);
            if (name.empty() || !number.has_value()) continue;
            if (int64_t* sum = field(name)) add_at_most(*sum, *number);
        }
    }

    void write(std::string& out) {
        constexpr size_t mean_place = 2;
        char before = ':';
        for (size_t i = 0; i < fields.size(); ++i) {
            if (i == mean_place && has_mean) write_mean(out);
            out += before;
            out.append(fields[i].first).append("=").append(std::to_string(fields[i].second));
            before = ',';
        }
        if (fields.size() == mean_place && has_mean) write_mean(out);
        out += "\r\n";
    }

    void write_mean(std::string& out) {
        const double calls = number("calls");
        const double mean = calls > 0 ? number("usec") / calls : 0;
        out.append(",").append(mean_time_name).append("=").append(with_places(mean, 2));
    }
};

}  // namespace

InfoSums::InfoSums(std::span<const std::string_view> texts) {
    for (std::string_view text : texts) {
        Fields& fields = servers_.emplace_back();
        while (!text.empty()) {
            std::string_view line = cut(text, "\r\n");
            const std::string_view name = cut(line, ":");
            if (!name.starts_with('#')) fields.emplace(name, line);
        }
    }
}

std::optional<std::vector<std::string_view>> InfoSums::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const Fields& fields : servers_) {
        const auto found = fields.find(name);
        if (found == fields.end()) return std::nullopt;
        values.push_back(found->second);
    }
    return values.empty() ? std::nullopt : std::optional(values);
}

std::optional<std::vector<int64_t>> InfoSums::numbers(std::string_view name) const {
    const auto texts = all(name);
    if (!texts.has_value()) return std::nullopt;
    std::vector<int64_t> numbers;
    for (const std::string_view text : *texts) {
        const std::optional<int64_t> number = ascii::parse_int64(text);
        if (!number.has_value()) return std::nullopt;
        numbers.push_back(*number);
    }
    return numbers;
}

std::optional<int64_t> InfoSums::sum(std::string_view name) const {
    const auto found = numbers(name);
    if (!found.has_value()) return std::nullopt;
    int64_t sum = 0;
    for (const int64_t number : *found) {
        if (__builtin_add_overflow(sum, number, &sum)) return std::nullopt;
    }
    return sum;
}

std::optional<int64_t> InfoSums::smallest(std::string_view name) const {
    const auto found = numbers(name);
    if (!found.has_value()) return std::nullopt;
    return *std::ranges::min_element(*found);
}

std::optional<int64_t> InfoSums::largest(std::string_view name) const {
    const auto found = numbers(name);
    if (!found.has_value()) return std::nullopt;
    return *std::ranges::max_element(*found);
}

std::string InfoSums::decimal_sum(std::string_view name, int places) const {
    const auto texts = all(name);
    if (!texts.has_value()) return "";
    double sum = 0;
    for (const std::string_view text : *texts) {
        double value = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
        if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return "";
        sum += value;
    }
    return std::abs(sum) <= decimal_max ? with_places(sum, places) : "";
}

std::string InfoSums::values(std::string_view name) const {
    auto texts = all(name);
    if (!texts.has_value()) return "";
    std::string list;
    for (size_t i = 0; i < texts->size(); ++i) {
        const auto before = texts->begin() + static_cast<ptrdiff_t>(i);
        if (std::find(texts->begin(), before, *before) != before) continue;
        list.append(list.empty() ? "" : ",").append(*before);
    }
    return list;
}

void InfoSums::add_up(std::string_view prefix, std::string& out) const {
    std::map<std::string_view, Line> lines;
    for (const Fields& fields : servers_) {
        for (const auto& [name, value] : fields) {
            if (name.starts_with(prefix)) lines[name].add(value);
        }
    }
    for (auto& [name, line] : lines) {
        if (line.fields.empty()) continue;
        out.append(name);
        line.write(out);
    }
}

}  // namespace ringmain::resp
