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

TEST_CASE("a server that is full is asked again less and less often, and told of once") {
    Listening listening;
    World& world = listening.world;
    world.server(0).redis.canned["subscribe"] = "-ERR max number of clients reached\r\n";
    world.subscription(0)->inbound_end = true;
    world.settle();
    const uint64_t before = logged(world, 0, "subscribe c");
    world.pass(10'000);
    const uint64_t asked = logged(world, 0, "subscribe c") - before;
    CHECK(asked >= 10);  // of a backoff that ends at half a second
    CHECK(asked <= 60);
    CHECK(world.loop().notices().size() == 1);
    world.server(0).redis.canned.clear();
    world.pass(2'000);
    CHECK(world.loop().notices().size() == 2);
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", "x"})) == ":1\r\n");
    CHECK(World::heard(*listening.client) == message("c", "x"));
}

TEST_CASE("a server that confirms and goes is connected to less and less often, and told of once") {
    Listening listening;
    World& world = listening.world;
    world.pass(1000);
    const uint64_t before = logged(world, 0, "subscribe c");
    for (int i = 0; i < 800; ++i) {
        Channel* link = world.subscription(0);
        if (link != nullptr && logged(world, 0, "subscribe c") > before) link->inbound_end = true;
        if (i == 0) link->inbound_end = true;
        world.pass(10);
    }
    const uint64_t asked = logged(world, 0, "subscribe c") - before;
    CHECK(asked >= 10);
    CHECK(asked <= 50);
    CHECK(world.loop().notices().size() <= 2);
    // What has lived for a while is not one of a series.
    world.pass(10'000);
    world.subscription(0)->inbound_end = true;
    world.pass(40);
    CHECK(logged(world, 0, "subscribe c") == before + asked + 2);
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

TEST_CASE("what a server does not end counts, and is asked for less and less often") {
    config::Pool pool = redis_pool(1);
    pool.subscriptions_max = 52;
    Listening listening(pool);
    World& world = listening.world;
    world.server(0).redis.canned["unsubscribe"] = "-NOPERM no\r\n";
    for (int i = 0; i < 103; ++i) {
        const std::string name = "d" + std::to_string(i);
        CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", name})) ==
              confirmed("subscribe", name, 1));
        CHECK(world.ask(*listening.other, resp({"UNSUBSCRIBE", name})) ==
              confirmed("unsubscribe", name, 0));
        world.pass(50);
    }
    CHECK(logged(world, 0, "unsubscribe d0") <= 12);
    CHECK(listening.counters().subscriptions.get() == 1);
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "e"})) ==
          error("servers have not ended all that clients of this worker have left: there are 104 "
                "channels and patterns, and no more than 104 are allowed (twice "
                "subscriptions_max)"));
    world.server(0).redis.canned.clear();
    world.pass(10'000);
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "e"})) == confirmed("subscribe", "e", 1));
}

TEST_CASE("what clients leave before it was asked for does not pile up") {
    Listening listening;
    World& world = listening.world;
    world.server(0).mood = Mood::Mute;
    for (int i = 0; i < 20; ++i) {
        std::vector<std::string> request = {"SUBSCRIBE"};
        for (int n = 0; n < 100; ++n) {
            request.push_back(std::string(1000, 'n') + std::to_string(100 * i + n));
        }
        Channel& client = world.client();
        CHECK(world.ask(client, resp(request)).empty());
        world.drop(client);
        world.settle();
    }
    CHECK(world.proxy().pools()[0]->topics->count() < 500);
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.proxy().pools()[0]->topics->count() == 1);
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

TEST_CASE("a channel that is refused after a loss is the only one without messages") {
    Listening listening;
    World& world = listening.world;
    world.ask(*listening.client, resp({"SUBSCRIBE", "a\n", "d"}));
    world.server(0).redis.canned["subscribe a\n"] = "-NOPERM no channel\r\n";
    world.subscription(0)->inbound_end = true;
    world.pass(50'000);
    const auto& notices = world.loop().notices();
    REQUIRE(notices.size() == 3);
    CHECK(notices[0].find("closed the connection; clients stay") != std::string::npos);
    CHECK(notices[1] ==
          "pool main: server s0 (10.0.0.1:7000) refuses to subscribe \"a\\n\": -NOPERM no channel; "
          "clients stay subscribed, and it is asked again and again");
    CHECK(notices[2] ==
          "pool main: server s0 (10.0.0.1:7000): 2 channels and patterns are subscribed again, and "
          "1 refused");
    // The others were asked for once more only, and it again and again.
    CHECK(logged(world, 0, "subscribe c") == 2);
    CHECK(logged(world, 0, "subscribe d") == 2);
    const uint64_t asked = logged(world, 0, "subscribe a\n");
    CHECK(asked >= 9);
    CHECK(asked <= 13);
    for (const std::string name : {"c", "d"}) {
        CHECK(world.ask(*listening.other, resp({"PUBLISH", name, "x"})) == ":1\r\n");
        CHECK(World::heard(*listening.client) == message(name, "x"));
    }
    // Once more lost, once more refused: the log knows.
    world.subscription(0)->inbound_end = true;
    world.pass(1000);
    CHECK(notices.size() == 5);
    // The server has another mind.
    world.server(0).redis.canned.clear();
    world.pass(10'000);
    CHECK(notices.back() ==
          "pool main: server s0 (10.0.0.1:7000) refuses no subscription any more");
    CHECK(notices.size() == 6);
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "a\n", "x"})) == ":1\r\n");
    CHECK(World::heard(*listening.client) == message("a\n", "x"));
    world.pass(20'000);
    CHECK(notices.size() == 6);
}

TEST_CASE("who subscribes to what is refused to others is told why, and asks for all") {
    Listening listening;
    World& world = listening.world;
    world.server(0).redis.canned["subscribe c"] = "-NOPERM no channel\r\n";
    world.subscription(0)->inbound_end = true;
    world.pass(5'000);
    const uint64_t asked = logged(world, 0, "subscribe c");
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "c", "d"})) ==
          "-NOPERM no channel\r\n" + confirmed("subscribe", "d", 1));
    CHECK(logged(world, 0, "subscribe c") == asked + 1);
    world.server(0).redis.canned.clear();
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 2));
    CHECK(world.ask(world.client(), resp({"PUBLISH", "c", "x"})) == ":2\r\n");
    CHECK(World::heard(*listening.client) == message("c", "x"));
    world.pass(15'000);
    CHECK(logged(world, 0, "subscribe c") == asked + 2);
}

TEST_CASE("what is refused again while its client waits for another is asked for once it has it") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SUBSCRIBE", a, b})).empty());
    world.server(0).redis.canned["subscribe " + a] = "-NOPERM no channel\r\n";
    world.subscription(0)->inbound_end = true;
    world.pass(200);
    REQUIRE(logged(world, 0, "subscribe " + a) == 2);
    world.server(1).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == confirmed("subscribe", a, 1) + confirmed("subscribe", b, 2));
    CHECK(logged(world, 0, "subscribe " + a) == 3);
    CHECK(world.loop().notices().back() ==
          "pool main: server s0 (10.0.0.1:7000) refuses to subscribe \"" + a +
              "\": -NOPERM no channel; clients stay subscribed, and it is asked again and again");
    world.server(0).redis.canned.clear();
    world.pass(5'000);
    CHECK(world.ask(world.client(), resp({"PUBLISH", a, "x"})) == ":1\r\n");
    CHECK(World::heard(client) == message(a, "x"));
}

TEST_CASE("what is refused and wanted by nobody any more is not asked for again") {
    Listening listening;
    World& world = listening.world;
    world.ask(*listening.client, resp({"SUBSCRIBE", "d"}));
    world.server(0).redis.canned["subscribe c"] = "-NOPERM no channel\r\n";
    world.subscription(0)->inbound_end = true;
    world.pass(5'000);
    world.ask(*listening.client, resp({"UNSUBSCRIBE", "c"}));
    const uint64_t asked = logged(world, 0, "subscribe c");
    world.pass(15'000);
    CHECK(logged(world, 0, "subscribe c") == asked);
    CHECK(logged(world, 0, "unsubscribe c") == 0);
    CHECK(world.proxy().pools()[0]->topics->names_size == 1);
}

TEST_CASE("a pattern that one server refuses after its loss comes from the other") {
    World world(redis_pool(2));
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.ask(client, resp({"PSUBSCRIBE", "k*"}));
    world.server(0).redis.canned["psubscribe"] = "-BUSY Redis is busy\r\n";
    world.subscription(0)->inbound_end = true;
    world.pass(1'000);
    CHECK(world.ask(other, resp({"PUBLISH", a, "x"})) == ":0\r\n");
    CHECK(world.ask(other, resp({"PUBLISH", b, "y"})) == ":1\r\n");
    CHECK(World::heard(client) == "*4\r\n" + bulk("pmessage") + bulk("k*") + bulk(b) + bulk("y"));
    world.server(0).redis.canned.clear();
    world.pass(3'000);
    CHECK(world.ask(other, resp({"PUBLISH", a, "x"})) == ":1\r\n");
}

TEST_CASE("of many that are refused at once the log names one") {
    Listening listening;
    World& world = listening.world;
    std::vector<std::string> request = {"SUBSCRIBE"};
    for (int i = 0; i < 600; ++i) {
        request.push_back("n" + std::to_string(i));
    }
    world.ask(*listening.client, resp(request));
    world.server(0).redis.canned["subscribe"] = "-BUSY Redis is busy\r\n";
    world.subscription(0)->inbound_end = true;
    world.pass(30'000);
    const auto& notices = world.loop().notices();
    REQUIRE(notices.size() == 4);
    CHECK(notices[1].find(" refuses to subscribe \"") != std::string::npos);
    CHECK(notices[2].ends_with(": 0 channels and patterns are subscribed again, and 601 refused"));
    CHECK(notices[3].ends_with(" refuses 600 channels and patterns more"));
    world.server(0).redis.canned.clear();
    world.pass(10'000);
    CHECK(notices.size() == 5);
    CHECK(world.subscription(0) != nullptr);
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "n599", "x"})) == ":1\r\n");
}

}  // namespace ringmain::test
