// How an ejected server comes back: probes, their times, slow start; and health checks.

#include "tests/unit/core/world.h"

#include <cmath>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool probing_pool(uint32_t servers) {
    config::Pool pool = redis_pool(servers);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 2000;
    return pool;
}

void wait_for_ejection(World& world, uint32_t server, Mood mood = Mood::Refusing) {
    world.server(server).mood = mood;
    Channel& client = world.client();
    const bool redis = world.pool().protocol == config::Protocol::Redis;
    const std::string key = world.key_on(server);
    if (!world.pool().redis_auth.empty()) {
        static_cast<void>(world.ask(client, resp({"AUTH", world.pool().redis_auth})));
    }
    static_cast<void>(world.ask(client, redis ? resp({"GET", key}) : "get " + key + "\r\n"));
    for (int i = 0; i < 100 && world.health(server).accepts_traffic(); ++i) {
        world.pass(10);
    }
    REQUIRE_FALSE(world.health(server).accepts_traffic());
    world.drop(client);
}

uint64_t probes(World& world, uint32_t server) {
    return world.proxy().pools()[0]->servers[server]->counters().probes.get();
}

// When the server's probes began, in ms from now on, for that long.
std::vector<int64_t> probe_times(World& world, uint32_t server, int64_t ms) {
    std::vector<int64_t> times;
    for (int64_t passed = 10; passed <= ms; passed += 10) {
        const uint64_t before = probes(world, server);
        world.pass(10);
        if (probes(world, server) > before) times.push_back(passed);
    }
    return times;
}

}  // namespace

TEST_CASE("a server is probed after the retry timeout, not before, and the probe brings it back") {
    World world(probing_pool(2));
    const std::string key = world.key_on(0);
    wait_for_ejection(world, 0);
    world.server(0).mood = Mood::Up;
    Channel& client = world.client();
    world.pass(1990);
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    CHECK(world.server(0).redis.log.empty());
    CHECK(probes(world, 0) == 0);
    world.pass(20);
    CHECK(world.server(0).redis.log == std::vector<std::string>{"PING"});
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.loop().notices().back() == "pool main: server s0 (10.0.0.1:7000) is back");
    CHECK(world.probe(0) == nullptr);  // its connection has done its work
    CHECK(world.server_of(key) == 0);
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    CHECK(world.server(0).redis.log.back() == "GET " + key);
    world.pass(5000);
    CHECK(probes(world, 0) == 1);
    CHECK(world.proxy().next_deadline() == Instant::never());
}

TEST_CASE("a probe says what every connection must say, and all of it is checked") {
    config::Pool pool = probing_pool(2);
    pool.redis_auth = "secret";
    pool.redis_db = 5;
    World world(pool);
    world.server(0).redis.password = "secret";
    wait_for_ejection(world, 0);
    world.server(0).mood = Mood::Up;
    SUBCASE("all is well") {
        world.pass(2010);
        CHECK(world.health(0).accepts_traffic());
        CHECK(world.server(0).redis.log ==
              std::vector<std::string>{"AUTH secret", "SELECT 5", "PING"});
    }
    SUBCASE("the password has changed") {
        world.server(0).redis.password = "other";
        world.pass(2010);
        CHECK_FALSE(world.health(0).accepts_traffic());
        CHECK(world.health(0).last_error() ==
              "refused the password (redis_auth): -WRONGPASS invalid username-password pair");
    }
    SUBCASE("the database is not there") {
        world.server(0).redis.has_databases = false;
        world.pass(2010);
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
    SUBCASE("PING is answered, but not with PONG") {
        world.server(0).redis.canned["PING"] = "-MASTERDOWN Link with MASTER is down\r\n";
        world.pass(2010);
        CHECK_FALSE(world.health(0).accepts_traffic());
        CHECK(world.health(0).last_error() ==
              "answered a probe with '-MASTERDOWN Link with MASTER is down'");
        world.server(0).redis.canned.clear();
        world.pass(2010);
        CHECK(world.health(0).accepts_traffic());
    }
}

TEST_CASE("a memcached server is asked for its version") {
    config::Pool pool = memcached_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 2000;
    World world(pool);
    wait_for_ejection(world, 0);
    world.server(0).mood = Mood::Up;
    world.server(0).memcached.canned["version"] = "ERROR\r\n";
    world.pass(2010);
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.server(0).memcached.canned.clear();
    world.pass(2010);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.server(0).memcached.log.back() == "version");
}

TEST_CASE("probes come after an eighth of the retry timeout, doubled up to all of it") {
    World world(probing_pool(2));
    wait_for_ejection(world, 0);
    const std::vector<int64_t> times = probe_times(world, 0, 12'000);
    REQUIRE(times.size() >= 6);
    CHECK(std::abs(times[0] - 2000) <= 10);
    const std::vector<int64_t> delays = {250, 500, 1000, 2000, 2000};
    for (size_t i = 0; i < delays.size(); ++i) {
        CAPTURE(i);
        CHECK(times[i + 1] - times[i] <= delays[i] + 10);
        CHECK(times[i + 1] - times[i] >= delays[i] * 3 / 4 - 10);
    }
}

TEST_CASE("whenever a server recovers, it is back within the retry timeout") {
    for (int64_t out_ms = 2100; out_ms < 9000; out_ms += 700) {
        CAPTURE(out_ms);
        World world(probing_pool(2));
        wait_for_ejection(world, 0);
        world.pass(out_ms);
        world.server(0).mood = Mood::Up;
        world.pass(2010);
        CHECK(world.health(0).accepts_traffic());
    }
}

TEST_CASE("a probe that is not answered in time has failed") {
    World world(probing_pool(2));
    wait_for_ejection(world, 0, Mood::Mute);
    const uint64_t failed = world.proxy().pools()[0]->servers[0]->counters().probes_failed.get();
    world.pass(2010);
    CHECK(world.probe(0) != nullptr);
    world.pass(400);
    CHECK(world.proxy().pools()[0]->servers[0]->counters().probes_failed.get() == failed + 1);
    CHECK(world.health(0).last_error().starts_with("did not answer a new connection within 400"));
    // What comes later is nobody's.
    world.server(0).mood = Mood::Up;
    world.pass(2010);
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("one worker probes for all") {
    World one(probing_pool(2), {.workers = 2});
    World two(probing_pool(2), {.seed = 2, .process = &one.loop().process(), .worker = 1});
    wait_for_ejection(one, 1);
    one.server(1).mood = Mood::Up;
    two.loop().advance(one.loop().now() - two.loop().now());
    one.pass(3000);
    CHECK(one.server(1).redis.log.empty());  // server 1 is worker 1's to probe
    CHECK_FALSE(one.health(1).accepts_traffic());
    two.pass(3000);
    CHECK(two.server(1).redis.log == std::vector<std::string>{"PING"});
    one.step();
    CHECK(one.server_of(two.key_on(1)) == 1);
}

TEST_CASE("with preconnect an ejected server is left alone, and connected again on its return") {
    config::Pool pool = probing_pool(2);
    pool.preconnect = true;
    World world(pool);
    world.loop().begin();
    world.proxy().preconnect();
    world.loop().end();
    world.settle();
    CHECK(world.counters().server_connections.get() == 2);
    wait_for_ejection(world, 0, Mood::Mute);
    world.cut_off(0);
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(world.link(0) == nullptr);
    world.pass(1500);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.link(0) != nullptr);
}

TEST_CASE("requests that were under way end by their own deadlines") {
    config::Pool pool = probing_pool(2);
    pool.server_connections = 2;
    World world(pool);
    const std::string key = world.key_on(0);
    Channel& one = world.client();
    Channel& two = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(one, resp({"GET", key})) == "");
    world.pass(300);
    CHECK(world.ask(two, resp({"GET", key})) == "");
    world.pass(110);
    CHECK_FALSE(world.health(0).accepts_traffic());
    CHECK(World::heard(two) == "");
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(two) == "$-1\r\n");
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("a server that is back does not get requests on the connection that was late") {
    World world(probing_pool(2));
    Channel& client = world.client();
    const std::string key = world.key_on(0);
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    Channel* late = world.link(0);
    late->reads = false;
    CHECK(world.ask(client, resp({"GET", key})) == "");
    world.pass(410);
    CHECK_FALSE(world.health(0).accepts_traffic());
    CHECK(world.link(0) == late);  // no other for a server that is out
    World::heard(client);
    // Readmitted while the connection is still late.
    world.loop().begin();
    CHECK(world.health(0).readmit(world.loop().now(), "answered a probe"));
    world.loop().process().shared.announce_change();
    world.loop().end();
    world.settle();
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    CHECK_FALSE(late->closed);
    CHECK(world.link(0) != late);
}

TEST_CASE("a server that serves and cannot save comes back") {
    World world(probing_pool(2));
    wait_for_ejection(world, 0);
    world.server(0).redis.canned["PING"] = "-MISCONF Redis is configured to save RDB snapshots\r\n";
    world.server(0).mood = Mood::Up;
    world.pass(2010);
    CHECK(world.health(0).accepts_traffic());
}

// --- slow start ----------------------------------------------------------------------------------

TEST_CASE("with slow_start keys come back little by little, each once, and meanwhile stay put") {
    config::Pool pool = probing_pool(3);
    pool.slow_start_ms = 10'000;
    World world(pool);
    std::vector<std::string> keys;
    for (uint32_t i = 0; i < 1000; ++i) {
        keys.push_back(world.key_on(0, i));
    }
    wait_for_ejection(world, 0);
    std::vector<uint32_t> meanwhile;
    for (const std::string& key : keys) {
        meanwhile.push_back(world.server_of(key));
        CHECK(meanwhile.back() != 0);
    }
    const std::string other = world.key_on(1);
    world.server(0).mood = Mood::Up;
    world.pass(2010);
    REQUIRE(world.health(0).accepts_traffic());
    std::vector<bool> is_back(keys.size());
    for (int64_t share = 0; share <= 100; share += 10) {
        CAPTURE(share);
        int64_t back = 0;
        for (size_t i = 0; i < keys.size(); ++i) {
            const uint32_t server = world.server_of(keys[i]);
            const bool stays = server == meanwhile[i] && !is_back[i];
            CHECK((server == 0 || stays));
            is_back[i] = server == 0;
            back += is_back[i] ? 1 : 0;
        }
        CHECK(std::abs(back - share * 10) <= 60);
        CHECK(world.server_of(other) == 1);
        world.pass(1000);
    }
    CHECK(std::count(is_back.begin(), is_back.end(), true) == 1000);
}

TEST_CASE("two servers on their way back: no key goes where it never was") {
    config::Pool pool = probing_pool(4);
    pool.slow_start_ms = 10'000;
    World world(pool);
    std::vector<uint32_t> at_home;
    for (int i = 0; i < 1000; ++i) {
        at_home.push_back(world.server_of("k" + std::to_string(i)));
    }
    wait_for_ejection(world, 0);
    world.pass(1000);
    wait_for_ejection(world, 1);
    std::vector<uint32_t> meanwhile;
    for (int i = 0; i < 1000; ++i) {
        meanwhile.push_back(world.server_of("k" + std::to_string(i)));
    }
    world.server(0).mood = Mood::Up;
    world.server(1).mood = Mood::Up;
    world.pass(2010);
    REQUIRE(world.health(0).accepts_traffic());
    REQUIRE(world.health(1).accepts_traffic());
    for (int round = 0; round < 12; ++round) {
        for (size_t i = 0; i < 1000; ++i) {
            const uint32_t server = world.server_of("k" + std::to_string(i));
            // Between: where it lived after the return of the first.
            const bool known = server == at_home[i] || server == meanwhile[i] || server == 0;
            CHECK(known);
            if (at_home[i] >= 2) CHECK(server == at_home[i]);
            if (round == 11) CHECK(server == at_home[i]);
        }
        world.pass(1000);
    }
}

// As their probes do, one in each batch of a millisecond.
void bring_back(World& world, uint32_t servers) {
    for (uint32_t i = 0; i < servers; ++i) {
        world.loop().advance(Duration::millis(1));
        world.loop().begin();
        CHECK(world.health(i).readmit(world.loop().now(), "answered a probe"));
        world.loop().process().shared.announce_change();
        world.loop().end();
    }
}

void eject_all(World& world, uint32_t servers) {
    world.loop().begin();
    for (uint32_t i = 0; i < servers; ++i) {
        core::Health& health = world.health(i);
        const Instant now = world.loop().now();
        CHECK(health.on_failure({.began = now, .now = now, .reason = "died"},
                                {.eject = true, .failure_limit = 1}) ==
              core::Health::Verdict::Ejected);
    }
    world.loop().process().shared.announce_change();
    world.loop().end();
    world.step();
}

TEST_CASE("many servers that come back one by one get their keys in few steps") {
    constexpr uint32_t count = 200;
    config::Pool pool = probing_pool(count + 1);
    pool.placement.distribution = placement::DistributionKind::Rendezvous;  // built in no time
    pool.slow_start_ms = 1600;
    World world(pool);
    std::vector<uint32_t> at_home;
    for (int i = 0; i < 1000; ++i) {
        at_home.push_back(world.server_of("k" + std::to_string(i)));
    }
    eject_all(world, count);
    const core::Pool& seen = *world.proxy().pools()[0];
    for (int i = 0; i < 1000; ++i) {
        CHECK(world.server_of("k" + std::to_string(i)) == count);
    }
    const uint64_t placements = seen.placements;
    bring_back(world, count);
    world.pass(100);
    CHECK(seen.placements - placements <= 4);
    CHECK(seen.is_in_ramps());
    std::vector<uint32_t> places;
    seen.append_servers_of("k", world.loop().prng(), places);
    CHECK(places.size() <= 5);
    std::vector<bool> is_back(1000);
    for (int round = 0; round < 20; ++round) {
        for (size_t i = 0; i < 1000; ++i) {
            const uint32_t server = world.server_of("k" + std::to_string(i));
            // Between: where it lived after the return of others.
            if (is_back[i]) CHECK(server == at_home[i]);
            if (server == at_home[i]) is_back[i] = true;
        }
        world.pass(100);
    }
    CHECK_FALSE(seen.is_in_ramps());
    CHECK(std::count(is_back.begin(), is_back.end(), true) == 1000);
}

TEST_CASE("of many servers that come back the first has keys at once when no other is there") {
    constexpr uint32_t count = 200;
    config::Pool pool = probing_pool(count);
    pool.placement.distribution = placement::DistributionKind::Rendezvous;
    SUBCASE("at once") {}
    SUBCASE("slowly") {
        pool.slow_start_ms = 60'000;
    }
    World world(pool);
    eject_all(world, count);
    const core::Pool& seen = *world.proxy().pools()[0];
    CHECK_FALSE(seen.any_live());
    const uint64_t placements = seen.placements;
    bring_back(world, 1);
    world.step();
    CHECK(world.server_of("k") == 0);
    // Then the others, when the clock says so.
    world.loop().begin();
    for (uint32_t i = 1; i < count; ++i) {
        CHECK(world.health(i).readmit(world.loop().now(), "answered a probe"));
    }
    world.loop().process().shared.announce_change();
    world.loop().end();
    world.pass(30);
    std::vector<bool> has_keys(count);
    for (int i = 0; i < 5000; ++i) {
        has_keys[world.server_of("k" + std::to_string(i))] = true;
    }
    CHECK(std::count(has_keys.begin(), has_keys.end(), true) == count);
    CHECK(seen.placements - placements <= 3);
}

TEST_CASE("with slow_start a transaction ends when one of its keys comes back") {
    config::Pool pool = probing_pool(2);
    pool.slow_start_ms = 10'000;
    World world(pool);
    std::vector<std::string> keys;
    for (uint32_t i = 0; i < 40; ++i) {
        keys.push_back(world.key_on(0, i));
    }
    const std::string other = world.key_on(1);
    wait_for_ejection(world, 0);
    world.server(0).mood = Mood::Up;
    world.pass(2010);
    REQUIRE(world.health(0).accepts_traffic());
    std::vector<Channel*> writing;
    std::vector<Channel*> watching;
    std::vector<uint32_t> began;
    for (const std::string& key : keys) {
        began.push_back(world.server_of(key));
        writing.push_back(&world.client());
        watching.push_back(&world.client());
        CHECK(world.ask(*writing.back(), resp({"MULTI"}) + resp({"SET", key, "1"})) ==
              "+OK\r\n+QUEUED\r\n");
        if (began.back() == 0) continue;
        CHECK(world.ask(*watching.back(),
                        resp({"WATCH", key}) + resp({"MULTI"}) + resp({"SET", other, "1"})) ==
              "+OK\r\n+OK\r\n+QUEUED\r\n");
    }
    world.pass(5000);
    const std::string lost =
        "-EXECABORT ringmain: transaction discarded: servers came or went since its first command; "
        "try again\r\n";
    const std::string done = "*1\r\n+OK\r\n";
    size_t moved = 0;
    for (size_t i = 0; i < keys.size(); ++i) {
        CAPTURE(keys[i]);
        const bool has_moved = world.server_of(keys[i]) != began[i];
        moved += has_moved ? 1 : 0;
        // It stays what it was when it is asked for again.
        if (began[i] != 0) {
            CHECK(world.ask(*watching[i], resp({"EXEC"})) == (has_moved ? lost : done));
        }
        CHECK(world.ask(*writing[i], resp({"EXEC"})) == (has_moved ? lost : done));
    }
    CHECK(moved > 10);
    CHECK(moved < 30);
}

TEST_CASE("the only server that is in has all keys, however short a time it has been back") {
    config::Pool pool = probing_pool(1);
    pool.slow_start_ms = 10'000;
    World world(pool);
    wait_for_ejection(world, 0);
    world.server(0).mood = Mood::Up;
    world.pass(2010);
    Channel& client = world.client();
    for (int i = 0; i < 50; ++i) {
        CHECK(world.ask(client, resp({"GET", "k" + std::to_string(i)})) == "$-1\r\n");
    }
}

// --- health checks -------------------------------------------------------------------------------

TEST_CASE("a health check finds a server that nobody asks") {
    config::Pool pool = probing_pool(2);
    pool.health_check_interval_ms = 500;
    pool.server_failure_limit = 2;
    World world(pool);
    world.step();
    world.pass(5000);
    CHECK(world.server(0).redis.log.size() >= 9);
    CHECK(world.server(0).redis.log.size() <= 12);
    world.server(0).mood = Mood::Mute;
    world.pass(2000);
    CHECK_FALSE(world.health(0).accepts_traffic());
    CHECK(world.health(1).accepts_traffic());
    world.server(0).mood = Mood::Up;
    world.pass(2010);
    CHECK(world.health(0).accepts_traffic());
    world.pass(1000);
    CHECK(world.server(0).redis.log.size() >= 12);  // and it goes on
}

TEST_CASE("a health check that began before the ejection does not end it") {
    config::Pool pool = probing_pool(2);
    pool.health_check_interval_ms = 100;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", world.key_on(0)})) == "");
    while (world.probe(0) == nullptr || world.probe(0)->arrived.empty()) {
        world.pass(10);
    }
    world.loop().begin();
    world.loop().reset(*world.link(0));
    world.probe(0)->inbound = "+PONG\r\n";
    CHECK(world.loop().receive(*world.probe(0)));
    world.loop().end();
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.server(0).mood = Mood::Up;
    world.pass(1980);
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.pass(40);
    CHECK(world.health(0).accepts_traffic());
    const uint64_t before = probes(world, 0);
    world.pass(1000);
    CHECK(probes(world, 0) >= before + 5);  // and it is looked after again
}

TEST_CASE("a server that loads or is busy passes a health check") {
    config::Pool pool = probing_pool(1);
    pool.health_check_interval_ms = 100;
    World world(pool);
    world.server(0).redis.canned["PING"] = "-BUSY Redis is busy running a script.\r\n";
    world.step();
    world.pass(2000);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.health(0).failures() == 0);
    world.server(0).redis.canned["PING"] = "-ERR something else\r\n";
    world.pass(200);
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("a server that is busy passes a health check, whichever question it does not answer") {
    config::Pool pool = probing_pool(1);
    pool.redis_db = 5;
    pool.health_check_interval_ms = 100;
    World world(pool);
    world.server(0).redis.canned["SELECT"] = "-BUSY Redis is busy running a script.\r\n";
    world.step();
    world.pass(2000);
    CHECK(probes(world, 0) > 10);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("a pause does not plan a probe that nobody wants") {
    World world(probing_pool(2));
    wait_for_ejection(world, 0);
    world.server(0).mood = Mood::Up;
    while (!world.health(0).accepts_traffic()) {
        world.loop().advance(Loop::tick);
        world.step();
    }
    world.loop().advance(Duration::millis(10'000));
    world.loop().begin({.by = Duration::millis(10'000)});
    world.loop().end();
    CHECK(world.proxy().pools()[0]->servers[0]->probe->retry_at == Instant::never());
    world.pass(1000);
    CHECK(probes(world, 0) == 1);
}

TEST_CASE("a probe that is planned after a pause is not put off by it") {
    World one(probing_pool(2), {.workers = 2});
    World two(probing_pool(2), {.seed = 2, .process = &one.loop().process(), .worker = 1});
    wait_for_ejection(one, 1);
    two.loop().advance(one.loop().now() - two.loop().now());
    two.loop().begin({.by = Duration::millis(60'000)});
    two.loop().end();
    CHECK(two.proxy().next_deadline() <= two.loop().now() + Duration::millis(2000));
}

TEST_CASE("workers that sleep are told of a server that goes or comes") {
    World world(probing_pool(2));
    CHECK_FALSE(world.proxy().take_announcement());
    wait_for_ejection(world, 0);
    CHECK(world.proxy().take_announcement());
    CHECK_FALSE(world.proxy().take_announcement());
    world.server(0).mood = Mood::Up;
    world.pass(2010);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.proxy().take_announcement());
}

TEST_CASE("a reload without auto_eject_hosts brings back what is out") {
    World world(probing_pool(2));
    const std::string key = world.key_on(0);
    wait_for_ejection(world, 0);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");  // of the other
    config::Pool pool = world.pool();
    pool.auto_eject_hosts = false;
    world.adopt({pool});
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.loop().notices().back() ==
          "pool main: server s0 (10.0.0.1:7000) takes its keys again: auto_eject_hosts is off");
    CHECK(world.ask(client, resp({"GET", key})).starts_with("-ERR ringmain: server s0"));
    const uint64_t probed = probes(world, 0);
    world.pass(5000);
    CHECK(probes(world, 0) == probed);
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
}

TEST_CASE("a reload with a shorter retry timeout does not wait for the longer one") {
    config::Pool pool = probing_pool(2);
    pool.server_retry_timeout_ms = 86'400'000;
    World world(pool);
    wait_for_ejection(world, 0);
    world.server(0).mood = Mood::Up;
    world.pass(2000);
    REQUIRE_FALSE(world.health(0).accepts_traffic());
    pool.server_retry_timeout_ms = 1000;
    world.adopt({pool});
    world.pass(900);
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.pass(200);
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("a reload with a shorter health check interval does not wait for the longer one") {
    config::Pool pool = redis_pool(1);
    pool.health_check_interval_ms = 3'600'000;
    World world(pool);
    world.pass(100);
    pool.health_check_interval_ms = 1000;
    world.adopt({pool});
    world.pass(1100);
    CHECK(probes(world, 0) == 1);
}

TEST_CASE("what ends in a pool of before a reload ejects nobody where nobody is ejected any more") {
    config::Pool pool = probing_pool(1);
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    pool.auto_eject_hosts = false;
    pool.redis_db = 3;  // its servers are connected to anew
    world.adopt({pool});
    world.pass(500);
    CHECK(World::heard(client).find("did not answer within 400 ms") != std::string::npos);
    CHECK(world.health(0).accepts_traffic());
}

namespace {

constexpr const char* full = "-ERR max number of clients reached\r\n";

config::Pool checked_pool() {
    config::Pool pool = redis_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 2000;
    pool.server_connections = 2;
    return pool;
}

// Servers that are looked after each second, and a client with a connection to the first.
struct Checked {
    Checked() : world(pool()), client(&world.client()), key(world.key_on(0)) {
        CHECK(world.ask(*client, resp({"GET", key})) == "$-1\r\n");
    }

    static config::Pool pool() {
        config::Pool pool = checked_pool();
        pool.health_check_interval_ms = 1000;
        return pool;
    }

    World world;
    Channel* client;
    std::string key;
};

}  // namespace

TEST_CASE("a server that has no room for its probe serves the connections that it has") {
    Checked checked;
    World& world = checked.world;
    Channel& client = *checked.client;
    const std::string& key = checked.key;
    world.server(0).redis.canned["PING"] = full;
    world.pass(5000);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.health(0).failures() == 0);
    CHECK(world.proxy().pools()[0]->servers[0]->counters().err.get() == 0);
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    // Without any it serves nobody here.
    world.server(0).mood = Mood::Refusing;
    world.cut_off(0);
    world.pass(2000);
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.server(0).mood = Mood::Up;
    world.pass(5000);
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.server(0).redis.canned.erase("PING");
    world.pass(2500);
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("an ejected server that is full of connections, ours among them, is back") {
    World world(checked_pool());
    const std::string key = world.key_on(0);
    Channel& one = world.client();
    CHECK(world.ask(one, resp({"GET", key})) == "$-1\r\n");
    CHECK(world.ask(world.client(), resp({"GET", key})) == "$-1\r\n");
    REQUIRE(world.links(0).size() == 2);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(one, resp({"GET", key})) == "");
    world.pass(410);
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.server(0).mood = Mood::Up;
    world.server(0).redis.canned["PING"] = full;
    world.pass(2500);
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("a server whose password was changed serves those that are in") {
    config::Pool pool = checked_pool();
    pool.health_check_interval_ms = 1000;
    pool.redis_auth = "secret";
    World world(pool);
    world.server(0).redis.password = "secret";
    world.server(1).redis.password = "secret";
    const std::string key = world.key_on(0);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", "secret"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    world.server(0).redis.canned["AUTH"] = "-WRONGPASS invalid username-password pair\r\n";
    world.pass(5000);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
}

TEST_CASE("that a server takes no more connections is no answer to a request") {
    config::Pool pool = checked_pool();
    pool.server_connections = 1;
    pool.server_failure_limit = 2;
    World world(pool);
    const std::string key = world.key_on(0);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", key})) == "");
    world.pass(410);
    World::heard(client);
    CHECK(world.ask(client, resp({"GET", key})) == "");
    Channel& spare = *world.link(0);
    REQUIRE(spare.arrived == resp({"GET", key}));
    spare.inbound += full;
    world.settle();
    CHECK(World::heard(client) ==
          error("server s0 (10.0.0.1:7000) takes no more connections: -ERR max number of clients "
                "reached"));
    CHECK(world.health(0).failures() == 1);  // that one was late
    // The late one is what there is.
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    CHECK(world.links(0).size() == 1);
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("a name service that fails ejects no server that serves") {
    Checked checked;
    World& world = checked.world;
    Channel& client = *checked.client;
    const std::string& key = checked.key;
    core::Server& server = *world.proxy().pools()[0]->servers[0];
    const auto fail_to_find = [&world](core::ServerConn& conn) {
        world.proxy().on_server_lost(conn, core::unfound_reason);
        world.settle();
    };
    world.server(0).mood = Mood::Mute;
    while (world.probe(0) == nullptr) {
        world.pass(10);
    }
    fail_to_find(*server.probe);
    CHECK(world.health(0).failures() == 0);
    // Without a connection it is what the server has to do with.
    CHECK(world.ask(client, resp({"GET", key})) == "");
    fail_to_find(*world.link(0)->server);
    CHECK_FALSE(world.health(0).accepts_traffic());
}

}  // namespace ringmain::test
