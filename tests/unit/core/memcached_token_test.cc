// memcached -Y: the first set of a connection is no value but a password, for all who use it.

#include "tests/unit/core/world.h"

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string unauthenticated = "CLIENT_ERROR unauthenticated\r\n";
const std::string token = "set user 0 0 9\r\nuser pass\r\n";
const std::string locked = server_error(
    s0 +
    "wants a password first, and ringmain gives it none: start it without -Y, and let only "
    "ringmain connect to it");

// What memcached -Y is: of a connection that has not given the password it takes a set for it.
void lock(World& world) {
    for (const char* verb : {"get", "gets", "mg", "ms", "version", "incr", "add"}) {
        world.server(0).memcached.canned[verb] = unauthenticated;
    }
}

}  // namespace

TEST_CASE("memcached token: a set that is said first on a connection is preceded by a question") {
    World world(memcached_pool(1));
    world.server(0).mood = Mood::Mute;
    world.server(0).answers_hello = false;
    Channel& client = world.client();
    CHECK(world.ask(client, token + "get secret\r\n") == "");
    REQUIRE(world.link(0) != nullptr);
    CHECK(World::heard(*world.link(0)) == "get ringmain:hello\r\n");
    world.reply(0, unauthenticated);
    world.settle();
    CHECK(World::heard(client) == locked + locked);
    CHECK(world.link(0) == nullptr);
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.loop().notices() ==
          std::vector<std::string>{"pool main: " + locked.substr(23, locked.size() - 25)});
}

TEST_CASE("memcached token: nobody is let in by it, and the server is not ejected over it") {
    config::Pool pool = memcached_pool(1);
    pool.server_failure_limit = 2;
    pool.auto_eject_hosts = true;
    World world(pool);
    lock(world);
    Channel& client = world.client();
    for (int round = 0; round < 5; ++round) {
        CHECK(world.ask(client, token) == locked);
        CHECK(world.ask(client, get("secret")) == locked);
        CHECK(world.ask(client, "ms a 1\r\n1\r\n") == locked);
        world.pass(3000);
    }
    CHECK(world.server(0).memcached.values.empty());
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(world.loop().notices().size() == 1);
    // It is started without -Y.
    world.server(0).memcached.canned.clear();
    CHECK(world.ask(client, set("a", "1") + get("a")) ==
          "STORED\r\n" + value("a", "1") + "END\r\n");
}

TEST_CASE("memcached token: any other request finds out by itself") {
    for (const std::string& request : {std::string("get a b\r\n"),
                                       std::string("incr a 1\r\n"),
                                       std::string("add a 0 0 1\r\n1\r\n"),
                                       std::string("mg a v\r\n")}) {
        CAPTURE(request);
        World world(memcached_pool(1));
        world.server(0).mood = Mood::Mute;
        world.server(0).answers_hello = false;
        Channel& client = world.client();
        CHECK(world.ask(client, request + token) == "");
        CHECK(World::heard(*world.link(0)) == request + token);
        world.reply(0, unauthenticated + "STORED\r\n");
        world.settle();
        CHECK(World::heard(client) == locked + locked);
        CHECK(world.link(0) == nullptr);
        CHECK(world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("memcached token: one that answers is asked once per connection") {
    for (const std::string& answer :
         {std::string("END\r\n"),
          std::string("ERROR\r\n"),
          std::string("SERVER_ERROR busy\r\n"),
          value("ringmain:hello", std::string(100'000, 'x')) + "END\r\n"}) {
        CAPTURE(answer);
        config::Pool pool = memcached_pool(1);
        pool.stream_threshold = 16 * 1024;
        World world(pool, {.blocks = 2048});
        world.server(0).mood = Mood::Mute;
        world.server(0).answers_hello = false;
        Channel& client = world.client();
        Channel& other = world.client();
        CHECK(world.ask(client, set("a", "1") + "get a b\r\n") == "");
        CHECK(world.ask(other, get("c") + get("d")) == "");
        CHECK(World::heard(*world.link(0)) == "get ringmain:hello\r\n");
        world.reply(0, answer);
        world.settle();
        CHECK(World::heard(*world.link(0)) == set("a", "1") + "get a b\r\nget c d\r\n");
        world.reply(0, "STORED\r\nEND\r\nEND\r\n");
        world.settle();
        CHECK(World::heard(client) == "STORED\r\nEND\r\n");
        CHECK(World::heard(other) == "END\r\nEND\r\n");
        CHECK(world.ask(client, set("a", "1")) == "");
        CHECK(World::heard(*world.link(0)) == set("a", "1"));
        world.reply(0, "STORED\r\n");
        world.settle();
        CHECK(World::heard(client) == "STORED\r\n");
        // Another connection is asked again.
        world.cut_off(0);
        CHECK(world.ask(client, set("a", "1")) == "");
        CHECK(World::heard(*world.link(0)) == "get ringmain:hello\r\n");
        world.cut_off(0);
    }
}

TEST_CASE("memcached token: a connection that was made before is asked when a set is its first") {
    config::Pool pool = memcached_pool(1);
    pool.preconnect = true;
    pool.timeout_ms = 100;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    world.server(0).answers_hello = false;
    world.proxy().preconnect();
    world.settle();
    REQUIRE(world.link(0) != nullptr);
    CHECK(World::heard(*world.link(0)) == "");
    Channel& client = world.client();
    CHECK(world.ask(client, token + get("a")) == "");
    CHECK(World::heard(*world.link(0)) == "get ringmain:hello\r\n");
    world.reply(0, "END\r\n");
    world.settle();
    CHECK(World::heard(*world.link(0)) == token + get("a"));
    world.reply(0, "STORED\r\nEND\r\n");
    world.settle();
    CHECK(World::heard(client) == "STORED\r\nEND\r\n");
    // Who does not answer has not answered in time.
    world.cut_off(0);
    world.pass(1000);
    CHECK(world.ask(client, set("a", "1")) == "");
    world.pass(150);
    CHECK(World::heard(client) ==
          server_error(s0 + "did not answer a probe within 100 ms (timeout)"));
}

TEST_CASE("memcached token: an answer that fits no get, and a server that is full") {
    for (const auto& [answer, reason] :
         {std::pair<std::string, std::string>{"STORED\r\n",
                                              "sent a response that does not fit the request"},
          {"ERROR Too many open connections\r\n",
           "takes no more connections: ERROR Too many open connections"}}) {
        World world(memcached_pool(1));
        world.server(0).mood = Mood::Mute;
        world.server(0).answers_hello = false;
        Channel& client = world.client();
        CHECK(world.ask(client, set("a", "1")) == "");
        world.reply(0, answer);
        world.settle();
        CHECK(World::heard(client) == server_error(s0 + reason));
    }
}

TEST_CASE("memcached token: a large set is preceded by the question, too") {
    config::Pool pool = memcached_pool(1);
    pool.stream_threshold = 16 * 1024;
    World world(pool, {.blocks = 2048});
    Channel& client = world.client();
    const std::string large = set("a", std::string(100'000, 'x'));
    world.server(0).mood = Mood::Mute;
    world.server(0).answers_hello = false;
    CHECK(world.ask(client, large) == "");
    for (Channel* link : world.leases(0)) {
        CHECK(World::heard(*link) == "get ringmain:hello\r\n");
    }
    CHECK(world.leases(0).size() == 1);
    world.leases(0).front()->inbound += unauthenticated;
    world.settle();
    CHECK(World::heard(client) == locked);
    CHECK(world.counters().server_failures.get() == 0);
}

}  // namespace ringmain::test
