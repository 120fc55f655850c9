#include "ringmain/resp/info_sums.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "info_fields.h"
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

}  // namespace

// --- what the servers say ------------------------------------------------------------------------

size_t InfoSums::slot_of(std::string_view name) {
    if (name.empty()) return 0;
    return (name.size() * 8 + static_cast<unsigned char>(name.back())) % slots;
}

InfoSums::InfoSums(std::span<const std::string_view> texts,
                   std::span<const std::string_view> names,
                   std::span<const std::string_view> prefixes)
    : servers_(texts.size()) {
    for (const std::string_view name : names) {
        std::vector<Figure>& figures = figures_[slot_of(name)];
        figures.push_back({.name = name, .values = {}});
        figures.back().values.reserve(servers_);
    }
    for (const std::string_view prefix : prefixes) {
        kinds_.push_back({.prefix = prefix, .lines = {}});
    }
    for (size_t i = 0; i < texts.size(); ++i) {
        read(texts[i], i);
    }
}

// Of lines with the same name the first counts.
void InfoSums::read(std::string_view text, size_t server) {
    while (!text.empty()) {
        std::string_view line = cut(text, "\r\n");
        const std::string_view name = cut(line, ":");
        for (Figure& figure : figures_[slot_of(name)]) {
            // One before it may lack it.
            const bool is_missing = figure.values.size() == server;
            if (is_missing && figure.name == name) figure.values.push_back(line);
        }
        for (Kind& kind : kinds_) {
            if (name.empty() || name.front() != kind.prefix.front()) continue;
            if (!name.starts_with(kind.prefix)) continue;
            Line& sums = kind.lines[name];
            if (std::exchange(sums.servers, server + 1) <= server) sums.add(line);
        }
    }
}

// --- figures -------------------------------------------------------------------------------------

// Nothing when one of them lacks it.
std::span<const std::string_view> InfoSums::all(std::string_view name) const {
    const std::vector<Figure>& figures = figures_[slot_of(name)];
    const auto found = std::ranges::find(figures, name, &Figure::name);
    if (found == figures.end() || found->values.size() < servers_) return {};
    return found->values;
}

// Nothing when it is no number with one of them.
std::vector<int64_t> InfoSums::numbers(std::string_view name) const {
    std::vector<int64_t> numbers;
    numbers.reserve(servers_);
    for (const std::string_view text : all(name)) {
        const std::optional<int64_t> number = ascii::parse_int64(text);
        if (!number.has_value()) return {};
        numbers.push_back(*number);
    }
    return numbers;
}

std::optional<int64_t> InfoSums::sum(std::string_view name) const {
    const std::vector<int64_t> found = numbers(name);
    if (found.empty()) return std::nullopt;
    int64_t sum = 0;
    for (const int64_t number : found) {
        if (__builtin_add_overflow(sum, number, &sum)) return std::nullopt;
    }
    return sum;
}

std::optional<int64_t> InfoSums::smallest(std::string_view name) const {
    const std::vector<int64_t> found = numbers(name);
    if (found.empty()) return std::nullopt;
    return *std::ranges::min_element(found);
}

std::optional<int64_t> InfoSums::largest(std::string_view name) const {
    const std::vector<int64_t> found = numbers(name);
    if (found.empty()) return std::nullopt;
    return *std::ranges::max_element(found);
}

std::string InfoSums::decimal_sum(std::string_view name, int places) const {
    const std::span<const std::string_view> texts = all(name);
    if (texts.empty()) return "";
    double sum = 0;
    for (const std::string_view text : texts) {
        const std::optional<double> value = ascii::parse_double(text);
        if (!value.has_value()) return "";
        sum += *value;
    }
    return std::abs(sum) <= decimal_max ? with_places(sum, places) : "";
}

std::string InfoSums::values(std::string_view name) const {
    std::vector<std::string_view> distinct;
    std::string list;
    for (const std::string_view text : all(name)) {
        if (std::ranges::find(distinct, text) != distinct.end()) continue;
        distinct.push_back(text);
        list.append(list.empty() ? "" : ",").append(text);
    }
    return list;
}

// --- lines ---------------------------------------------------------------------------------------

void InfoSums::add_up(std::string_view prefix, std::string& out) const {
    const auto kind = std::ranges::find(kinds_, prefix, &Kind::prefix);
    if (kind == kinds_.end()) return;
    for (const auto& [name, line] : kind->lines) {
        if (line.fields.empty()) continue;
        out.append(name);
        line.write(out);
    }
}

void InfoSums::Line::add(std::string_view text) {
    while (!text.empty()) {
        std::string_view value = cut(text, ",");
        const std::string_view name = cut(value, "=");
        if (name == mean_time_name) {
            has_mean = true;
            continue;
        }
        const std::optional<int64_t> number = ascii::parse_int64(value);
        if (name.empty() || !number.has_value()) continue;
        add_field(fields, name, *number);
    }
}

double InfoSums::Line::number(std::string_view name) const {
    const int64_t* found = find_field(fields, name);
    return found == nullptr ? 0 : static_cast<double>(*found);
}

void InfoSums::Line::write(std::string& out) const {
    constexpr size_t mean_place = 2;
    char before = ':';
    for (size_t i = 0; i < fields.size(); ++i) {
        if (i == mean_place && has_mean) write_mean(out);
        append_field(out, before, fields[i]);
        before = ',';
    }
    if (fields.size() == mean_place && has_mean) write_mean(out);
    out += "\r\n";
}

void InfoSums::Line::write_mean(std::string& out) const {
    const double calls = number("calls");
    const double mean = calls > 0 ? number("usec") / calls : 0;
    out.append(",").append(mean_time_name).append("=").append(with_places(mean, 2));
}

}  // namespace ringmain::resp
