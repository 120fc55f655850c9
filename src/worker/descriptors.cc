#include "ringmain/worker/descriptors.h"

#include <algorithm>

#include "port.h"
#include <sys/resource.h>

namespace ringmain::worker {

namespace {

constexpr uint64_t spare = 64;        // logs, look-ups of names, whatever a library opens
constexpr uint64_t spare_least = 16;  // the same where descriptors are few
constexpr uint64_t clients_least = 8;

// Of the descriptors for clients, one in so many is for those that linger; of each worker, within
// these.
constexpr uint64_t lingering_part = 32;
constexpr uint64_t lingering_least = 4;
constexpr uint64_t lingering_most = 256;

// Of all descriptors, one in so many is for the connections of each port.
constexpr uint64_t port_part = 16;
constexpr uint64_t port_connections_least = 4;

uint64_t ports(const config::Config& config) {
    return (config.stats.listen.empty() ? 0U : 1U) + (config.admin.listen.empty() ? 0U : 1U);
}

// The ports with their connections, a probe of each server, and of each worker: ring, eventfd,
// listeners, and connections to servers that serve everybody. Amply, redis is spoken to in both
// versions of its protocol and sends messages on a connection of its own, and each connection may
// be late and replaced, and one replacement, too (core::Server::replace). What clients can make
// more of is not among them (core/descriptors.cc).
uint64_t fixed(const config::Config& config, bool amply) {
    uint64_t each = 2;
    uint64_t probes = 0;
    for (const config::Pool& pool : config.pools) {
        const bool redis = pool.protocol == config::Protocol::Redis;
        const uint64_t protocols = amply && redis ? 2 : 1;
        const uint64_t shared = pool.server_connections;
        const uint64_t connections = amply ? 2 * shared + 1 : shared;
        const uint64_t messages = amply && redis ? pool.servers.size() : 0;
        each += 1 + protocols * pool.servers.size() * connections + messages;
        if (amply) probes += pool.servers.size();
    }
    const uint64_t of_port = 1 + (amply ? Port::connections_max : port_connections_least);
    return each * config.proxy.workers + probes + ports(config) * of_port;
}

// Who watches keys or waits has a connection to a server, too; and a database that clients have
// selected has connections to each.
uint64_t extra(const config::Pool& pool) {
    const uint64_t of_database = 2 * pool.servers.size() * pool.server_connections;
    return pool.leases_max + pool.databases_max * of_database;
}

bool every_pool_is_limited(const config::Config& config) {
    return std::ranges::all_of(
        config.pools, [](const config::Pool& pool) { return pool.client_connections != 0; });
}

// Clients as far as they are limited, and what they make more of.
uint64_t for_clients(const config::Config& config) {
    uint64_t clients = 0;
    for (const config::Pool& pool : config.pools) {
        clients += pool.client_connections;
    }
    if (const uint64_t most = config.proxy.client_connections; most != 0) {
        clients = every_pool_is_limited(config) ? std::min(clients, most) : most;
    }
    for (const config::Pool& pool : config.pools) {
        if (pool.protocol == config::Protocol::Redis) clients += extra(pool) * config.proxy.workers;
    }
    return clients;
}

}  // namespace

uint64_t descriptors_wanted(const config::Config& config) {
    return spare + fixed(config, true) + for_clients(config);
}

uint64_t descriptors_needed(const config::Config& config) {
    return spare_least + fixed(config, false) + clients_least;
}

void raise_descriptor_limit() {
    rlimit limit = {};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
}

uint64_t descriptor_limit() {
    rlimit limit = {};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

uring::DescriptorFacts descriptor_facts(const config::Config& config) {
    uring::DescriptorFacts facts = uring::descriptor_limits();
    facts.wanted = descriptors_wanted(config);
    facts.needed = descriptors_needed(config);
    const bool any_limit = config.proxy.client_connections != 0 || every_pool_is_limited(config);
    facts.has_room_for_clients =
        any_limit && clients_max(config, facts.limit) >= for_clients(config);
    return facts;
}

uring::Finding judge_descriptors(const config::Config& config) {
    return uring::judge_descriptors(descriptor_facts(config));
}

uint64_t lingering_max(uint64_t clients, uint32_t workers) {
    return std::clamp<uint64_t>(
        clients / lingering_part / workers, lingering_least, lingering_most);
}

uint32_t port_connections_max(uint64_t limit) {
    return static_cast<uint32_t>(
        std::clamp<uint64_t>(limit / port_part, port_connections_least, Port::connections_max));
}

uint64_t clients_max(const config::Config& config, uint64_t limit) {
    const uint32_t workers = config.proxy.workers;
    const uint64_t ample = spare + fixed(config, true) + workers * lingering_max(limit, workers);
    if (limit >= 2 * ample) return limit - ample;
    const uint64_t least = descriptors_needed(config) - clients_least;
    if (limit <= least) return 1;
    const uint64_t rest = limit - least;
    const uint64_t for_ports =
        ports(config) * (port_connections_max(limit) - port_connections_least);
    const uint64_t others = workers * lingering_max(rest, workers) + for_ports;
    return rest >= others + clients_least ? rest - others : std::min(rest, clients_least);
}

}  // namespace ringmain::worker
