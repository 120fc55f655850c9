// Servers that take connections and requests and answer nothing.

#include "ringmain/core/silence.h"

#include "tests/unit/core/world.h"

#include <array>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr const char* late =
    "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)\r\n";

bool is_silence(std::string_view error) {
    return error.starts_with(
               "-ERR ringmain: server s0 (10.0.0.1:7000) has answered nothing for ") &&
           error.ends_with(" ms (timeout)\r\n");
}

Instant at(int64_t ms) {
    return Instant{} + Duration::millis(ms);
}

config::Pool mute_pool() {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 100;
    pool.connect_timeout_ms = 100;
    return pool;
}

// Two requests have waited in vain, one behind the other.
void fall_silent(World& world, Channel& client) {
    world.server(0).mood = Mood::Mute;
    for (int i = 0; i < 2; ++i) {
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        world.pass(110);
        CHECK(World::heard(client) == late);
    }
}

}  // namespace

TEST_CASE("silence takes two late requests, one queued after the other was late") {
    core::Silence silence;
    static_cast<void>(silence.on_heard(at(1000)));
    CHECK_FALSE(silence.on_late(at(1000), at(1000), at(1100)));
    CHECK_FALSE(silence.on_late(at(1000), at(1000), at(1100)));
    CHECK_FALSE(silence.on_late(at(1099), at(1099), at(1199)));
    // What took the first connection may have taken this one.
    CHECK_FALSE(silence.on_late(at(1100), at(1099), at(1200)));
    CHECK(silence.on_late(at(1100), at(1100), at(1200)));
    CHECK(silence.is_silent());
    CHECK(silence.since() == at(1000));
    CHECK_FALSE(silence.on_late(at(1150), at(1150), at(1250)));  // it is known
    CHECK(silence.on_heard(at(1300)));
    CHECK_FALSE(silence.is_silent());
    CHECK_FALSE(silence.on_heard(at(1300)));
}

TEST_CASE("a byte from the server ends the doubt") {
    core::Silence silence;
    static_cast<void>(silence.on_heard(at(1000)));
    CHECK_FALSE(silence.on_late(at(1000), at(1000), at(1100)));
    CHECK_FALSE(silence.on_heard(at(1150)));
    CHECK_FALSE(silence.on_late(at(1110), at(1110), at(1210)));  // queued before that
    CHECK_FALSE(silence.on_late(at(1160), at(1160), at(1260)));  // the first again
    CHECK(silence.on_late(at(1260), at(1260), at(1360)));
    CHECK(silence.since() == at(1160));
}

TEST_CASE("a pause of the process is no silence of the server") {
    core::Silence silence;
    static_cast<void>(silence.on_heard(at(1000)));
    silence.move_times({.by = Duration::millis(500)});
    CHECK_FALSE(silence.on_late(at(1499), at(1499), at(1600)));
    CHECK_FALSE(silence.on_late(at(1600), at(1600), at(1700)));
}

TEST_CASE("a deep pipeline to a server that answers nothing costs two timeouts, not one a window") {
    config::Pool pool = mute_pool();
    pool.requests_in_flight_max = 16;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    constexpr int count = 1000;
    std::string pipeline;
    for (int i = 0; i < count; ++i) {
        pipeline += resp({"GET", "a"});
    }
    World::say(client, pipeline);
    world.pass(90);
    CHECK(World::heard(client).empty());
    world.pass(150);
    std::string answers = World::heard(client);
    int errors = 0;
    for (size_t end = 0; (end = answers.find("\r\n", end)) != std::string::npos; end += 2) {
        errors += 1;
    }
    CHECK(errors == count);
    CHECK(world.counters().timeouts.get() == 32);
    CHECK(is_silence(answers.substr(answers.rfind("-ERR"))));
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0].starts_with(
        "pool main: server s0 (10.0.0.1:7000) has answered nothing for 2"));
    CHECK(world.loop().notices()[0].ends_with("requests to it are refused until it answers"));
}

TEST_CASE("an answer however late ends the silence") {
    World world(mute_pool());
    Channel& client = world.client();
    fall_silent(world, client);
    CHECK(is_silence(world.ask(client, resp({"GET", "a"}))));
    world.server(0).redis.values["a"] = "1";
    world.server(0).mood = Mood::Up;  // what it was sent lies before it
    world.settle();
    CHECK(world.ask(client, resp({"GET", "a"})) == bulk("1"));
    CHECK(world.loop().notices().back() ==
          "pool main: server s0 (10.0.0.1:7000) is connected again");
}

TEST_CASE("a silent server whose connections are given up is asked before it gets requests") {
    config::Pool pool = mute_pool();
    SUBCASE("redis") {}
    SUBCASE("memcached") {
        pool = memcached_pool(1);
        pool.timeout_ms = 100;
        pool.connect_timeout_ms = 100;
    }
    const bool is_redis = pool.protocol == config::Protocol::Redis;
    const std::string get = is_redis ? resp({"GET", "a"}) : "get a\r\n";
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    for (int i = 0; i < 2; ++i) {
        CHECK(world.ask(client, get) == "");
        world.pass(110);
        CHECK_FALSE(World::heard(client).empty());
    }
    // Longer than all connections are kept, and than anybody waits for a greeting.
    for (int i = 0; i < 100; ++i) {
        CHECK_FALSE(world.ask(client, get).empty());
        world.pass(20);
    }
    CHECK(world.counters().timeouts.get() == 2);
    CHECK(world.counters().server_connects.get() > 3);
    world.server(0).mood = Mood::Up;
    world.pass(600);
    CHECK(world.ask(client, get) == (is_redis ? "$-1\r\n" : "END\r\n"));
    if (is_redis) {
        CHECK(world.server(0).redis.log == std::vector<std::string>{"PING", "GET a"});
    } else {
        CHECK(world.server(0).memcached.log == std::vector<std::string>{"version", "get a"});
    }
}

TEST_CASE(
    "a silent server is asked over one connection more, however long the late ones are kept") {
    config::Pool pool = mute_pool();
    pool.late_connection_timeout_ms = 60'000;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    fall_silent(world, client);
    CHECK_FALSE(world.health(0).is_down());
    world.pass(110);
    // Which is what says that it is down, or counts towards an ejection.
    CHECK(world.health(0).is_down());
    CHECK(world.health(0).last_error() ==
          "did not answer a new connection within 100 ms (timeout)");
    CHECK(world.counters().server_connections.get() == 2);
    world.server(0).mood = Mood::Up;
    world.pass(600);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("a connection that stood in before the server was silent does not keep it so") {
    config::Pool pool = mute_pool();
    pool.preconnect = true;
    pool.stream_threshold = 0;
    World world(pool, {.blocks = 512});
    Channel& client = world.client();
    Channel& other = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(110);
    CHECK(World::heard(client) == late);
    // The next connection is still taking a request when that is late, and has its own stand-in.
    CHECK(world.ask(client, resp({"SET", "a", std::string(300'000, 'a')})) == "");
    Channel& taking = *world.link(0);
    taking.untaken = 200'000;
    world.pass(50);
    taking.untaken = 100'000;
    world.pass(40);
    const std::string behind = resp({"GET", "a"});
    CHECK(world.ask(other, behind) == "");
    taking.untaken += behind.size();
    world.pass(30);
    CHECK(World::heard(client) == late);
    REQUIRE(world.link(0) != &taking);
    CHECK(world.link(0)->arrived.empty());
    CHECK(world.loop().notices().empty());
    world.pass(80);
    CHECK(World::heard(other) == late);
    CHECK(is_silence(world.ask(client, resp({"GET", "a"}))));
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0].ends_with("requests to it are refused until it answers"));
    // Until those that are late are closed.
    for (int i = 0; i < 50; ++i) {
        world.pass(20);
        CHECK_FALSE(world.ask(client, resp({"GET", "a"})).empty());
    }
    world.server(0).mood = Mood::Up;
    world.pass(600);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.server(0).redis.log == std::vector<std::string>{"PING", "GET a"});
}

TEST_CASE("a server that is silent on connections of single clients is asked on one of all") {
    config::Pool pool = mute_pool();
    pool.stream_threshold = 64 * 1024;
    World world(pool, {.blocks = 512});
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string large = resp({"SET", "a", std::string(100'000, 'a')});
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.ask(client, large) == "+OK\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, large) == "");
    world.pass(110);
    CHECK(World::heard(client) == late);
    world.server(0).mood = Mood::Vanished;
    CHECK(world.ask(other, large) == "");
    world.pass(20);
    world.server(0).mood = Mood::Mute;
    world.pass(90);
    CHECK(World::heard(other) == late);
    CHECK(is_silence(world.ask(client, resp({"GET", "b"}))));
    world.pass(1000);
    world.server(0).redis.log.clear();
    world.server(0).mood = Mood::Up;
    world.pass(600);
    CHECK(world.ask(client, resp({"GET", "b"})) == "$-1\r\n");
    CHECK(world.server(0).redis.log == std::vector<std::string>{"PING", "GET b"});
}

// Nothing would come on that one, however long.
TEST_CASE("a client that does not read does not keep a server silent") {
    config::Pool pool = mute_pool();
    pool.stream_threshold = 64 * 1024;
    World world(pool, {.blocks = 2048});
    Channel& reader = world.client();
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"GET", "b"})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    reader.reads = false;
    const std::string value = bulk(std::string(1'000'000, 'h'));
    constexpr size_t first_part = 500'000;
    CHECK(world.ask(reader, resp({"GET", "big"})) == "");
    Channel& paused = *world.link(0);
    paused.arrived.clear();
    world.reply(0, value.substr(0, first_part));
    world.pass(200);  // nothing stands in for it
    CHECK(world.link(0) == &paused);
    const std::string large = resp({"SET", "a", std::string(100'000, 'a')});
    for (int i = 0; i < 2; ++i) {
        CAPTURE(i);
        world.server(0).mood = Mood::Vanished;
        CHECK(world.ask(other, large) == "");
        world.pass(20);
        world.server(0).mood = Mood::Mute;
        world.pass(90);
        CHECK(World::heard(other) == late);
        if (i == 0) world.pass(200);
    }
    CHECK(is_silence(world.ask(other, resp({"GET", "b"}))));
    world.pass(2000);
    world.server(0).mood = Mood::Up;
    world.pass(600);
    CHECK(world.ask(other, resp({"GET", "b"})) == "$-1\r\n");
    reader.reads = true;
    world.settle();
    paused.inbound += value.substr(first_part);
    world.settle();
    const bool is_whole = World::heard(reader) == value;
    CHECK(is_whole);
}

TEST_CASE("a reload that ends timeout refuses nobody for the time that others have waited") {
    config::Pool pool = mute_pool();
    pool.server_connections = 2;
    World world(pool);
    Channel& first = world.client();
    Channel& second = world.client();
    CHECK(world.ask(first, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.ask(second, resp({"GET", "a"})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(second, resp({"GET", "a"})) == "");
    world.pass(110);
    CHECK(World::heard(second) == late);
    CHECK(world.ask(second, resp({"GET", "a"})) == "");
    world.pass(50);
    CHECK(world.ask(first, resp({"GET", "a"})) == "");  // and has no time when that is over
    world.pass(60);
    CHECK(World::heard(second) == late);
    CHECK(is_silence(world.ask(second, resp({"GET", "b"}))));
    pool.timeout_ms = 0;
    world.adopt({pool});
    world.settle();
    CHECK(world.ask(second, resp({"GET", "a"})) == "");
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(second) == "$-1\r\n");
    CHECK(World::heard(first) == "$-1\r\n");
}

TEST_CASE("that requests are refused is told though the server was in trouble already") {
    World world(mute_pool());
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.cut_off(0);
    world.settle();
    CHECK_FALSE(World::heard(client).empty());
    REQUIRE(world.loop().notices().size() == 1);
    world.server(0).mood = Mood::Up;
    world.pass(600);
    REQUIRE(world.link(0) != nullptr);
    fall_silent(world, client);
    REQUIRE(world.loop().notices().size() == 2);
    CHECK(world.loop().notices()[1].ends_with("requests to it are refused until it answers"));
}

TEST_CASE("connections that are late together are all replaced") {
    config::Pool pool = mute_pool();
    pool.server_connections = 4;
    pool.late_connection_timeout_ms = 60'000;
    World world(pool);
    std::array<Channel*, 4> clients = {};
    for (Channel*& client : clients) {
        client = &world.client();
        CHECK(world.ask(*client, resp({"GET", "a"})) == "$-1\r\n");
    }
    world.server(0).mood = Mood::Mute;
    for (Channel* client : clients) {
        CHECK(world.ask(*client, resp({"GET", "a"})) == "");
    }
    world.pass(110);
    for (Channel* link : world.links(0)) {
        link->arrived.clear();  // there will be no answer to that
    }
    world.server(0).mood = Mood::Up;
    for (Channel* client : clients) {
        CHECK(World::heard(*client) == late);
        CHECK(world.ask(*client, resp({"GET", "a"})) == "$-1\r\n");
    }
}

TEST_CASE("a silent server that is lost and comes back is served again") {
    World world(mute_pool());
    Channel& client = world.client();
    fall_silent(world, client);
    world.cut_off(0);
    world.server(0).mood = Mood::Refusing;
    world.pass(1000);
    CHECK_FALSE(world.ask(client, resp({"GET", "a"})).empty());
    world.server(0).mood = Mood::Up;
    world.pass(600);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("a server that answers on another connection is not silent") {
    config::Pool pool = mute_pool();
    pool.server_connections = 2;
    World world(pool);
    Channel& first = world.client();
    Channel& second = world.client();
    CHECK(world.ask(first, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.ask(second, resp({"GET", "a"})) == "$-1\r\n");
    // A script that takes long, on one of the two; the other client is served all the time.
    world.server(0).redis.canned["EVAL"] = "";
    for (int i = 0; i < 3; ++i) {
        World::say(first, resp({"EVAL", "slow", "1", "a"}));
        for (int part = 0; part < 11; ++part) {
            world.pass(10);
            CHECK(world.ask(second, resp({"GET", "a"})) == "$-1\r\n");
        }
        CHECK(World::heard(first) == late);
    }
    CHECK(world.counters().timeouts.get() == 3);
}

TEST_CASE("a server that answers late is not silent") {
    World world(mute_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    for (int i = 0; i < 10; ++i) {
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        world.pass(110);
        CHECK(World::heard(client) == late);
        world.server(0).mood = Mood::Up;
        world.settle();
        world.server(0).mood = Mood::Mute;
    }
}

TEST_CASE("a server that is down is up when it has answered, not when it has accepted") {
    World world(mute_pool());
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    CHECK_FALSE(world.ask(client, resp({"GET", "a"})).empty());
    world.server(0).mood = Mood::Mute;
    for (int i = 0; i < 50; ++i) {
        world.pass(20);
        CHECK_FALSE(world.ask(client, resp({"GET", "a"})).empty());  // at once
    }
    CHECK(world.counters().timeouts.get() == 0);
    CHECK(world.health(0).last_error() ==
          "did not answer a new connection within 100 ms (timeout)");
    world.server(0).mood = Mood::Up;
    world.pass(600);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

}  // namespace ringmain::test
