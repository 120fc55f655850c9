// Nobody waits behind a large response, whoever asked for it.

#include "tests/unit/core/streaming.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr size_t first_part = 100'000;

// Two clients of one server with the same beginning, and a value of which the server has sent the
// first part.
struct Neighbours {
    explicit Neighbours(const std::string& begin, const config::Pool& pool = streaming_pool())
        : world(pool, {.blocks = 512}), reader(&world.client()), other(&world.client()) {
        for (Channel* client : {reader, other}) {
            static_cast<void>(world.ask(*client, begin + resp({"GET", "small"})));
        }
    }

    void ask(const std::string& request) {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(*reader, request) == "");
        for (const auto& candidates : {world.links(0), world.leases(0)}) {
            for (Channel* candidate : candidates) {
                if (!candidate->arrived.empty()) link = candidate;
            }
        }
        REQUIRE(link != nullptr);
        link->arrived.clear();
        give(0, first_part);
        world.server(0).mood = Mood::Up;
        world.settle();
    }

    void give(size_t begin, size_t size) {
        link->inbound += all.substr(begin, size);
        world.settle();
    }

    void give_rest() {
        give(first_part, all.size());
        CHECK_FALSE(link->closed);
    }

    bool other_is_served() {
        return world.ask(*other, resp({"GET", "small"})).ends_with("$-1\r\n") ||
               world.ask(*other, resp({"GET", "small"})).ends_with("_\r\n");
    }

    World world;
    Channel* reader;
    Channel* other;
    Channel* link = nullptr;
    std::string all = bulk(std::string(1'000'000, 'v'));
};

}  // namespace

TEST_CASE("a large response to a client that wants none is dropped as it comes") {
    Neighbours two("");
    two.world.settle();
    CHECK(two.world.ask(*two.reader, resp({"CLIENT", "REPLY", "OFF"})) == "");
    two.ask(resp({"GET", "a"}));
    CHECK(two.other_is_served());
    CHECK(bytes_in_use(two.world) < first_part);
    two.give(first_part, 800'000);
    CHECK(bytes_in_use(two.world) < first_part);
    two.give(first_part + 800'000, two.all.size());
    CHECK(two.world.ask(*two.reader, resp({"CLIENT", "REPLY", "ON"})) == "+OK\r\n");
    CHECK(two.world.counters().timeouts.get() == 0);
}

TEST_CASE("of a large element that a client wants nothing of nothing leaves") {
    for (const char* how : {"OFF", "SKIP"}) {
        CAPTURE(how);
        Neighbours two("", streaming_pool(2));
        const std::string key = two.world.key_on(0);
        CHECK(two.world.ask(*two.reader, resp({"CLIENT", "REPLY", how})) == "");
        two.all = "*2\r\n" + bulk(key) + "*1\r\n" + two.all;
        two.ask(resp({"LMPOP", "2", key, two.world.key_on(1), "LEFT"}));
        CHECK(World::heard(*two.reader) == "");
        two.give_rest();
        CHECK(World::heard(*two.reader) == "");
        CHECK(two.world.ask(*two.reader, resp({"CLIENT", "REPLY", "ON"}) + resp({"PING"})) ==
              "+OK\r\n+PONG\r\n");
    }
}

TEST_CASE("a large response to a subscribed client is kept, and nobody waits for it") {
    Neighbours two(resp({"HELLO", "3"}));
    CHECK(two.world.ask(*two.reader, resp({"SUBSCRIBE", "c"})).starts_with(">3\r\n"));
    two.ask(resp({"GET", "a"}));
    CHECK(two.other_is_served());
    two.world.pass(300);
    two.give(first_part, 100'000);
    two.world.pass(300);  // it moves: it is not late
    CHECK(World::heard(*two.reader) == "");
    two.give(first_part + 100'000, two.all.size());
    CHECK(World::heard(*two.reader) == two.all);
}

TEST_CASE("nobody waits behind a large part of a response") {
    Neighbours two("", streaming_pool(2));
    const std::string key = two.world.key_on(0);
    const std::string far = two.world.key_on(1);
    two.all = "*1\r\n" + two.all;
    two.ask(resp({"MGET", key, far}));
    CHECK(two.world.ask(*two.other, resp({"GET", key})) == "$-1\r\n");
    CHECK(World::heard(*two.reader) == "");
}

// By which somebody is late with a part of it.
TEST_CASE("what is said of a large part that stands still is that it does") {
    config::Pool pool = streaming_pool(2);
    pool.late_connection_timeout_ms = 800;
    Neighbours two("", pool);
    two.all = "*1\r\n" + two.all;
    two.ask(resp({"MGET", two.world.key_on(0), two.world.key_on(1)}));
    two.world.pass(900);
    CHECK(two.world.loop().notices().back().find(
              "has sent less than 1024 bytes of a response for 800 ms (late_connection_timeout)") !=
          std::string::npos);
}

// It moves: it is not late. All of it is there before any of it leaves.
TEST_CASE("nobody waits behind a large response to a transaction") {
    Neighbours two(resp({"MULTI"}) + resp({"GET", "small"}) + resp({"EXEC"}));
    two.all = "+OK\r\n+QUEUED\r\n*1\r\n" + two.all;
    const std::string begin = resp({"MULTI"}) + resp({"GET", "a"});
    SUBCASE("on everybody's connection") {
        CHECK(two.world.ask(*two.reader, begin) == "+OK\r\n+QUEUED\r\n");
        two.ask(resp({"EXEC"}));
        CHECK(two.link->server->set_apart);
    }
    SUBCASE("behind WATCH") {
        CHECK(two.world.ask(*two.reader, resp({"WATCH", "b"}) + begin) ==
              "+OK\r\n+OK\r\n+QUEUED\r\n");
        two.ask(resp({"EXEC"}));
        CHECK_FALSE(two.link->server->set_apart);
    }
    CHECK(two.other_is_served());
    for (size_t i = 1; i < 5; ++i) {
        two.world.pass(300);
        two.give(i * first_part, first_part);
        CHECK(World::heard(*two.reader) == "");
    }
    two.give(5 * first_part, two.all.size());
    CHECK_FALSE(two.link->closed);
    CHECK(World::heard(*two.reader) == two.all.substr(two.all.find('*')));
    CHECK(two.world.ask(*two.reader, resp({"GET", "small"})) == "$-1\r\n");
    CHECK(two.world.counters().timeouts.get() == 0);
    CHECK(two.world.proxy().pools()[0]->servers[0]->set_apart == 0);
}

TEST_CASE("a transaction whose answer stands still has failed") {
    config::Pool pool = streaming_pool();
    pool.late_connection_timeout_ms = 800;
    Neighbours two(resp({"MULTI"}) + resp({"GET", "small"}) + resp({"EXEC"}), pool);
    two.all = "+OK\r\n+QUEUED\r\n*1\r\n" + two.all;
    std::string begin = resp({"MULTI"}) + resp({"GET", "a"});
    SUBCASE("on everybody's connection") {}
    SUBCASE("behind WATCH") {
        begin.insert(0, resp({"WATCH", "b"}));
    }
    CHECK(two.world.ask(*two.reader, begin).ends_with("+QUEUED\r\n"));
    two.ask(resp({"EXEC"}));
    two.world.pass(900);
    CHECK(World::heard(*two.reader)
              .find("has sent less than 1024 bytes of a response for 800 ms "
                    "(late_connection_timeout)") != std::string::npos);
}

// Whatever else is asked of the key.
TEST_CASE("a key stays a large one until what was answered with much is answered with little") {
    World world(streaming_pool(), {.blocks = 512});
    const std::string value(500'000, 'v');
    FakeServer& server = world.server(0);
    server.redis.values["k"] = value;
    server.redis.canned = {{"TTL", ":100\r\n"}, {"HGET", bulk("f")}, {"STRLEN", ":500000\r\n"}};
    Channel& client = world.client();
    const auto is_asked_apart = [&](const std::vector<std::string>& request) {
        server.mood = Mood::Mute;
        CHECK(world.ask(client, resp(request)) == "");
        const bool is_apart = world.link(0)->server->fragments.empty();
        server.mood = Mood::Up;
        world.settle();
        CHECK_FALSE(World::heard(client).starts_with("-"));
        return is_apart;
    };
    CHECK(world.ask(client, resp({"GET", "none"})) == "$-1\r\n");
    const std::vector<std::string> get = {"GET", "k"};
    SUBCASE("that was read") {
        for (int i = 0; i < 2; ++i) {
            CHECK(world.ask(client, resp(get)) == bulk(value));
        }
        for (int i = 0; i < 3; ++i) {
            CHECK_FALSE(is_asked_apart({"TTL", "k"}));
            CHECK_FALSE(is_asked_apart({"STRLEN", "k"}));
            CHECK_FALSE(is_asked_apart({"HGET", "k", "f"}));
            CHECK(is_asked_apart(get));
        }
    }
    SUBCASE("that was written") {
        CHECK(world.ask(client, resp({"SET", "k", value}).substr(0, 100'000)) == "");
        CHECK(world.ask(client, resp({"SET", "k", value}).substr(100'000)) == "+OK\r\n");
        CHECK_FALSE(is_asked_apart({"TTL", "k"}));
        CHECK_FALSE(is_asked_apart({"STRLEN", "k"}));
        CHECK(is_asked_apart(get));
        CHECK_FALSE(is_asked_apart({"HGET", "k", "f"}));
        CHECK(is_asked_apart(get));
    }
    server.redis.values["k"] = "v";
    CHECK(is_asked_apart(get));
    CHECK_FALSE(is_asked_apart(get));
}

TEST_CASE("memcached: nobody waits behind a large part of a response") {
    config::Pool pool = memcached_pool(2);
    pool.stream_threshold = threshold;
    World world(pool, {.blocks = 512});
    Channel& reader = world.client();
    Channel& other = world.client();
    const std::string key = world.key_on(0);
    CHECK(world.ask(reader, "get " + key + " " + world.key_on(1) + "\r\n") == "END\r\n");
    world.server(0).memcached.values[key] = "small";
    world.server(1).mood = Mood::Mute;
    world.server(0).mood = Mood::Mute;
    CHECK(
        world.ask(reader, "get " + key + " " + world.key_on(1) + " " + world.key_on(0, 1) + "\r\n")
            .empty());
    const std::string size = std::to_string(first_part) + "\r\n";
    const std::string value = std::string(first_part, 'v') + "\r\n";
    Channel* link = world.link(0);
    link->arrived.clear();
    for (const std::string& part :
         {"VALUE " + key + " 0 " + size + value, "VALUE " + world.key_on(0, 1) + " 0 " + size}) {
        link->inbound += part;
        world.settle();
    }
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.ask(other, "get " + key + "\r\n") == "VALUE " + key + " 0 5\r\nsmall\r\nEND\r\n");
    // It moves: it is not late.
    for (size_t i = 0; i < 4; ++i) {
        world.pass(300);
        link->inbound += value.substr(i * first_part / 4, first_part / 4);
        world.settle();
    }
    CHECK(World::heard(reader).find("s0") == std::string::npos);
    CHECK_FALSE(link->closed);
}

TEST_CASE("nobody waits behind a large response in a database") {
    Neighbours two(resp({"SELECT", "3"}));
    two.ask(resp({"GET", "a"}));
    CHECK(World::heard(*two.reader) == two.all.substr(0, first_part));
    CHECK(two.other_is_served());
    two.give_rest();
    CHECK(World::heard(*two.reader) == two.all.substr(first_part));
    CHECK(two.world.ask(*two.reader, resp({"GET", "small"})) == "$-1\r\n");
}

TEST_CASE("a connection of a database that is late is replaced") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    Neighbours two(resp({"SELECT", "3"}), pool);
    two.world.server(0).redis.separates_databases = true;
    two.world.server(0).redis.values["3/b"] = "of three";
    two.world.server(0).mood = Mood::Mute;
    CHECK(two.world.ask(*two.reader, resp({"GET", "a"})) == "");
    two.world.pass(110);
    for (Channel* link : two.world.links(0)) {
        link->arrived.clear();  // that will have no answer
    }
    two.world.server(0).mood = Mood::Up;
    CHECK(World::heard(*two.reader).ends_with("did not answer within 100 ms (timeout)\r\n"));
    CHECK(two.world.ask(*two.other, resp({"GET", "b"})) == bulk("of three"));
    CHECK(two.world.ask(*two.reader, resp({"GET", "b"})) == bulk("of three"));
    // And who selects no database has none.
    CHECK(two.world.ask(two.world.client(), resp({"GET", "b"})) == "$-1\r\n");
}

TEST_CASE("connections of three databases that are late together are all replaced") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    World world(pool);
    std::vector<Channel*> clients;
    for (const char* database : {"1", "2", "0"}) {
        clients.push_back(&world.client());
        CHECK(world.ask(*clients.back(), resp({"SELECT", database}) + resp({"GET", "a"})) ==
              "+OK\r\n$-1\r\n");
    }
    world.server(0).mood = Mood::Mute;
    for (Channel* client : clients) {
        CHECK(world.ask(*client, resp({"GET", "a"})) == "");
    }
    world.pass(110);
    for (Channel* link : world.links(0)) {
        link->arrived.clear();  // that will have no answer
    }
    world.server(0).mood = Mood::Up;
    for (Channel* client : clients) {
        CHECK(World::heard(*client).starts_with("-ERR"));
        CHECK(world.ask(*client, resp({"GET", "a"})) == "$-1\r\n");
    }
}

TEST_CASE("connections that are late are replaced so often, whatever databases there were") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    pool.late_connection_timeout_ms = 5000;
    pool.databases_max = 2;
    World world(pool);
    const auto be_late = [&](Channel& client) {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        world.pass(110);
        for (Channel* link : world.links(0)) {
            link->arrived.clear();  // that will have no answer
        }
        world.server(0).mood = Mood::Up;
        CHECK(World::heard(client).starts_with("-ERR"));
        static_cast<void>(
            world.ask(client, resp({"GET", "a"})));  // on another one, if there is one
    };
    SUBCASE("spares of other databases that are closed again are for all, and no more of them") {
        for (const char* database : {"1", "2"}) {
            Channel& client = world.client();
            CHECK(world.ask(client, resp({"SELECT", database}) + resp({"GET", "a"})) ==
                  "+OK\r\n$-1\r\n");
            be_late(client);
        }
        world.pass(6000);
        Channel& client = world.client();
        for (int i = 0; i < 8; ++i) {
            be_late(client);
        }
        size_t of_zero = 0;
        for (const auto& conn : world.proxy().pools()[0]->servers[0]->connections()) {
            if (conn->channel != 0 && conn->database == 0) of_zero += 1;
        }
        CHECK(of_zero <= 3);
    }
    SUBCASE("who goes through databases finds an end") {
        for (int i = 1; i < 15; ++i) {
            Channel& client = world.client();
            CHECK(world.ask(client, resp({"SELECT", std::to_string(i)}) + resp({"GET", "a"})) ==
                  "+OK\r\n$-1\r\n");
            be_late(client);
            world.drop(client);
        }
        CHECK(world.links(0).size() <= 2 * 3 + 3);
    }
}

namespace {

const std::string told_digest = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";  // of "return 1"

bool has_nothing_on(const std::vector<Channel*>& links) {
    return std::ranges::all_of(links,
                               [](const Channel* link) { return link->server->fragments.empty(); });
}

// Whole, and answered whatever it says.
const std::vector<std::vector<std::string>>& large_requests() {
    static const std::string value(200'000, 'v');
    static const std::vector<std::vector<std::string>> requests = {
        {"EVAL", "return 1", "1", "k", value},
        {"EVALSHA", told_digest, "1", "k", value},
        {"MSET", "k", value, "l", value},
        {"SORT", "k", "BY", value},
        {"JSON.SET", "k", value},
        {"PUBLISH", "c", value}};
    return requests;
}

// A server that knows them, and has forgotten the script since it was told.
void teach(World& world, Channel& client) {
    std::map<std::string, std::string>& canned = world.server(0).redis.canned;
    canned = {{"EVALSHA", "+OK\r\n"}, {"SORT", "+OK\r\n"}, {"JSON.SET", "+OK\r\n"}};
    canned["SCRIPT"] = bulk(told_digest);
    CHECK(world.ask(client, resp({"SCRIPT", "LOAD", "return 1"})) == bulk(told_digest));
    world.server(0).redis.log.clear();
}

bool was_told_before_run(const std::vector<std::string>& log) {
    const auto run = std::ranges::find_if(
        log, [](const std::string& one) { return one.starts_with("EVALSHA "); });
    return run != log.begin() && run != log.end() && *(run - 1) == "SCRIPT LOAD return 1";
}

}  // namespace

// Larger than what may wait for a server: nobody else is told that it does not keep up.
TEST_CASE("nobody waits behind a large request that is there as a whole") {
    config::Pool pool = streaming_pool();
    pool.server_queue_size_max = threshold;
    pool.databases_max = 1;
    World world(pool, {.blocks = 512});
    Channel& client = world.client();
    Channel& other = world.client();
    FakeServer& server = world.server(0);
    teach(world, client);
    std::string begin;
    SUBCASE("of the pool's database") {}
    SUBCASE("of another database") {
        begin = resp({"SELECT", "3"});
    }
    for (Channel* each : {&client, &other}) {
        CHECK(world.ask(*each, begin + resp({"GET", "small"})).ends_with("$-1\r\n"));
    }
    for (const std::vector<std::string>& request : large_requests()) {
        CAPTURE(request[0]);
        server.mood = Mood::Mute;
        World::say(client, resp(request) + resp({"GET", "small"}));
        world.settle();
        CHECK(has_nothing_on(world.links(0)));
        CHECK(world.leases(0).size() == 1);
        World::say(other, resp({"GET", "small"}));
        world.settle();
        server.mood = Mood::Up;
        world.settle();
        CHECK(World::heard(other) == "$-1\r\n");
        const std::string heard = World::heard(client);
        CHECK(heard.size() > std::string("$-1\r\n").size());
        CHECK(heard.ends_with("$-1\r\n"));
        CHECK_FALSE(heard.starts_with("-"));
    }
    CHECK(was_told_before_run(server.redis.log));
    CHECK(world.counters().timeouts.get() == 0);
    CHECK(world.proxy().pools()[0]->servers[0]->set_apart == 0);
}

TEST_CASE("a large request that is there as a whole keeps its place") {
    for (uint64_t seed = 1; seed < 20; ++seed) {
        CAPTURE(seed);
        World world(streaming_pool(), {.blocks = 2048, .seed = seed, .cut = true});
        Channel& client = world.client();
        const std::string one(150'000, '1');
        const std::string two(150'000, '2');
        const std::string begin = seed % 2 == 0 ? "" : resp({"SELECT", "3"});
        if (!begin.empty()) CHECK(world.ask(client, begin) == "+OK\r\n");
        CHECK(world.ask(client,
                        resp({"SET", "a", "0"}) + resp({"MSET", "a", one, "b", "0"}) +
                            resp({"GET", "a"}) + resp({"MSET", "a", "1", "b", two}) +
                            resp({"MSET", "a", two, "b", "2"}) + "PING\r\n" +
                            resp({"MGET", "a", "b"})) == "+OK\r\n+OK\r\n" + bulk(one) +
                                                             "+OK\r\n+OK\r\n+PONG\r\n*2\r\n" +
                                                             bulk(two) + bulk("2"));
    }
}

// What it needs to know of its connection is said on the one that it has then.
TEST_CASE("a large request that is there as a whole goes the common way where there is no other") {
    World world(streaming_pool(), {.blocks = 512});
    FakeServer& server = world.server(0);
    Channel& client = world.client();
    teach(world, client);
    server.redis.canned["PING"] = "-ERR max number of clients reached\r\n";
    for (const std::vector<std::string>& request : large_requests()) {
        CAPTURE(request[0]);
        const size_t before = server.redis.log.size();
        const uint64_t connects = world.counters().server_connects.get();
        const std::string heard = world.ask(client, resp(request) + resp({"GET", "small"}));
        CHECK_FALSE(heard.starts_with("-"));
        CHECK(heard.ends_with("$-1\r\n"));
        CHECK(server.redis.log.size() > before);
        CHECK(world.counters().server_connects.get() == connects + 1);
        world.pass(5000);  // the next attempt
    }
    CHECK(was_told_before_run(server.redis.log));
    CHECK(world.proxy().pools()[0]->servers[0]->set_apart == 0);
}

// There is room for it, and not for what the server is told in front of it.
TEST_CASE("a large request that is there as a whole may be the last of all requests") {
    World world(streaming_pool(), {.blocks = 512, .requests_max = 64});
    Channel& client = world.client();
    teach(world, client);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(world.client(), times(63, resp({"GET", "small"}))) == "");
    CHECK(world.ask(client, resp(large_requests()[1])) == "");
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == "+OK\r\n");
}

namespace {

// What a large transaction and large parts of a split request are said with.
struct Shared {
    Shared() {
        for (Channel* each : {&client, &other}) {
            CHECK(world.ask(*each, resp({"MGET", one, two})) == "*2\r\n$-1\r\n$-1\r\n");
        }
    }

    // Mute servers have it, and the connections that serve everybody have nothing of it.
    void say(const std::string& begin, const std::string& last) {
        static_cast<void>(world.ask(client, begin));
        world.server(0).mood = Mood::Mute;
        World::say(client, last + resp({"GET", one}));
        world.settle();
        CHECK(has_nothing_on(world.links(0)));
        CHECK_FALSE(has_nothing_on(world.leases(0)));
    }

    void go_on() {
        world.server(0).mood = Mood::Up;
        world.settle();
    }

    World world{streaming_pool(2), {.blocks = 512}};
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string one = world.key_on(0);
    const std::string two = world.key_on(1);
    const std::string large = std::string(200'000, 'v');
};

}  // namespace

TEST_CASE("nobody waits behind a large transaction") {
    Shared shared;
    World& world = shared.world;
    const std::string begin = resp({"MULTI"}) + resp({"SET", shared.one, shared.large}) +
                              resp({"EVALSHA", told_digest, "1", shared.one});
    world.server(0).redis.canned = {{"EVALSHA", "+OK\r\n"}, {"SCRIPT", bulk(told_digest)}};
    world.server(1).redis.canned = world.server(0).redis.canned;
    CHECK(world.ask(shared.client, resp({"SCRIPT", "LOAD", "return 1"})) == bulk(told_digest));
    for (int i = 0; i < 3; ++i) {
        CAPTURE(i);
        shared.say(begin, resp({"EXEC"}));
        World::say(shared.other, resp({"GET", shared.one}));
        world.settle();
        shared.go_on();
        CHECK(World::heard(shared.client) == "*2\r\n+OK\r\n+OK\r\n" + bulk(shared.large));
        CHECK(World::heard(shared.other) == (i == 0 ? "$-1\r\n" : bulk(shared.large)));
    }
    // To the client, and on the connection of the transaction.
    CHECK(std::ranges::count(world.server(0).redis.log, "SCRIPT LOAD return 1") > 1);
    CHECK(world.counters().timeouts.get() == 0);
    CHECK(world.proxy().pools()[0]->servers[0]->set_apart == 0);
}

// No connection is kept any more.
TEST_CASE("a large transaction is asked for by a client whose proxy is being stopped") {
    Shared shared;
    World& world = shared.world;
    shared.say(resp({"MULTI"}) + resp({"SET", shared.one, shared.large}), resp({"EXEC"}));
    world.loop().begin();
    world.proxy().drain();
    world.loop().end();
    shared.go_on();
    CHECK(World::heard(shared.client) == "*1\r\n+OK\r\n" + bulk(shared.large));
    CHECK(shared.client.closed);
}

// Those that are small go the common way.
TEST_CASE("nobody waits behind large parts of a request") {
    Shared shared;
    World& world = shared.world;
    const std::string far(200'000, 'w');
    SUBCASE("one of them") {
        for (int i = 0; i < 3; ++i) {
            CAPTURE(i);
            shared.say("", resp({"MSET", shared.one, shared.large, shared.two, "0"}));
            CHECK(world.leases(1).empty());
            shared.go_on();
            CHECK(World::heard(shared.client) == "+OK\r\n" + bulk(shared.large));
            CHECK(world.ask(shared.other, resp({"DEL", shared.one, shared.two})) == ":2\r\n");
        }
    }
    SUBCASE("all") {
        shared.say("", resp({"MSET", shared.one, shared.large, shared.two, far}));
        CHECK(world.leases(1).size() == 1);
        shared.go_on();
        CHECK(World::heard(shared.client) == "+OK\r\n" + bulk(shared.large));
        CHECK(world.ask(shared.other, resp({"GET", shared.two})) == bulk(far));
    }
    SUBCASE("their server ends the connection") {
        const std::string all = resp({"MSET", shared.one, shared.large, shared.two, far});
        CHECK(world.ask(shared.client, all) == "+OK\r\n");
        shared.say("", all);
        world.loop().reset(*world.leases(0).front());
        world.settle();
        shared.go_on();
        CHECK(World::heard(shared.client) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) reset the connection over a large "
              "request\r\n" +
                  bulk(shared.large));
        CHECK(world.health(0).failures() == 0);
    }
    for (uint32_t i : {0U, 1U}) {
        CHECK(world.proxy().pools()[0]->servers[i]->set_apart == 0);
    }
}

TEST_CASE("large transactions and parts keep their places") {
    for (uint64_t seed = 1; seed < 20; ++seed) {
        CAPTURE(seed);
        LargeValues values(streaming_pool(2), seed);
        auto& [world, client, a, b, one, two] = values;
        const std::string begin = seed % 2 == 0 ? "" : resp({"SELECT", "3"});
        if (!begin.empty()) CHECK(world.ask(client, begin) == "+OK\r\n");
        const std::string transaction =
            resp({"MULTI"}) + resp({"GET", a}) + resp({"SET", a, two}) + resp({"EXEC"});
        CHECK(world.ask(client,
                        resp({"SET", a, "0"}) + resp({"MSET", a, one, b, "0"}) + resp({"GET", a}) +
                            transaction + resp({"GET", a}) + resp({"MSET", a, "1", b, two}) +
                            transaction + resp({"MSET", a, one, b, one}) + resp({"SET", a, two}) +
                            "PING\r\n" + resp({"MGET", a, b})) ==
              "+OK\r\n+OK\r\n" + bulk(one) + "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n" + bulk(one) +
                  "+OK\r\n" + bulk(two) + "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n" + bulk("1") +
                  "+OK\r\n+OK\r\n+OK\r\n+PONG\r\n*2\r\n" + bulk(two) + bulk(one));
    }
}

// What it asks of its connection is asked of the one that it has then.
TEST_CASE("large transactions and parts go the common way where there is no other") {
    Shared shared;
    World& world = shared.world;
    for (uint32_t i : {0U, 1U}) {
        world.server(i).redis.canned["PING"] = "-ERR max number of clients reached\r\n";
    }
    const std::string far(200'000, 'w');
    const std::string set = resp({"MULTI"}) + resp({"SET", shared.one, shared.large});
    for (int i = 0; i < 3; ++i) {
        CAPTURE(i);
        CHECK(world.ask(shared.client, set + resp({"EXEC"})) == "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
        CHECK(world.ask(shared.client, resp({"MSET", shared.one, far, shared.two, far})) ==
              "+OK\r\n");
        CHECK(world.leases(0).empty());
        CHECK(world.ask(shared.other, resp({"MGET", shared.one, shared.two})) ==
              "*2\r\n" + bulk(far) + bulk(far));
        world.pass(5000);  // the next attempt
    }
    CHECK(world.proxy().pools()[0]->servers[0]->set_apart == 0);
}

namespace {

config::Pool strict_pool() {
    config::Pool pool = streaming_pool();
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    return pool;
}

// One failure, and the server is out; it serves another client.
struct Strict {
    Strict() { CHECK(world.ask(other, resp({"GET", "small"})) == "$-1\r\n"); }

    World world{strict_pool(), {.blocks = 512}};
    Channel& client = world.client();
    Channel& other = world.client();
};

}  // namespace

// It does that time and again, and serves everybody else.
TEST_CASE("a server that ends a connection over what is too large for it has done nothing wrong") {
    Strict strict;
    World& world = strict.world;
    Channel& client = strict.client;
    Channel& other = strict.other;
    const std::string large(200'000, 'v');
    std::string request = resp({"MSET", "k", large});
    SUBCASE("it is there as a whole") {}
    SUBCASE("it goes on as it comes") {
        request = resp({"SET", "k", large});
    }
    for (int i = 0; i < 5; ++i) {
        CAPTURE(i);
        CHECK(world.ask(client, request) == "+OK\r\n");
        world.server(0).mood = Mood::Mute;
        World::say(client, request);
        world.settle();
        const std::vector<Channel*> leases = world.leases(0);
        REQUIRE(leases.size() == 1);
        std::string how = "reset the connection";
        if (i % 2 == 0) {
            world.loop().reset(*leases.front());
        } else {
            how = "closed the connection";
            world.loop().end_of_stream(*leases.front());
        }
        world.settle();
        world.server(0).mood = Mood::Up;
        CHECK(World::heard(client) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) " + how + " over a large request\r\n");
        CHECK(world.ask(other, resp({"GET", "small"})) == "$-1\r\n");
        CHECK(world.health(0).failures() == 0);
        CHECK(world.ask(other, resp({"WATCH", "small"}) + resp({"UNWATCH"})) == "+OK\r\n+OK\r\n");
    }
    // But where it ends those of everybody as well.
    CHECK(world.ask(client, request) == "+OK\r\n");
    world.server(0).mood = Mood::Mute;
    World::say(other, resp({"GET", "small"}));
    World::say(client, request);
    world.settle();
    world.loop().reset(*world.link(0));
    world.loop().reset(*world.leases(0).front());
    world.settle();
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("nor has one that ends a connection on which more than that is under way") {
    Strict strict;
    World& world = strict.world;
    Channel& client = strict.client;
    Channel& other = strict.other;
    const std::string set = resp({"SET", "k", std::string(200'000, 'v')});
    std::string last = set;
    SUBCASE("a client's own") {
        CHECK(world.ask(client, resp({"WATCH", "k"})) == "+OK\r\n");
    }
    SUBCASE("everybody's, where there is no other") {
        world.server(0).redis.canned["PING"] = "-ERR max number of clients reached\r\n";
        CHECK(world.ask(client, resp({"MULTI"}) + set + resp({"EXEC"})) ==
              "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
        CHECK(world.ask(client, resp({"MULTI"}) + set) == "+OK\r\n+QUEUED\r\n");
        last = resp({"EXEC"});
    }
    world.server(0).mood = Mood::Mute;
    World::say(client, last);
    world.settle();
    std::vector<Channel*> links = world.leases(0);
    links.push_back(world.link(0));
    std::erase_if(links, [](const Channel* link) { return link->server->fragments.empty(); });
    REQUIRE(links.size() == 1);
    world.loop().reset(*links.front());
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client).find("reset the connection over a large request") !=
          std::string::npos);
    CHECK(world.health(0).failures() == 0);
    CHECK(world.ask(other, resp({"GET", "small"})) == "$-1\r\n");
}

TEST_CASE("a large request that is bound to its connection stays there") {
    World world(streaming_pool(), {.blocks = 512});
    Channel& client = world.client();
    const std::vector<std::string>& request = large_requests()[2];
    std::string begin;
    SUBCASE("behind WATCH") {
        begin = resp({"WATCH", "b"});
    }
    SUBCASE("of a subscribed client") {
        begin = resp({"HELLO", "3"}) + resp({"SUBSCRIBE", "c"});
    }
    static_cast<void>(world.ask(client, begin));
    const size_t leases = world.leases(0).size();
    CHECK(world.ask(client, resp(request)) == "+OK\r\n");
    CHECK(world.leases(0).size() == leases);
}

}  // namespace ringmain::test
