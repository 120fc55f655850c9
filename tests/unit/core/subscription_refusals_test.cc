// What a server refuses on a subscription connection: it lives, and all else goes on.

#include "tests/unit/core/listening.h"

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("a server that answers PING with an error lives") {
    for (const std::string word : {"MISCONF", "BUSY", "LOADING", "MASTERDOWN", "NOPERM", "ERR"}) {
        CAPTURE(word);
        Listening listening;
        World& world = listening.world;
        Channel* before = world.subscription(0);
        world.server(0).redis.canned["PING"] = "-" + word + " not now\r\n";
        world.pass(25'000);
        CHECK(logged(world, 0, "PING") == 2);
        CHECK(world.subscription(0) == before);
        CHECK(world.loop().notices().empty());
        CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", "x"})) == ":1\r\n");
        CHECK(World::heard(*listening.client) == message("c", "x"));
    }
}

TEST_CASE("what the server does not end goes on there, and is ended later") {
    Listening listening;
    World& world = listening.world;
    world.ask(*listening.client, resp({"SUBSCRIBE", "d"}));
    Channel* before = world.subscription(0);
    world.server(0).redis.canned["unsubscribe"] = "-BUSY Redis is busy\r\n";
    CHECK(world.ask(*listening.client, resp({"UNSUBSCRIBE", "d"})) ==
          confirmed("unsubscribe", "d", 1));
    // Its messages are nobody's, the others come.
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "d", "x"})) == ":0\r\n");
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", "y"})) == ":1\r\n");
    CHECK(World::heard(*listening.client) == message("c", "y"));
    world.pass(20'000);
    const uint64_t asked = logged(world, 0, "unsubscribe d");
    CHECK(asked >= 7);
    CHECK(asked <= 10);
    world.server(0).redis.canned.clear();
    world.pass(10'000);
    CHECK(logged(world, 0, "unsubscribe d") == asked + 1);
    CHECK(world.subscription(0) == before);
    CHECK(world.loop().notices().empty());
    CHECK(world.proxy().pools()[0]->topics->names_size == 1);
    CHECK(world.ask(*listening.client, resp({"SUBSCRIBE", "d"})) == confirmed("subscribe", "d", 2));
    CHECK(logged(world, 0, "subscribe d") == 2);
}

TEST_CASE("who subscribes to what the server has not ended has it") {
    Listening listening;
    World& world = listening.world;
    world.ask(*listening.client, resp({"SUBSCRIBE", "d"}));
    world.server(0).redis.canned["unsubscribe"] = "-BUSY Redis is busy\r\n";
    SUBCASE("after the refusal") {
        world.ask(*listening.client, resp({"UNSUBSCRIBE", "d"}));
        CHECK(world.ask(*listening.client, resp({"SUBSCRIBE", "d"})) ==
              confirmed("subscribe", "d", 2));
    }
    SUBCASE("before it comes") {
        world.server(0).mood = Mood::Mute;
        world.ask(*listening.client, resp({"UNSUBSCRIBE", "d"}));
        CHECK(world.ask(*listening.client, resp({"SUBSCRIBE", "d"})).empty());
        world.server(0).redis.canned["subscribe"] = "-BUSY Redis is busy\r\n";
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(World::heard(*listening.client) == confirmed("subscribe", "d", 2));
    }
    world.pass(15'000);
    CHECK(logged(world, 0, "unsubscribe d") == 1);
    CHECK(world.loop().notices().empty());
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "d", "x"})) == ":1\r\n");
    CHECK(World::heard(*listening.client) == message("d", "x"));
}

TEST_CASE("a connection on which only what could not be ended is left is closed as an idle one") {
    Listening listening;
    World& world = listening.world;
    world.server(0).redis.canned["unsubscribe"] = "-NOPERM no\r\n";
    world.ask(*listening.client, resp({"UNSUBSCRIBE"}));
    world.pass(29'000);
    CHECK(world.subscription(0) != nullptr);
    world.pass(2'000);
    CHECK(world.subscription(0) == nullptr);
    CHECK(world.proxy().pools()[0]->topics->names_size == 0);
    CHECK(world.loop().notices().empty());
}

}  // namespace ringmain::test
