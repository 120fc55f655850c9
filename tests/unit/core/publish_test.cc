// How many have heard it: a server counts a worker once, and PUBLISH each of its clients.

#include "tests/unit/core/world.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// `count` clients that say it.
std::vector<Channel*> clients_that(World& world, int count, const std::vector<std::string>& words) {
    std::vector<Channel*> clients;
    for (int i = 0; i < count; ++i) {
        clients.push_back(&world.client());
        CHECK(world.ask(*clients.back(), resp(words)).starts_with("*3\r\n"));
    }
    return clients;
}

}  // namespace

TEST_CASE("PUBLISH answers how many clients there are, by channel and by pattern") {
    World world(redis_pool(2));
    const std::string channel = world.key_on(1);
    Channel& publisher = world.client();
    const std::string publish = resp({"PUBLISH", channel, "x"});
    CHECK(world.ask(publisher, publish) == ":0\r\n");
    const auto listeners = clients_that(world, 3, {"SUBSCRIBE", channel});
    CHECK(world.ask(publisher, publish) == ":3\r\n");
    clients_that(world, 2, {"PSUBSCRIBE", "k*"});
    clients_that(world, 1, {"PSUBSCRIBE", "*"});
    clients_that(world, 4, {"PSUBSCRIBE", "K*"});
    clients_that(world, 2, {"SSUBSCRIBE", channel});
    CHECK(world.ask(publisher, publish) == ":6\r\n");
    CHECK(world.ask(publisher, resp({"PUBLISH", "other", "x"})) == ":1\r\n");
    // In their turn.
    const std::string get = resp({"GET", channel});
    CHECK(world.ask(publisher, get + publish + get) == "$-1\r\n:6\r\n$-1\r\n");
    world.server(1).redis.canned["SPUBLISH"] = ":1\r\n";
    CHECK(world.ask(publisher, resp({"SPUBLISH", channel, "x"})) == ":2\r\n");
    for (Channel* listener : listeners) {
        world.drop(*listener);
    }
    world.settle();
    CHECK(world.ask(publisher, publish) == ":3\r\n");
    CHECK(world.proxy().is_idle());
}

TEST_CASE("whom a server does not reach it does not count, and its errors are its own") {
    World world(redis_pool(2));
    const std::string channel = world.key_on(1);
    Channel& publisher = world.client();
    const std::string publish = resp({"PUBLISH", channel, "x"});
    clients_that(world, 3, {"SUBSCRIBE", channel});
    clients_that(world, 2, {"PSUBSCRIBE", "*"});
    CHECK(world.ask(publisher, publish) == ":5\r\n");
    Channel* link = world.subscription(1);
    REQUIRE(link != nullptr);
    link->inbound_end = true;
    world.settle();
    CHECK(world.ask(publisher, publish) == ":0\r\n");
    world.pass(2000);
    CHECK(world.ask(publisher, publish) == ":5\r\n");
    world.server(1).redis.canned["PUBLISH"] = "-NOPERM no\r\n";
    CHECK(world.ask(publisher, publish) == "-NOPERM no\r\n");
    world.server(1).redis.canned.clear();

    // What no server can mean is no more than a number, at either end.
    world.server(1).redis.canned["PUBLISH"] = ":9223372036854775807\r\n";
    CHECK(world.ask(publisher, publish) == ":9223372036854775807\r\n");
    world.server(1).redis.canned["PUBLISH"] = ":-9223372036854775808\r\n";
    CHECK(world.ask(publisher, publish) == ":0\r\n");

    // In a transaction, as in a script, the number is the server's.
    world.server(1).redis.canned["PUBLISH"] = ":2\r\n";
    CHECK(world.ask(publisher, resp({"MULTI"}) + publish + resp({"EXEC"})) ==
          "+OK\r\n+QUEUED\r\n*1\r\n:2\r\n");
    world.server(1).redis.canned.clear();

    // A client that is gone in between takes nobody else's answer.
    world.server(1).mood = Mood::Mute;
    Channel& leaving = world.client();
    CHECK(world.ask(leaving, publish) == "");
    CHECK(world.ask(publisher, publish) == "");
    world.drop(leaving);
    world.settle();
    world.reply(1, ":2\r\n:2\r\n");
    world.settle();
    CHECK(World::heard(publisher) == ":5\r\n");
}

TEST_CASE("patterns are short") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string longest(1024, 'a');
    CHECK(world.ask(client, resp({"PSUBSCRIBE", longest})).ends_with(":1\r\n"));
    CHECK(world.ask(client, resp({"PSUBSCRIBE", "b*", longest + "a"})) ==
          error("a pattern of a subscription has at most 1024 bytes, this one has 1025; use a "
                "shorter one"));
    CHECK(world.ask(client, resp({"PUNSUBSCRIBE", longest + "a"})).ends_with(":1\r\n"));
    CHECK(world.ask(client, resp({"SUBSCRIBE", longest + "a"})).ends_with(":2\r\n"));
}

TEST_CASE("PUBLISH that would take long to count has its server's number") {
    World world(redis_pool(1));
    Channel& publisher = world.client();
    const std::string channel(60'000, 'a');
    clients_that(world, 3, {"SUBSCRIBE", channel});
    clients_that(world, 2, {"PSUBSCRIBE", "a*"});
    const std::string slow = "*" + std::string(1000, 'a') + "b";
    clients_that(world, 1, {"PSUBSCRIBE", slow});
    // One client is what the server counts, whatever the pattern.
    CHECK(world.ask(publisher, resp({"PUBLISH", channel, "x"})) == ":5\r\n");
    clients_that(world, 1, {"PSUBSCRIBE", slow});
    CHECK(world.ask(publisher, resp({"PUBLISH", channel, "x"})) == ":2\r\n");
    // Other channels are counted.
    CHECK(world.ask(publisher, resp({"PUBLISH", "aaa", "x"})) == ":2\r\n");
}

TEST_CASE("all that is published in a batch takes of the same steps") {
    World world(redis_pool(1));
    Channel& publisher = world.client();
    const std::string channel(1000, 'a');
    clients_that(world, 3, {"SUBSCRIBE", channel});
    clients_that(world, 2, {"PSUBSCRIBE", "*" + std::string(500, 'a') + "b"});
    const std::string publish = resp({"PUBLISH", channel, "x"});
    std::string many;
    for (int i = 0; i < 20; ++i) {
        many += publish;
    }
    const std::string answers = world.ask(publisher, many);
    CHECK(answers.starts_with(":3\r\n"));
    CHECK(answers.ends_with(":1\r\n"));
    CHECK(answers.size() == 20 * 4);
    CHECK(world.ask(publisher, publish) == ":3\r\n");
}

TEST_CASE("other workers' patterns take of the same steps") {
    config::Config config;
    config.pools.push_back(redis_pool(1));
    Process process(config, 2);
    core::Listeners& others = (*process.shared.pools[0].listeners)[1];
    World world(redis_pool(1), {.process = &process, .worker = 0});
    Channel& publisher = world.client();
    const std::string channel(60'000, 'a');
    clients_that(world, 2, {"SUBSCRIBE", channel});
    for (int i = 0; i < 3; ++i) {
        others.add(core::TopicKind::Pattern, "a*");
    }
    CHECK(world.ask(publisher, resp({"PUBLISH", channel, "x"})) == ":4\r\n");
    for (int i = 0; i < 2; ++i) {
        others.add(core::TopicKind::Pattern, "*" + std::string(1000, 'a') + "b");
    }
    CHECK(world.ask(publisher, resp({"PUBLISH", channel, "x"})) == ":1\r\n");
}

}  // namespace ringmain::test
