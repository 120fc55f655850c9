#include "tests/sim/scenario.h"

#include "ringmain/core/limits.h"

#include <algorithm>
#include <initializer_list>

namespace ringmain::sim {

namespace {

template <class T>
T one_of(Prng& prng, std::initializer_list<T> choices) {
    return choices.begin()[prng.below(choices.size())];
}

bool chance(Prng& prng, uint64_t in_a_hundred) {
    return prng.below(100) < in_a_hundred;
}

}  // namespace

Scenario::Scenario(uint64_t seed) {
    Prng prng(seed * 0x9E3779B97F4A7C15U + 1);
    calm = chance(prng, 25);
    workers = one_of<uint32_t>(prng, {1, 1, 1, 2, 2, 3});
    cut = chance(prng, 70);
    if (!cut) preconnects = core::preconnects_per_batch;
    scarce = !calm && chance(prng, 15);
    blocks = scarce ? 80 + static_cast<uint32_t>(prng.below(150)) : 3000;
    clients = 1 + static_cast<uint32_t>(prng.below(8));
    requests = 200 + static_cast<uint32_t>(prng.below(500));
    steps_max = 2500;
    think = Duration::millis(one_of<int64_t>(prng, {0, 2, 10, 40}));
    depth_max = one_of<uint32_t>(prng, {1, 3, 10, 10, 40});
    latency_max = {one_of<int64_t>(prng, {100'000, 300'000, 1'000'000, 3'000'000})};
    odd_clients = one_of<uint32_t>(prng, {0, 10, 30, 60});
    draw_pool(prng);
    if (!calm) draw_mishaps(prng);
    // Drawn last: what seeds meant before they still mean.
    if (chance(prng, 35)) reload_every = Duration::millis(one_of<int64_t>(prng, {5, 20, 100}));
    drains = chance(prng, 35);
    if (chance(prng, 15)) {
        config.pools[0].client_output_limit = 1'000 + prng.below(20'000);
        config.pools[0].output_pause_size = 1'048'576;
    }
    selects = pool().protocol == config::Protocol::Redis && chance(prng, 35);
    // One at a time, in turn; who wants the other is refused.
    if (!calm && selects && chance(prng, 40)) config.pools[0].databases_max = 1;
    waits = pool().protocol == config::Protocol::Redis && chance(prng, 30);
    if (chance(prng, 50)) config.pools[0].stream_threshold = 1 + prng.below(200);
    publishes = chance(prng, 35);
    moves_servers = reload_every.ns > 0 && chance(prng, 50);
    changes_auth =
        reload_every.ns > 0 && pool().protocol == config::Protocol::Redis && chance(prng, 50);
    if (changes_auth) {
        config.pools[0].redis_auth = "secret";
        config::User& user = config.pools[0].users.emplace_back();
        user.name = "user";
        user.password = "its password";
    }
    for (uint32_t more = chance(prng, 25) ? 1 + static_cast<uint32_t>(prng.below(2)) : 0; more > 0;
         --more) {
        draw_pool(prng);
        if (chance(prng, 50)) config.pools.back().stream_threshold = 1 + prng.below(200);
    }
    has_large = chance(prng, 15);
    if (has_large) {
        requests /= 2;
        config.pools[0].stream_threshold = 1 + prng.below(2000);
    }
    carries = chance(prng, 40);
    has_old = !calm && chance(prng, 30);
    if (!calm && selects && pool().databases_max == 1) {
        // Servers are away, and not ejected for it, when their connections change hands; and come
        // back before they are asked for the first time then.
        config.pools[0].auto_eject_hosts = false;
        weights[static_cast<size_t>(Mishap::Die)] += 20;
        weight_sum += 20;
        think = Duration::millis(40);
        depth_max = 1;
        clients = std::min(clients, 3 * workers);
    }
    for (config::Pool& each : config.pools) {
        if (carries) each.cross_server_writes = config::CrossServerWrites::Emulate;
    }
    if (chance(prng, 25)) long_batch = Duration::millis(one_of<int64_t>(prng, {30, 200, 2000}));
    // Long enough to be refused requests for it.
    has_silent = !calm && pool().timeout_ms > 0 && chance(prng, 15);
    if (has_silent) {
        weights[static_cast<size_t>(Mishap::Stall)] += 20;
        weight_sum += 20;
        for (config::Pool& each : config.pools) {
            each.timeout_ms = 50;
        }
        mishap_every = Duration::millis(100);
        steps_max = 10'000;
        requests *= 2;
        think = Duration::millis(10);
    }
    if (chance(prng, 50)) bounds.join_work = 1 + prng.below(100);
    if (chance(prng, 30)) bounds.requests = 1 + prng.below(20);
    if (chance(prng, 30)) bounds.answers = 1 + prng.below(500);
    if (chance(prng, 30)) bounds.client_answers = 1 + prng.below(200);
    if (chance(prng, 50))
        pairing = Duration::micros(100 + static_cast<int64_t>(prng.below(20'000)));
    forgets = !calm && pool().timeout_ms > 0 && chance(prng, 12);
    if (forgets) draw_forgetful();
    if (!calm && chance(prng, 25)) {
        for (config::Pool& each : config.pools) {
            each.leases_max = 1 + static_cast<uint32_t>(prng.below(3));
        }
    }
    // While somebody waits servers come and go.
    lingers = waits && chance(prng, 60);
}

// Somebody has always asked something: else what is missing shows by itself. A value that is
// carried would be that of another key.
void Scenario::draw_forgetful() {
    weights[static_cast<size_t>(Mishap::LeaveOut)] = 20 + weight_sum;
    weight_sum += weight_sum + 20;
    mishap_every = std::max(mishap_every, Duration::millis(30));
    think = std::min(think, Duration::millis(2));
    pairing = std::min(pairing, Duration::millis(20));
    requests *= 2;
    carries = false;
    for (config::Pool& each : config.pools) {
        each.cross_server_writes = config::CrossServerWrites::Refuse;
    }
}

void Scenario::draw_pool(Prng& prng) {
    const auto index = static_cast<uint32_t>(config.pools.size());
    config.file = "ringmain.toml";
    config::Pool& pool = config.pools.emplace_back();
    pool.name = index == 0 ? "main" : "pool" + std::to_string(index);
    pool.protocol = chance(prng, 60) ? config::Protocol::Redis : config::Protocol::Memcached;
    pool.listen = {.host = "127.0.0.1", .port = static_cast<uint16_t>(6379 + index), .path = {}};
    using placement::DistributionKind;
    pool.placement.distribution = one_of(prng,
                                         {DistributionKind::Ketama,
                                          DistributionKind::Ketama,
                                          DistributionKind::Modula,
                                          DistributionKind::Rendezvous,
                                          DistributionKind::Maglev,
                                          DistributionKind::Random});
    pool.placement.hash = one_of(
        prng,
        {placement::HashKind::Fnv1a_64, placement::HashKind::Murmur, placement::HashKind::Md5});
    // A calm pool may wait for ever; without a timeout nothing bounds a server that stands still.
    pool.timeout_ms = one_of<int64_t>(prng, {0, 50, 100, 100, 200, 400});
    if (calm && pool.timeout_ms < 100) pool.timeout_ms = 0;
    pool.connect_timeout_ms = one_of<int64_t>(prng, {50, 100, 300, 1000});
    pool.preconnect = chance(prng, 50);
    pool.server_connections = one_of<uint32_t>(prng, {1, 1, 2, 3});
    pool.auto_eject_hosts = chance(prng, 60);
    if (chance(prng, 25)) pool.slow_start_ms = 100 + static_cast<int64_t>(prng.below(400));
    if (chance(prng, 25))
        pool.health_check_interval_ms = 20 + static_cast<int64_t>(prng.below(200));
    pool.eject_on_loading = chance(prng, 25);
    if (chance(prng, 20)) pool.client_idle_timeout_ms = 4 + static_cast<int64_t>(prng.below(100));
    if (!calm && chance(prng, 20))
        pool.server_queue_max = 1 + static_cast<uint32_t>(prng.below(20));
    if (chance(prng, 25)) {
        pool.late_connection_timeout_ms = 50 + static_cast<int64_t>(prng.below(400));
    }
    pool.server_retry_timeout_ms = one_of<int64_t>(prng, {50, 200, 500, 1000});
    pool.server_failure_limit = 1 + static_cast<uint32_t>(prng.below(3));
    pool.requests_in_flight_max = one_of<uint32_t>(prng, {1, 3, 10, 30, 1024});
    pool.output_pause_size = one_of<uint64_t>(prng, {16'384, 65'536, 1'048'576});
    if (chance(prng, 20)) pool.client_connections = clients * 2;
    if (pool.protocol == config::Protocol::Redis) {
        if (chance(prng, 30)) pool.redis_auth = "secret";
        if (chance(prng, 30)) pool.redis_db = 3;
    }
    const uint32_t count = one_of<uint32_t>(prng, {1, 2, 3, 3, 4, 6});
    for (uint32_t i = 0; i < count; ++i) {
        config::Server server;
        server.address.host = "10.0.0.1";
        server.address.port = static_cast<uint16_t>(7000 + 100 * index + i);
        server.name = "s" + std::to_string(i);
        server.ring_name = server.name;
        pool.servers.push_back(server);
    }
}

void Scenario::draw_mishaps(Prng& prng) {
    mishap_every = Duration::millis(one_of<int64_t>(prng, {3, 10, 30, 100}));
    constexpr size_t drawn = static_cast<size_t>(Mishap::LeaveOut);
    for (size_t i = 0; i < drawn; ++i) {
        weights[i] = chance(prng, 45) ? 1 + static_cast<uint32_t>(prng.below(10)) : 0;
    }
    for (size_t i = 0; i < drawn; ++i) {
        if (!may_happen(static_cast<Mishap>(i), pool())) weights[i] = 0;
        // Few have a password.
        if (weights[i] > 0 && static_cast<Mishap>(i) == Mishap::Greeting) weights[i] += 20;
        weight_sum += weights[i];
    }
}

bool Scenario::may_happen(Mishap mishap, const config::Pool& pool) {
    const bool is_redis = pool.protocol == config::Protocol::Redis;
    if (mishap == Mishap::SwallowAnswer || mishap == Mishap::LeaveOut) return pool.timeout_ms > 0;
    // Where there is no prelude it cannot be told from an answer.
    const bool needs_prelude = mishap == Mishap::WrongPassword || mishap == Mishap::Greeting;
    if (needs_prelude) return is_redis && !pool.redis_auth.empty();
    if (mishap == Mishap::NoResp3 || mishap == Mishap::Push) return is_redis;
    if (mishap == Mishap::WrongKey) return !is_redis;
    return true;
}

std::string Scenario::text() const {
    const config::Pool& options = pool();
    auto number = [](std::string_view name, uint64_t value) {
        return " " + std::string(name) + "=" + std::to_string(value);
    };
    std::string text = calm ? "calm" : "storm";
    text += options.protocol == config::Protocol::Redis ? " redis" : " memcached";
    text += number("workers", workers) + number("servers", options.servers.size()) +
            number("blocks", blocks) + number("clients", clients) + number("requests", requests) +
            number("depth", depth_max) +
            number("timeout", static_cast<uint64_t>(options.timeout_ms)) +
            number("connect_timeout", static_cast<uint64_t>(options.connect_timeout_ms)) +
            number("server_connections", options.server_connections) +
            number("in_flight_max", options.requests_in_flight_max) +
            number("distribution", static_cast<uint64_t>(options.placement.distribution));
    if (options.auto_eject_hosts) {
        text += " ejects" + number("limit", options.server_failure_limit) +
                number("retry", static_cast<uint64_t>(options.server_retry_timeout_ms)) +
                number("slow_start", static_cast<uint64_t>(options.slow_start_ms));
    }
    text += number("late", static_cast<uint64_t>(options.late_connection_timeout_ms)) +
            number("queue", options.server_queue_max) +
            number("idle", static_cast<uint64_t>(options.client_idle_timeout_ms)) +
            number("checks", static_cast<uint64_t>(options.health_check_interval_ms));
    text += number("leases", options.leases_max);
    if (options.preconnect) text += " preconnect";
    if (drains) text += " drains";
    if (selects) text += " selects";
    if (waits) text += lingers ? " lingers" : " waits";
    if (publishes) text += " publishes";
    if (carries) text += " carries";
    if (has_old) text += " has_old";
    if (has_large) text += " has_large";
    if (has_silent) text += " has_silent";
    if (forgets) {
        text += " forgets" + number("pairing_us", static_cast<uint64_t>(pairing.ns / 1000));
    }
    text += number("output_limit", options.client_output_limit) +
            number("stream", options.stream_threshold);
    text += number("reload_every", static_cast<uint64_t>(reload_every.to_millis()));
    if (long_batch.ns > 0) {
        text += number("long_batch", static_cast<uint64_t>(long_batch.to_millis()));
    }
    if (moves_servers) text += " moves_servers";
    if (changes_auth) text += " changes_auth";
    text += number("pools", config.pools.size());
    text += " weights:";
    for (const uint32_t weight : weights) {
        text += " " + std::to_string(weight);
    }
    return text;
}

}  // namespace ringmain::sim
