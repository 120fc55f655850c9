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

}  // namespace ringmain::test
