// Large requests that the kernel has, and the server does not yet.

#include "ringmain/core/limits.h"
#include "tests/unit/core/streaming.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr std::string_view unanswered =
    "server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)";

config::Pool watchful_pool() {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    return pool;
}

Channel& link_apart(World& world) {
    REQUIRE(world.leases(0).size() == 1);
    return *world.leases(0).front();
}

// The server takes some of it now and then, for half a second.
void take_slowly(World& world, Channel& link) {
    for (int i = 0; i < 10; ++i) {
        link.untaken -= 100'000;
        world.pass(50);
    }
}

}  // namespace

TEST_CASE("a server that is still taking a large request has time, and then its time to answer") {
    World world(watchful_pool(), {.blocks = 512});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(1'500'000, 'a')});
    CHECK(world.ask(client, all.substr(0, 100'000)) == "");
    Channel& stream = link_apart(world);
    stream.untaken = all.size();
    World::say(client, all.substr(100'000));
    world.settle();
    CHECK(stream.arrived.size() == all.size());
    take_slowly(world, stream);
    CHECK(World::heard(client) == "");
    CHECK(world.counters().server_failures.get() == 0);
    SUBCASE("it takes the rest and answers") {
        stream.untaken = 0;
        world.pass(80);
        stream.inbound += "+OK\r\n";
        world.settle();
        CHECK(World::heard(client) == "+OK\r\n");
        CHECK(world.health(0).failures() == 0);
    }
    SUBCASE("it takes the rest and does not answer") {
        stream.untaken = 0;
        world.pass(80);
        CHECK(World::heard(client) == "");
        world.pass(50);
        CHECK(World::heard(client) == error(unanswered));
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
    SUBCASE("it takes no more") {
        world.pass(30);
        CHECK(World::heard(client) == "");
        world.pass(50);
        CHECK(World::heard(client) == error(unanswered));
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
    SUBCASE("the worker stands still") {
        world.pass(30);
        stream.untaken -= 100'000;
        world.loop().advance(Duration::millis(300));
        world.pass(50);
        CHECK(World::heard(client) == "");
    }
}

TEST_CASE("a server that takes nothing of a large request is late as ever") {
    World world(watchful_pool(), {.blocks = 512});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(300'000, 'a')});
    CHECK(world.ask(client, all.substr(0, 100'000)) == "");
    SUBCASE("it is with the server") {}
    SUBCASE("it is with the kernel") {
        link_apart(world).untaken = 250'000;
    }
    World::say(client, all.substr(100'000));
    world.settle();
    world.pass(90);
    CHECK(World::heard(client) == "");
    world.pass(30);
    CHECK(World::heard(client) == error(unanswered));
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("what waits for a connection is not late with it when that has just come about") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 0;
    pool.late_connection_timeout_ms = 100;
    pool.connect_timeout_ms = 1000;
    pool.client_idle_timeout_ms = 305;  // deadlines are looked at in the batch that connects
    World world(pool, {.blocks = 512});
    world.server(0).mood = Mood::Vanished;
    const Channel& idle = world.client();
    world.pass(100);
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(100'000, 'a')});
    CHECK(world.ask(client, all.substr(0, 90'000)) == "");
    world.pass(200);
    world.server(0).mood = Mood::Up;
    world.pass(10);
    CHECK(idle.closed);
    CHECK(world.ask(client, all.substr(90'000)) == "+OK\r\n");
    CHECK(world.counters().server_failures.get() == 0);
}

TEST_CASE("what the kernel has no room for waits as long as the server takes what it has") {
    World world(watchful_pool(), {.blocks = 512});
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(8 * core::stream_window, 'h')});
    CHECK(world.ask(client, all.substr(0, 100'000)) == "");
    Channel& stream = link_apart(world);
    stream.reads = false;
    stream.untaken = 2'000'000;
    World::say(client, all.substr(100'000));
    world.settle();
    take_slowly(world, stream);
    CHECK(World::heard(client) == "");
    CHECK(world.counters().server_failures.get() == 0);
    SUBCASE("it goes on") {
        stream.reads = true;
        world.settle();
        CHECK(World::heard(client) == "+OK\r\n");
    }
    SUBCASE("it takes no more") {
        world.pass(340);
        CHECK(World::heard(client) == "");
        world.pass(30);
        CHECK(World::heard(client) ==
              error("server s0 (10.0.0.1:7000) has taken no more of a request for 400 ms "
                    "(late_connection_timeout)"));
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
}

TEST_CASE("a large request that is kept and taken slowly says nothing against the server") {
    config::Pool pool = watchful_pool();
    pool.stream_threshold = 0;  // on everybody's connection
    World world(pool, {.blocks = 1024});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
    world.server(0).mood = Mood::Mute;
    Channel& link = *world.link(0);
    link.sip = 4'000'000;
    World::say(client, resp({"MSET", "a", std::string(1'500'000, 'v')}));
    SUBCASE("slowly") {
        link.untaken = 1'400'000;
        world.settle();
        take_slowly(world, link);
        CHECK(World::heard(client) == error(unanswered));
        CHECK(world.health(0).failures() == 0);
        CHECK_FALSE(link.closed);
        world.pass(500);  // it takes no more
    }
    SUBCASE("at once") {
        world.settle();
        world.pass(110);
    }
    SUBCASE("not at all") {
        link.untaken = 1'400'000;
        world.settle();
        world.pass(120);
    }
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("a large request that is there as a whole has time for as long as it is taken") {
    World world(watchful_pool(), {.blocks = 1024});
    Channel& client = world.client();
    const std::string request = resp({"MSET", "a", std::string(1'500'000, 'v')});
    CHECK(world.ask(client, request) == "+OK\r\n");
    world.server(0).mood = Mood::Mute;
    Channel& lease = link_apart(world);
    World::say(client, request);
    lease.untaken = 1'400'000;
    world.settle();
    take_slowly(world, lease);
    CHECK(World::heard(client) == "");
    world.pass(40);
    CHECK(World::heard(client) == "");
    world.pass(20);  // what it had is what it has
    CHECK(World::heard(client) == error(unanswered));
}

TEST_CASE("a large transaction has time for as long as it is taken") {
    World world(watchful_pool(), {.blocks = 1024});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"}) + resp({"MULTI"})) == "+OK\r\n+OK\r\n");
    CHECK(world.ask(client, resp({"SET", "a", std::string(1'500'000, 'v')})) == "+QUEUED\r\n");
    world.server(0).mood = Mood::Mute;
    Channel& lease = link_apart(world);
    World::say(client, resp({"EXEC"}));
    lease.untaken = 1'400'000;
    world.settle();
    take_slowly(world, lease);
    CHECK(World::heard(client) == "");
    world.pass(120);
    CHECK(World::heard(client) == error(unanswered));
}

TEST_CASE("nobody asks about small requests") {
    World world(watchful_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    for (int i = 0; i < 100; ++i) {
        World::say(client, resp({"SET", "a", std::string(1'000, 'v')}));
    }
    world.settle();
    CHECK(world.proxy().next_deadline() == world.loop().now() + Duration::millis(100));
}

}  // namespace ringmain::test
