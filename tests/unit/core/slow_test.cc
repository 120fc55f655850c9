// What the slow log hears of.

#include "tests/unit/core/streaming.h"
#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("a slow request is noted with its command, its key and where the time went") {
    World world(redis_pool(2), {.slow_log_ms = 20});
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    const std::string key = world.key_on(0);
    CHECK(world.ask(client, resp({"HGET", key, "field"})) == "");
    world.pass(30);
    world.server(0).mood = Mood::Mute;
    world.settle();
    world.pass(50);
    world.reply(0, bulk("1"));
    world.settle();
    stats::SlowRequest slow;
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK(slow.command.view() == "hget");
    CHECK(slow.key.view() == key);
    CHECK(slow.key_size == key.size());
    CHECK(slow.pool.view() == "main");
    CHECK(slow.server.view() == "s0 (10.0.0.1:7000)");
    CHECK(slow.client.view() == "10.9.9.9:1234");
    CHECK(slow.client_id == client.client->id);
    CHECK(slow.total_us == 80'000);
    CHECK(slow.queued_us == 30'000);
    CHECK(slow.answered);
    CHECK_FALSE(world.counters().slow_requests.pop(slow));
    CHECK(world.counters().worker.slow_requests.get() == 1);
}

TEST_CASE("of a split request the slow part is noted, with the first key") {
    World world(redis_pool(2), {.slow_log_ms = 20});
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    CHECK(world.ask(client, resp({"MGET", a, world.key_on(1)})) == "");
    world.pass(50);
    world.reply(1, "*1\r\n$-1\r\n");
    world.settle();
    CHECK(World::heard(client) == "*2\r\n$-1\r\n$-1\r\n");
    stats::SlowRequest slow;
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK(slow.command.view() == "mget");
    CHECK(slow.key.view() == a);
    CHECK(slow.server.view() == "s1 (10.0.0.1:7001)");
    CHECK(slow.queued_us == 0);
    CHECK_FALSE(world.counters().slow_requests.pop(slow));
}

TEST_CASE("a split request is noted once, with the server that was the last to answer") {
    World world(redis_pool(2), {.slow_log_ms = 20});
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string mget = resp({"MGET", world.key_on(0), world.key_on(1)});
    CHECK(world.ask(client, mget) == "");
    world.pass(50);
    world.reply(1, "*1\r\n$-1\r\n");
    world.settle();
    world.pass(30);
    world.reply(0, "*1\r\n$-1\r\n");
    world.settle();
    CHECK(World::heard(client) == "*2\r\n$-1\r\n$-1\r\n");
    stats::SlowRequest slow;
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK(slow.server.view() == "s0 (10.0.0.1:7000)");
    CHECK(slow.total_us == 80'000);
    CHECK(slow.answered);
    CHECK_FALSE(world.counters().slow_requests.pop(slow));
    // Nobody answers: the time of both is up at once.
    CHECK(world.ask(client, mget) == "");
    world.pass(500);
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK_FALSE(slow.answered);
    CHECK(slow.total_us == 400'000);
    CHECK_FALSE(world.counters().slow_requests.pop(slow));
    CHECK(world.counters().worker.slow_requests.get() == 2);
}

TEST_CASE("a pop that asks one server after the other is slow as a whole") {
    World world(redis_pool(2), {.slow_log_ms = 40});
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string pop = resp({"LMPOP", "2", a, world.key_on(1), "LEFT"});
    CHECK(world.ask(client, pop) == "");
    for (const uint32_t server : {0U, 1U}) {
        world.pass(30);
        world.reply(server, "*-1\r\n");
        world.settle();
    }
    CHECK(World::heard(client) == "*-1\r\n");
    stats::SlowRequest slow;
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK(slow.command.view() == "lmpop");
    CHECK(slow.key.view() == a);
    CHECK(slow.server.view() == "several");
    CHECK(slow.total_us == 60'000);
    CHECK(slow.answered);
    CHECK_FALSE(world.counters().slow_requests.pop(slow));
    // The second does not answer in time.
    CHECK(world.ask(client, pop) == "");
    world.pass(30);
    world.reply(0, "*-1\r\n");
    world.settle();
    world.pass(500);
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK_FALSE(slow.answered);
    CHECK(slow.total_us == 430'000);
    CHECK_FALSE(world.counters().slow_requests.pop(slow));
}

TEST_CASE("a write in steps is slow as a whole") {
    config::Pool pool = redis_pool(2);
    pool.cross_server_writes = config::CrossServerWrites::Emulate;
    World world(pool, {.slow_log_ms = 40});
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SMOVE", world.key_on(0), world.key_on(1), "m"})) == "");
    for (int question = 0; question < 2; ++question) {
        world.pass(30);
        world.reply(0, ":0\r\n");
        world.settle();
    }
    CHECK(World::heard(client) == ":0\r\n");
    stats::SlowRequest slow;
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK(slow.command.view() == "smove");
    CHECK(slow.server.view() == "several");
    CHECK(slow.total_us == 60'000);
    CHECK_FALSE(world.counters().slow_requests.pop(slow));
}

TEST_CASE("what was never sent waited all the time") {
    World world(redis_pool(1), {.slow_log_ms = 20});
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"}) + resp({"GET", "b"})) == "");
    world.pass(1500);  // connect_timeout
    stats::SlowRequest slow;
    for (const std::string_view key : {"a", "b"}) {
        REQUIRE(world.counters().slow_requests.pop(slow));
        CHECK(slow.key.view() == key);
        CHECK(slow.queued_us == slow.total_us);
        CHECK_FALSE(slow.answered);
    }
}

TEST_CASE("the slow log is switched on and off by a new configuration") {
    config::Config on;
    on.pools.push_back(redis_pool(1));
    on.admin.listen.host = "127.0.0.1";
    config::Config off = on;
    off.stats.slow_log_threshold_ms = 0;
    World world(redis_pool(1));
    CHECK_FALSE(world.proxy().notes_commands());
    world.loop().adopt(on);
    CHECK(world.proxy().notes_commands());
    world.loop().adopt(off);
    CHECK_FALSE(world.proxy().notes_commands());
}

TEST_CASE("of a long key the beginning is noted, of a timeout that there was no answer") {
    World world(redis_pool(1), {.slow_log_ms = 20});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string key = "user:" + std::string(100, 'x');
    CHECK(world.ask(client, resp({"MODULE.GET", key})) == "");
    world.pass(5000);
    stats::SlowRequest slow;
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK(slow.command.view() == "unknown");
    CHECK(slow.key.view() == key.substr(0, 27));
    CHECK(slow.key_size == key.size());
    CHECK_FALSE(slow.answered);
}

TEST_CASE("a request whose time is up is noted then, with its client, and not again") {
    World world(redis_pool(2), {.slow_log_ms = 20});
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", world.key_on(0)}) + resp({"SET", world.key_on(1), "1"})) ==
          "");
    world.pass(400);
    for (const std::string_view name : {"get", "set"}) {
        stats::SlowRequest slow;
        REQUIRE(world.counters().slow_requests.pop(slow));
        CHECK(slow.command.view() == name);
        CHECK(slow.client.view() == "10.9.9.9:1234");
        CHECK(slow.client_id == client.client->id);
        CHECK(slow.total_us == 400'000);
        CHECK(slow.queued_us == (name == "get" ? 0 : 400'000));
        CHECK_FALSE(slow.answered);
    }
    world.server(0).mood = Mood::Up;  // its late answer
    world.server(1).mood = Mood::Refusing;
    world.pass(5000);
    stats::SlowRequest again;
    CHECK_FALSE(world.counters().slow_requests.pop(again));
}

TEST_CASE("memcached requests are noted by their word") {
    World world(memcached_pool(1), {.slow_log_ms = 20});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, "get some-key\r\n") == "");
    world.pass(30);
    world.reply(0, "END\r\n");
    world.settle();
    stats::SlowRequest slow;
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK(slow.command.view() == "get");
    CHECK(slow.key.view() == "some-key");
}

TEST_CASE("what is fast enough, and everything when the slow log is off, is not noted") {
    for (const int64_t threshold : {0, 100}) {
        World world(redis_pool(1), {.slow_log_ms = threshold});
        world.server(0).mood = Mood::Mute;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        world.pass(50);
        world.reply(0, bulk("1"));
        world.settle();
        stats::SlowRequest slow;
        CHECK_FALSE(world.counters().slow_requests.pop(slow));
    }
}

TEST_CASE("a command that waits is not slow, however it ends") {
    World world(redis_pool(1), {.slow_log_ms = 20});
    stats::SlowRequest slow;
    for (int end = 0; end < 3; ++end) {
        CAPTURE(end);
        world.server(0).mood = Mood::Mute;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == "");
        world.pass(50);
        REQUIRE(world.leases(0).size() == 1);
        Channel& lease = *world.leases(0)[0];
        if (end == 0) {
            lease.inbound += "*2\r\n" + bulk("l") + bulk("x");
        } else if (end == 1) {
            client.inbound_end = true;
            world.settle();
            lease.arrived.clear();
            world.server(0).mood = Mood::Up;  // which closes what was ended
        } else {
            world.drop(client);
        }
        world.settle();
        CHECK_FALSE(world.counters().slow_requests.pop(slow));
    }
}

TEST_CASE("a request whose time was up before it was slow is not noted when its place is free") {
    World world(redis_pool(2), {.slow_log_ms = 500});
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    CHECK(world.ask(client, resp({"MGET", a, world.key_on(1)}) + resp({"GET", a})) == "");
    world.pass(5000);
    CHECK_FALSE(World::heard(client).empty());
    CHECK(world.counters().worker.slow_requests.get() == 0);
}

TEST_CASE("a pop is slow as a whole when its last question fails, too") {
    for (const bool is_lost : {false, true}) {
        CAPTURE(is_lost);
        World world(redis_pool(2), {.slow_log_ms = is_lost ? 40 : 410});
        world.server(0).mood = Mood::Mute;
        world.server(1).mood = Mood::Mute;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"LMPOP", "2", world.key_on(0), world.key_on(1), "LEFT"})) ==
              "");
        world.pass(30);
        world.reply(0, "*-1\r\n");
        world.settle();
        world.pass(is_lost ? 30 : 400);
        if (is_lost) world.cut_off(1);
        world.settle();
        CHECK_FALSE(World::heard(client).empty());
        stats::SlowRequest slow;
        REQUIRE(world.counters().slow_requests.pop(slow));
        CHECK(slow.server.view() == "s1 (10.0.0.1:7001)");
        CHECK(slow.total_us == (is_lost ? 60'000 : 430'000));
        CHECK_FALSE(slow.answered);
        world.pass(5000);
        CHECK(world.counters().worker.slow_requests.get() == 1);
    }
}

TEST_CASE("what goes another way than on a connection of its own is noted once") {
    const std::string request = resp({"SET", "a", std::string(200'000, 'a')});
    for (const size_t cut : {size_t{100'000}, request.size()}) {
        CAPTURE(cut);
        World world(streaming_pool(), {.blocks = 2048, .slow_log_ms = 20});
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"GET", "b"})) == "$-1\r\n");
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, request.substr(0, cut)) == "");
        world.pass(30);
        REQUIRE(world.leases(0).size() == 1);
        world.leases(0)[0]->inbound += "-ERR max number of clients reached\r\n";
        world.settle();
        CHECK(world.leases(0).empty());
        CHECK(world.ask(client, request.substr(cut)) == "");
        CHECK(world.counters().worker.slow_requests.get() == 0);
        world.pass(30);
        world.reply(0, "+OK\r\n");
        world.settle();
        CHECK(World::heard(client) == "+OK\r\n");
        CHECK(world.counters().worker.slow_requests.get() == 1);
    }
}

TEST_CASE("EXEC is slow when its server does not say whether it takes transactions") {
    World world(redis_pool(1), {.slow_log_ms = 20});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    world.ask(client, resp({"MULTI"}) + resp({"SET", "a", "1"}) + resp({"EXEC"}));
    world.pass(500);
    stats::SlowRequest slow;
    REQUIRE(world.counters().slow_requests.pop(slow));
    CHECK(slow.command.view() == "exec");
}

}  // namespace ringmain::test
