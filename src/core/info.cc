// INFO: what redis-cli --stat, exporters and ready checks of clients read.

#include "ringmain/base/ascii.h"
#include "ringmain/base/version.h"
#include "ringmain/resp/keyspace.h"
#include "ringmain/resp/reader.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "resp_local.h"

namespace ringmain::core {

namespace {

class Section {
  public:
    Section(std::string& text, std::string_view title) : text_(text) {
        if (!text_.empty()) text_ += "\r\n";
        text_.append("# ").append(title).append("\r\n");
    }

    void add(std::string_view name, std::string_view value) {
        text_.append(name).append(":").append(value).append("\r\n");
    }

    void add(std::string_view name, uint64_t value) { add(name, std::to_string(value)); }

  private:
    std::string& text_;
};

void write_server(std::string& text, const Proxy& proxy) {
    const Environment& environment = proxy.environment();
    const int64_t uptime_s =
        std::max<int64_t>(proxy.wall().ns / 1'000'000'000 - environment.started_at_s, 0);
    Section section(text, "Server");
    section.add("redis_version", redis_version);
    section.add("redis_mode", "proxy");
    section.add("ringmain_version", version);
    section.add("os", "Linux");
    section.add("arch_bits", "64");
    section.add("multiplexing_api", environment.io_backend);
    section.add("process_id", static_cast<uint64_t>(environment.process_id));
    section.add("tcp_port", environment.tcp_port);
    section.add("uptime_in_seconds", static_cast<uint64_t>(uptime_s));
    section.add("uptime_in_days", static_cast<uint64_t>(uptime_s / 86400));
    section.add("config_file", proxy.config().file);
}

void write_clients(std::string& text, const Totals& totals) {
    Section section(text, "Clients");
    section.add("connected_clients", totals.of(&Counters::clients));
    section.add("blocked_clients", totals.of(&Counters::clients_waiting));
    section.add("rejected_connections", totals.of(&Counters::clients_refused));
}

void write_memory(std::string& text, const Totals& totals) {
    Section section(text, "Memory");
    section.add("used_memory", totals.of(&stats::WorkerCounters::buffer_memory));
    section.add("maxmemory", 0);
}

// Always the same: a proxy keeps no data. Here so that ready checks and --stat find them.
void write_persistence(std::string& text) {
    Section section(text, "Persistence");
    section.add("loading", 0);
    section.add("rdb_bgsave_in_progress", 0);
    section.add("aof_rewrite_in_progress", 0);
}

void write_stats(std::string& text, const Totals& totals) {
    Section section(text, "Stats");
    section.add("total_connections_received", totals.of(&Counters::clients_accepted));
    section.add("total_commands_processed", totals.of(&Counters::requests));
    section.add("total_net_input_bytes", totals.of(&Counters::bytes_received));
    section.add("total_net_output_bytes", totals.of(&Counters::bytes_sent));
    section.add("rejected_connections", totals.of(&Counters::clients_refused));
    section.add("total_error_replies", totals.of(&Counters::errors));
}

void write_replication(std::string& text) {
    Section section(text, "Replication");
    section.add("role", "master");
    section.add("connected_slaves", 0);
}

void write_proxy(std::string& text, const Proxy& proxy, const Totals& totals) {
    Section section(text, "Proxy");
    section.add("workers", proxy.environment().worker_count);
    section.add("pools", proxy.pools().size());
    section.add("fragments", totals.of(&Counters::fragments));
    section.add("server_connections", totals.of(&Counters::server_connections));
    section.add("server_connects", totals.of(&Counters::server_connects));
    section.add("server_failures", totals.of(&Counters::server_failures));
    section.add("timeouts", totals.of(&Counters::timeouts));
    section.add("clients_closed_slow", totals.of(&stats::WorkerCounters::clients_closed_slow));
    section.add("accept_failures", totals.of(&stats::WorkerCounters::accept_failures));
}

// Those of the client's pool: others are none of its business.
void write_servers(std::string& text, const Pool& pool) {
    Section section(text, "Servers");
    for (const auto& server : pool.servers) {
        const auto conns = server->connections();
        const bool up = std::any_of(conns.begin(), conns.end(), [](const auto& conn) {
            return conn->state == ServerConn::State::Ready && !conn->is_probe;
        });
        section.add(pool.options->name + "/" + server->options().ring_name,
                    "address=" + server->options().address.text() +
                        ",weight=" + std::to_string(server->options().weight) +
                        ",connected=" + (up ? "1" : "0"));
    }
}

// A proxy is no node of one.
void write_cluster(std::string& text) {
    Section section(text, "Cluster");
    section.add("cluster_enabled", 0);
}

void write_keyspace(std::string& text, std::string_view lines) {
    const Section section(text, "Keyspace");
    text += lines;
}

constexpr std::array<std::string_view, 10> titles = {"server",
                                                     "clients",
                                                     "memory",
                                                     "persistence",
                                                     "stats",
                                                     "replication",
                                                     "proxy",
                                                     "servers",
                                                     "cluster",
                                                     "keyspace"};

void write_section(std::string& text,
                   std::string_view title,
                   const Proxy& proxy,
                   const Pool& pool,
                   std::string_view keyspace) {
    const Totals totals(proxy.environment().all_counters);
    if (title == "server") write_server(text, proxy);
    if (title == "clients") write_clients(text, totals);
    if (title == "memory") write_memory(text, totals);
    if (title == "persistence") write_persistence(text);
    if (title == "stats") write_stats(text, totals);
    if (title == "replication") write_replication(text);
    if (title == "proxy") write_proxy(text, proxy, totals);
    if (title == "servers") write_servers(text, pool);
    if (title == "cluster") write_cluster(text);
    if (title == "keyspace") write_keyspace(text, keyspace);
}

bool asks_for(std::span<const std::string> sections, std::string_view title) {
    if (sections.empty()) return true;
    return std::any_of(sections.begin(), sections.end(), [title](const std::string& section) {
        return ascii::equal_ignoring_case(section, title) ||
               ascii::equal_ignoring_case(section, "all") ||
               ascii::equal_ignoring_case(section, "default") ||
               ascii::equal_ignoring_case(section, "everything");
    });
}

}  // namespace

std::string info_text(const Proxy& proxy,
                      const Pool& pool,
                      std::span<const std::string> sections,
                      std::string_view keyspace) {
    std::string text;
    for (const std::string_view title : titles) {
        if (asks_for(sections, title)) write_section(text, title, proxy, pool, keyspace);
    }
    return text;
}

bool info_has_keyspace(std::span<const std::string> sections) {
    return asks_for(sections, "keyspace");
}

std::string keyspace_text(const Pool& pool,
                          std::span<const uint16_t> owners,
                          std::span<const std::string_view> responses) {
    std::vector<std::string_view> bodies(pool.servers.size());
    std::vector<bool> known(pool.servers.size());
    for (size_t i = 0; i < owners.size(); ++i) {
        const std::optional<resp::Value> value = resp::Reader(responses[i]).next();
        // After a reload in between the servers may be others.
        if (!value.has_value() || value->is_error() || owners[i] >= known.size()) continue;
        bodies[owners[i]] = value->text;
        known[owners[i]] = true;
    }
    std::string missing;
    for (size_t i = 0; i < known.size(); ++i) {
        if (known[i]) continue;
        missing += missing.empty() ? "" : ",";
        missing += pool.servers[i]->options().ring_name;
    }
    if (!missing.empty()) return "servers_without_answer:" + missing + "\r\n";
    std::string lines;
    resp::add_up_keyspaces(bodies, lines);
    return lines;
}

}  // namespace ringmain::core
