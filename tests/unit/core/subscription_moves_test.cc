// Channels on their way from one server, or one configuration, to another.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

std::string subscribed(const std::string& name) {
    return "*3\r\n" + bulk("subscribe") + bulk(name) + ":1\r\n";
}

std::string published(const std::string& channel, const std::string& text) {
    return "*3\r\n" + bulk("message") + bulk(channel) + bulk(text);
}

std::string unconfirmed(const std::string& who) {
    return error(who + "did not confirm the subscription within 400 ms (timeout)");
}

// The same servers, to which other connections are wanted.
config::Pool other_connections() {
    config::Pool pool = redis_pool(2);
    pool.server_connections = 2;
    pool.redis_db = 3;
    return pool;
}

}  // namespace

TEST_CASE("the loss of a server that a channel has left is no error for who waits elsewhere") {
    World world(redis_pool(1));
    Channel& client = world.client();
    Channel& other = world.client();
    world.ask(client, resp({"SUBSCRIBE", "beta"}));
    // It moves, and is confirmed neither to have ended on one nor to have begun on the other.
    world.server(0).mood = Mood::Mute;
    world.adopt({redis_pool(2)});
    world.server(1).mood = Mood::Mute;
    world.settle();
    REQUIRE(world.server_of("beta") == 1);
    CHECK(world.ask(other, resp({"SUBSCRIBE", "beta"})).empty());
    world.subscription(0)->inbound_end = true;
    world.settle();
    CHECK(World::heard(other).empty());
    REQUIRE(world.subscription(1) != nullptr);
    world.subscription(1)->inbound += subscribed("beta");
    world.settle();
    CHECK(World::heard(other) == subscribed("beta"));
}

TEST_CASE("what a server has published before its channel moved is delivered") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.ask(client, resp({"SUBSCRIBE", "beta"}));
    Channel* link = world.subscription(0);
    world.server(0).mood = Mood::Mute;
    link->inbound += published("beta", "before");
    world.adopt({redis_pool(2)});
    world.settle();
    REQUIRE(world.server_of("beta") == 1);
    CHECK(World::heard(client) == published("beta", "before"));
    const std::string ended = "*3\r\n" + bulk("unsubscribe") + bulk("beta") + ":0\r\n";
    SUBCASE("until it has confirmed the end") {
        link->inbound += published("beta", "meanwhile") + ended;
        world.settle();
        CHECK(World::heard(client) == published("beta", "meanwhile"));
        CHECK_FALSE(link->closed);
    }
    SUBCASE("unless it refuses to end it, and goes on") {
        link->inbound += "-NOPERM no\r\n" + published("beta", "behind");
        world.settle();
        CHECK(World::heard(client) == "");
        CHECK_FALSE(link->closed);
    }
    SUBCASE("or nobody is there any more") {
        world.drop(client);
        link->inbound += published("beta", "behind") + ended;
        world.settle();
        CHECK_FALSE(link->closed);
    }
    CHECK(world.ask(world.client(), resp({"PUBLISH", "beta", "x"})).starts_with(":"));
}

TEST_CASE("messages go on coming where a reload wants other connections to the same servers") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.ask(client, resp({"SUBSCRIBE", a}));
    world.ask(client, resp({"SUBSCRIBE", b}));
    Channel* before = world.subscription(0);
    world.adopt({other_connections()});
    world.settle();
    CHECK(world.subscription(0) == before);
    CHECK_FALSE(before->closed);
    CHECK(world.ask(world.client(), resp({"PUBLISH", a, "x"})) == ":1\r\n");
    CHECK(World::heard(client) == published(a, "x"));
    // Without the second server its channel moves to the first, on the connection that there is.
    config::Pool one = redis_pool(1);
    world.adopt({one});
    world.settle();
    CHECK(world.subscription(0) == before);
    CHECK(world.ask(world.client(), resp({"PUBLISH", b, "y"})) == ":1\r\n");
    CHECK(World::heard(client) == published(b, "y"));
    // The next connection is as the configuration now says.
    world.adopt({other_connections()});
    world.settle();
    world.server(0).redis.log.clear();
    world.subscription(0)->inbound_end = true;
    world.pass(1000);
    const std::vector<std::string> log = {"SELECT 3", "PING", "subscribe " + a};
    CHECK(world.server(0).redis.log == log);
    CHECK(world.loop().notices().size() == 2);
}

TEST_CASE("what was asked before such a reload is confirmed after it") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(0, 1);
    world.ask(client, resp({"SUBSCRIBE", a}));
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SUBSCRIBE", b})).empty());
    world.adopt({other_connections()});
    world.settle();
    world.subscription(0)->inbound += "*3\r\n" + bulk("subscribe") + bulk(b) + ":2\r\n";
    world.settle();
    CHECK(World::heard(client) == "*3\r\n" + bulk("subscribe") + bulk(b) + ":2\r\n");
}

TEST_CASE("a server that wants another password is subscribed at anew") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.ask(client, resp({"SUBSCRIBE", "a"}));
    Channel* before = world.subscription(0);
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "secret";
    world.server(0).redis.password = "secret";
    world.adopt({pool});
    world.settle();
    CHECK(before->closed);
    CHECK(world.subscription(0) != before);
    CHECK(world.server(0).redis.log.back() == "subscribe a");
}

TEST_CASE("who waits for a server that a reload takes away waits for it no more") {
    World world(redis_pool(2));
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"PSUBSCRIBE", "k*", "l*"})).empty());
    world.adopt({redis_pool(1)});
    world.settle();
    CHECK(World::heard(client) == "*3\r\n" + bulk("psubscribe") + bulk("k*") + ":1\r\n" + "*3\r\n" +
                                      bulk("psubscribe") + bulk("l*") + ":2\r\n");
}

TEST_CASE("a server is not named as late that was asked long after the client had") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SUBSCRIBE", "beta"})).empty());
    world.pass(300);
    world.adopt({redis_pool(2)});
    world.server(1).mood = Mood::Mute;
    REQUIRE(world.server_of("beta") == 1);
    world.pass(200);
    CHECK(World::heard(client) == unconfirmed("its server "));
    // It is for whoever asks now.
    CHECK(world.ask(world.client(), resp({"SUBSCRIBE", "beta"})).empty());
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"SUBSCRIBE", "beta"})).empty());
    world.pass(500);
    CHECK(World::heard(other) == unconfirmed("server s1 (10.0.0.1:7001) "));
}

TEST_CASE("a server that is out when a reload remakes it is not asked, nor is anybody waited for") {
    config::Pool pool = redis_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool);
    Channel& hearer = world.client();
    const std::string channel = world.key_on(0);
    world.ask(hearer, resp({"SUBSCRIBE", world.key_on(1)}));  // so that there is a connection
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", world.key_on(1)})).empty());
    world.cut_off(1);
    world.settle();
    REQUIRE_FALSE(world.health(1).accepts_traffic());
    REQUIRE(world.subscription(1) != nullptr);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Up;
    World::heard(client);
    CHECK(world.ask(client, resp({"SUBSCRIBE", channel})).empty());
    pool.servers.erase(pool.servers.begin());
    pool.server_connections = 2;
    world.server(1).redis.log.clear();
    world.adopt({pool});
    world.settle();
    CHECK(World::heard(client) == error("no server is there to subscribe at"));
    CHECK(world.server(1).redis.log.empty());
    // The probe is planned all the same, and with the server what was left without one comes back.
    world.pass(60'000);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.ask(client, resp({"SUBSCRIBE", channel})) == subscribed(channel));
}

TEST_CASE("what was to end on a server that a reload takes away has ended") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.ask(client, resp({"SUBSCRIBE", a, b}));
    for (const uint32_t server : {0U, 1U}) {
        world.server(server).mood = Mood::Mute;
    }
    world.ask(client, resp({"UNSUBSCRIBE", a, b}));
    const auto kept = [&world] {
        const core::Topics& topics = *world.proxy().pools()[0]->topics;
        uint64_t size = 0;
        for (const auto& [name, topic] : topics.by_kind[0]) {
            size += name.size();
        }
        CHECK(topics.names_size == size);
        return topics.by_kind[0].size();
    };
    CHECK(kept() == 2);
    world.adopt({redis_pool(1)});
    world.settle();
    CHECK(kept() == 1);  // which the other has not confirmed
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(kept() == 0);
}

}  // namespace ringmain::test
