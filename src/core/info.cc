// INFO: what redis-cli --stat, exporters and ready checks of clients read.

#include "ringmain/base/ascii.h"
#include "ringmain/base/version.h"

#include <algorithm>
#include <array>

#include "info_section.h"
#include "resp_local.h"

namespace ringmain::core {

namespace {

void write_server(std::string& text, const Proxy& proxy, const Pool& pool) {
    const Environment& environment = proxy.environment();
    const int64_t uptime_s = environment.uptime_s(proxy.now());
    Section section(text, "Server");
    section.add("redis_version", redis_version);
    section.add("redis_mode", "proxy");
    section.add("ringmain_version", version);
    section.add("os", "Linux");
    section.add("arch_bits", "64");
    section.add("multiplexing_api", environment.io_backend);
    section.add("process_id", static_cast<uint64_t>(environment.process_id));
    section.add("tcp_port", pool.options->listen.port);  // 0: a unix socket
    section.add("server_time_usec", static_cast<uint64_t>(proxy.wall().ns / 1000));
    section.add("uptime_in_seconds", static_cast<uint64_t>(uptime_s));
    section.add("uptime_in_days", static_cast<uint64_t>(uptime_s / 86400));
    section.add("config_file", proxy.config().file);
}

// The least of the limits that there are; 0: none is.
uint64_t clients_limit(const Proxy& proxy, const Pool& pool) {
    uint64_t least = UINT64_MAX;
    for (const uint64_t limit :
         {uint64_t{pool.options->client_connections},
          uint64_t{proxy.config().proxy.client_connections},
          proxy.environment().shared->clients_max.load(std::memory_order_relaxed)}) {
        if (limit != 0) least = std::min(least, limit);
    }
    return least == UINT64_MAX ? 0 : least;
}

// Of the client's pool, as its limit is, and of all workers.
void write_clients(std::string& text, const Proxy& proxy, const Pool& pool) {
    uint64_t connected = 0;
    uint64_t waiting = 0;
    for (const stats::PoolCounters& worker : *pool.shared->counters) {
        connected += worker.client_connections.get();
        waiting += worker.clients_waiting.get();
    }
    Section section(text, "Clients");
    section.add("connected_clients", connected);
    const uint64_t limit = clients_limit(proxy, pool);
    if (limit != 0) section.add("maxclients", limit);
    section.add("blocked_clients", waiting);
}

// A proxy loads nothing and saves nothing: ready checks and --stat find that.
void write_persistence(std::string& text, const ServerInfo& servers) {
    Section section(text, "Persistence");
    section.add("loading", 0);
    section.add("rdb_bgsave_in_progress", 0);
    section.add("aof_rewrite_in_progress", 0);
    add_persistence(section, servers);
}

void write_stats(std::string& text, const Totals& totals, const ServerInfo& servers) {
    Section section(text, "Stats");
    section.add("total_connections_received", totals.of(&Counters::clients_accepted));
    section.add("total_commands_processed", totals.of(&Counters::requests));
    section.add("total_net_input_bytes", totals.of(&Counters::bytes_received));
    section.add("total_net_output_bytes", totals.of(&Counters::bytes_sent));
    section.add("rejected_connections", totals.of(&Counters::clients_refused));
    section.add("total_error_replies", totals.of(&Counters::errors));
    add_stats(section, servers);
}

void write_replication(std::string& text) {
    Section section(text, "Replication");
    section.add("role", "master");
    section.add("connected_slaves", 0);
}

void write_proxy(std::string& text, const Proxy& proxy, const Totals& totals) {
    Section section(text, "Proxy");
    section.add("workers", proxy.environment().worker_count);
    section.add("buffer_memory", totals.of(&stats::WorkerCounters::buffer_memory));
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

// In the order of redis. The servers say something about those with `asks`, and only who asks for
// all gets those that are not `usual`.
struct Title {
    std::string_view name;
    bool asks = false;
    bool is_usual = true;
};

constexpr std::array titles = {Title{"server"},
                               Title{"clients"},
                               Title{"memory", true},
                               Title{"persistence", true},
                               Title{"stats", true},
                               Title{"replication"},
                               Title{"cpu", true},
                               Title{"commandstats", true, false},
                               Title{"errorstats", true},
                               Title{"proxy"},
                               Title{"servers"},
                               Title{"cluster"},
                               Title{"keyspace", true}};

void write_section(std::string& text,
                   std::string_view title,
                   const Proxy& proxy,
                   const Pool& pool,
                   const ServerInfo& servers) {
    const Totals totals(proxy.environment().all_counters);
    if (title == "server") write_server(text, proxy, pool);
    if (title == "clients") write_clients(text, proxy, pool);
    if (title == "memory") write_memory(text, servers);
    if (title == "persistence") write_persistence(text, servers);
    if (title == "stats") write_stats(text, totals, servers);
    if (title == "replication") write_replication(text);
    if (title == "cpu") write_cpu(text, servers);
    if (title == "commandstats") write_command_stats(text, servers);
    if (title == "errorstats") write_error_stats(text, servers);
    if (title == "proxy") write_proxy(text, proxy, totals);
    if (title == "servers") write_servers(text, pool);
    if (title == "cluster") write_cluster(text);
    if (title == "keyspace") write_keyspace(text, servers);
}

bool asks_for(std::span<const std::string> sections, const Title& title) {
    if (sections.empty()) return title.is_usual;
    return std::any_of(sections.begin(), sections.end(), [&title](const std::string& section) {
        return ascii::equal_ignoring_case(section, title.name) ||
               ascii::equal_ignoring_case(section, "all") ||
               ascii::equal_ignoring_case(section, "everything") ||
               (title.is_usual && ascii::equal_ignoring_case(section, "default"));
    });
}

}  // namespace

std::string info_text(const Proxy& proxy,
                      const Pool& pool,
                      std::span<const std::string> sections,
                      const ServerInfo& servers) {
    std::string text;
    for (const Title& title : titles) {
        if (asks_for(sections, title)) write_section(text, title.name, proxy, pool, servers);
    }
    return text;
}

// Servers before 7.0 take one section, or all.
std::string_view info_question(std::span<const std::string> sections) {
    std::string_view question;
    bool are_usual = true;
    for (const Title& title : titles) {
        if (!title.asks || !asks_for(sections, title)) continue;
        are_usual = are_usual && title.is_usual;
        const bool is_first = question.empty();
        question = is_first ? title.name : are_usual ? "default" : "all";
    }
    return question;
}

}  // namespace ringmain::core
