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

void add_size(Section& section, const std::string& name, std::optional<int64_t> bytes) {
    if (!bytes.has_value()) return;
    section.add(name, std::to_string(*bytes));
    section.add(name + "_human", human(*bytes));
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
    return info;
}

// One that has no limit makes all have none.
void write_memory(std::string& text, const ServerInfo& info) {
    Section section(text, "Memory");
    if (!is_whole(section, info)) return;
    const resp::InfoSums sums(info.texts);
    add_size(section, "used_memory", sums.sum("used_memory"));
    add_size(section, "used_memory_rss", sums.sum("used_memory_rss"));
    add_size(section, "used_memory_peak", sums.sum("used_memory_peak"));
    add(section, "used_memory_overhead", sums.sum("used_memory_overhead"));
    add(section, "used_memory_dataset", sums.sum("used_memory_dataset"));
    const bool is_limited = sums.smallest("maxmemory").value_or(0) > 0;
    add_size(section, "maxmemory", is_limited ? sums.sum("maxmemory") : 0);
    add_text(section, "maxmemory_policy", sums.values("maxmemory_policy"));
}

void write_cpu(std::string& text, const ServerInfo& info) {
    Section section(text, "CPU");
    if (!is_whole(section, info)) return;
    const resp::InfoSums sums(info.texts);
    for (const std::string_view name :
         {"used_cpu_sys", "used_cpu_user", "used_cpu_sys_children", "used_cpu_user_children"}) {
        add_text(section, name, sums.decimal_sum(name, 6));
    }
}

void write_command_stats(std::string& text, const ServerInfo& info) {
    Section section(text, "Commandstats");
    if (is_whole(section, info)) resp::InfoSums(info.texts).add_up("cmdstat_", text);
}

void write_error_stats(std::string& text, const ServerInfo& info) {
    Section section(text, "Errorstats");
    if (is_whole(section, info)) resp::InfoSums(info.texts).add_up("errorstat_", text);
}

void write_keyspace(std::string& text, const ServerInfo& info) {
    Section section(text, "Keyspace");
    if (is_whole(section, info)) resp::add_up_keyspaces(info.texts, text);
}

void add_persistence(Section& section, const ServerInfo& info) {
    if (!info.is_whole()) return;
    const resp::InfoSums sums(info.texts);
    add(section, "rdb_changes_since_last_save", sums.sum("rdb_changes_since_last_save"));
    add(section, "rdb_last_save_time", sums.smallest("rdb_last_save_time"));
    for (const std::string_view name : {"rdb_last_bgsave_status", "aof_last_write_status"}) {
        const std::string all = sums.values(name);
        if (!all.empty()) section.add(name, all == "ok" ? "ok" : "err");
    }
    add(section, "aof_enabled", sums.smallest("aof_enabled"));
}

void add_stats(Section& section, const ServerInfo& info) {
    if (!is_whole(section, info)) return;
    const resp::InfoSums sums(info.texts);
    for (const std::string_view name : {"instantaneous_ops_per_sec",
                                        "expired_keys",
                                        "evicted_keys",
                                        "keyspace_hits",
                                        "keyspace_misses",
                                        "pubsub_channels"}) {
        add(section, name, sums.sum(name));
    }
    // Every pattern is on every server.
    add(section, "pubsub_patterns", sums.largest("pubsub_patterns"));
}

}  // namespace ringmain::core
