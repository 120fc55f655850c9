// Which response goes to whom, and when.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("a value that was set is got") {
    World world(redis_pool(3));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "one"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"GET", "a"})) == bulk("one"));
    CHECK(world.ask(client, resp({"GET", "b"})) == "$-1\r\n");
    CHECK(world.counters().requests.get() == 3);
    CHECK(world.counters().fragments.get() == 3);
}

TEST_CASE("responses leave in the order of the requests, whichever server is first") {
    World world(redis_pool(2));
    const std::string slow = world.key_on(0);
    const std::string fast = world.key_on(1);
    world.server(0).mood = Mood::Mute;
    world.server(1).redis.values[fast] = "fast";
    Channel& client = world.client();
    CHECK(world.ask(client,
                    resp({"GET", slow}) + resp({"GET", fast}) + resp({"PING"}) +
                        resp({"GET", fast})) == "");
    world.reply(0, bulk("slow"));
    world.settle();
    CHECK(World::heard(client) == bulk("slow") + bulk("fast") + "+PONG\r\n" + bulk("fast"));
}

TEST_CASE("a client that waits does not hold up another one") {
    World world(redis_pool(2));
    world.server(0).mood = Mood::Mute;
    Channel& waiting = world.client();
    Channel& other = world.client();
    CHECK(world.ask(waiting, resp({"GET", world.key_on(0)})) == "");
    CHECK(world.ask(other, resp({"GET", world.key_on(1)})) == "$-1\r\n");
}

TEST_CASE("a client that leaves has its responses swallowed, and the next one gets its own") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& leaving = world.client();
    Channel& staying = world.client();
    CHECK(world.ask(leaving, resp({"GET", "a"}) + resp({"GET", "b"})) == "");
    CHECK(world.ask(staying, resp({"GET", "c"})) == "");
    world.drop(leaving);
    CHECK_FALSE(world.proxy().is_idle());
    world.reply(0, bulk("a") + bulk("b") + bulk("c"));
    world.settle();
    CHECK(World::heard(staying) == bulk("c"));
    CHECK(world.proxy().is_idle());
}

TEST_CASE("what a client asked for before its end of stream is answered, then it is closed") {
    World world(redis_pool(1));
    Channel& client = world.client();
    World::say(client, resp({"SET", "a", "1"}) + resp({"GET", "a"}) + "*2\r\n$3\r\nGET");
    client.inbound_end = true;
    world.settle();
    CHECK(World::heard(client) == "+OK\r\n" + bulk("1"));
    CHECK(client.closed);
}

TEST_CASE("QUIT is answered in its turn, and nothing behind it") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"}) + resp({"QUIT"}) + resp({"GET", "b"})) == "");
    CHECK_FALSE(client.closed);
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(client) == bulk("1") + "+OK\r\n");
    CHECK(client.closed);
    CHECK(world.counters().requests.get() == 2);
}

TEST_CASE("a protocol error is told in its turn, then the client is closed") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"}) + "*1\r\n:1\r\n" + resp({"GET", "b"})) == "");
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(client) == bulk("1") + "-ERR Protocol error: expected '$', got ':'\r\n");
    CHECK(client.closed);
}

TEST_CASE("a browser is hung up on") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, "POST / HTTP/1.1\r\nHost: x\r\n\r\n") == "");
    CHECK(client.closed);
}

TEST_CASE("requests and responses may be cut anywhere") {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        World world(redis_pool(3), {.seed = seed, .cut = true});
        Channel& client = world.client();
        const std::string large(40'000, 'x');
        World::say(client,
                   resp({"SET", "a", large}) + resp({"GET", "a"}) + "GET a\r\n" + resp({"PING"}) +
                       resp({"MSET", "b", large, "c", "3", "d", large}) +
                       resp({"MGET", "b", "c", "d", "e"}));
        world.settle();
        CHECK(World::heard(client) == "+OK\r\n" + bulk(large) + bulk(large) + "+PONG\r\n+OK\r\n" +
                                          "*4\r\n" + bulk(large) + bulk("3") + bulk(large) +
                                          "$-1\r\n");
    }
}

}  // namespace ringmain::test
