#include "memcached_stats.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/version.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringmain::core {

namespace {

struct Stat {
    std::string_view name;
    std::string_view first;  // the value of the first server
    uint64_t whole = 0;
    double decimal = 0;
    bool is_whole = true;
    bool is_decimal = true;
};

enum class Rule : uint8_t { Sum, First, Smallest, Largest };

Rule rule_of(std::string_view name) {
    constexpr std::array<std::string_view, 4> first = {
        "pid", "version", "libevent", "pointer_size"};
    if (std::find(first.begin(), first.end(), name) != first.end()) return Rule::First;
    if (name == "uptime") return Rule::Smallest;
    if (name == "time" || name == "max_connections") return Rule::Largest;
    return Rule::Sum;
}

std::optional<double> parse_decimal(std::string_view text) {
    double value = 0;
    const char* const end = text.data() + text.size();
    const std::from_chars_result result = std::from_chars(text.data(), end, value);
    if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
    return value;
}

void take(Stat& stat, std::string_view value, Rule rule) {
    const std::optional<uint64_t> whole = ascii::parse_uint64(value);
    const std::optional<double> decimal = parse_decimal(value);
    stat.is_whole = stat.is_whole && whole.has_value();
    stat.is_decimal = stat.is_decimal && decimal.has_value();
    stat.decimal += decimal.value_or(0);
    const uint64_t number = whole.value_or(0);
    if (stat.first.data() == nullptr) {
        stat.first = value;
        stat.whole = number;
        return;
    }
    switch (rule) {
        case Rule::First:
            break;
        case Rule::Sum:
            stat.whole += number;
            break;
        case Rule::Smallest:
            stat.whole = std::min(stat.whole, number);
            break;
        case Rule::Largest:
            stat.whole = std::max(stat.whole, number);
            break;
    }
}

std::string value_text(const Stat& stat, Rule rule) {
    if (rule == Rule::First || (!stat.is_whole && !stat.is_decimal)) return std::string(stat.first);
    if (stat.is_whole) return std::to_string(stat.whole);
    return std::to_string(stat.decimal);
}

// Takes "STAT name value" off the front of `text`; false at END.
bool next_line(std::string_view& text, std::string_view& name, std::string_view& value) {
    const size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return false;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (!line.starts_with("STAT ")) return false;
    const size_t blank = line.find(' ', 5);
    name = line.substr(5, blank == std::string_view::npos ? blank : blank - 5);
    value = blank == std::string_view::npos ? std::string_view("") : line.substr(blank + 1);
    return true;
}

void add_line(std::string& text, std::string_view name, std::string_view value) {
    text.append("STAT ").append(name).append(" ").append(value).append("\r\n");
}

}  // namespace

std::string sum_stats(std::span<const Chain* const> responses) {
    std::vector<std::string> texts;
    texts.reserve(responses.size());
    std::vector<Stat> stats;
    std::unordered_map<std::string_view, size_t> index_of;
    for (const Chain* response : responses) {
        texts.push_back(response->to_string());
        std::string_view rest = texts.back();
        std::string_view name;
        std::string_view value;
        while (next_line(rest, name, value)) {
            const auto [found, added] = index_of.try_emplace(name, stats.size());
            if (added) {
                stats.emplace_back();
                stats.back().name = name;
            }
            take(stats[found->second], value, rule_of(name));
        }
    }
    std::string text;
    for (const Stat& stat : stats) {
        add_line(text, stat.name, value_text(stat, rule_of(stat.name)));
    }
    return text;
}

std::string own_stats(const Proxy& proxy) {
    const Environment& environment = proxy.environment();
    const Totals totals(environment.all_counters);
    const int64_t uptime_s = proxy.wall().ns / 1'000'000'000 - environment.started_at_s;
    std::string text;
    const auto add = [&text](std::string_view name, uint64_t value) {
        add_line(text, name, std::to_string(value));
    };
    add_line(text, "ringmain_version", version);
    add_line(text, "ringmain_pid", std::to_string(environment.process_id));
    add_line(text, "ringmain_uptime", std::to_string(uptime_s));
    add("ringmain_workers", environment.worker_count);
    add_line(text, "ringmain_io_backend", environment.io_backend);
    add("ringmain_clients", totals.of(&Counters::clients));
    add("ringmain_clients_accepted", totals.of(&Counters::clients_accepted));
    add("ringmain_clients_refused", totals.of(&Counters::clients_refused));
    add("ringmain_clients_closed_slow", totals.of(&stats::WorkerCounters::clients_closed_slow));
    add("ringmain_accept_failures", totals.of(&stats::WorkerCounters::accept_failures));
    add("ringmain_requests", totals.of(&Counters::requests));
    add("ringmain_fragments", totals.of(&Counters::fragments));
    add("ringmain_bytes_received", totals.of(&Counters::bytes_received));
    add("ringmain_bytes_sent", totals.of(&Counters::bytes_sent));
    add("ringmain_server_connections", totals.of(&Counters::server_connections));
    add("ringmain_server_failures", totals.of(&Counters::server_failures));
    add("ringmain_errors", totals.of(&Counters::errors));
    add("ringmain_timeouts", totals.of(&Counters::timeouts));
    add("ringmain_buffer_bytes", totals.of(&stats::WorkerCounters::buffer_memory));
    return text;
}

}  // namespace ringmain::core
