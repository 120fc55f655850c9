// The times that a new configuration gives are those of what is under way, too.

#include "tests/unit/core/world.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr int64_t hour_ms = 3'600'000;

config::Pool pool_of_timeout(int64_t timeout_ms, uint32_t servers = 1) {
    config::Pool pool = redis_pool(servers);
    pool.timeout_ms = timeout_ms;
    return pool;
}

// The first server is no more.
config::Pool server_gone(int64_t timeout_ms) {
    config::Pool pool = pool_of_timeout(timeout_ms, 2);
    pool.servers.erase(pool.servers.begin());
    return pool;
}

config::Pool renamed_pool() {
    config::Pool pool = pool_of_timeout(400);
    pool.name = "other";
    return pool;
}

bool has_part(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a command that waits has its own time, and of the timeout what is left by then") {
    for (const int64_t before : {int64_t{0}, hour_ms}) {
        for (const std::vector<std::string>& words :
             std::vector<std::vector<std::string>>{{"BLPOP", "l", "1.5"},
                                                   {"XREAD", "BLOCK", "1500", "STREAMS", "l", "0"},
                                                   {"WAIT", "1", "1500"}}) {
            CAPTURE(before);
            CAPTURE(words[0]);
            World world(pool_of_timeout(before));
            world.server(0).mood = Mood::Mute;
            Channel& client = world.client();
            CHECK(world.ask(client, resp(words)) == "");
            world.pass(500);
            world.adopt({pool_of_timeout(200)});
            world.adopt({pool_of_timeout(hour_ms)});  // nobody gets more again
            world.pass(1000 + 200 + 1000 - 50);
            CHECK(World::heard(client) == "");
            world.pass(100);
            CHECK(
                has_part(World::heard(client), "has not answered when the command's time was up"));
            CHECK(world.proxy().is_idle());
        }
    }
}

TEST_CASE("a turn of a pop over several servers has its own time and what a reload gives it") {
    for (const bool waits : {false, true}) {  // or asks first
        CAPTURE(waits);
        World world(pool_of_timeout(0, 2));
        world.mute(2);
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"BLPOP", world.key_on(0), world.key_on(1), "0"})) == "");
        for (const uint32_t server : {0U, 1U}) {
            if (!waits) continue;
            REQUIRE(world.leases(server).size() == 1);
            world.leases(server)[0]->inbound += "$-1\r\n";
            world.settle();
        }
        world.adopt({pool_of_timeout(200, 2)});
        world.pass((waits ? 100 : 0) + 200 + 1000 - 50);
        CHECK(World::heard(client) == "");
        world.pass(100);
        CHECK(has_part(World::heard(client), "has not answered when the command's time was up"));
    }
}

TEST_CASE("a command that waits for ever does so behind a reload") {
    World world(pool_of_timeout(0));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == "");
    world.adopt({pool_of_timeout(200)});
    world.pass(hour_ms / 10);
    CHECK(World::heard(client) == "");
    CHECK(world.leases(0).size() == 1);
}

TEST_CASE("a client that has left its wait does not keep the connection for the old timeout") {
    World world(pool_of_timeout(hour_ms));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == "");
    client.inbound_end = true;
    world.settle();
    CHECK(world.leases(0)[0]->shut);
    world.adopt({pool_of_timeout(200)});
    world.pass(200 + 1000 + 50);
    CHECK(world.leases(0).empty());
    CHECK(client.closed);
}

TEST_CASE("a connection that is being made has what a reload leaves it") {
    for (const bool accepts : {false, true}) {
        CAPTURE(accepts);
        config::Pool pool = pool_of_timeout(0);
        pool.connect_timeout_ms = hour_ms;
        pool.redis_db = 1;  // which is asked for before anything else
        World world(pool);
        world.server(0).mood = accepts ? Mood::Mute : Mood::Vanished;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        world.pass(1000);
        pool.connect_timeout_ms = 200;
        for (int i = 0; i < 3; ++i) {
            world.adopt({pool});  // one more gives nobody more
            world.pass(60);
        }
        CHECK(World::heard(client) == "");
        world.pass(40);
        CHECK(has_part(World::heard(client), "within 200 ms (connect_timeout)"));
    }
}

TEST_CASE("who is asked whether it answers has the timeout of a reload") {
    World world(pool_of_timeout(hour_ms));
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    CHECK(has_part(world.ask(client, resp({"GET", "a"})), "refused the connection"));
    world.server(0).mood = Mood::Mute;
    world.pass(1000);
    CHECK(has_part(world.ask(client, resp({"GET", "a"})), "refused the connection"));
    world.adopt({pool_of_timeout(200)});
    world.pass(250);
    CHECK(has_part(world.ask(client, resp({"GET", "a"})),
                   "did not answer a new connection within 200 ms (timeout)"));
}

TEST_CASE("what waits for a server that is gone has the limits that its pool has now") {
    World world(pool_of_timeout(0));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    Channel& leaving = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    CHECK(world.ask(leaving, resp({"GET", "a"})) == "");
    std::string why = "did not answer within 300 ms (timeout)";
    SUBCASE("of the reload that removes it") {
        world.adopt({server_gone(300)});
    }
    SUBCASE("of a later one") {
        world.adopt({server_gone(0)});
        world.pass(5000);
        CHECK(World::heard(client) == "");
        world.drop(leaving);
        world.adopt({server_gone(300)});
        why = "has not answered for 1200 ms (late_connection_timeout)";
    }
    world.pass(400);
    CHECK(World::heard(client) == error(s0 + why));
    world.pass(3000);
    CHECK(world.proxy().is_settled());
}

TEST_CASE("the connection to a server that is gone is made in the time that its pool has now") {
    config::Pool pool = pool_of_timeout(0);
    pool.connect_timeout_ms = hour_ms;
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    pool = server_gone(0);
    pool.connect_timeout_ms = 300;
    world.adopt({pool});
    world.pass(400);
    CHECK(has_part(World::heard(client), "did not accept the connection within 300 ms"));
    world.pass(2000);
    CHECK(world.proxy().is_settled());
}

TEST_CASE("where nothing else ends what waits for a server that is gone, shutdown_timeout does") {
    World world(pool_of_timeout(0));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    CHECK(world.ask(other, resp({"GET", "a"})) == "");
    world.pass(hour_ms / 10);
    Channel* link = world.link(0);
    bool stays = true;
    SUBCASE("the server") {
        world.adopt({server_gone(0)});
    }
    SUBCASE("the pool") {
        world.adopt({renamed_pool()});
        stays = false;
    }
    world.pass(6000);
    link->inbound += "$-1\r\n";  // it is there, and has as long again
    world.pass(9000);
    CHECK(World::heard(client) == "$-1\r\n");
    CHECK(World::heard(other) == "");
    world.adopt({stays ? server_gone(0) : renamed_pool()});  // which gives nobody more
    world.pass(2500);
    CHECK(World::heard(other) ==
          error(s0 + "has said nothing for 10000 ms to what it was asked before a reload "
                     "(shutdown_timeout)"));
    CHECK(other.closed != stays);
    CHECK(world.proxy().is_settled());
}

TEST_CASE("what is asked long after a reload has shutdown_timeout from then") {
    config::Pool pool = pool_of_timeout(0);
    pool.requests_in_flight_max = 1;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"}) + resp({"GET", "b"})) == "");
    Channel* link = world.link(0);
    world.adopt({renamed_pool()});
    world.pass(9000);
    link->inbound += "$1\r\nA\r\n";
    world.pass(9000);
    CHECK(World::heard(client) == "$1\r\nA\r\n");
    link->inbound += "$1\r\nB\r\n";
    world.pass(100);
    CHECK(World::heard(client) == "$1\r\nB\r\n");
    CHECK(client.closed);
}

TEST_CASE("a connection that is made long after a reload has shutdown_timeout from then") {
    config::Pool pool = pool_of_timeout(0);
    pool.connect_timeout_ms = 60'000;
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    Channel* link = world.link(0);
    config::Pool renamed = renamed_pool();
    renamed.connect_timeout_ms = 60'000;
    world.adopt({renamed});
    world.pass(20'000);
    world.server(0).mood = Mood::Mute;
    world.pass(9000);
    CHECK(World::heard(client) == "");
    link->inbound += "$1\r\nA\r\n";
    world.pass(100);
    CHECK(World::heard(client) == "$1\r\nA\r\n");
}

TEST_CASE("who reads a large response slowly is not cut off by a reload") {
    config::Pool pool = pool_of_timeout(0);
    pool.stream_threshold = 64 * 1024;
    World world(pool, {.blocks = 2048});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    client.reads = false;
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    const std::string value = bulk(std::string(4'000'000, 'v'));
    constexpr size_t first_part = 2'000'000;
    Channel* link = world.link(0);
    world.reply(0, value.substr(0, first_part));
    world.settle();
    world.adopt({renamed_pool()});
    world.pass(12'000);
    CHECK_FALSE(client.closed);
    CHECK_FALSE(link->closed);
    client.reads = true;
    world.settle();
    link->inbound += value.substr(first_part);
    world.pass(100);
    const bool is_whole = World::heard(client) == value;
    CHECK(is_whole);
}

TEST_CASE("a client that says nothing is closed however often there is a reload") {
    config::Pool pool = redis_pool(1);
    pool.client_idle_timeout_ms = 1000;
    World world(pool);
    Channel& late = world.client();
    Channel& silent = world.client();
    for (int i = 0; i < 6; ++i) {
        if (i == 2) CHECK(world.ask(late, resp({"PING"})) == "+PONG\r\n");
        world.adopt({pool});
        world.pass(175);
    }
    CHECK(silent.closed);
    CHECK_FALSE(late.closed);
    world.adopt({pool});
    world.pass(200);
    CHECK_FALSE(late.closed);
    world.adopt({pool});
    world.pass(150);
    CHECK(late.closed);
}

TEST_CASE("where client_idle_timeout is new, a client's time begins with the reload") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.pass(5000);
    config::Pool pool = redis_pool(1);
    pool.client_idle_timeout_ms = 1000;
    world.adopt({pool});
    world.pass(950);
    CHECK_FALSE(client.closed);
    SUBCASE("and ends") {
        world.pass(100);
        CHECK(client.closed);
    }
    SUBCASE("and is over where there is none again") {
        world.adopt({redis_pool(1)});
        world.pass(5000);
        CHECK_FALSE(client.closed);
        world.adopt({pool});
        world.pass(950);
        CHECK_FALSE(client.closed);
    }
}

}  // namespace ringmain::test
