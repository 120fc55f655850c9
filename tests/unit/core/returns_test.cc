// Servers of a large pool that come back together, and reloads meanwhile.

#include "tests/unit/core/world.h"

#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool large_pool(uint32_t servers) {
    config::Pool pool = redis_pool(servers);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 200'000;
    pool.placement.distribution = placement::DistributionKind::Rendezvous;
    return pool;
}

void change(World& world, uint32_t first, uint32_t last, bool comes) {
    world.loop().begin();
    const Instant now = world.loop().now();
    for (uint32_t i = first; i < last; ++i) {
        if (comes) {
            CHECK(world.health(i).readmit(now, "answered a probe"));
        } else {
            CHECK(world.health(i).on_failure({.began = now, .now = now, .reason = "died"},
                                             {.eject = true, .failure_limit = 1}) ==
                  core::Health::Verdict::Ejected);
        }
    }
    world.loop().process().shared.announce_change();
    world.loop().end();
    world.step();
}

std::vector<uint32_t> places(World& world) {
    std::vector<uint32_t> found;
    for (int i = 0; i < 5000; ++i) {
        found.push_back(world.server_of("k" + std::to_string(i)));
    }
    return found;
}

}  // namespace

TEST_CASE("those that got keys together are in one ramp to its end") {
    config::Pool pool = large_pool(60);
    pool.slow_start_ms = 16'000;  // steps of 1 s
    World world(pool);
    const std::vector<uint32_t> home = places(world);
    change(world, 0, 40, false);
    const std::vector<uint32_t> meanwhile = places(world);
    constexpr int64_t second = 1'000'000'000;
    const int64_t behind = world.loop().now().ns % second;
    world.pass((second - behind) / 1'000'000 + 20);
    change(world, 0, 20, true);
    world.pass(900);
    change(world, 20, 40, true);
    world.pass(15'300);  // the first are wholly back, the others are not
    const std::vector<uint32_t> before = places(world);
    world.adopt({pool});
    const std::vector<uint32_t> after = places(world);
    for (size_t i = 0; i < after.size(); ++i) {
        CAPTURE(i);
        CHECK(after[i] == before[i]);
        CHECK((after[i] == home[i] || after[i] == meanwhile[i]));
    }
    world.pass(2000);
    CHECK(places(world) == home);
}

TEST_CASE("each of several pools is done with a return in its own time, after a reload too") {
    config::Pool slow = large_pool(3);
    slow.slow_start_ms = 4000;
    config::Pool quick = large_pool(3);
    quick.name = "quick";
    quick.listen.port = 22199;
    quick.slow_start_ms = 1000;
    World world(slow);
    world.adopt({slow, quick});
    const auto is_in_ramps = [&world](size_t pool) {
        return world.proxy().pools()[pool]->is_in_ramps();
    };
    for (const bool comes : {false, true}) {
        world.loop().begin();
        const Instant now = world.loop().now();
        for (const auto& pool : world.proxy().pools()) {
            core::Health& health = pool->server(0).health();
            const bool is_done =
                comes ? health.readmit(now, "answered a probe")
                      : health.on_failure({.began = now, .now = now, .reason = "died"},
                                          {.eject = true, .failure_limit = 1}) ==
                            core::Health::Verdict::Ejected;
            CHECK(is_done);
        }
        world.loop().process().shared.announce_change();
        world.loop().end();
        world.pass(100);
    }
    CHECK(is_in_ramps(0));
    CHECK(is_in_ramps(1));
    SUBCASE("") {}
    SUBCASE("a reload") {
        world.adopt({slow, quick});
        CHECK(is_in_ramps(0));
        CHECK(is_in_ramps(1));
    }
    world.pass(1000);
    CHECK(is_in_ramps(0));
    CHECK_FALSE(is_in_ramps(1));
    world.pass(3000);
    CHECK_FALSE(is_in_ramps(0));
}

TEST_CASE("a transaction notices that another slow_start moves its keys") {
    uint32_t count = 3;
    SUBCASE("few servers") {}
    SUBCASE("many servers") {
        count = 60;
    }
    config::Pool pool = large_pool(count);
    World world(pool);
    const std::string key = world.key_on(0);
    change(world, 0, 1, false);
    world.pass(1000);
    change(world, 0, 1, true);
    world.pass(2000);
    REQUIRE(world.server_of(key) == 0);
    Channel& one = world.client();
    Channel& other = world.client();
    CHECK(world.ask(one, resp({"WATCH", key}) + resp({"MULTI"}) + resp({"SET", key, "a"})) ==
          "+OK\r\n+OK\r\n+QUEUED\r\n");
    pool.slow_start_ms = 600'000;
    world.adopt({pool});
    CHECK(world.ask(other, resp({"SET", key, "new"})) == "+OK\r\n");
    CHECK(world.ask(one, resp({"EXEC"})).starts_with("-EXECABORT"));
    CHECK(world.ask(other, resp({"GET", key})) == bulk("new"));
}

TEST_CASE("what waits on a stand-in is ended when its key goes back") {
    config::Pool pool = large_pool(3);
    SUBCASE("at once") {}
    SUBCASE("with slow_start, in its time") {
        pool.slow_start_ms = 60'000;
    }
    World world(pool);
    const std::string key = world.key_on(0);
    change(world, 0, 1, false);
    world.pass(1000);
    const uint32_t stand_in = world.server_of(key);
    REQUIRE(stand_in != 0);
    world.mute(3);
    Channel& client = world.client();
    Channel& stays = world.client();
    CHECK(world.ask(client, resp({"BLPOP", key, "0"})).empty());
    REQUIRE(world.leases(stand_in).size() == 1);
    Channel& lease = *world.leases(stand_in)[0];
    const std::string own = [&] {
        for (int i = 0;; ++i) {
            std::string name = "own" + std::to_string(i);
            if (world.server_of(name) != stand_in) continue;
            World all(pool);
            if (all.server_of(name) == stand_in) return name;
        }
    }();
    CHECK(world.ask(stays, resp({"BLPOP", own, "0"})).empty());
    CHECK_FALSE(lease.shut);
    change(world, 0, 1, true);
    for (int i = 0; i < 700 && world.server_of(key) == stand_in; ++i) {
        CHECK_FALSE(lease.shut);
        world.pass(100);
    }
    REQUIRE(world.server_of(key) == 0);
    world.pass(100);
    CHECK(lease.shut);
    lease.inbound += popped;
    world.settle();
    CHECK(World::heard(client) == popped);
    world.pass(60'000);
    REQUIRE(world.leases(stand_in).size() == 1);
    CHECK_FALSE(world.leases(stand_in)[0]->shut);
    CHECK(World::heard(stays).empty());
    CHECK(pool_counters(world).clients_waiting.get() == 1);
    world.drop(stays);
}

}  // namespace ringmain::test
