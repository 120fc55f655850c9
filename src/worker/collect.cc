#include "collect.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/counted_commands.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace ringmain::worker {

namespace {

constexpr int64_t ns_per_us = 1'000;
constexpr int64_t us_per_second = 1'000'000;
constexpr int64_t ns_per_second = 1'000'000'000;

// What Health knows of the server. Down is what cannot be connected to and is not, or not yet,
// ejected. Since when it is, the snapshots tell (keep_history).
void describe_health(stats::ServerSnapshot& server, const core::Health& health) {
    server.ejections = health.ejections();
    server.changed_ns = health.changed_at().ns;
    if (server.changed_ns != 0) server.reason = health.change_reason();
    if (!health.accepts_traffic()) {
        server.state = stats::ServerState::Ejected;
    } else if (health.is_down()) {
        server.state = stats::ServerState::Down;
        server.reason = health.last_error();
    }
}

// Its memory with nothing in it.
stats::HistogramValues emptied(stats::HistogramValues used) {
    used.counts.clear();
    return {.counts = std::move(used.counts)};
}

stats::ServerSnapshot collect_server(const config::Server& options,
                                     const core::ServerShared& shared,
                                     stats::ServerSnapshot used) {
    stats::ServerSnapshot server;
    server.values.latency = emptied(std::move(used.values.latency));
    server.name = options.ring_name;
    server.address = options.address.text();
    server.weight = options.weight;
    describe_health(server, shared.health);
    for (const stats::ServerCounters& worker : shared.counters) {
        server.values.add(worker);
    }
    return server;
}

void describe_commands(stats::PoolSnapshot& pool, std::span<const core::CountedCommand> commands) {
    for (size_t number = 0; number < commands.size(); ++number) {
        const uint64_t count = pool.values.commands[number];
        if (count == 0) continue;
        const auto known =
            std::ranges::find(pool.commands, commands[number].name, &stats::CommandCount::name);
        if (known == pool.commands.end()) {
            pool.commands.push_back({.name = commands[number].name, .count = count});
        } else {
            known->count += count;
        }
        uint64_t& sum = commands[number].kind == core::CommandClass::Read    ? pool.requests_read
                        : commands[number].kind == core::CommandClass::Write ? pool.requests_write
                                                                             : pool.requests_other;
        sum += count;
    }
}

stats::PoolSnapshot collect_pool(const config::Pool& options,
                                 const core::PoolShared& shared,
                                 const CollectSources& sources,
                                 stats::PoolSnapshot used) {
    stats::PoolSnapshot pool;
    pool.values.latency = emptied(std::move(used.values.latency));
    pool.commands = std::move(used.commands);
    pool.commands.clear();
    pool.name = options.name;
    pool.protocol = options.protocol == config::Protocol::Redis ? "redis" : "memcached";
    pool.listen = options.listen.text();
    pool.client_limit = options.client_connections;
    for (const stats::PoolCounters& worker : *shared.counters) {
        pool.values.add(worker);
    }
    for (size_t i = 0; i < sources.workers.size(); ++i) {
        const Duration age = (*shared.counters)[i].oldest.age(
            sources.now, sources.workers[i].counters->looked_at_ns);
        const auto age_us = static_cast<uint64_t>(age.ns / ns_per_us);
        pool.oldest_request_us = std::max(pool.oldest_request_us, age_us);
    }
    describe_commands(pool,
                      options.protocol == config::Protocol::Redis
                          ? core::counted_resp_commands()
                          : core::counted_memcached_commands());
    RM_ASSERT(options.servers.size() == shared.servers.size());
    pool.servers = std::move(used.servers);
    pool.servers.resize(options.servers.size());
    for (size_t i = 0; i < options.servers.size(); ++i) {
        stats::ServerSnapshot& server = pool.servers[i];
        server = collect_server(options.servers[i], *shared.servers[i], std::move(server));
    }
    return pool;
}

// Where the worker's time went.
void describe_time(stats::WorkerSnapshot& worker, const WorkerFigures& figures) {
    worker.cpu_us = static_cast<uint64_t>(figures.cpu_time.ns / ns_per_us);
    if (worker.cpu_us == 0) return;
    worker.ready_us = static_cast<uint64_t>(figures.ready_time.ns / ns_per_us);
    const Duration rest = {figures.lived.ns - figures.cpu_time.ns - figures.ready_time.ns};
    worker.waiting_us = static_cast<uint64_t>(std::max<int64_t>(rest.ns / ns_per_us, 0));
}

stats::WorkerSnapshot collect_worker(const WorkerFigures& figures,
                                     const stats::WorkerSnapshot* before,
                                     Duration since_before) {
    stats::WorkerSnapshot worker;
    worker.values.add(figures.counters->worker);
    worker.batches = figures.batches;
    describe_time(worker, figures);
    if (before == nullptr) return worker;
    // A counter that goes back is none.
    worker.cpu_us = std::max(worker.cpu_us, before->cpu_us);
    worker.ready_us = std::max(worker.ready_us, before->ready_us);
    worker.waiting_us = std::max(worker.waiting_us, before->waiting_us);
    const int64_t us = since_before.ns / ns_per_us;
    if (us <= 0) return worker;
    const uint64_t used = worker.cpu_us - before->cpu_us;
    worker.busy_millionths = static_cast<uint32_t>(
        std::min<uint64_t>(used * 1'000'000 / static_cast<uint64_t>(us), 1'000'000));
    return worker;
}

// As twemproxy counts: listeners, clients and servers.
void count_connections(stats::ProcessSnapshot& process, const CollectSources& sources) {
    process.connections = sources.config->pools.size();
    process.connections_opened = sources.listeners_opened;
    for (const WorkerFigures& worker : sources.workers) {
        const core::Counters& counters = *worker.counters;
        process.connections += counters.clients.get() + counters.server_connections.get();
        process.connections_opened +=
            counters.clients_accepted.get() + counters.server_connects.get();
    }
}

// It is mostly in its place, and so is a server; to look for each of thousands among all takes
// long.
const stats::PoolSnapshot* find_pool(const stats::Snapshot* snapshot,
                                     size_t place,
                                     const std::string& name) {
    if (snapshot == nullptr) return nullptr;
    const std::vector<stats::PoolSnapshot>& pools = snapshot->pools;
    if (place < pools.size() && pools[place].name == name) return &pools[place];
    const auto pool = std::ranges::find(pools, name, &stats::PoolSnapshot::name);
    return pool == pools.end() ? nullptr : &*pool;
}

const stats::ServerSnapshot* find_server(const stats::PoolSnapshot* pool,
                                         size_t place,
                                         const stats::ServerSnapshot& like) {
    if (pool == nullptr) return nullptr;
    const auto is_it = [&like](const stats::ServerSnapshot& one) {
        return one.name == like.name && one.address == like.address;
    };
    if (place < pool->servers.size() && is_it(pool->servers[place])) return &pool->servers[place];
    const auto server = std::ranges::find_if(pool->servers, is_it);
    return server == pool->servers.end() ? nullptr : &*server;
}

// `before`: null where there is none.
void date_change(stats::ServerSnapshot& server,
                 const stats::ServerSnapshot* before,
                 Duration wall_offset) {
    if (server.changed_ns == 0) return;
    const bool is_known = before != nullptr && before->changed_ns == server.changed_ns;
    server.changed_us =
        is_known ? before->changed_us : (Instant{server.changed_ns} + wall_offset).ns / ns_per_us;
    server.state_since_s = server.changed_us / us_per_second;
    if (server.state == stats::ServerState::Ejected) server.ejected_at_us = server.changed_us;
}

// Health knows when a server was ejected or came back. That one went down or is up again is seen by
// who looks, and stays so until Health knows of something later. `before`: null where there is
// none.
void keep_since(stats::ServerSnapshot& server, const stats::ServerSnapshot* before, int64_t now_s) {
    const auto was = before == nullptr ? stats::ServerState::Up : before->state;
    const int64_t since_s = before == nullptr ? 0 : before->state_since_s;
    if (server.state == stats::ServerState::Ejected || server.state_since_s > since_s) return;
    server.state_since_s = server.state == was ? since_s : now_s;
    if (server.state != stats::ServerState::Up) return;
    if (was == stats::ServerState::Down) server.reason = "can be connected to again";
    if (was == stats::ServerState::Up && before != nullptr) server.reason = before->reason;
}

// When a server was last ejected is known of those that are out, and of others from before.
void keep_history(stats::PoolSnapshot& pool,
                  size_t place,
                  const CollectSources& sources,
                  int64_t now_s) {
    const stats::PoolSnapshot* old_pool = find_pool(sources.before, place, pool.name);
    for (size_t i = 0; i < pool.servers.size(); ++i) {
        stats::ServerSnapshot& server = pool.servers[i];
        const stats::ServerSnapshot* old = find_server(old_pool, i, server);
        date_change(server, old, sources.wall_offset);
        keep_since(server, old, now_s);
        if (server.ejected_at_us == 0 && old != nullptr) {
            server.ejected_at_us = old->ejected_at_us;
        }
    }
}

}  // namespace

stats::Snapshot collect(const CollectSources& sources, stats::Snapshot used) {
    stats::Snapshot snapshot;
    snapshot.process = sources.process;
    snapshot.process.taken_at_s = (sources.now + sources.wall_offset).ns / ns_per_second;
    if (const uint64_t wanted = sources.config->proxy.client_connections; wanted != 0) {
        uint64_t& limit = snapshot.process.client_limit;
        limit = limit == 0 ? wanted : std::min(limit, wanted);
    }
    count_connections(snapshot.process, sources);
    for (size_t i = 0; i < sources.workers.size(); ++i) {
        const stats::WorkerSnapshot* before =
            sources.before == nullptr ? nullptr : &sources.before->workers[i];
        snapshot.workers.push_back(
            collect_worker(sources.workers[i], before, sources.now - sources.before_at));
    }
    RM_ASSERT(sources.pools.size() == sources.config->pools.size());
    snapshot.pools = std::move(used.pools);
    snapshot.pools.resize(sources.pools.size());
    for (size_t i = 0; i < sources.pools.size(); ++i) {
        stats::PoolSnapshot& pool = snapshot.pools[i];
        pool = collect_pool(sources.config->pools[i], sources.pools[i], sources, std::move(pool));
    }
    for (size_t i = 0; i < snapshot.pools.size(); ++i) {
        keep_history(snapshot.pools[i], i, sources, snapshot.process.taken_at_s);
    }
    return snapshot;
}

}  // namespace ringmain::worker
