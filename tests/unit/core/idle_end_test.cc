// Servers that close idle connections while a request comes: whose fault that is, and what becomes
// of the request.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool one_strike_pool() {
    config::Pool pool = redis_pool(1);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    return pool;
}

// A world with a connection that has answered and is idle now.
struct IdleEnd {
    explicit IdleEnd(const config::Pool& pool = one_strike_pool())
        : world(pool), client(world.client()), other(world.client()) {
        CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
        world.pass(50);
    }

    // The clients' requests come in the same batch in which the connection is found closed.
    void end_with(std::string_view reason = core::end_of_stream_reason) {
        Channel* link = world.link(0);
        world.loop().begin();
        world.loop().receive(client);
        world.loop().receive(other);
        if (reason == core::end_of_stream_reason) {
            world.loop().end_of_stream(*link);
        } else {
            world.loop().reset(*link, reason);
        }
        world.loop().end();
    }

    World world;
    Channel& client;
    Channel& other;
};

}  // namespace

TEST_CASE("a request that has not left when an idle connection ends goes on the next one") {
    std::string_view reason = core::end_of_stream_reason;
    SUBCASE("closed") {}
    SUBCASE("reset") {
        reason = core::reset_reason;
    }
    IdleEnd idle;
    World& world = idle.world;
    World::say(idle.client, resp({"SET", "a", "2"}) + resp({"GET", "a"}));
    World::say(idle.other, resp({"GET", "b"}));
    idle.end_with(reason);
    world.settle();
    CHECK(World::heard(idle.client) == "+OK\r\n" + bulk("2"));
    CHECK(World::heard(idle.other) == "$-1\r\n");
    CHECK(world.health(0).failures() == 0);
    CHECK(world.counters().server_connects.get() == 2);
    CHECK(world.ask(idle.client, resp({"GET", "a"})) == bulk("2"));
}

TEST_CASE("it keeps its time, and fails with the attempt") {
    IdleEnd idle;
    World& world = idle.world;
    World::say(idle.client, resp({"GET", "a"}));
    SUBCASE("nobody takes the connection") {
        world.server(0).mood = Mood::Vanished;
        idle.end_with();
        world.pass(390);
        CHECK(World::heard(idle.client) == "");
        world.pass(20);
        CHECK(World::heard(idle.client) ==
              error(s0 + "did not accept the connection within 400 ms (timeout)"));
    }
    SUBCASE("it is refused") {
        world.server(0).mood = Mood::Refusing;
        idle.end_with();
        world.settle();
        CHECK(World::heard(idle.client) == error(s0 + "refused the connection"));
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
    SUBCASE("the connection ends as well: it may have been run") {
        world.server(0).mood = Mood::Mute;
        idle.end_with();
        world.settle();
        CHECK(World::heard(idle.client) == "");
        world.hang_up(0);
        world.settle();
        CHECK(World::heard(idle.client) == error(s0 + "closed the connection"));
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
}

TEST_CASE("a connection that ends over a request is no idle one") {
    SUBCASE("over one that the server worked on") {
        IdleEnd idle;
        World& world = idle.world;
        world.link(0)->reads = false;
        CHECK(world.ask(idle.client, resp({"SET", "a", "2"})) == "");
        world.pass(100);
        world.hang_up(0);
        world.settle();
        CHECK(World::heard(idle.client) == error(s0 + "closed the connection"));
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
    SUBCASE("over the second, each time") {
        World world(one_strike_pool());
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
        world.pass(5);
        world.link(0)->reads = false;
        CHECK(world.ask(client, resp({"SET", "a", "2"})) == "");
        world.hang_up(0);
        world.settle();
        CHECK(World::heard(client) == error(s0 + "closed the connection"));
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
}

TEST_CASE("a request that had left may have been run, and says nothing against the server") {
    IdleEnd idle;
    World& world = idle.world;
    Channel* link = world.link(0);
    link->reads = false;
    CHECK(world.ask(idle.client, resp({"SET", "a", "2"})) == "");
    SUBCASE("alone") {
        world.hang_up(0);
        world.settle();
        CHECK(World::heard(idle.client) == error(s0 + "closed the connection"));
    }
    SUBCASE("with others behind it that had not") {
        World::say(idle.client, resp({"GET", "a"}));
        World::say(idle.other, resp({"GET", "b"}));
        idle.end_with();
        world.settle();
        CHECK(World::heard(idle.client) == error(s0 + "closed the connection") + bulk("1"));
        CHECK(World::heard(idle.other) == "$-1\r\n");
    }
    CHECK(world.health(0).failures() == 0);
    CHECK(world.ask(idle.client, resp({"GET", "a"})) == bulk("1"));
}

TEST_CASE("what was asked before the last answer was not asked on an idle connection") {
    IdleEnd idle;
    World& world = idle.world;
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(idle.client, resp({"GET", "a"}) + resp({"GET", "b"})) == "");
    world.pass(10);
    SUBCASE("one is answered, and the other not") {
        world.reply(0, "$-1\r\n");
        world.settle();
        CHECK(World::heard(idle.client) == "$-1\r\n");
    }
    SUBCASE("the end comes in an answer") {
        world.reply(0, "$3\r\nab");
        world.settle();
    }
    SUBCASE("one was late") {
        world.pass(400);
    }
    world.hang_up(0);
    world.settle();
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE(
    "a server that closes the connection after each answer serves one request after another") {
    IdleEnd idle;
    World& world = idle.world;
    for (int i = 0; i < 20; ++i) {
        World::say(idle.client, resp({"SET", "a", std::to_string(i)}));
        idle.end_with();
        world.settle();
        CHECK(World::heard(idle.client) == "+OK\r\n");
        world.pass(20);
    }
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("a server that accepts and closes at once, always, is ejected") {
    config::Pool pool = one_strike_pool();
    pool.server_failure_limit = 3;
    World world(pool);
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    for (int i = 0; i < 10 && world.health(0).accepts_traffic(); ++i) {
        World::say(client, resp({"GET", "a"}));
        world.step();
        world.step();
        if (world.link(0) != nullptr) world.hang_up(0);
        world.pass(600);
    }
    CHECK_FALSE(world.health(0).accepts_traffic());
    CHECK(World::heard(client).find(s0 + "closed the connection") != std::string::npos);
}

TEST_CASE("what is bound to the lost connection does not go on the next one") {
    IdleEnd idle;
    World& world = idle.world;
    World::say(idle.client, resp({"EVAL", "return 1", "1", "a"}));
    idle.end_with();
    world.settle();
    CHECK(World::heard(idle.client) == error(s0 + "closed the connection"));
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("a connection of one client's own that ends while it is asked says nothing either") {
    IdleEnd idle;
    World& world = idle.world;
    CHECK(world.ask(idle.client, resp({"WATCH", "a"})) == "+OK\r\n");
    world.pass(50);
    world.server(0).mood = Mood::Mute;
    uint32_t failures = 0;
    std::string request = resp({"GET", "a"});
    SUBCASE("with a request that it may not have seen") {}
    SUBCASE("but it has seen a command that waits") {
        CHECK(world.ask(idle.client, resp({"UNWATCH"})) == "");
        world.leases(0)[0]->inbound += "+OK\r\n";
        world.settle();
        CHECK(World::heard(idle.client) == "+OK\r\n");
        world.pass(50);
        request = resp({"BLPOP", "l", "0"});
        failures = 1;
    }
    CHECK(world.ask(idle.client, request) == "");
    REQUIRE(world.leases(0).size() == 1);
    world.leases(0)[0]->inbound_end = true;
    world.settle();
    CHECK(World::heard(idle.client) == error(s0 + "closed the connection"));
    CHECK(world.health(0).failures() == failures);
}

TEST_CASE("keys that share a line go on together") {
    World world(memcached_pool(1));
    Channel& one = world.client();
    Channel& two = world.client();
    CHECK(world.ask(one, "set a 0 0 1\r\nA\r\n") == "STORED\r\n");
    world.pass(50);
    World::say(one, "get a\r\n");
    World::say(two, "get b\r\nget a\r\n");
    Channel* link = world.link(0);
    world.loop().begin();
    world.loop().receive(one);
    world.loop().receive(two);
    world.loop().end_of_stream(*link);
    world.loop().end();
    world.settle();
    CHECK(World::heard(one) == "VALUE a 0 1\r\nA\r\nEND\r\n");
    CHECK(World::heard(two) == "END\r\nVALUE a 0 1\r\nA\r\nEND\r\n");
}

}  // namespace ringmain::test
