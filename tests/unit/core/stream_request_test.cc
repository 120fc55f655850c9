// Requests that go to their servers as they arrive.

#include "ringmain/core/counted_commands.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/commands.h"
#include "tests/unit/core/streaming.h"

#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// The one open connection that no client shares.
Channel& stream_of(World& world, uint32_t server = 0) {
    const std::vector<Channel*> found = world.leases(server);
    REQUIRE(found.size() == 1);
    return *found.front();
}

}  // namespace

TEST_CASE("a large request reaches its server before its end is there") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(200'000, 'a')});
    CHECK(world.ask(client, all.substr(0, 50'000)) == "");
    Channel& stream = stream_of(world);
    CHECK(stream.arrived == all.substr(0, 50'000));
    World::say(client, all.substr(50'000));
    world.settle();
    CHECK(stream.arrived == all);
    stream.inbound += "+OK\r\n";
    world.settle();
    CHECK(World::heard(client) == "+OK\r\n");
    CHECK(world.counters().requests.get() == 1);
    const Command* set = resp::find_command("set");
    CHECK(world.proxy().pools()[0]->counters->commands[core::number_of(set)].get() == 1);
}

TEST_CASE(
    "what a user may not do, it may not do with a large request either, and hears so at once") {
    config::Pool pool = streaming_pool();
    config::User reader;
    reader.name = "r";
    reader.password = "p";
    reader.access = config::Access::ReadOnly;
    config::User shop;
    shop.name = "s";
    shop.password = "p";
    shop.keys = {"shop:"};
    pool.users = {reader, shop};
    World world(pool);
    const std::string value(200'000, 'a');
    const std::string no_permissions = "-NOPERM this user has no permissions to ";
    for (const auto& [name, command, key, answer] :
         std::vector<std::tuple<std::string, std::string, std::string, std::string>>{
             {"r", "SET", "a", no_permissions + "run the 'set' command\r\n"},
             {"s", "SET", "other", no_permissions + "access one of the keys used as arguments\r\n"},
             {"s",
              "PUBLISH",
              "other",
              no_permissions + "access one of the channels used as arguments\r\n"}}) {
        const std::string& wanted = command;
        CAPTURE(wanted);
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"AUTH", name, "p"})) == "+OK\r\n");
        const std::string all = resp({command, key, value});
        // Behind what is not answered yet it waits.
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"GET", "shop:1"}) + all.substr(0, 50'000)) == "");
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(World::heard(client) == "$-1\r\n" + answer);
        CHECK(bytes_in_use(world) < 50'000);
        CHECK(world.ask(client, all.substr(50'000) + resp({"PING"})) == "+PONG\r\n");
    }
    CHECK(world.leases(0).empty());
}

TEST_CASE("large requests of a user with keys reach their server before their end is there") {
    config::Pool pool = streaming_pool();
    config::User shop;
    shop.name = "s";
    shop.password = "p";
    shop.keys = {"shop:"};
    pool.users = {shop};
    World world(pool, {.blocks = 512});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", "s", "p"})) == "+OK\r\n");
    const std::string all = resp({"SET", "shop:1", std::string(200'000, 'a')});
    CHECK(world.ask(client, all.substr(0, 50'000)) == "");
    CHECK(world.leases(0).size() == 1);
    CHECK(bytes_in_use(world) < 50'000);
    CHECK(world.ask(client, all.substr(50'000)) == "+OK\r\n");
    CHECK(world.ask(client, resp({"SET", "shop:1", std::string(20'000'000, 'a')})) == "+OK\r\n");
    CHECK(world.server(0).redis.values["shop:1"].size() == 20'000'000);
}

TEST_CASE("who wants no answers gets none, of large requests and to large values") {
    World world(streaming_pool());
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(200'000, 'a')});
    CHECK(world.ask(client, resp({"CLIENT", "REPLY", "SKIP"}) + all.substr(0, 50'000)) == "");
    CHECK(world.ask(client, all.substr(50'000)) == "");
    CHECK(world.ask(client, resp({"PING"})) == "+PONG\r\n");
    CHECK(world.ask(client, resp({"CLIENT", "REPLY", "OFF"})) == "");
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    CHECK(world.ask(client, all.substr(0, 50'000)) == "");
    CHECK(world.ask(client, all.substr(50'000)) == "");
    CHECK(world.ask(client, resp({"CLIENT", "REPLY", "ON"}) + resp({"PING"})) ==
          "+OK\r\n+PONG\r\n");
}

TEST_CASE("a server that does not take a large request stops its client and nobody else") {
    World world(streaming_pool(), {.blocks = 512});
    Channel& client = world.client();
    Channel& other = world.client();
    World::say(client, resp({"SET", "a", huge_value()}).substr(0, 100'000));
    world.settle();
    Channel& stream = stream_of(world);
    stream.reads = false;
    World::say(client, resp({"SET", "a", huge_value()}).substr(100'000));
    world.settle();
    CHECK(client.inbound.size() > 4 * core::stream_window);
    CHECK_FALSE(client.client->wants_input());
    CHECK(bytes_in_use(world) < 2 * core::stream_window);
    CHECK(world.ask(other, resp({"GET", "a"})) == "$-1\r\n");
    stream.reads = true;
    world.settle();
    CHECK(World::heard(client) == "+OK\r\n");
    CHECK(world.ask(other, resp({"GET", "a"})) == bulk(huge_value()));
    // Connections are kept, for either direction: that of all, one for each large value.
    CHECK(world.ask(client, resp({"SET", "a", huge_value()})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"GET", "a"})) == bulk(huge_value()));
    CHECK(world.counters().server_connects.get() == 3);
    CHECK(world.proxy().pools()[0]->servers[0]->set_apart == 0);
}

TEST_CASE("large requests keep their place among small ones") {
    for (uint64_t seed = 1; seed < 20; ++seed) {
        CAPTURE(seed);
        LargeValues values(streaming_pool(2), seed);
        auto& [world, client, a, b, one, two] = values;
        CHECK(world.ask(client,
                        resp({"SET", a, "0"}) + resp({"SET", b, "0"}) + resp({"SET", a, one}) +
                            resp({"GET", a}) + resp({"SET", a, two}) + resp({"SET", b, two}) +
                            resp({"GET", a}) + "PING\r\n" + resp({"MGET", a, b})) ==
              "+OK\r\n+OK\r\n+OK\r\n" + bulk(one) + "+OK\r\n+OK\r\n" + bulk(two) +
                  "+PONG\r\n*2\r\n" + bulk(two) + bulk(two));
    }
}

TEST_CASE("a large argument in front of others") {
    World world(streaming_pool());
    world.server(0).redis.canned["SET"] = "+OK\r\n";
    Channel& client = world.client();
    const std::string value(150'000, 'v');
    CHECK(world.ask(client, resp({"SET", "a", value, "EX", "10"}) + "PING\r\n") ==
          "+OK\r\n+PONG\r\n");
    REQUIRE(world.server(0).redis.log.size() == 1);
    CHECK(world.server(0).redis.log[0] == "SET a " + value + " EX 10");
}

TEST_CASE("what is no plain command of one key waits for its end") {
    World world(streaming_pool(2), {.blocks = 2048});
    Channel& client = world.client();
    const std::string value(150'000, 'v');
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    CHECK(world.ask(client, resp({"MSET", a, value, b, value})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"MULTI"}) + resp({"SET", a, value}) + resp({"EXEC"})) ==
          "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    CHECK(world.ask(client, resp({"ECHO", value})) == bulk(value));
    CHECK(world.ask(client, resp({"GET", a, value})) ==
          "-ERR wrong number of arguments for 'get' command\r\n");
    CHECK(world.ask(client, resp({"SET", std::string(70'000, 'k'), value})).substr(0, 20) ==
          "-ERR ringmain: key o");
    // What is there as a whole has gone on one of these.
    CHECK(world.leases(0).size() == 1);
    CHECK(world.leases(1).size() == 1);
}

TEST_CASE("a large request without its end is not run, and its connection is closed") {
    const std::string begun = resp({"SET", "a", huge_value()}).substr(0, 300'000);
    SUBCASE("the client is gone") {
        World world(streaming_pool());
        Channel& client = world.client();
        CHECK(world.ask(client, begun) == "");
        Channel& stream = stream_of(world);
        world.drop(client);
        CHECK(stream.closed);
        CHECK(world.server(0).redis.log.empty());
    }
    SUBCASE("the client says no more") {
        World world(streaming_pool());
        Channel& client = world.client();
        CHECK(world.ask(client, begun) == "");
        Channel& stream = stream_of(world);
        client.inbound_end = true;
        world.settle();
        CHECK(stream.closed);
        CHECK(client.closed);
        CHECK(World::heard(client) == "");
    }
    SUBCASE("the client has been idle") {
        config::Pool pool = streaming_pool();
        pool.client_idle_timeout_ms = 500;
        World world(pool);
        Channel& client = world.client();
        CHECK(world.ask(client, begun) == "");
        Channel& stream = stream_of(world);
        world.pass(400);
        World::say(client, "hhh");
        world.pass(400);
        CHECK_FALSE(stream.closed);
        world.pass(200);
        CHECK(stream.closed);
        CHECK(client.closed);
    }
    SUBCASE("it is no request") {
        World world(streaming_pool());
        Channel& client = world.client();
        std::string broken = resp({"SET", "a", std::string(200'000, 'a')});
        broken[broken.size() - 1] = '!';
        CHECK(world.ask(client, broken) == "-ERR Protocol error: invalid line end after bulk\r\n");
        CHECK(client.closed);
        CHECK(world.server(0).redis.log.empty());
    }
    SUBCASE("it is beyond request_size_max") {
        config::Pool pool = streaming_pool();
        pool.request_size_max = 300'000;
        World world(pool);
        Channel& client = world.client();
        const std::string value(200'000, 'v');
        CHECK(world.ask(client, resp({"SET", "a", value})) == "+OK\r\n");
        CHECK(world.ask(client, resp({"HSET", "b", value, value}) + "PING\r\n") ==
              "-ERR ringmain: request is larger than 300000 bytes (request_size_max)\r\n"
              "+PONG\r\n");
        CHECK(world.server(0).redis.log.size() == 1);
        CHECK(world.leases(0).empty());
    }
}

TEST_CASE("a server that is lost in the middle of a large request") {
    World world(streaming_pool(), {.blocks = 512});
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", huge_value()});
    CHECK(world.ask(client, all.substr(0, 300'000)) == "");
    Channel& stream = stream_of(world);
    world.loop().begin();
    world.loop().reset(stream);
    world.loop().end();
    const std::string lost = "-ERR ringmain: server s0 (10.0.0.1:7000) reset the connection\r\n";
    world.settle();
    CHECK(World::heard(client) == lost);
    // The rest is dropped without memory, and the client goes on.
    World::say(client, all.substr(300'000, 5'000'000));
    world.settle();
    CHECK(bytes_in_use(world) < 100'000);
    CHECK(world.counters().requests.get() == 1);  // it has its answer
    World::say(client, all.substr(5'300'000) + "PING\r\n");
    world.settle();
    CHECK(World::heard(client) == "+PONG\r\n");
    CHECK(world.counters().requests.get() == 2);
    world.pass(1000);
    CHECK(world.ask(client, all) == "+OK\r\n");
}

TEST_CASE("a large request to a server that is down is refused at once") {
    World world(streaming_pool(), {.blocks = 128});
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", huge_value()});
    CHECK(world.ask(client, all + "PING\r\n") ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) refused the connection\r\n+PONG\r\n");
    CHECK(world.ask(client, all + "PING\r\n") ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) refused the connection\r\n+PONG\r\n");
}

TEST_CASE("a server that refuses the beginning of a request is quoted") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", huge_value()});
    CHECK(world.ask(client, all.substr(0, 300'000)) == "");
    Channel& stream = stream_of(world);
    stream.inbound += "-ERR Protocol error: invalid bulk length\r\n";
    world.settle();
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) sent bytes that nobody asked for: "
          "\"-ERR Protocol error: invalid bulk length\"\r\n");
    CHECK(stream.closed);
    World::say(client, all.substr(300'000) + "PING\r\n");
    world.settle();
    CHECK(World::heard(client) == "+PONG\r\n");
    // It was that client's doing: others have connections of their own as before.
    world.server(0).mood = Mood::Up;
    CHECK(world.ask(world.client(), resp({"WATCH", "a"}) + resp({"GET", "a"})) == "+OK\r\n$-1\r\n");
    CHECK(world.counters().server_failures.get() == 0);
}

TEST_CASE("a server that is full and has no other connection is left alone for a while") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", huge_value()});
    CHECK(world.ask(client, all.substr(0, 300'000)) == "");
    stream_of(world).inbound += "-ERR max number of clients reached\r\n";
    world.settle();
    CHECK(World::heard(client).find("max number of clients reached") != std::string::npos);
    CHECK(world.proxy().pools()[0]->servers[0]->lease_failures == 1);
}

TEST_CASE("a server that closes on a client that says no more has done nothing wrong") {
    config::Pool pool = streaming_pool();
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool);
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", huge_value()});
    for (const bool stalls : {true, false}) {
        CAPTURE(stalls);
        CHECK(world.ask(client, all.substr(0, 300'000)) == "");
        CHECK(client.client->last_command == resp::find_command("set"));
        Channel& stream = stream_of(world);
        if (stalls) world.pass(5'000);
        const stats::OldestRequest& oldest = world.proxy().pools()[0]->counters->oldest;
        const stats::Counter& looked_at = world.proxy().counters().looked_at_ns;
        CHECK(oldest.age(world.loop().now(), looked_at).to_millis() == 0);
        stream.inbound_end = true;
        world.settle();
        CHECK(World::heard(client).find("closed the connection") != std::string::npos);
        CHECK(world.counters().server_failures.get() == (stalls ? 0 : 1));
        World::say(client, all.substr(300'000));
        world.settle();
    }
}

TEST_CASE("the time of a large request begins with its end") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(300'000, 'a')});
    CHECK(world.ask(client, all.substr(0, 100'000)) == "");
    world.pass(1000);
    CHECK(World::heard(client) == "");
    World::say(client, all.substr(100'000));
    world.settle();
    world.pass(80);
    CHECK(World::heard(client) == "");
    world.pass(40);
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)\r\n");
    CHECK_FALSE(client.closed);
    world.pass(1000);
    CHECK(world.leases(0).empty());
}

TEST_CASE("a server that takes a large request little by little gets all of it") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    World world(pool, {.blocks = 512});
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", huge_value()});
    CHECK(world.ask(client, all.substr(0, 100'000)) == "");
    Channel& stream = stream_of(world);
    stream.reads = false;
    World::say(client, all.substr(100'000, 100'000));
    world.settle();
    World::say(client, all.substr(200'000, all.size() - 300'000));
    world.settle();
    stream.sip = 1000;  // which is not all of what it is being sent, and more waits behind that
    for (int i = 0; i < 10; ++i) {
        stream.reads = true;
        world.step();
        stream.reads = false;
        world.pass(100);
        CHECK(World::heard(client).empty());
    }
    stream.sip = all.size();
    stream.reads = true;
    world.settle();
    CHECK(world.ask(client, all.substr(all.size() - 100'000)) == "+OK\r\n");
}

TEST_CASE("a server that takes no more of a large request is given up") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    World world(pool, {.blocks = 512});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", huge_value()});
    CHECK(world.ask(client, all.substr(0, 100'000)) == "");
    stream_of(world).reads = false;
    World::say(client, all.substr(100'000));
    world.pass(300);
    CHECK(World::heard(client) == "");
    world.pass(300);
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) has taken no more of a request for 400 ms "
          "(late_connection_timeout)\r\n");
    CHECK(world.ask(client, "PING\r\n") == "+PONG\r\n");
}

TEST_CASE("a reload in the middle of a large request") {
    for (const bool removed : {false, true}) {
        CAPTURE(removed);
        World world(streaming_pool(2));
        const std::string key = world.key_on(1);
        Channel& client = world.client();
        const std::string all = resp({"SET", key, std::string(300'000, 'a')});
        CHECK(world.ask(client, all.substr(0, 100'000)) == "");
        world.adopt({streaming_pool(removed ? 1 : 2)});
        world.settle();
        World::say(client, all.substr(100'000));
        world.settle();
        CHECK(World::heard(client) == "+OK\r\n");
        CHECK(world.server(1).redis.values[key].size() == 300'000);
        CHECK(world.ask(client, resp({"GET", "none"})) == "$-1\r\n");
    }
}

TEST_CASE("what a paused client sent before it said no more is all read") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string all = resp({"SET", "a", std::string(100'000, 'a')});
    World::say(client, resp({"GET", "a"}) + all.substr(0, 20'000));
    world.settle();
    CHECK_FALSE(client.client->wants_input());  // the large request waits for its turn
    World::say(client, all.substr(20'000));
    world.settle();
    client.inbound_end = true;
    world.settle();
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == "$-1\r\n+OK\r\n");
    CHECK(client.closed);
}

TEST_CASE("a large request beyond requests_max is refused when its end is there") {
    World world(streaming_pool(), {.blocks = 2048, .requests_max = 1});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "a"})).empty());
    const std::string large = resp({"SET", "b", std::string(200'000, 'b')});
    CHECK(world.ask(other, large.substr(0, 150'000)).empty());
    CHECK(world.leases(0).empty());
    CHECK(world.ask(other, large.substr(150'000)) ==
          error("too many requests in flight: 1 in this worker (requests_max)"));
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == "$-1\r\n");
    CHECK(world.ask(other, large) == ok);
    const std::string stored = "$200000\r\n" + std::string(200'000, 'b') + "\r\n";
    CHECK((world.ask(other, resp({"GET", "b"})) == stored));
}

TEST_CASE("large requests that no connection is left for wait for their end, and go where all do") {
    World world(streaming_pool(), {.blocks = 4096});
    const std::string large = resp({"SET", "b", std::string(150'000, 'b')});
    std::vector<Channel*> clients;
    CHECK(world.ask(world.client(), resp({"GET", "a"})) == "$-1\r\n");
    for (uint32_t i = 0; i <= core::set_apart_max; ++i) {
        clients.push_back(&world.client());
        CHECK(world.ask(*clients.back(), large.substr(0, 100'000)).empty());
    }
    CHECK(world.leases(0).size() == core::set_apart_max);
    for (Channel* client : clients) {
        CHECK(world.ask(*client, large.substr(100'000) + resp({"GET", "a"})) == ok + "$-1\r\n");
    }
    CHECK(world.proxy().is_idle());
}

}  // namespace ringmain::test
