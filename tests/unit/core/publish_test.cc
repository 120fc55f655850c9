// How many have heard it: a server counts a worker once, and PUBLISH each of its clients.

#include "tests/unit/core/world.h"

#include <string>
#include <utility>
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
    const auto hearers = clients_that(world, 3, {"SUBSCRIBE", channel});
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
    for (Channel* hearer : hearers) {
        world.drop(*hearer);
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

TEST_CASE("patterns that have one client each do not make counting long") {
    World world(redis_pool(1));
    Channel& publisher = world.client();
    clients_that(world, 2, {"PSUBSCRIBE", "c*"});
    for (int i = 0; i < 40; ++i) {
        std::vector<std::string> command = {"PSUBSCRIBE"};
        for (int k = 0; k < 40; ++k) {
            command.push_back("d" + std::to_string(i * 40 + k) + "*");
        }
        Channel& client = world.client();
        world.ask(client, resp(command));
    }
    // Each would take four steps at least, and all of a batch have a million.
    std::string many;
    for (int i = 0; i < 200; ++i) {
        many += resp({"PUBLISH", "ccc", "x"});
    }
    std::string wanted;
    for (int i = 0; i < 200; ++i) {
        wanted += ":2\r\n";
    }
    CHECK(world.ask(publisher, many) == wanted);
    // One that has a second client counts, and does not when that one leaves.
    Channel& second = world.client();
    world.ask(second, resp({"PSUBSCRIBE", "d7*"}));
    CHECK(world.ask(publisher, resp({"PUBLISH", "d7", "x"})) == ":2\r\n");
    world.ask(second, resp({"PUNSUBSCRIBE", "d7*"}));
    CHECK(world.ask(publisher, resp({"PUBLISH", "d7", "x"})) == ":1\r\n");
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
    core::Hearers& others = (*process.shared.pools[0].hearers)[1];
    World world(redis_pool(1), {.process = &process, .worker = 0});
    Channel& publisher = world.client();
    const std::string channel(60'000, 'a');
    clients_that(world, 2, {"SUBSCRIBE", channel});
    const uint32_t server = process.shared.pools[0].servers[0]->number;
    others.hold(core::TopicKind::Pattern, "a*", server);
    for (int i = 0; i < 3; ++i) {
        others.add(core::TopicKind::Pattern, "a*");
    }
    CHECK(world.ask(publisher, resp({"PUBLISH", channel, "x"})) == ":4\r\n");
    const std::string slow = "*" + std::string(1000, 'a') + "b";
    others.hold(core::TopicKind::Pattern, slow, server);
    for (int i = 0; i < 2; ++i) {
        others.add(core::TopicKind::Pattern, slow);
    }
    CHECK(world.ask(publisher, resp({"PUBLISH", channel, "x"})) == ":1\r\n");
}

namespace {

// The one number of an answer, or all of it.
std::string number_in(const std::string& answer) {
    const size_t colon = answer.rfind(':');
    return colon == std::string::npos ? answer
                                      : answer.substr(colon + 1, answer.size() - colon - 3);
}

// Two workers of one process, each with servers of its own: what a server would say of both the
// test says for it, to the one that asks.
struct TwoWorkers {
    explicit TwoWorkers(config::Pool pool = redis_pool(1))
        : pools(std::move(pool)),
          process(config(), 2),
          asked(pools, {.process = &process, .worker = 0}),
          other(pools, {.process = &process, .worker = 1}),
          publisher(asked.client()) {}

    [[nodiscard]] config::Config config() const {
        config::Config config;
        config.pools.push_back(pools);
        return config;
    }

    // What it answers when the server has counted so many.
    std::string publish(int counted, const std::string& channel = "c") {
        const uint32_t server = asked.server_of(channel);
        asked.server(server).redis.canned["PUBLISH"] = ":" + std::to_string(counted) + "\r\n";
        return number_in(asked.ask(publisher, resp({"PUBLISH", channel, "x"})));
    }

    std::string numsub(int counted) {
        asked.server(0).redis.canned["PUBSUB"] =
            "*2\r\n" + bulk("c") + ":" + std::to_string(counted) + "\r\n";
        return number_in(asked.ask(publisher, resp({"PUBSUB", "NUMSUB", "c"})));
    }

    void cut_other(uint32_t server = 0) {
        Channel* link = other.subscription(server);
        REQUIRE(link != nullptr);
        link->inbound_end = true;
        other.settle();
    }

    config::Pool pools;
    Process process;
    World asked;
    World other;
    Channel& publisher;
};

}  // namespace

TEST_CASE("another worker's clients count while its server has the subscription") {
    TwoWorkers workers;
    clients_that(workers.asked, 2, {"SUBSCRIBE", "c"});
    clients_that(workers.other, 3, {"SUBSCRIBE", "c"});
    clients_that(workers.other, 4, {"PSUBSCRIBE", "c*"});
    CHECK(workers.publish(3) == "9");
    CHECK(workers.numsub(2) == "5");

    SUBCASE("its connection is lost") {
        workers.other.server(0).mood = Mood::Refusing;
        workers.cut_other();
        CHECK(workers.publish(1) == "2");
        CHECK(workers.numsub(1) == "5");
        workers.other.server(0).mood = Mood::Up;
        workers.other.pass(2000);
    }
    SUBCASE("it is refused") {
        workers.other.server(0).redis.canned["subscribe"] = "-NOPERM no\r\n";
        workers.cut_other();
        workers.other.pass(2000);
        CHECK(workers.publish(2) == "6");
        CHECK(workers.numsub(1) == "5");
        workers.other.server(0).redis.canned.clear();
        workers.other.pass(20'000);
    }
    SUBCASE("its server is another one after a reload") {
        config::Pool pool = workers.pools;
        pool.redis_auth = "secret";
        workers.other.server(0).redis.password = "secret";
        workers.other.server(0).redis.canned["subscribe"] = "-NOPERM no\r\n";
        workers.other.adopt({pool});
        workers.other.settle();
        CHECK(workers.publish(2) == "6");
        CHECK(workers.numsub(1) == "5");
        workers.other.server(0).redis.canned.clear();
        workers.other.pass(20'000);
    }
    SUBCASE("its connections are others after a reload") {
        config::Pool pool = workers.pools;
        pool.server_connections = 2;
        workers.other.adopt({pool});
        workers.other.settle();
    }
    CHECK(workers.publish(3) == "9");
    CHECK(workers.numsub(2) == "5");
}

TEST_CASE("a subscription that is nobody's any more, and does not end, counts for nobody") {
    TwoWorkers workers;
    clients_that(workers.asked, 2, {"SUBSCRIBE", "c"});
    const auto leaving = clients_that(workers.other, 2, {"SUBSCRIBE", "c"});
    CHECK(workers.publish(2) == "4");
    workers.other.server(0).redis.canned["unsubscribe"] = "-BUSY\r\n";
    for (Channel* client : leaving) {
        workers.other.drop(*client);
    }
    workers.other.settle();
    CHECK(workers.publish(2) == "2");
    CHECK(workers.numsub(2) == "2");
    workers.other.server(0).redis.canned.clear();
    workers.other.pass(20'000);
    CHECK(workers.publish(1) == "2");
    CHECK(workers.numsub(1) == "2");
}

TEST_CASE("where a channel is on all servers, each counts whom it reaches") {
    config::Pool pool = redis_pool(2);
    pool.channels = config::Channels::Everywhere;
    TwoWorkers workers(pool);
    const std::string first = workers.asked.key_on(0);
    const std::string second = workers.asked.key_on(1);
    clients_that(workers.other, 3, {"SUBSCRIBE", first, second});
    workers.other.server(0).mood = Mood::Refusing;
    workers.cut_other(0);
    CHECK(workers.publish(0, first) == "0");
    CHECK(workers.publish(1, second) == "3");
    const auto numsub = [&workers](const std::string& channel, uint32_t server, int counted) {
        workers.asked.server(server).redis.canned["PUBSUB"] =
            "*2\r\n" + bulk(channel) + ":" + std::to_string(counted) + "\r\n";
        return number_in(workers.asked.ask(workers.publisher, resp({"PUBSUB", "NUMSUB", channel})));
    };
    CHECK(numsub(first, 0, 0) == "3");
    CHECK(numsub(second, 1, 1) == "3");
}

TEST_CASE("a worker that has ended listens to nothing") {
    config::Config config;
    config.pools.push_back(redis_pool(1));
    Process process(config, 2);
    const core::PoolShared& pool = process.shared.pools[0];
    const auto more = [&pool] {
        return (*pool.hearers)[1].more_hearers(
            core::TopicKind::Channel, "c", pool.servers[0]->number);
    };
    Loop loop(config, {.process = &process, .worker = 1});
    const auto bring = [&loop](Channel& channel, const std::string& bytes) {
        loop.begin();
        if (channel.server != nullptr && !channel.connected) loop.connected(channel);
        channel.inbound = bytes;
        loop.receive(channel);
        loop.end();
    };
    for (int i = 0; i < 3; ++i) {
        loop.begin();
        Channel* client = loop.accept();
        REQUIRE(client != nullptr);
        client->inbound = resp({"SUBSCRIBE", "c"});
        loop.receive(*client);
        loop.end();
    }
    Channel& link = *loop.channels()[2];
    REQUIRE(link.server != nullptr);
    bring(link, "");
    bring(link, "*3\r\n" + bulk("subscribe") + bulk("c") + ":1\r\n");
    CHECK(more() == 2);
    loop.shut_down();
    CHECK(more() == 0);
}

}  // namespace ringmain::test
