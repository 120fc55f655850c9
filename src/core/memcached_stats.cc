#include "memcached_stats.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/base/version.h"
#include "ringmain/memcached/forward.h"
#include "ringmain/resp/elements.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace ringmain::core {

namespace {

struct Stat {
    std::string_view name;
    std::string_view first;                // the value of the first server
    std::vector<std::string_view> values;  // with Rule::Same: of each server that has it
    std::vector<uint32_t> servers;         // and which these are
    uint64_t whole = 0;
    double decimal = 0;
    bool is_whole = true;
    bool is_decimal = true;
};

enum class Rule : uint8_t {
    Sum,
    First,
    Smallest,
    Largest,
    SmallestOfSome,  // 0 says that there is none
    Same,            // the first server's, where all say so; else each server's by itself
};

Rule rule_of_general(std::string_view name) {
    constexpr std::array<std::string_view, 4> first = {
        "pid", "version", "libevent", "pointer_size"};
    if (std::find(first.begin(), first.end(), name) != first.end()) return Rule::First;
    // States and sizes of one server, which mean nothing when they are added up.
    constexpr std::array<std::string_view, 6> largest = {"time",
                                                         "max_connections",
                                                         "hash_power_level",
                                                         "hash_is_expanding",
                                                         "slab_reassign_running",
                                                         "lru_crawler_running"};
    if (std::find(largest.begin(), largest.end(), name) != largest.end()) return Rule::Largest;
    if (name == "uptime" || name == "accepting_conns") return Rule::Smallest;
    return Rule::Sum;
}

// "items:1:age_hot"
Rule rule_of_items(std::string_view name) {
    const std::string_view figure = name.substr(name.rfind(':') + 1);
    if (figure.starts_with("age")) return Rule::Largest;
    return figure == "evicted_time" ? Rule::SmallestOfSome : Rule::Sum;
}

// "1:chunk_size"
Rule rule_of_slabs(std::string_view name) {
    const bool is_layout = name.ends_with(":chunk_size") || name.ends_with(":chunks_per_page");
    return is_layout ? Rule::Same : Rule::Sum;
}

Rule rule_of(StatsKind kind, std::string_view name) {
    switch (kind) {
        case StatsKind::Settings:
            return Rule::Same;
        case StatsKind::Items:
            return rule_of_items(name);
        case StatsKind::Slabs:
            return rule_of_slabs(name);
        case StatsKind::Sizes:
            return name == "sizes_status" ? Rule::Same : Rule::Sum;
        case StatsKind::General:
        case StatsKind::Reset:
        case StatsKind::DetailSwitch:
        case StatsKind::DetailDump:
            return rule_of_general(name);
    }
    RM_ASSERT(false);
}

void take(Stat& stat, std::string_view value, Rule rule, uint32_t server) {
    if (rule == Rule::Same) {
        stat.values.push_back(value);
        stat.servers.push_back(server);
        return;
    }
    const std::optional<uint64_t> whole = ascii::parse_uint64(value);
    const std::optional<double> decimal = ascii::parse_double(value);
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
        case Rule::SmallestOfSome:
            if (stat.whole == 0 || (number != 0 && number < stat.whole)) stat.whole = number;
            break;
        case Rule::Same:
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

std::string own_stats(const Proxy& proxy) {
    const Environment& environment = proxy.environment();
    const Totals totals(environment.all_counters);
    std::string text;
    const auto add = [&text](std::string_view name, uint64_t value) {
        add_line(text, name, std::to_string(value));
    };
    add_line(text, "ringmain_version", version);
    add_line(text, "ringmain_pid", std::to_string(environment.process_id));
    add_line(text, "ringmain_uptime", std::to_string(environment.uptime_s(proxy.now())));
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

namespace {

// What all servers said, each in one piece.
struct Texts {
    explicit Texts(std::span<const Chain* const> responses) {
        each.reserve(responses.size());
        for (const Chain* response : responses) {
            each.push_back(response->to_string());
            line_count += static_cast<size_t>(std::ranges::count(each.back(), '\n'));
            size += each.back().size();
        }
    }

    // No more names can be in them.
    [[nodiscard]] size_t names_max() const {
        constexpr size_t smallest = std::string_view("STAT \r\n").size();
        return std::min(line_count, size / smallest);
    }

    std::vector<std::string> each;
    size_t line_count = 0;
    size_t size = 0;
};

class Sums {
  public:
    Sums(StatsKind kind, const StatsSources& sources, SipKey hash_key)
        : kind_(kind),
          sources_(sources),
          texts_(sources.responses),
          names_(texts_.names_max(), hash_key) {}

    void take_all() {
        for (uint32_t server = 0; server < texts_.each.size(); ++server) {
            std::string_view rest = texts_.each[server];
            std::string_view name;
            std::string_view value;
            while (next_line(rest, name, value)) {
                const auto [number, is_new] = names_.add(name);
                if (is_new) {
                    stats_.emplace_back();
                    stats_.back().name = name;
                }
                take(stats_[number], value, rule_of(kind_, name), server);
            }
        }
    }

    // Of slabs: how many classes there are on any server.
    void count_classes() {
        const auto count = std::ranges::count_if(
            stats_, [](const Stat& stat) { return stat.name.ends_with(":chunk_size"); });
        const uint32_t found = names_.find("active_slabs");
        if (found != resp::Elements::none) stats_[found].whole = static_cast<uint64_t>(count);
    }

    [[nodiscard]] bool all_the_same() const {
        return std::ranges::all_of(stats_, [](const Stat& stat) { return is_same(stat); });
    }

    // As memcached does: the smallest first.
    void sort_by_size() {
        std::ranges::stable_sort(stats_, {}, [](const Stat& stat) {
            return ascii::parse_uint64(stat.name).value_or(UINT64_MAX);
        });
    }

    [[nodiscard]] std::string text() const {
        std::string text;
        for (const Stat& stat : stats_) {
            const Rule rule = rule_of(kind_, stat.name);
            if (rule != Rule::Same) {
                add_line(text, stat.name, value_text(stat, rule));
            } else if (is_same(stat)) {
                add_line(text, stat.name, stat.values.front());
            } else {
                add_each(text, stat);
            }
        }
        return text;
    }

  private:
    static bool is_same(const Stat& stat) {
        return std::ranges::all_of(
            stat.values, [&stat](std::string_view value) { return value == stat.values.front(); });
    }

    // "STAT maxbytes@cache1 67108864"
    void add_each(std::string& text, const Stat& stat) const {
        for (size_t i = 0; i < stat.values.size(); ++i) {
            const std::string name =
                std::string(stat.name).append("@").append(sources_.names[stat.servers[i]]);
            add_line(text, name, stat.values[i]);
        }
    }

    StatsKind kind_;
    const StatsSources& sources_;
    Texts texts_;
    resp::Elements names_;
    std::vector<Stat> stats_;  // by the number of its name
};

struct Prefix {
    std::string_view name;
    std::array<uint64_t, 4> counts = {};  // get hit set del
};

constexpr std::array<std::string_view, 4> prefix_words = {" get ", " hit ", " set ", " del "};

// "PREFIX name get 1 hit 0 set 0 del 0"; false when it is something else.
bool read_prefix(std::string_view line, Prefix& prefix) {
    constexpr std::string_view head = "PREFIX ";
    if (!line.starts_with(head)) return false;
    line.remove_prefix(head.size());
    for (size_t i = prefix_words.size(); i > 0; --i) {
        const size_t at = line.rfind(prefix_words[i - 1]);
        if (at == std::string_view::npos) return false;
        const auto count = ascii::parse_uint64(line.substr(at + prefix_words[i - 1].size()));
        if (!count.has_value()) return false;
        prefix.counts[i - 1] = *count;
        line = line.substr(0, at);
    }
    prefix.name = line;
    return true;
}

std::string sum_prefixes(std::span<const Chain* const> responses, SipKey hash_key) {
    const Texts texts(responses);
    resp::Elements names(texts.names_max(), hash_key);
    std::vector<Prefix> prefixes;  // by the number of its name
    for (std::string_view rest : texts.each) {
        for (size_t end = rest.find("\r\n"); end != std::string_view::npos;
             end = rest.find("\r\n")) {
            Prefix prefix;
            const bool is_one = read_prefix(rest.substr(0, end), prefix);
            rest.remove_prefix(end + 2);
            if (!is_one) continue;
            const auto [number, is_new] = names.add(prefix.name);
            if (is_new) {
                prefixes.push_back(prefix);
                continue;
            }
            for (size_t i = 0; i < prefix.counts.size(); ++i) {
                prefixes[number].counts[i] += prefix.counts[i];
            }
        }
    }
    std::string text;
    for (const Prefix& prefix : prefixes) {
        text.append("PREFIX ").append(prefix.name);
        for (size_t i = 0; i < prefix.counts.size(); ++i) {
            text.append(prefix_words[i]).append(std::to_string(prefix.counts[i]));
        }
        text += "\r\n";
    }
    return text;
}

}  // namespace

std::optional<StatsKind> stats_kind_of(std::string_view what, std::string_view detail) {
    if (what.empty()) return StatsKind::General;
    if (what == "reset") return StatsKind::Reset;
    if (what == "settings") return StatsKind::Settings;
    if (what == "items") return StatsKind::Items;
    if (what == "slabs") return StatsKind::Slabs;
    if (what == "sizes") return StatsKind::Sizes;
    if (what != "detail") return std::nullopt;
    if (detail == "on" || detail == "off") return StatsKind::DetailSwitch;
    if (detail == "dump") return StatsKind::DetailDump;
    return std::nullopt;
}

std::string join_stats(const Proxy& proxy, StatsKind kind, const StatsSources& sources) {
    if (kind == StatsKind::Reset) return "RESET\r\n";
    if (kind == StatsKind::DetailSwitch) return "OK\r\n";
    const SipKey hash_key = proxy.environment().hash_key;
    if (kind == StatsKind::DetailDump) {
        return sum_prefixes(sources.responses, hash_key).append(memcached::end_of_values);
    }
    Sums sums(kind, sources, hash_key);
    sums.take_all();
    if (kind == StatsKind::Sizes) sums.sort_by_size();
    if (kind == StatsKind::Slabs) {
        // The same number means another class on each server then.
        if (!sums.all_the_same()) {
            return "CLIENT_ERROR ringmain: servers' slab classes differ: ask each server\r\n";
        }
        sums.count_classes();
    }
    const std::string own = kind == StatsKind::General ? own_stats(proxy) : "";
    return (sums.text() + own).append(memcached::end_of_values);
}

}  // namespace ringmain::core
