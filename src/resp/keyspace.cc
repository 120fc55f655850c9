#include "ringmain/resp/keyspace.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>

#include "info_fields.h"
#include "text.h"

namespace ringmain::resp {

namespace {

constexpr std::string_view mean_ttl_name = "avg_ttl";
constexpr std::string_view weight_name = "expires";

// "keys=3,expires=1,avg_ttl=500": newer servers have more than that.
std::optional<InfoFields> parse_fields(std::string_view text) {
    InfoFields fields;
    while (!text.empty()) {
        std::string_view field = cut(text, ",");
        const std::string_view name = cut(field, "=");
        const std::optional<int64_t> number = ascii::parse_int64(field);
        if (name.empty() || !number.has_value() || *number < 0) return std::nullopt;
        if (fields.size() < info_fields_max) fields.emplace_back(name, *number);
    }
    return fields.empty() ? std::nullopt : std::optional(fields);
}

struct Database {
    InfoFields fields;
    double ttls = 0;  // of all keys that expire, in milliseconds

    void add(const InfoFields& more) {
        const int64_t* mean = find_field(more, mean_ttl_name);
        const int64_t* weight = find_field(more, weight_name);
        if (mean != nullptr && weight != nullptr) {
            ttls += static_cast<double>(*mean) * static_cast<double>(*weight);
        }
        for (const auto& [name, number] : more) {
            add_field(fields, name, number);
        }
    }

    void write(std::string& out) {
        int64_t* mean = find_field(fields, mean_ttl_name);
        const int64_t* weight = find_field(fields, weight_name);
        if (mean != nullptr) {
            const bool any = weight != nullptr && *weight > 0;
            constexpr double mean_max = 9e18;
            const double value = any ? ttls / static_cast<double>(*weight) : 0;
            *mean = std::llround(std::min(value, mean_max));
        }
        char before = ':';
        for (const auto& field : fields) {
            append_field(out, before, field);
            before = ',';
        }
        out += "\r\n";
    }
};

}  // namespace

void add_up_keyspaces(std::span<const std::string_view> texts, std::string& out) {
    std::map<int64_t, Database> databases;
    for (std::string_view text : texts) {
        while (!text.empty()) {
            std::string_view line = cut(text, "\r\n");
            if (!line.starts_with("db")) continue;
            line.remove_prefix(2);
            const std::optional<int64_t> number = ascii::parse_int64(cut(line, ":"));
            std::optional<InfoFields> fields = parse_fields(line);
            if (number.has_value() && fields.has_value()) {
                databases[*number].add(*fields);
            }
        }
    }
    for (auto& [number, database] : databases) {
        out.append("db").append(std::to_string(number));
        database.write(out);
    }
}

}  // namespace ringmain::resp
