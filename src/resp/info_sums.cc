#include "ringmain/resp/info_sums.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <map>
#include <numeric>
#include <utility>

#include "text.h"

namespace ringmain::resp {

namespace {

constexpr std::string_view mean_name = "usec_per_call";

std::string with_places(double value, int places) {
    std::array<char, 64> text = {};
    const int size = std::snprintf(text.data(), text.size(), "%.*f", places, value);
    return {text.data(), static_cast<size_t>(size)};
}

// Fields in the order in which they came first.
struct Line {
    std::vector<std::pair<std::string_view, int64_t>> fields;
    bool has_mean = false;  // behind the second

    [[nodiscard]] int64_t& field(std::string_view name) {
        const auto found = std::ranges::find(fields, name, &decltype(fields)::value_type::first);
        return found == fields.end() ? fields.emplace_back(name, 0).second : found->second;
    }

    void add(std::string_view text) {
        while (!text.empty()) {
            std::string_view value = cut(text, ",");
            const std::string_view name = cut(value, "=");
            if (name == mean_name) {
                has_mean = true;
                continue;
            }
            const std::optional<int64_t> number = ascii::parse_int64(value);
            if (!name.empty() && number.has_value()) field(name) += *number;
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
        const int64_t calls = field("calls");
        const double mean =
            calls > 0 ? static_cast<double>(field("usec")) / static_cast<double>(calls) : 0;
        out.append(",").append(mean_name).append("=").append(with_places(mean, 2));
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
    return std::accumulate(found->begin(), found->end(), int64_t{0});
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
    return with_places(sum, places);
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
