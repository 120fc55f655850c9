// memcached -Y: until its first set is a password, a connection is refused everything.

#include "tests/unit/core/world.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string unauthenticated = "CLIENT_ERROR unauthenticated\r\n";
const std::string locked = server_error(
    s0 +
    "wants a password first, and ringmain gives it none: start it without -Y, and let only "
    "ringmain connect to it");

void lock(World& world) {
    for (const char* verb : {"get", "gets", "mg", "ms", "version", "incr", "add"}) {
        world.server(0).memcached.canned[verb] = unauthenticated;
    }
}

}  // namespace

TEST_CASE("memcached token: who asks is told, and the server is not ejected over it") {
    config::Pool pool = memcached_pool(1);
    pool.server_failure_limit = 2;
    pool.auto_eject_hosts = true;
    World world(pool);
    lock(world);
    Channel& client = world.client();
    for (int round = 0; round < 5; ++round) {
        CHECK(world.ask(client, get("secret")) == locked);
        CHECK(world.ask(client, "incr a 1\r\n") == locked);
        CHECK(world.ask(client, "ms a 1\r\n1\r\n") == locked);
        world.pass(3000);
    }
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(world.loop().notices().size() == 1);
    // It is started without -Y.
    world.server(0).memcached.canned.clear();
    CHECK(world.ask(client, set("a", "1") + get("a")) ==
          "STORED\r\n" + value("a", "1") + "END\r\n");
}

TEST_CASE("memcached token: nothing is believed behind the refusal") {
    for (const std::string& request : {std::string("get a b\r\n"),
                                       std::string("incr a 1\r\n"),
                                       std::string("add a 0 0 1\r\n1\r\n"),
                                       std::string("mg a v\r\n")}) {
        CAPTURE(request);
        World world(memcached_pool(1));
        world.server(0).mood = Mood::Mute;
        Channel& client = world.client();
        CHECK(world.ask(client, request + "set user 0 0 9\r\nuser pass\r\n") == "");
        world.reply(0, unauthenticated + "STORED\r\n");
        world.settle();
        CHECK(World::heard(client) == locked + locked);
        CHECK(world.link(0) == nullptr);
        CHECK(world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("memcached token: so is who asks when it was down before") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Refusing;
    CHECK(world.ask(client, get("secret")) == server_error(s0 + "refused the connection"));
    world.server(0).mood = Mood::Up;
    lock(world);
    world.pass(3000);
    CHECK(world.ask(client, get("secret")) == locked);
    CHECK(world.loop().notices().back().find("wants a password first") != std::string::npos);
    const uint64_t failures = world.counters().server_failures.get();
    world.pass(3000);
    CHECK(world.ask(client, get("secret")) == locked);
    CHECK(world.counters().server_failures.get() == failures);
    world.server(0).memcached.canned.clear();
    world.pass(3000);
    CHECK(world.ask(client, get("secret")) == "END\r\n");
}

}  // namespace ringmain::test
