// Connections that are given up for being late: what is said then, and who is to blame.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// One failure, and a server is out.
config::Pool hasty_pool() {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 100;
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    return pool;
}

}  // namespace

TEST_CASE("a server that gives an answer slowly is not to blame when its connection is given up") {
    World world(hasty_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    Channel* late = world.link(0);
    bool is_steady = false;
    SUBCASE("byte by byte") {
        is_steady = true;
    }
    SUBCASE("and stops") {}
    late->inbound += "$1000\r\n";
    for (int i = 0; i < 8 && is_steady; ++i) {
        world.pass(50);
        late->inbound += "x";
    }
    if (!is_steady) world.pass(400);
    world.settle();
    CHECK(late->closed);
    CHECK(World::heard(client) == error(s0 + "did not answer within 100 ms (timeout)"));
    CHECK(world.health(0).accepts_traffic() == is_steady);
    CHECK(server_counters(world, 0).late.get() == 1);
}

TEST_CASE("who waits behind an answer that takes too long is told that it was coming") {
    config::Pool pool = hasty_pool();
    pool.late_connection_timeout_ms = 150;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.reply(0, "$1000\r\n");
    world.pass(70);
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"GET", "b"})) == "");
    Channel* late = world.link(0);
    late->inbound += "x";
    world.pass(80);
    CHECK(late->closed);
    CHECK(World::heard(other) ==
          error(s0 + "has been giving an answer for 150 ms (late_connection_timeout)"));
    CHECK(world.health(0).failures() == 0);
}

// From far away a new connection takes as long as one and two answers.
TEST_CASE("the time that a new connection needs is not the server's time to answer") {
    World world(hasty_pool());
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(70);
    world.server(0).mood = Mood::Mute;
    world.settle();
    Channel* link = world.link(0);
    SUBCASE("it answers") {
        world.pass(90);
        CHECK(World::heard(client) == "");
        world.reply(0, "$-1\r\n");
        world.settle();
        CHECK(World::heard(client) == "$-1\r\n");
        CHECK_FALSE(link->closed);
        CHECK(world.health(0).failures() == 0);
    }
    SUBCASE("or not") {
        world.pass(110);
        CHECK(World::heard(client) == error(s0 + "did not answer within 100 ms (timeout)"));
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
}

TEST_CASE("a request that is late before its connection is ready says nothing of the server") {
    config::Pool pool = hasty_pool();
    pool.redis_db = 1;  // which it asks for
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(60);
    world.server(0).mood = Mood::Mute;
    world.pass(60);
    CHECK(World::heard(client) == error(s0 + "did not answer within 100 ms (timeout)"));
    CHECK(world.health(0).failures() == 0);
    Channel* link = world.link(0);
    world.reply(0, "+OK\r\n+PONG\r\n");
    world.settle();
    CHECK(world.ask(client, resp({"GET", "b"})) == "");
    world.pass(60);
    world.reply(0, "$1\r\nA\r\n");  // nobody waits for that any more
    world.pass(30);
    world.reply(0, "$1\r\nB\r\n");
    world.settle();
    CHECK(World::heard(client) == "$1\r\nB\r\n");
    CHECK_FALSE(link->closed);
}

// The clock that times are kept by is no finer than that.
TEST_CASE("a very short timeout does not take the connection with it") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 1;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    Channel* late = world.link(0);
    world.pass(10);
    CHECK(World::heard(client) == error(s0 + "did not answer within 1 ms (timeout)"));
    CHECK_FALSE(late->closed);
    CHECK(world.counters().server_failures.get() == 0);
    world.pass(20);
    CHECK(late->closed);
}

}  // namespace ringmain::test
