#include "src/worker/collect.h"

#include "ringmain/core/counted_commands.h"
#include "ringmain/resp/commands.h"

#include <array>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::worker {

namespace {

config::Config sample_config() {
    config::Config config;
    config.proxy.client_connections = 5000;
    config::Pool pool;
    pool.name = "alpha";
    pool.listen.host = "127.0.0.1";
    pool.listen.port = 22121;
    pool.protocol = config::Protocol::Memcached;
    config::Server server;
    server.address.host = "10.0.0.1";
    server.address.port = 11211;
    server.ring_name = "10.0.0.1";
    server.weight = 3;
    pool.servers.push_back(server);
    config.pools.push_back(pool);
    return config;
}

constexpr Instant second(int64_t number) {
    return {number * 1'000'000'000};
}

}  // namespace

TEST_CASE("a snapshot adds the workers up, pool by pool and server by server") {
    const config::Config config = sample_config();
    core::Shared shared(config, 2);
    (*shared.pools[0].counters)[0].commands[core::number_of(memcached::Verb::Get)].set(3);
    (*shared.pools[0].counters)[1].commands[core::number_of(memcached::Verb::Get)].set(4);
    (*shared.pools[0].counters)[1].commands[core::number_of(memcached::Verb::Set)].set(2);
    (*shared.pools[0].counters)[1].commands[core::number_of(memcached::Verb::Invalid)].set(1);
    (*shared.pools[0].counters)[1].errors[2].set(5);
    core::ServerShared& server = *shared.pools[0].servers[0];
    server.counters[0].responses.set(10);
    server.counters[1].responses.set(20);
    server.counters[1].latency.prepare();
    server.counters[1].latency.record(Duration::millis(1));
    // Queued a quarter of a second ago, and at the last look for three of them.
    (*shared.pools[0].counters)[0].oldest.queued_ns.set(99'750'000'000);
    (*shared.pools[0].counters)[1].oldest.queued_ns.set(96'000'000'000);
    std::array<core::Counters, 2> counters;
    counters[1].looked_at_ns.set(99'000'000'000);
    const std::vector<WorkerFigures> workers = {{.counters = &counters[0]},
                                                {.counters = &counters[1]}};

    const stats::Snapshot now = collect({.config = &config,
                                         .pools = shared.pools,
                                         .workers = workers,
                                         .process = {},
                                         .now = second(100),
                                         .wall_offset = second(1'700'000'000) - Instant{}});
    CHECK(now.process.taken_at_s == 1'700'000'100);
    CHECK(now.process.client_limit == 5000);
    REQUIRE(now.pools.size() == 1);
    const stats::PoolSnapshot& pool = now.pools[0];
    CHECK(pool.name == "alpha");
    CHECK(pool.protocol == "memcached");
    CHECK(pool.listen == "127.0.0.1:22121");
    CHECK(pool.client_limit == 10'000);
    CHECK(pool.requests_read == 7);
    CHECK(pool.requests_write == 2);
    CHECK(pool.requests_other == 1);
    REQUIRE(pool.commands.size() == 3);
    CHECK(pool.commands[0].name == "unknown");
    CHECK(pool.commands[0].count == 1);
    CHECK(pool.commands[1].name == "get");
    CHECK(pool.commands[1].count == 7);
    CHECK(pool.commands[2].name == "set");
    CHECK(pool.commands[2].count == 2);
    CHECK(pool.values.errors[2] == 5);
    CHECK(pool.oldest_request_us == 3'000'000);
    REQUIRE(pool.servers.size() == 1);
    CHECK(pool.servers[0].name == "10.0.0.1");
    CHECK(pool.servers[0].address == "10.0.0.1:11211");
    CHECK(pool.servers[0].weight == 3);
    CHECK(pool.servers[0].state == stats::ServerState::Up);
    CHECK(pool.servers[0].values.responses == 30);
    CHECK(pool.servers[0].values.latency.total() == 1);
}

TEST_CASE("connections are listeners, clients and servers, as twemproxy counts; ever: gone ones") {
    const config::Config config = sample_config();
    core::Shared shared(config, 2);
    std::array<core::Counters, 2> counters;
    for (core::Counters& one : counters) {
        one.clients.set(10);
        one.clients_accepted.set(1000);
        one.server_connections.set(2);
        one.server_connects.set(30);
    }
    const std::vector<WorkerFigures> workers = {{.counters = &counters[0]},
                                                {.counters = &counters[1]}};
    const stats::Snapshot now = collect({.config = &config,
                                         .pools = shared.pools,
                                         .workers = workers,
                                         .process = {},
                                         .listeners_opened = 4,
                                         .now = second(100),
                                         .wall_offset = {}});
    CHECK(now.process.connections == 1 + 20 + 4);
    CHECK(now.process.connections_opened == 4 + 2000 + 60);
}

TEST_CASE("a container whose subcommands differ in class has one count") {
    config::Config config = sample_config();
    config.pools[0].protocol = config::Protocol::Redis;
    core::Shared shared(config, 1);
    const Command* container = resp::find_command("xgroup");
    auto& counts = (*shared.pools[0].counters)[0].commands;
    counts[core::number_of(container)].set(2);
    counts[core::number_of(*container, *resp::find_by_full_name("xgroup|create"))].set(3);
    const stats::Snapshot now = collect({.config = &config,
                                         .pools = shared.pools,
                                         .workers = {},
                                         .process = {},
                                         .now = second(1),
                                         .wall_offset = second(1'700'000'000) - Instant{}});
    const stats::PoolSnapshot& pool = now.pools[0];
    CHECK(pool.requests_other == 2);
    CHECK(pool.requests_write == 3);
    REQUIRE(pool.commands.size() == 1);
    CHECK(pool.commands[0].name == "xgroup");
    CHECK(pool.commands[0].count == 5);
}

TEST_CASE("a server's state is what its health says, with the reason and the calendar's time") {
    const config::Config config = sample_config();
    core::Shared shared(config, 1);
    core::Health& health = shared.pools[0].servers[0]->health;
    stats::Snapshot before;
    const auto look = [&](Instant at) {
        before = collect({.config = &config,
                          .pools = shared.pools,
                          .workers = {},
                          .process = {},
                          .now = at,
                          .wall_offset = second(1'700'000'000) - Instant{},
                          .before = before.pools.empty() ? nullptr : &before});
        return before.pools[0].servers[0];
    };
    CHECK(look(second(1)).state == stats::ServerState::Up);
    CHECK(look(second(1)).state_since_s == 0);

    const core::Health::Failure failure = {
        .began = second(2), .now = second(3), .reason = "refused the connection"};
    static_cast<void>(health.on_failure(failure, {.eject = false}));
    health.forbid_until(second(4), "refused the connection");
    CHECK(look(second(3)).state == stats::ServerState::Down);
    CHECK(look(second(3)).reason == "refused the connection");
    CHECK(look(second(3)).ejections == 0);
    CHECK(look(second(4)).state_since_s == 1'700'000'003);  // when that was first seen

    const core::Health::Failure again = {
        .began = second(5), .now = second(6), .reason = "refused the connection"};
    REQUIRE(health.on_failure(again, {.eject = true, .failure_limit = 1}) ==
            core::Health::Verdict::Ejected);
    const stats::ServerSnapshot ejected = look(second(7));
    CHECK(ejected.state == stats::ServerState::Ejected);
    CHECK(ejected.state_since_s == 1'700'000'006);
    CHECK(ejected.ejected_at_us == 1'700'000'006'000'000);
    CHECK(ejected.ejections == 1);
    CHECK_FALSE(ejected.reason.empty());

    health.allow();
    REQUIRE(health.readmit(second(9), "a probe succeeded"));
    const stats::ServerSnapshot back = look(second(10));
    CHECK(back.state == stats::ServerState::Up);
    CHECK(back.state_since_s == 1'700'000'009);
    CHECK(back.reason == "a probe succeeded");
    CHECK(back.ejections == 1);
    CHECK(back.ejected_at_us == 1'700'000'006'000'000);  // as twemproxy's: the last time

    health.forbid_until(second(21), "timed out");
    CHECK(look(second(20)).state_since_s == 1'700'000'020);
    CHECK(look(second(21)).state_since_s == 1'700'000'020);
    CHECK(look(second(21)).reason == "timed out");
    health.allow();
    CHECK(look(second(30)).state_since_s == 1'700'000'030);
    CHECK(look(second(31)).state_since_s == 1'700'000'030);
    CHECK(look(second(31)).reason == "can be connected to again");
}

TEST_CASE("when a server was ejected does not change when the calendar's clock is set") {
    const config::Config config = sample_config();
    core::Shared shared(config, 1);
    core::Health& health = shared.pools[0].servers[0]->health;
    stats::Snapshot before;
    const auto look = [&](Instant at, Duration wall_offset) {
        before = collect({.config = &config,
                          .pools = shared.pools,
                          .workers = {},
                          .process = {},
                          .now = at,
                          .wall_offset = wall_offset,
                          .before = before.pools.empty() ? nullptr : &before});
        return before.pools[0].servers[0];
    };
    const Duration offset = second(1'700'000'000) - Instant{};
    const core::Health::Failure failure = {
        .began = second(5), .now = second(6), .reason = "refused the connection"};
    REQUIRE(health.on_failure(failure, {.eject = true, .failure_limit = 1}) ==
            core::Health::Verdict::Ejected);
    const stats::ServerSnapshot first = look(second(7), offset);
    CHECK(first.ejected_at_us == 1'700'000'006'000'000);
    for (const int64_t ms : {-1, 1, 5000, -5000}) {
        const stats::ServerSnapshot next = look(second(8), {offset.ns + Duration::millis(ms).ns});
        CHECK(next.ejected_at_us == first.ejected_at_us);
        CHECK(next.state_since_s == first.state_since_s);
    }
    REQUIRE(health.readmit(second(9), "a probe succeeded"));
    const stats::ServerSnapshot back = look(second(10), {offset.ns + 2'000'000'000});
    CHECK(back.state_since_s == 1'700'000'011);
    CHECK(back.ejected_at_us == first.ejected_at_us);
}

TEST_CASE("all clients are limited by what the descriptors allow, and by what is asked for") {
    config::Config config = sample_config();
    const core::Shared shared(config, 1);
    const auto limit = [&](uint64_t allowed) {
        stats::ProcessSnapshot process;
        process.client_limit = allowed;
        return collect({.config = &config,
                        .pools = shared.pools,
                        .workers = {},
                        .process = process,
                        .now = second(1),
                        .wall_offset = {}})
            .process.client_limit;
    };
    CHECK(limit(4000) == 4000);
    CHECK(limit(6000) == 5000);
    config.proxy.client_connections = 0;
    CHECK(limit(6000) == 6000);
}

TEST_CASE("a server that is down when it is first looked at is down since then") {
    const config::Config config = sample_config();
    core::Shared shared(config, 1);
    shared.pools[0].servers[0]->health.forbid_until(second(2), "refused the connection");
    const stats::Snapshot now = collect({.config = &config,
                                         .pools = shared.pools,
                                         .workers = {},
                                         .process = {},
                                         .now = second(1),
                                         .wall_offset = second(1'700'000'000) - Instant{}});
    CHECK(now.pools[0].servers[0].state == stats::ServerState::Down);
    CHECK(now.pools[0].servers[0].state_since_s == 1'700'000'001);
}

TEST_CASE("a worker's share of a CPU is of the time since the snapshot before") {
    const config::Config config = sample_config();
    core::Shared shared(config, 1);
    core::Counters counters;
    counters.worker.buffer_memory.set(4096);
    counters.worker.enters.set(7);
    const auto look =
        [&](Instant at, Duration cpu_time, const stats::Snapshot* before, Instant before_at) {
            const std::vector<WorkerFigures> workers = {
                {.counters = &counters, .batches = 9, .cpu_time = cpu_time}};
            return collect({.config = &config,
                            .pools = shared.pools,
                            .workers = workers,
                            .process = {},
                            .now = at,
                            .wall_offset = {},
                            .before = before,
                            .before_at = before_at});
        };
    const stats::Snapshot first = look(second(10), Duration::millis(500), nullptr, {});
    CHECK(first.workers[0].busy_millionths == 0);
    CHECK(first.workers[0].cpu_us == 500'000);
    CHECK(first.workers[0].batches == 9);
    CHECK(first.workers[0].values.enters == 7);
    CHECK(first.workers[0].values.buffer_memory == 4096);
    const stats::Snapshot next = look(second(12), Duration::millis(1'000), &first, second(10));
    CHECK(next.workers[0].busy_millionths == 250'000);
    // A thread that has ended has no clock any more: what it used stays.
    const stats::Snapshot last = look(second(13), {}, &next, second(12));
    CHECK(last.workers[0].cpu_us == 1'000'000);
    CHECK(last.workers[0].busy_millionths == 0);
}

TEST_CASE("a snapshot that has the memory of an older one has nothing else of it") {
    config::Config config = sample_config();
    config.pools.push_back(config.pools[0]);
    config.pools[1].name = "beta";
    config.pools[1].servers.push_back(config.pools[1].servers[0]);
    config.pools[1].servers[1].address.port = 11212;
    core::Shared shared(config, 1);
    const core::Counters counters;
    const WorkerFigures figures = {.counters = &counters};
    const auto look = [&](const config::Config& of, core::Shared& from, stats::Snapshot used) {
        return collect({.config = &of,
                        .pools = from.pools,
                        .workers = {&figures, 1},
                        .process = {},
                        .now = second(10),
                        .wall_offset = {}},
                       std::move(used));
    };
    for (const core::PoolShared& pool : shared.pools) {
        (*pool.counters)[0].commands[core::number_of(memcached::Verb::Get)].set(3);
        (*pool.counters)[0].latency.prepare();
        (*pool.counters)[0].latency.record(Duration::millis(1));
        for (core::ServerShared* server : pool.servers) {
            server->counters[0].responses.set(10);
            server->counters[0].latency.prepare();
            server->counters[0].latency.record(Duration::millis(1));
        }
    }
    stats::Snapshot used = look(config, shared, {});
    used.pools[0].servers[0].reason = "some";
    used.pools[0].servers[0].ejected_at_us = 7;
    const uint64_t* memory = used.pools[1].servers[1].values.latency.counts.data();
    stats::Snapshot again = look(config, shared, std::move(used));
    REQUIRE(again.pools.size() == 2);
    REQUIRE(again.pools[1].servers.size() == 2);
    CHECK(again.pools[1].commands.size() == 1);
    CHECK(again.pools[1].requests_read == 3);
    CHECK(again.pools[1].values.latency.total() == 1);
    CHECK(again.pools[1].servers[1].address == "10.0.0.1:11212");
    CHECK(again.pools[1].servers[1].values.latency.total() == 1);
    CHECK(again.pools[1].servers[1].values.latency.counts.data() == memory);
    CHECK(again.pools[0].servers[0].values.responses == 10);
    CHECK(again.pools[0].servers[0].reason.empty());
    CHECK(again.pools[0].servers[0].ejected_at_us == 0);

    const config::Config fewer = sample_config();
    core::Shared anew(fewer, 1);
    const stats::Snapshot last = look(fewer, anew, std::move(again));
    REQUIRE(last.pools.size() == 1);
    CHECK(last.pools[0].commands.empty());
    CHECK(last.pools[0].requests_read == 0);
    CHECK(last.pools[0].values.latency.counts.empty());
    REQUIRE(last.pools[0].servers.size() == 1);
    CHECK(last.pools[0].servers[0].values.responses == 0);
    CHECK(last.pools[0].servers[0].values.latency.counts.empty());
    CHECK(last.workers.size() == 1);
}

TEST_CASE("a worker's time is what it works, could work, and waits") {
    const config::Config config = sample_config();
    core::Shared shared(config, 1);
    const core::Counters counters;
    const auto look = [&](const WorkerFigures& figures, const stats::Snapshot* before) {
        return collect({.config = &config,
                        .pools = shared.pools,
                        .workers = {&figures, 1},
                        .process = {},
                        .now = second(10),
                        .wall_offset = {},
                        .before = before,
                        .before_at = second(9)});
    };
    WorkerFigures figures = {.counters = &counters,
                             .lived = Duration::millis(10'000),
                             .cpu_time = Duration::millis(2'500),
                             .ready_time = Duration::millis(500)};
    const stats::Snapshot first = look(figures, nullptr);
    CHECK(first.workers[0].cpu_us == 2'500'000);
    CHECK(first.workers[0].ready_us == 500'000);
    CHECK(first.workers[0].waiting_us == 7'000'000);
    // The clocks are read one after the other: nothing goes back for that.
    figures.cpu_time = Duration::millis(2'501);
    const stats::Snapshot next = look(figures, &first);
    CHECK(next.workers[0].cpu_us == 2'501'000);
    CHECK(next.workers[0].waiting_us == 7'000'000);
    // It has ended.
    figures = {.counters = &counters, .lived = Duration::millis(20'000)};
    const stats::Snapshot last = look(figures, &next);
    CHECK(last.workers[0].ready_us == 500'000);
    CHECK(last.workers[0].waiting_us == 7'000'000);
}

}  // namespace ringmain::worker
