// Large values, and servers that take no more connections than they have.

#include "ringmain/core/counted_commands.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/commands.h"
#include "tests/unit/core/streaming.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// A server that has a connection, and says to each further one what redis says at maxclients.
struct Full {
    explicit Full(const config::Pool& pool = streaming_pool())
        : world(pool, {.blocks = 2048}),
          redis(&world.server(0).redis),
          client(&world.client()),
          other(&world.client()),
          value(8 * core::stream_window, 'h') {
        redis->values["huge"] = value;
        redis->values["small"] = "s";
        CHECK(world.ask(*other, resp({"GET", "small"})) == bulk("s"));
        redis->canned["PING"] = "-ERR max number of clients reached\r\n";
    }

    [[nodiscard]] bool serves_all() {
        return world.ask(*other, resp({"GET", "small"})) == bulk("s") &&
               world.counters().server_failures.get() == 0 && world.leases(0).empty();
    }

    World world;
    FakeRedis* redis;
    Channel* client;
    Channel* other;
    std::string value;
};

}  // namespace

TEST_CASE("a server that takes no more connections sends large values on the one that it has") {
    Full full;
    World& world = full.world;
    const Channel* link = world.link(0);
    for (int i = 0; i < 3; ++i) {
        CHECK(world.ask(*full.client, resp({"GET", "huge"})) == bulk(full.value));
        CHECK(full.serves_all());
        world.pass(100);
    }
    CHECK(world.link(0) == link);
    CHECK(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0].find("takes no more connections: -ERR max number of clients "
                                         "reached") != std::string::npos);
    // When it takes one again, that is used.
    full.redis->canned.erase("PING");
    world.pass(1000);
    full.client->reads = false;
    CHECK(world.ask(*full.client, resp({"GET", "huge"})) == "");
    CHECK(world.ask(*full.other, resp({"GET", "small"})) == bulk("s"));
    CHECK(world.leases(0).size() == 1);
    full.client->reads = true;
    world.settle();
    CHECK(World::heard(*full.client) == bulk(full.value));
}

TEST_CASE("a server that takes a connection now and then is told of once in a while") {
    Full full;
    World& world = full.world;
    const std::string refusal = full.redis->canned["PING"];
    size_t answered = 0;
    for (int i = 0; i < 6; ++i) {
        full.redis->canned["PING"] = i % 2 == 0 ? refusal : "+PONG\r\n";
        full.client->reads = false;
        CHECK(world.ask(*full.client, resp({"GET", "huge"})) == "");
        answered += world.leases(0).size();
        full.client->reads = true;
        world.settle();
        CHECK(World::heard(*full.client) == bulk(full.value));
        for (Channel* lease : world.leases(0)) {
            lease->inbound_end = true;
        }
        world.pass(100);
    }
    CHECK(answered == 3);
    CHECK(world.loop().notices().size() == 1);
    // And one that goes on refusing is told of again.
    full.redis->canned["PING"] = refusal;
    for (int i = 0; i < 12; ++i) {
        CHECK(world.ask(*full.client, resp({"GET", "huge"})) == bulk(full.value));
        world.pass(1000);
    }
    CHECK(world.loop().notices().size() == 2);
}

// What comes first is not PING where a database is to be selected, or a password to be said.
TEST_CASE("a server that takes no more connections may say so to whatever comes first") {
    config::Pool pool = streaming_pool();
    pool.redis_db = 2;
    Full full(pool);
    World& world = full.world;
    CHECK(world.ask(*full.client, resp({"SET", "huge", full.value})) == "+OK\r\n");
    world.pass(core::idle_lease_max.to_millis() + 100);
    full.redis->canned = {{"SELECT", "-ERR max number of clients reached\r\n"}};
    const Channel* link = world.link(0);
    for (int i = 0; i < 3; ++i) {
        CHECK(world.ask(*full.client, resp({"GET", "huge"})) == bulk(full.value));
        CHECK(world.ask(*full.client, resp({"SET", "huge", full.value})) == "+OK\r\n");
        CHECK(full.serves_all());
        world.pass(100);
    }
    CHECK(world.link(0) == link);
}

TEST_CASE("a server that is silent gets no large request, over no connection that it has") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    World world(pool);
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(200'000, 'v')});
    CHECK(world.ask(client, all.substr(0, 100'000)) == "");
    CHECK(world.ask(client, all.substr(100'000)) == "+OK\r\n");
    CHECK(world.leases(0).size() == 1);
    world.server(0).mood = Mood::Mute;
    Channel& other = world.client();
    for (int i = 0; i < 20 && world.ask(other, resp({"GET", "a"})).find("has answered nothing") ==
                                  std::string::npos;
         ++i) {
        world.pass(110);
    }
    CHECK(world.ask(client, all.substr(0, 100'000)).find("has answered nothing") !=
          std::string::npos);
}

TEST_CASE("a server that is back and takes no connection is quoted") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Refusing;
    CHECK(world.ask(client, resp({"GET", "a"})) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) refused the connection\r\n");
    world.server(0).redis.canned["PING"] = "-ERR max number of clients reached\r\n";
    world.server(0).mood = Mood::Up;
    world.pass(2000);
    CHECK(world.ask(client, resp({"GET", "a"})) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) takes no more connections: -ERR max number of "
          "clients reached\r\n");
    world.server(0).redis.canned.clear();
    world.pass(2000);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("a server that takes no more connections takes large values on the one that it has") {
    Full full;
    World& world = full.world;
    const uint64_t before = world.counters().requests.get();
    const std::string all = resp({"SET", "a", full.value});
    SUBCASE("it says so at once") {
        CHECK(world.ask(*full.client, all) == "+OK\r\n");
    }
    SUBCASE("it says so when much is there already") {
        world.server(0).mood = Mood::Vanished;
        World::say(*full.client, all);
        world.settle();
        CHECK_FALSE(full.client->client->wants_input());
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(World::heard(*full.client) == "+OK\r\n");
    }
    SUBCASE("it says so when all is there already") {
        full.value = std::string(200'000, 'v');
        world.server(0).mood = Mood::Vanished;
        World::say(*full.client, resp({"SET", "a", full.value}) + resp({"GET", "small"}));
        world.settle();
        CHECK(World::heard(*full.client).empty());
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(World::heard(*full.client) == "+OK\r\n" + bulk("s"));
    }
    CHECK(full.redis->values["a"] == full.value);
    const core::Proxy& proxy = world.proxy();
    const Command* set = resp::find_command("set");
    CHECK(proxy.pools()[0]->counters->commands[core::number_of(set)].get() == 1);
    CHECK(world.counters().requests.get() <= before + 2);
    // The next one follows at once, while no other attempt is allowed yet.
    CHECK(world.ask(*full.client, resp({"SET", "a", full.value})) == "+OK\r\n");
    CHECK(full.serves_all());
    CHECK(proxy.pools()[0]->servers[0]->set_apart == 0);
}

TEST_CASE("of a server that is lost with its connections large requests wait for nothing") {
    Full full;
    World& world = full.world;
    world.server(0).mood = Mood::Vanished;
    World::say(*full.client, resp({"SET", "a", full.value}).substr(0, 300'000));
    world.settle();
    world.cut_off(0);
    world.server(0).mood = Mood::Refusing;
    world.settle();
    CHECK(World::heard(*full.client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) refused the connection\r\n");
}

TEST_CASE(
    "a key that is known to be large is read on the common connection when there is no other") {
    Full full;
    World& world = full.world;
    full.redis->canned.erase("PING");
    CHECK(world.ask(*full.client, resp({"SET", "huge", full.value})) == "+OK\r\n");
    world.pass(core::idle_lease_max.to_millis() + 100);
    CHECK(world.leases(0).empty());
    full.redis->canned["PING"] = "-ERR max number of clients reached\r\n";
    for (int i = 0; i < 2; ++i) {
        CHECK(world.ask(*full.client, resp({"GET", "huge"}) + resp({"GET", "small"})) ==
              bulk(full.value) + bulk("s"));
    }
    CHECK(full.serves_all());
}

TEST_CASE("a connection that was set apart goes back to its place when that has none") {
    Full full;
    World& world = full.world;
    full.redis->canned.erase("PING");
    CHECK(world.ask(*full.client, resp({"GET", "huge"})) == bulk(full.value));
    full.client->reads = false;
    Channel* apart = world.link(0);
    CHECK(world.ask(*full.client, resp({"GET", "huge"})) == "");
    CHECK(world.link(0) != apart);
    world.server(0).mood = Mood::Refusing;
    world.cut_off(0);
    CHECK(world.ask(*full.other, resp({"GET", "small"})).find("refused the connection") !=
          std::string::npos);
    full.client->reads = true;
    world.settle();
    CHECK(World::heard(*full.client) == bulk(full.value));
    CHECK(world.link(0) == apart);
    CHECK(world.leases(0).empty());
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(world.ask(*full.other, resp({"GET", "small"})) == bulk("s"));
    CHECK(world.link(0) == apart);
}

TEST_CASE("what is ordered for the place of another and comes too late is kept for the next") {
    Full full;
    World& world = full.world;
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(*full.client, resp({"GET", "huge"})) == "");
    Channel* link = world.link(0);
    link->arrived.clear();
    const std::string all = bulk(full.value);
    link->inbound += all.substr(0, 100'000);
    world.settle();
    CHECK(world.link(0) == link);  // nothing has answered but this one
    link->inbound += all.substr(100'000);
    world.settle();
    CHECK(World::heard(*full.client) == all);
    REQUIRE(world.leases(0).size() == 1);
    world.leases(0)[0]->arrived.clear();
    world.leases(0)[0]->inbound += "+PONG\r\n";
    world.settle();
    CHECK(world.proxy().pools()[0]->servers[0]->idle_lease_count == 1);
    CHECK(world.proxy().pools()[0]->servers[0]->stand_ins == 0);
    CHECK(world.link(0) == link);
    world.server(0).mood = Mood::Up;
    CHECK(world.ask(*full.client, resp({"GET", "huge"})) == all);
    CHECK(world.link(0) != link);
}

TEST_CASE("a connection of a selected database is no client's own after a reload to that one") {
    World world(streaming_pool(), {.blocks = 2048});
    FakeRedis& redis = world.server(0).redis;
    redis.separates_databases = true;
    redis.values["3/huge"] = std::string(8 * core::stream_window, 'h');
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SELECT", "3"}) + resp({"GET", "a"})) == "+OK\r\n$-1\r\n");
    config::Pool pool = streaming_pool();
    pool.redis_db = 3;
    world.adopt({pool});
    world.settle();
    CHECK(world.ask(client, resp({"GET", "huge"})) == bulk(redis.values["3/huge"]));
    // Late, it is not replaced by one of everybody's either.
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(600);
    CHECK(World::heard(client).find("did not answer within 400 ms") != std::string::npos);
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("an answer that comes before the end of its request has left is none") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(200'000, 'a')});
    CHECK(world.ask(client, all.substr(0, 50'000)) == "");
    REQUIRE(world.leases(0).size() == 1);
    Channel* stream = world.leases(0)[0];
    stream->reads = false;
    CHECK(world.ask(client, all.substr(50'000, 50'000)) == "");  // on its way, and stuck
    CHECK(world.ask(client, all.substr(100'000)) == "");
    stream->inbound += "-ERR Protocol error: invalid bulk length\r\n";
    world.settle();
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) sent bytes that nobody asked for: "
          "\"-ERR Protocol error: invalid bulk length\"\r\n");
    CHECK(stream->closed);
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("a client of which no more can be kept in the middle of a large request is told") {
    World world(streaming_pool(), {.blocks = 512});
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(8 * core::stream_window, 'a')});
    World::say(client, all.substr(0, 100'000));
    world.settle();
    REQUIRE(world.leases(0).size() == 1);
    Channel* stream = world.leases(0)[0];
    stream->reads = false;
    size_t at = 100'000;
    for (; client.client->wants_input(); at += block_size) {
        World::say(client, all.substr(at, block_size));
        world.settle();
    }
    BlockPool& blocks = world.loop().blocks();
    std::vector<Block*> taken;
    while (blocks.available() > 2) {
        taken.push_back(blocks.take());
    }
    World::say(client, all.substr(at, block_size));  // the last but one
    world.step();
    World::say(client, "aaa");
    world.step();
    for (Block* block : taken) {
        blocks.release(block);
    }
    world.settle();
    CHECK(World::heard(client) == "-ERR ringmain: out of buffer memory (buffer_memory)\r\n");
    CHECK(client.closed);
    CHECK(stream->closed);
    CHECK(world.server(0).redis.log.empty());
}

}  // namespace ringmain::test
