// Clients and what they make ringmain connect share the descriptors that are theirs.

#include "tests/unit/core/world.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// The whole error: `what` says how many have them.
std::string refused(const std::string& what) {
    return "-ERR ringmain: " + s0 +
           "gets no more connections for single clients or selected databases: " + what +
           ", the limit of the descriptors of this process (ulimit -n, LimitNOFILE in the "
           "unit)\r\n";
}

uint64_t extra(World& world) {
    return world.counters().worker.extra_connections.get();
}

void allow(World& world, uint64_t most) {
    world.loop().process().shared.clients_max = most;
}

}  // namespace

TEST_CASE("a command that waits is refused where the descriptors are others'") {
    World world(redis_pool(1), {.clients_max = 4});
    Channel& first = world.client();
    Channel& second = world.client();
    Channel& third = world.client();
    CHECK(world.ask(first, resp({"WATCH", "a"})) == ok);
    CHECK(extra(world) == 1);
    const std::string why = refused(
        "3 clients are connected and 1 connections to servers are for single clients or "
        "selected databases");
    CHECK(world.ask(second, resp({"BLPOP", "a", "0"}) + resp({"GET", "a"})) == why + "$-1\r\n");
    CHECK(world.ask(second, resp({"WATCH", "a"})) == why);
    CHECK(world.ask(second, resp({"SELECT", "1"})) == why);
    CHECK(world.ask(second, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(pool_counters(world).extra_refused.get() == 3);
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0].find("gets no more connections for single clients") !=
          std::string::npos);
    // Nor is there room for a client.
    world.loop().begin();
    CHECK(world.loop().accept() == nullptr);
    world.loop().end();
    // Who leaves makes room.
    world.drop(third);
    CHECK(world.ask(second, resp({"WATCH", "a"})) == ok);
    CHECK(extra(world) == 2);
    world.drop(first);
    world.drop(second);
    world.settle();
    CHECK(extra(world) == 0);
}

TEST_CASE("each connection of a selected database counts, and is refused at its server") {
    World world(redis_pool(2), {.clients_max = 3});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"SELECT", "3"})) == ok);
    CHECK(extra(world) == 1);
    const uint32_t selected = world.links(0).size() > 0 ? 0 : 1;
    const std::string there = world.key_on(selected);
    const std::string elsewhere = world.key_on(1 - selected);
    CHECK(world.ask(client, resp({"GET", there})) == "$-1\r\n");
    CHECK(world.ask(client, resp({"GET", elsewhere})).find("gets no more connections") !=
          std::string::npos);
    CHECK(world.ask(other, resp({"GET", elsewhere})) == "$-1\r\n");  // which everybody's serves
    world.drop(other);
    CHECK(world.ask(client, resp({"GET", elsewhere})) == "$-1\r\n");
    CHECK(extra(world) == 2);
}

TEST_CASE("what nobody uses makes room: leases that are idle") {
    World world(redis_pool(1), {.clients_max = 4});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    CHECK(world.ask(other, resp({"WATCH", "a"})) == ok);
    CHECK(world.ask(client, resp({"UNWATCH"})) == ok);
    CHECK(world.ask(other, resp({"UNWATCH"})) == ok);
    CHECK(extra(world) == 2);
    SUBCASE("for a client") {
        static_cast<void>(world.client());
        CHECK(extra(world) == 0);
    }
    SUBCASE("for a lease of another kind") {
        CHECK(world.ask(client, resp({"HELLO", "3"})).starts_with("%"));
        CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
        CHECK(extra(world) == 1);
    }
    SUBCASE("for a database") {
        CHECK(world.ask(client, resp({"SELECT", "1"})) == ok);
        CHECK(extra(world) == 1);
    }
    SUBCASE("for another worker") {
        world.loop().process().shared.announce_shortage();
        world.step();
        CHECK(extra(world) == 0);
        CHECK(world.leases(0).empty());
    }
}

TEST_CASE("what nobody uses makes room: databases that clients have left") {
    World world(redis_pool(1), {.clients_max = 4});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"SELECT", "1"})) == ok);
    CHECK(world.ask(other, resp({"SELECT", "2"})) == ok);
    world.loop().begin();
    CHECK(world.loop().accept() == nullptr);
    world.loop().end();
    CHECK(extra(world) == 2);
    world.pass(200);
    CHECK(world.ask(client, resp({"SELECT", "0"})) == ok);
    static_cast<void>(world.client());
    CHECK(extra(world) == 1);
    // It comes back when there is room again.
    CHECK(world.ask(client, resp({"SELECT", "1"})).find("gets no more") != std::string::npos);
    allow(world, 10);
    CHECK(world.ask(client, resp({"SELECT", "1"})) == ok);
    CHECK(world.ask(other, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("a large request goes the common way where it can have no connection of its own") {
    World world(memcached_pool(1), {.clients_max = 1});
    Channel& client = world.client();
    CHECK(world.ask(client, "get a\r\n") == "END\r\n");
    const std::string half(200'000, 'x');
    for (const uint64_t most : {1U, 2U}) {
        allow(world, most);
        CHECK(world.ask(client, "set a 0 0 400000\r\n" + half) == "");
        CHECK(extra(world) == most - 1);
        CHECK(world.ask(client, half + "\r\n") == "STORED\r\n");
    }
}

TEST_CASE("a client hears what the last attempt at a server failed over, not the one before it") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Refusing;
    CHECK(world.ask(client, resp({"GET", "a"})) ==
          "-ERR ringmain: " + s0 + "refused the connection\r\n");
    world.server(0).mood = Mood::Vanished;
    world.pass(100);
    REQUIRE(world.link(0) != nullptr);
    world.loop().begin();
    world.proxy().on_connect_impossible(*world.link(0)->server, "cannot be reached: no descriptor");
    world.loop().end();
    CHECK(world.ask(client, resp({"GET", "a"})) ==
          "-ERR ringmain: " + s0 + "cannot be reached: no descriptor\r\n");
    // The next attempt comes soon, and nothing that failed here is held against the server.
    world.server(0).mood = Mood::Up;
    world.pass(100);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

}  // namespace ringmain::test
