// Many who wait for a server to confirm what they subscribe to.

#include "ringmain/core/limits.h"
#include "tests/unit/core/listening.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

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

TEST_CASE("a batch takes no more SUBSCRIBE than serves others well") {
    constexpr uint64_t count = 20;
    constexpr uint64_t names = 100;
    World world(redis_pool(1), {.blocks = 2048, .bounds = {.answers = 4 * names * 256}});
    world.server(0).mood = Mood::Mute;
    for (uint64_t i = 0; i < count; ++i) {
        std::vector<std::string> request = {"SUBSCRIBE"};
        for (uint64_t j = 0; j < names; ++j) {
            request.push_back(std::to_string(i) + "." + std::to_string(j));
        }
        World::say(world.client(), resp(request));
    }
    world.step();
    const std::unique_ptr<core::Topics>& topics = world.proxy().pools()[0]->topics;
    CHECK(topics->awaited == 2 * 4 * names);  // as many that came as that have waited
    world.settle();
    CHECK(topics->awaited == count * names);
}

TEST_CASE("many who waited for the same channels are answered in several batches") {
    constexpr uint64_t count = 100;
    constexpr uint64_t names = 60;
    World world(redis_pool(1), {.blocks = 256});
    world.server(0).mood = Mood::Mute;
    std::vector<std::string> request = {"SUBSCRIBE"};
    std::string confirmations;
    for (uint64_t i = 0; i < names; ++i) {
        request.push_back("c" + std::to_string(i));
        confirmations += confirmed("subscribe", request.back(), static_cast<uint32_t>(i + 1));
    }
    std::vector<Channel*> clients;
    for (uint64_t i = 0; i < count; ++i) {
        clients.push_back(&world.client());
        CHECK(world.ask(*clients.back(), resp(request)).empty());
    }
    world.server(0).mood = Mood::Up;
    const stats::PoolCounters& counters = *world.proxy().pools()[0]->counters;
    uint64_t before = 0;
    uint64_t most = 0;
    for (int i = 0; i < 50; ++i) {
        world.step();
        const uint64_t now = counters.subscriptions.get();
        most = std::max(most, now - before);
        if (before == 0 && now > 0) world.drop(*clients.back());  // it was to be answered last
        before = counters.subscriptions.get();
    }
    CHECK(most == 18 * names);
    CHECK(before == (count - 1) * names);
    CHECK(world.proxy().pools()[0]->topics->awaited == 0);
    for (uint64_t i = 0; i + 1 < count; ++i) {
        CHECK(World::heard(*clients[i]) == confirmations);
    }
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

namespace {

// Who subscribes to many names at a server that a test lets confirm as many of them as it says.
struct Confirming {
    explicit Confirming(size_t count) : world(redis_pool(1)), client(&world.client()) {
        world.server(0).mood = Mood::Mute;
        std::vector<std::string> request = {"SUBSCRIBE"};
        for (size_t i = 0; i < count; ++i) {
            request.push_back("name" + std::to_string(i));
        }
        CHECK(world.ask(*client, resp(request)).empty());
        CHECK(world.subscription(0) != nullptr);
    }

    void confirm(size_t count) {
        for (const size_t end = done + count; done < end; ++done) {
            world.subscription(0)->inbound +=
                confirmed("subscribe", "name" + std::to_string(done), 1);
        }
        world.settle();
    }

    World world;
    Channel* client;
    size_t done = 0;
};

}  // namespace

TEST_CASE("a server that confirms many subscriptions is waited for while it does") {
    constexpr size_t count = 3000;
    Confirming many(count);
    // As many as were asked before anybody else came.
    Channel& other = many.world.client();
    CHECK(many.world.ask(other, resp({"SUBSCRIBE", "x"})).empty());
    while (many.done < count) {
        CHECK(World::heard(*many.client).empty());
        many.world.pass(350);
        many.confirm(300);
    }
    CHECK(World::heard(*many.client).ends_with(confirmed("subscribe", "name2999", count)));
    many.world.pass(350);
    CHECK(World::heard(other).empty());
    many.world.subscription(0)->inbound += confirmed("subscribe", "x", 1);
    many.world.settle();
    CHECK(World::heard(other) == confirmed("subscribe", "x", 1));
    CHECK(many.world.counters().timeouts.get() == 0);
}

TEST_CASE("very many names are asked for in as many batches as that takes") {
    Listening listening;
    World& world = listening.world;
    world.server(0).mood = Mood::Mute;
    constexpr uint32_t count = 2 * core::topics_per_batch + 1;
    std::vector<std::string> request = {"SUBSCRIBE"};
    for (uint32_t i = 0; i < count; ++i) {
        request.push_back("name" + std::to_string(i));
    }
    World::say(*listening.other, resp(request));
    const auto asked = [&world] { return std::ranges::count(world.subscription(0)->arrived, '*'); };
    while (asked() == 0) {
        world.step();
    }
    CHECK(asked() == core::topics_per_batch);
    CHECK(world.proxy().has_more_to_do());
    world.step();
    CHECK(asked() == 2 * core::topics_per_batch);
    world.step();
    CHECK(asked() == count);
    CHECK_FALSE(world.proxy().has_more_to_do());
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(*listening.other).ends_with(confirmed("subscribe", request.back(), count)));
}

TEST_CASE("a server that stops confirming subscriptions, or drips, is not waited for") {
    Confirming many(1000);
    many.world.pass(350);
    many.confirm(300);
    SUBCASE("that stops") {
        many.world.pass(390);
        CHECK(World::heard(*many.client).empty());
        many.world.pass(20);
    }
    SUBCASE("that drips") {
        for (int i = 0; i < 20; ++i) {
            many.world.pass(50);
            many.confirm(1);
        }
    }
    const std::string heard = World::heard(*many.client);
    CHECK(heard.starts_with(confirmed("subscribe", "name0", 1)));
    CHECK(heard.ends_with(error(s0 + "did not confirm the subscription within 400 ms (timeout)")));
    CHECK(many.world.counters().timeouts.get() == 1);
}

namespace {

// To twice as much as may be asked at once.
std::vector<std::string> to_long_names() {
    std::vector<std::string> request = {"SUBSCRIBE"};
    for (int i = 0; i < 1000; ++i) {
        request.push_back(std::string(core::topics_asked_size_max / 500, 'n') + std::to_string(i));
    }
    return request;
}

}  // namespace

TEST_CASE("who subscribes does not wait for all that another client has left") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::vector<std::string> names = to_long_names();
    CHECK(world.ask(client, resp(names)).ends_with(confirmed("subscribe", names.back(), 1000)));
    world.server(0).mood = Mood::Mute;
    world.drop(client);
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"SUBSCRIBE", "x"})).empty());
    Channel* link = world.subscription(0);
    CHECK(link->arrived.find("unsubscribe") != std::string::npos);
    CHECK(link->arrived.find(resp({"subscribe", "x"})) == std::string::npos);
    link->arrived.clear();
    std::vector<std::string> ended(names.begin() + 1, names.end());
    std::ranges::sort(ended);
    link->inbound += confirmed("unsubscribe", ended[0], 999) +
                     confirmed("unsubscribe", ended[1], 998) +
                     confirmed("unsubscribe", ended[2], 997);
    world.settle();
    CHECK(link->arrived.find(resp({"subscribe", "x"})) != std::string::npos);
    world.server(0).mood = Mood::Up;
    world.settle();
}

TEST_CASE("what clients have left is ended while others wait for very many names") {
    Listening listening;
    World& world = listening.world;
    world.server(0).mood = Mood::Mute;
    const std::vector<std::string> names = to_long_names();
    CHECK(world.ask(*listening.other, resp(names)).empty());
    world.drop(*listening.client);
    Channel* link = world.subscription(0);
    link->arrived.clear();
    listening.bring(confirmed("subscribe", names[1], 2) + confirmed("subscribe", names[2], 3) +
                    confirmed("subscribe", names[3], 4));
    CHECK(link->arrived.find(resp({"unsubscribe", "c"})) != std::string::npos);
    world.server(0).mood = Mood::Up;
    world.settle();
}

}  // namespace ringmain::test
