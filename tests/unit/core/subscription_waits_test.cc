// Many who wait for a server to confirm what they subscribe to.

#include "tests/unit/core/listening.h"

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("what waits for a slow server counts as subscribed") {
    config::Pool pool = redis_pool(1);
    pool.subscriptions_max = 4;
    Listening listening(pool);
    World& world = listening.world;
    Channel& second = world.client();
    const auto refused = [](int count) {
        return error("clients of this worker have " + std::to_string(count) +
                     " subscriptions, and no more than 4 are allowed (subscriptions_max)");
    };
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "d", "e"})).empty());
    CHECK(world.ask(second, resp({"SUBSCRIBE", "f", "g"})) == refused(3));
    CHECK(world.ask(second, resp({"SUBSCRIBE", "f"})).empty());
    CHECK(world.ask(world.client(), resp({"SUBSCRIBE", "c"})) == refused(4));
    // Who leaves, and whose time is up, makes room.
    world.drop(second);
    CHECK(world.ask(world.client(), resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 1));
    world.pass(500);
    CHECK(World::heard(*listening.other).starts_with("-ERR"));
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "d", "e"})) ==
          confirmed("subscribe", "d", 1) + confirmed("subscribe", "e", 2));
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "f"})) == refused(4));
}

TEST_CASE("of two that wait for the same channel each has its own end") {
    World world(redis_pool(1));
    Channel& first = world.client();
    Channel& second = world.client();
    Channel& third = world.client();
    world.server(0).mood = Mood::Mute;
    const std::string many = resp({"SUBSCRIBE", "c", "d", "c", "c", "d"});
    CHECK(world.ask(first, many).empty());
    CHECK(world.ask(second, many).empty());
    world.pass(200);
    CHECK(world.ask(third, many).empty());
    world.drop(second);
    world.pass(250);
    std::string late = World::heard(first);
    size_t lines = 0;
    for (; late.starts_with("-ERR"); ++lines) {
        late.erase(0, late.find('\n') + 1);
    }
    CHECK(lines == 5);
    CHECK(late.empty());
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(third) == confirmed("subscribe", "c", 1) + confirmed("subscribe", "d", 2) +
                                     confirmed("subscribe", "c", 2) +
                                     confirmed("subscribe", "c", 2) +
                                     confirmed("subscribe", "d", 2));
    CHECK(World::heard(first).empty());
}

// Were each looked for among all, these would be 10^10 steps: most of a minute.
TEST_CASE("many who wait for one channel leave as fast as they came") {
    constexpr size_t count = 200'000;
    config::Pool pool = redis_pool(1);
    pool.client_subscriptions_max = count;
    World world(pool, {.blocks = 4096});
    world.server(0).mood = Mood::Mute;
    std::vector<std::string> request(1 + count, "c");
    request[0] = "SUBSCRIBE";
    Channel& staying = world.client();
    // Without the errors, each of which would be looked up (seen_errors.cc).
    CHECK(world.ask(staying, resp({"CLIENT", "REPLY", "OFF"}) + resp(request)).empty());
    SUBCASE("their clients leave") {
        Channel& leaving = world.client();
        CHECK(world.ask(leaving, resp(request)).empty());
        world.drop(leaving);
        world.drop(staying);
        world.settle();
    }
    SUBCASE("their time is up") {
        world.pass(500);
        CHECK(world.counters().timeouts.get() == 1);
    }
    CHECK(world.proxy().pools()[0]->topics->awaited == 0);
}

TEST_CASE("a message that does not end does not hold a subscription connection") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 100;
    Listening listening(pool);
    World& world = listening.world;
    Channel* link = world.subscription(0);
    world.server(0).mood = Mood::Mute;
    int64_t ms_max = 1000;
    SUBCASE("that a subscription waits behind") {
        CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "d"})).empty());
    }
    SUBCASE("that messages are lost in") {
        ms_max = 11'000;
    }
    listening.bring("*3\r\n" + bulk("message") + bulk("c") + "$500000000\r\n");
    for (int64_t ms = 0; ms < ms_max && !link->closed; ms += 50) {
        link->inbound += "abc";
        world.pass(50);
    }
    CHECK(link->closed);
    REQUIRE_FALSE(world.loop().notices().empty());
    CHECK(world.loop().notices()[0].find("has not answered on its subscription connection for 400 "
                                         "ms (late_connection_timeout)") != std::string::npos);
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(world.ask(world.client(), resp({"PUBLISH", "c", "again"})) == ":1\r\n");
    CHECK(World::heard(*listening.client) == message("c", "again"));
}

}  // namespace ringmain::test
