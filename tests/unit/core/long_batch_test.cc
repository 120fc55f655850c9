// A worker that stood still, or took long for a batch: whose time that is.

#include "tests/unit/core/world.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// What has happened since the clock went on last was one batch of a second, in which a server has
// accepted that connection.
void end_long_batch(World& world, Channel* accepted = nullptr) {
    const Instant began = world.loop().now();
    const Duration busy = Duration::millis(1000);
    world.loop().advance(busy);
    world.loop().begin({.by = busy, .from = began});
    if (accepted != nullptr) world.loop().connected(*accepted);
    world.proxy().on_tick();
    world.loop().end();
    world.settle();
}

}  // namespace

TEST_CASE("after a pause everything has the time that it had left") {
    config::Pool pool = redis_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.client_idle_timeout_ms = 3000;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", world.key_on(0)})) == "");
    world.pass(100);
    CHECK(world.ask(client, resp({"GET", world.key_on(1)})) == "");
    const Duration gap = Duration::millis(60'000);
    world.loop().advance(gap);
    world.loop().begin({.by = gap});
    world.loop().end();
    world.settle();
    CHECK(World::heard(client) == "");
    CHECK_FALSE(client.closed);
    world.pass(290);
    CHECK(World::heard(client) == "");
    CHECK(world.health(0).accepts_traffic());
    world.pass(20);
    CHECK(World::heard(client).find("did not answer within 400 ms") != std::string::npos);
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("what began in a batch that took long has its time from the end of that") {
    config::Pool pool = redis_pool(3);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.client_idle_timeout_ms = 900;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"GET", world.key_on(1)})) == "");
    world.pass(100);
    world.server(2).mood = Mood::Vanished;
    Channel& third = world.client();
    CHECK(world.ask(client, resp({"GET", world.key_on(0)})) == "");
    CHECK(world.ask(third, resp({"GET", world.key_on(2)})) == "");
    end_long_batch(world);
    // Its server had all of that time.
    CHECK(World::heard(other).find("did not answer within 400 ms") != std::string::npos);
    CHECK_FALSE(world.health(1).accepts_traffic());
    CHECK(World::heard(client) == "");
    CHECK(World::heard(third) == "");
    CHECK_FALSE(client.closed);
    CHECK_FALSE(third.closed);
    world.pass(390);
    CHECK(World::heard(client) == "");
    CHECK(World::heard(third) == "");
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.health(2).accepts_traffic());
    world.pass(20);
    CHECK(World::heard(client).find("did not answer within 400 ms") != std::string::npos);
    CHECK(World::heard(third).find("did not accept the connection") != std::string::npos);
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("of a connection's requests those have more time that were queued in a long batch") {
    config::Pool pool = redis_pool(1);
    pool.late_connection_timeout_ms = 5000;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& before = world.client();
    Channel& first = world.client();
    Channel& second = world.client();
    const std::string late = error(s0 + "did not answer within 400 ms (timeout)");
    CHECK(world.ask(before, resp({"GET", "a"})) == "");
    world.pass(100);
    CHECK(world.ask(first, resp({"GET", "b"})) == "");
    CHECK(world.ask(second, resp({"GET", "c"}) + resp({"GET", "d"})) == "");
    end_long_batch(world);
    CHECK(World::heard(before) == late);
    CHECK(World::heard(first) == "");
    CHECK(World::heard(second) == "");
    world.pass(390);
    CHECK(World::heard(first) == "");
    CHECK(World::heard(second) == "");
    world.pass(20);
    CHECK(World::heard(first) == late);
    CHECK(World::heard(second) == late + late);
}

TEST_CASE("what waited for a connection has its time from the end of the batch that had it") {
    config::Pool pool = redis_pool(1);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(200);
    world.server(0).mood = Mood::Mute;
    world.settle();
    REQUIRE(world.link(0) != nullptr);
    CHECK(world.link(0)->arrived == resp({"GET", "a"}));
    end_long_batch(world);
    CHECK(World::heard(client) == "");
    world.pass(390);
    CHECK(World::heard(client) == "");
    CHECK(world.health(0).accepts_traffic());
    world.pass(20);
    CHECK(World::heard(client).find("did not answer within 400 ms") != std::string::npos);
}

TEST_CASE("what a connection begins with has its time from when it leaves") {
    config::Pool pool = redis_pool(1);
    pool.redis_db = 1;  // which it asks for
    pool.connect_timeout_ms = 300;
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(100);
    // The server accepts when that batch begins, or while the worker is at another.
    SUBCASE("in a long batch") {
        world.server(0).mood = Mood::Mute;
        world.settle();
        end_long_batch(world);
    }
    SUBCASE("behind a long batch") {
        world.server(0).mood = Mood::Mute;
        end_long_batch(world, world.link(0));
    }
    CHECK(World::heard(client) == "");
    world.pass(200);
    CHECK(World::heard(client) == "");
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == "$-1\r\n");
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("who waits for a connection that brings messages does not pay for a long batch") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SUBSCRIBE", "news"})) == "");
    world.pass(100);
    world.server(0).mood = Mood::Mute;
    SUBCASE("which becomes ready when that begins") {
        world.settle();
        end_long_batch(world);
    }
    SUBCASE("which does behind it") {
        end_long_batch(world, world.subscription(0));
    }
    CHECK(World::heard(client) == "");
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == "*3\r\n" + bulk("subscribe") + bulk("news") + ":1\r\n");
    CHECK(world.counters().timeouts.get() == 0);
}

}  // namespace ringmain::test
