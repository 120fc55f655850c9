// What of INFO is the servers', added up: where data is, and what is done with it.

#include "ringmain/base/ascii.h"
#include "ringmain/core/pool.h"
#include "ringmain/resp/keyspace.h"
#include "ringmain/resp/reader.h"

#include <array>
#include <cstdio>
#include <optional>

#include "info_section.h"

namespace ringmain::core {

namespace {

// Of one server; all sections are some tens of KiB. Reading more would hold up everybody.
constexpr size_t info_size_max = size_t{1} << 20;

// "1000.55K", as redis writes it.
std::string human(int64_t bytes) {
    constexpr int64_t step = 1024;
    constexpr std::string_view units = "KMGTP";
    if (bytes < step) return std::to_string(bytes) + "B";
    double value = static_cast<double>(bytes) / step;
    size_t unit = 0;
    while (value >= step && unit + 1 < units.size()) {
        value /= step;
        unit += 1;
    }
    std::array<char, 64> text = {};
    const int size = std::snprintf(text.data(), text.size(), "%.2f%c", value, units[unit]);
    return {text.data(), static_cast<size_t>(size)};
}

void add(Section& section, std::string_view name, std::optional<int64_t> number) {
    if (number.has_value()) section.add(name, std::to_string(*number));
}

void add_text(Section& section, std::string_view name, const std::string& value) {
    if (!value.empty()) section.add(name, value);
}

void add_size(Section& section, std::string_view name, std::optional<int64_t> bytes) {
    if (!bytes.has_value()) return;
    section.add(name, std::to_string(*bytes));
    section.add(std::string(name) + "_human", human(*bytes));
}

// --- figures -------------------------------------------------------------------------------------

using resp::InfoSums;

void add_sum(Section& section, std::string_view name, const InfoSums& sums) {
    add(section, name, sums.sum(name));
}

void add_smallest(Section& section, std::string_view name, const InfoSums& sums) {
    add(section, name, sums.smallest(name));
}

void add_largest(Section& section, std::string_view name, const InfoSums& sums) {
    add(section, name, sums.largest(name));
}

void add_bytes(Section& section, std::string_view name, const InfoSums& sums) {
    add_size(section, name, sums.sum(name));
}

// One that has no limit makes all have none.
void add_limit(Section& section, std::string_view name, const InfoSums& sums) {
    const bool is_limited = sums.smallest(name).value_or(0) > 0;
    add_size(section, name, is_limited ? sums.sum(name) : 0);
}

void add_seconds(Section& section, std::string_view name, const InfoSums& sums) {
    add_text(section, name, sums.decimal_sum(name, 6));
}

void add_values(Section& section, std::string_view name, const InfoSums& sums) {
    add_text(section, name, sums.values(name));
}

void add_status(Section& section, std::string_view name, const InfoSums& sums) {
    const std::string all = sums.values(name);
    if (!all.empty()) section.add(name, all == "ok" ? "ok" : "err");
}

struct Figure {
    std::string_view name;
    void (*add)(Section& section, std::string_view name, const InfoSums& sums);
};

constexpr std::array memory_figures = {Figure{"used_memory", add_bytes},
                                       Figure{"used_memory_rss", add_bytes},
                                       Figure{"used_memory_peak", add_bytes},
                                       Figure{"used_memory_overhead", add_sum},
                                       Figure{"used_memory_dataset", add_sum},
                                       Figure{"maxmemory", add_limit},
                                       Figure{"maxmemory_policy", add_values}};

constexpr std::array persistence_figures = {Figure{"rdb_changes_since_last_save", add_sum},
                                            Figure{"rdb_last_save_time", add_smallest},
                                            Figure{"rdb_last_bgsave_status", add_status},
                                            Figure{"aof_last_write_status", add_status},
                                            Figure{"aof_enabled", add_smallest}};

constexpr std::array stats_figures = {
    Figure{"instantaneous_ops_per_sec", add_sum},
    Figure{"expired_keys", add_sum},
    Figure{"evicted_keys", add_sum},
    Figure{"keyspace_hits", add_sum},
    Figure{"keyspace_misses", add_sum},
    Figure{"pubsub_channels", add_sum},
    Figure{"pubsub_patterns", add_largest}};  // each has all of them

constexpr std::array cpu_figures = {Figure{"used_cpu_sys", add_seconds},
                                    Figure{"used_cpu_user", add_seconds},
                                    Figure{"used_cpu_sys_children", add_seconds},
                                    Figure{"used_cpu_user_children", add_seconds}};

constexpr std::string_view command_lines = "cmdstat_";
constexpr std::string_view error_lines = "errorstat_";

void add_figures(Section& section, std::span<const Figure> figures, const ServerInfo& info) {
    for (const Figure& figure : figures) {
        figure.add(section, figure.name, info.sums);
    }
}

InfoSums add_up(std::span<const std::string_view> texts) {
    std::vector<std::string_view> names;
    for (const std::span<const Figure> figures : {std::span<const Figure>(memory_figures),
                                                  std::span<const Figure>(persistence_figures),
                                                  std::span<const Figure>(stats_figures),
                                                  std::span<const Figure>(cpu_figures)}) {
        for (const Figure& figure : figures) {
            names.push_back(figure.name);
        }
    }
    return {texts, names, std::array{command_lines, error_lines}};
}

// False: there is nothing to add up, and the section says why.
bool is_whole(Section& section, const ServerInfo& info) {
    if (!info.is_whole()) section.add("servers_without_answer", info.missing);
    return info.is_whole();
}

}  // namespace

ServerInfo read_server_info(const Pool& pool,
                            std::span<const uint16_t> owners,
                            std::span<const std::string_view> responses) {
    ServerInfo info;
    info.texts.resize(pool.servers.size());
    std::vector<bool> known(pool.servers.size());
    for (size_t i = 0; i < owners.size(); ++i) {
        const std::optional<resp::Value> value = resp::Reader(responses[i]).next();
        // After a reload in between the servers may be others.
        if (!value.has_value() || value->is_error() || owners[i] >= known.size()) continue;
        if (value->text.size() > info_size_max) continue;
        info.texts[owners[i]] = value->text;
        known[owners[i]] = true;
    }
    for (size_t i = 0; i < known.size(); ++i) {
        if (known[i]) continue;
        info.missing += info.missing.empty() ? "" : ",";
        info.missing += pool.servers[i]->options().ring_name;
    }
    if (info.is_whole()) info.sums = add_up(info.texts);
    return info;
}

void write_memory(std::string& text, const ServerInfo& info) {
    Section section(text, "Memory");
    if (is_whole(section, info)) add_figures(section, memory_figures, info);
}

void write_cpu(std::string& text, const ServerInfo& info) {
    Section section(text, "CPU");
    if (is_whole(section, info)) add_figures(section, cpu_figures, info);
}

void write_command_stats(std::string& text, const ServerInfo& info) {
    Section section(text, "Commandstats");
    if (is_whole(section, info)) info.sums.add_up(command_lines, text);
}

void write_error_stats(std::string& text, const ServerInfo& info) {
    Section section(text, "Errorstats");
    if (is_whole(section, info)) info.sums.add_up(error_lines, text);
}

void write_keyspace(std::string& text, const ServerInfo& info) {
    Section section(text, "Keyspace");
    if (is_whole(section, info)) resp::add_up_keyspaces(info.texts, text);
}

void add_persistence(Section& section, const ServerInfo& info) {
    if (info.is_whole()) add_figures(section, persistence_figures, info);
}

void add_stats(Section& section, const ServerInfo& info) {
    if (is_whole(section, info)) add_figures(section, stats_figures, info);
}

}  // namespace ringmain::core
