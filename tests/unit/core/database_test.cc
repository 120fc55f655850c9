// SELECT: each client in a database of its choice.

#include "tests/unit/core/world.h"

#include <algorithm>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

struct Databases {
    explicit Databases(config::Pool pool, const Loop::Options& options = {})
        : world(std::move(pool), options) {
        for (uint32_t i = 0; i < world.pool().servers.size(); ++i) {
            world.server(i).redis.separates_databases = true;
        }
    }

    World world;
};

}  // namespace

TEST_CASE("a value that was set in one database is not in another") {
    Databases databases(redis_pool(2));
    World& world = databases.world;
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"SELECT", "3"})) == ok);
    for (const uint32_t server : {0U, 1U}) {
        const std::string key = world.key_on(server);
        CHECK(world.ask(client, resp({"SET", key, "three"})) == ok);
        CHECK(world.ask(other, resp({"GET", key})) == "$-1\r\n");
        CHECK(world.server(server).redis.values ==
              std::map<std::string, std::string>{{"3/" + key, "three"}});
    }
    CHECK(world.ask(client,
                    resp({"SELECT", "0"}) + resp({"GET", world.key_on(0)}) + resp({"SELECT", "3"}) +
                        resp({"GET", world.key_on(0)})) == ok + "$-1\r\n" + ok + bulk("three"));
}

TEST_CASE("requests behind SELECT wait for the server's word") {
    Databases databases(redis_pool(1), {.seed = 11, .cut = true});
    World& world = databases.world;
    for (const bool there : {true, false}) {
        world.server(0).redis.has_databases = there;
        Channel& client = world.client();
        const std::string number = there ? "3" : "4";
        CHECK(world.ask(client,
                        resp({"SET", "a", "0"}) + resp({"SELECT", number}) +
                            resp({"SET", "a", number}) + resp({"SELECT", "0"}) +
                            resp({"GET", "a"})) ==
              (there ? ok + ok + ok + ok + bulk("0")
                     : ok + "-ERR DB index is out of range\r\n" + ok + ok + bulk("4")));
    }
    CHECK(world.server(0).redis.values["3/a"] == "3");
    // The next client that asks is told the same, at once.
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SELECT", "4"})) == "-ERR DB index is out of range\r\n");
    world.server(0).redis.has_databases = true;
    CHECK(world.ask(client, resp({"SELECT", "4"})) == ok);
    CHECK(world.loop().notices().empty());
}

TEST_CASE("SELECT does not overtake what was asked in the old database") {
    Databases databases(redis_pool(1));
    World& world = databases.world;
    Channel& client = world.client();
    CHECK(world.ask(client,
                    resp({"SELECT", "1"}) + resp({"SET", "a", "1"}) + resp({"SELECT", "0"})) ==
          ok + ok + ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SET", "b", "0"}) + resp({"SELECT", "1"}) + resp({"GET", "a"}))
              .empty());
    uint32_t gets = 0;
    for (const auto& channel : world.loop().channels()) {
        if (channel->server != nullptr && channel->arrived.find("GET") != std::string::npos) {
            gets += 1;
        }
    }
    CHECK(gets == 0);
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == ok + ok + bulk("1"));
    // Where it is already, nothing waits.
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SET", "c", "1"}) + resp({"SELECT", "1"}) + resp({"PING"}))
              .empty());
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == ok + ok + "+PONG\r\n");
}

TEST_CASE("clients of a database share its connections") {
    Databases databases(redis_pool(1));
    World& world = databases.world;
    const auto channels = [&world] { return world.loop().channels().size(); };
    Channel& first = world.client();
    CHECK(world.ask(first, resp({"SELECT", "3"})) == ok);
    const size_t before = channels();
    for (int i = 0; i < 5; ++i) {
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"SELECT", "3"}) + resp({"GET", "a"})) == ok + "$-1\r\n");
    }
    CHECK(channels() == before + 5);  // those of the clients
}

TEST_CASE("databases are bounded, and those that nobody uses make room") {
    config::Pool pool = redis_pool(1);
    pool.databases_max = 2;
    Databases databases(pool);
    World& world = databases.world;
    Channel& one = world.client();
    Channel& two = world.client();
    Channel& three = world.client();
    CHECK(world.ask(one, resp({"SELECT", "1"}) + resp({"SET", "a", "1"})) == ok + ok);
    CHECK(world.ask(two, resp({"SELECT", "2"})) == ok);
    const std::string full =
        "-ERR ringmain: clients of this worker use 2 databases besides the pool's; no more are "
        "allowed (databases_max)\r\n";
    CHECK(world.ask(three, resp({"SELECT", "3"})) == full);
    CHECK(world.ask(three, resp({"GET", "a"})) == "$-1\r\n");
    world.drop(one);
    CHECK(world.ask(three, resp({"SELECT", "3"}) + resp({"GET", "a"})) == ok + "$-1\r\n");
    CHECK(world.ask(two, resp({"RESET"})) == "+RESET\r\n");
    CHECK(world.ask(two, resp({"SELECT", "1"}) + resp({"GET", "a"})) == ok + bulk("1"));
}

TEST_CASE("a reload that allows fewer databases leaves them to who has them, and gives no more") {
    config::Pool pool = redis_pool(1);
    pool.databases_max = 4;
    Databases databases(pool);
    World& world = databases.world;
    std::vector<Channel*> clients;
    for (int i = 1; i <= 4; ++i) {
        clients.push_back(&world.client());
        CHECK(world.ask(*clients.back(), resp({"SELECT", std::to_string(i)})) == ok);
    }
    const auto refusal = [](int count) {
        return error("clients of this worker use " + std::to_string(count) +
                     " databases besides the pool's; no more are allowed (databases_max)");
    };
    Channel& other = world.client();
    pool.databases_max = 2;
    world.adopt({pool});
    CHECK(world.ask(*clients[3], resp({"SET", "a", "4"})) == ok);
    world.drop(*clients[0]);
    CHECK(world.ask(other, resp({"SELECT", "1"})) == refusal(3));
    CHECK(world.ask(other, resp({"SELECT", "5"})) == refusal(3));
    CHECK(world.ask(other, resp({"SELECT", "4"}) + resp({"GET", "a"})) == ok + bulk("4"));
    CHECK(world.ask(other, resp({"SELECT", "0"})) == ok);
    world.drop(*clients[1]);
    CHECK(world.ask(other, resp({"SELECT", "1"})) == refusal(2));
    world.drop(*clients[2]);
    CHECK(world.ask(other, resp({"SELECT", "5"}) + resp({"GET", "a"})) == ok + "$-1\r\n");
    CHECK(world.ask(other, resp({"SELECT", "0"})) == ok);
    world.drop(*clients[3]);
    pool.databases_max = 0;
    const auto open = [&world] {
        return std::ranges::count_if(world.loop().channels(), [](const auto& channel) {
            return channel->server != nullptr && !channel->closed;
        });
    };
    const auto before = open();
    world.adopt({pool});
    world.pass(1);
    CHECK(open() < before);  // nobody may use those of databases any more
    CHECK(world.ask(other, resp({"SELECT", "4"})) == refusal(0));
    CHECK(world.ask(other, resp({"SELECT", "5"})) == refusal(0));
    CHECK(world.proxy().is_idle());
}

TEST_CASE("what a client asked in one database is answered though it has gone to another") {
    config::Pool pool = redis_pool(1);
    pool.databases_max = 1;
    Databases databases(pool);
    World& world = databases.world;
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"SELECT", "1"})) == ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SET", "a", "1"}) + resp({"SELECT", "0"})) == "");
    CHECK(world.ask(other, resp({"SELECT", "2"})).starts_with("-ERR ringmain: clients of"));
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == ok + ok);
    CHECK(world.ask(other, resp({"SELECT", "2"})) == ok);
}

TEST_CASE("a connection that is made anew in the background is of the database that is wanted") {
    config::Pool pool = redis_pool(1);
    pool.databases_max = 1;
    Databases databases(pool);
    World& world = databases.world;
    Channel& one = world.client();
    CHECK(world.ask(one, resp({"HELLO", "3"})).starts_with("%7"));
    CHECK(world.ask(one, resp({"SELECT", "5"}) + resp({"SET", "a", "five"})) == ok + ok);
    CHECK(world.ask(one, resp({"GET", "a"})) == bulk("five"));
    world.server(0).mood = Mood::Refusing;
    for (const auto& channel : world.loop().channels()) {
        if (channel->server == nullptr) continue;
        world.loop().begin();
        world.loop().reset(*channel);
        world.loop().end();
        break;
    }
    world.drop(one);
    // The place of that database becomes another's, which cannot be had now.
    Channel& two = world.client();
    CHECK(world.ask(two, resp({"SELECT", "1"})).starts_with("-ERR ringmain: server s0"));
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(world.ask(two, resp({"SELECT", "1"}) + resp({"GET", "a"})) == ok + "$-1\r\n");
    CHECK(world.ask(two, resp({"HELLO", "3"})).starts_with("%7"));
    CHECK(world.ask(two, resp({"GET", "a"})) == "_\r\n");
}

TEST_CASE("a client may leave, and a server go, while SELECT waits") {
    for (int batches = 0; batches < 5; ++batches) {
        for (const bool leaves : {false, true}) {
            CAPTURE(batches);
            CAPTURE(leaves);
            config::Pool pool = redis_pool(1);
            pool.databases_max = 1;
            Databases databases(pool);
            World& world = databases.world;
            Channel& client = world.client();
            Channel& other = world.client();
            World::say(client, resp({"SELECT", "3"}) + resp({"SET", "a", "x"}));
            for (int i = 0; i < batches; ++i) {
                world.step();
            }
            if (leaves) {
                world.drop(client);
            } else {
                world.loop().begin();
                for (const auto& channel : world.loop().channels()) {
                    if (channel->server != nullptr) world.loop().reset(*channel);
                }
                world.loop().end();
            }
            world.pass(1000);
            if (!leaves) CHECK(world.ask(client, resp({"RESET"})).ends_with("+RESET\r\n"));
            // Nothing holds the one place.
            CHECK(world.ask(other, resp({"SELECT", "4"}) + resp({"GET", "a"})) == ok + "$-1\r\n");
            CHECK(world.proxy().is_idle());
        }
    }
}

TEST_CASE("a SELECT that is answered too late leaves its client where it is") {
    Databases databases(redis_pool(1));
    World& world = databases.world;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "0"})) == ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SELECT", "3"})).empty());
    const auto& channels = world.loop().channels();
    const auto selects = [](const auto& channel) {
        return channel->server != nullptr && channel->arrived.find("SELECT") != std::string::npos;
    };
    const auto found = std::ranges::find_if(channels, selects);
    REQUIRE(found != channels.end());
    Channel& selected = **found;
    selected.inbound += "+OK\r\n+PONG\r\n";  // to what it says first
    world.settle();
    world.pass(500);
    CHECK(World::heard(client) == error(s0 + "did not answer within 400 ms (timeout)"));
    selected.inbound += "+OK\r\n";
    world.settle();
    selected.arrived.clear();
    world.server(0).mood = Mood::Up;
    CHECK(world.ask(client, resp({"GET", "a"})) == bulk("0"));
    CHECK(world.ask(client, resp({"SELECT", "3"}) + resp({"GET", "a"})) == ok + "$-1\r\n");
}

TEST_CASE("connections of databases that a reload allows no more go with their last client") {
    config::Pool pool = redis_pool(2);
    Databases databases(pool);
    World& world = databases.world;
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string ask_both = resp({"GET", world.key_on(0)}) + resp({"GET", world.key_on(1)});
    CHECK(world.ask(client, resp({"SELECT", "1"}) + ask_both) == ok + "$-1\r\n$-1\r\n");
    CHECK(world.ask(other, resp({"SELECT", "2"}) + ask_both) == ok + "$-1\r\n$-1\r\n");
    CHECK(world.links(0).size() == 2);
    pool.databases_max = 1;
    world.adopt({pool});
    world.pass(200);
    CHECK(world.links(0).size() == 2);
    SUBCASE("which leaves ringmain") {
        world.drop(client);
    }
    SUBCASE("which goes back to the pool's") {
        CHECK(world.ask(client, resp({"SELECT", "0"})) == ok);
    }
    SUBCASE("which has asked there, and is answered late") {
        world.server(0).mood = Mood::Mute;
        World::say(client, resp({"GET", world.key_on(0)}) + resp({"SELECT", "0"}));
        world.pass(300);
        CHECK(World::heard(client) == "");
        CHECK(world.links(0).size() == 2);
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(World::heard(client) == "$-1\r\n" + ok);
    }
    world.pass(200);
    CHECK(world.links(0).size() == 1);
    CHECK(world.links(1).size() == 1);
    CHECK(world.ask(other, ask_both) == "$-1\r\n$-1\r\n");
    CHECK(world.counters().server_failures.get() == 0);
}

TEST_CASE("a reload leaves clients in their databases") {
    Databases databases(redis_pool(1));
    World& world = databases.world;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SELECT", "3"}) + resp({"SET", "a", "1"})) == ok + ok);
    const size_t channels = world.loop().channels().size();
    SUBCASE("with the same connections") {
        config::Pool pool = redis_pool(1);
        pool.databases_max = 1;
        pool.timeout_ms = 300;
        world.adopt({pool});
        CHECK(world.ask(client, resp({"GET", "a"})) == bulk("1"));
        CHECK(world.loop().channels().size() == channels);
        Channel& other = world.client();
        CHECK(world.ask(other, resp({"SELECT", "4"})).starts_with("-ERR ringmain: clients of"));
    }
    SUBCASE("when the pool's is another") {
        config::Pool pool = redis_pool(1);
        pool.redis_db = 3;
        world.adopt({pool});
        world.settle();
        CHECK(world.ask(client, resp({"GET", "a"})) == bulk("1"));
        Channel& other = world.client();
        CHECK(world.ask(other, resp({"GET", "a"})) == bulk("1"));
    }
    SUBCASE("on a server that is new") {
        world.adopt({redis_pool(2)});
        world.server(1).redis.separates_databases = true;
        const std::string key = world.key_on(1);
        CHECK(world.ask(client, resp({"SET", key, "2"})) == ok);
        CHECK(world.server(1).redis.values.contains("3/" + key));
    }
    CHECK(world.proxy().is_idle());
}

TEST_CASE("who chose the pool's database stays there when a reload makes another the pool's") {
    Databases databases(redis_pool(1));
    World& world = databases.world;
    const auto db_of = [&world](Channel& client) {
        const std::string info = world.ask(client, resp({"CLIENT", "INFO"}));
        return info.substr(info.find(" db=") + 4, 1);
    };
    config::Pool pool = redis_pool(1);
    const auto adopt = [&](uint32_t redis_db) {
        pool.redis_db = redis_db;
        world.adopt({pool});
        world.settle();
    };
    Channel& chooser = world.client();
    Channel& other_chooser = world.client();
    Channel& follower = world.client();
    Channel& returned = world.client();
    Channel& fifth = world.client();
    CHECK(world.ask(chooser, resp({"SELECT", "0"}) + resp({"SET", "a", "0"})) == ok + ok);
    CHECK(world.links(0).size() == 1);
    CHECK(world.ask(other_chooser, resp({"SELECT", "7"}) + resp({"SELECT", "0"})) == ok + ok);
    CHECK(world.ask(returned, resp({"SELECT", "0"}) + resp({"RESET"})) == ok + "+RESET\r\n");
    CHECK(world.ask(fifth, resp({"SELECT", "5"}) + resp({"SET", "a", "5"})) == ok + ok);
    pool.databases_max = 2;
    adopt(5);
    for (Channel* client : {&chooser, &other_chooser}) {
        CHECK(world.ask(*client, resp({"GET", "a"})) == bulk("0"));
        CHECK(db_of(*client) == "0");
    }
    for (Channel* client : {&follower, &returned, &fifth}) {
        CHECK(world.ask(*client, resp({"GET", "a"})) == bulk("5"));
        CHECK(db_of(*client) == "5");
    }
    // Those in 5 share the pool's connection: there is room for one more.
    Channel& one_more = world.client();
    CHECK(world.ask(one_more, resp({"SELECT", "1"}) + resp({"SELECT", "5"})) == ok + ok);
    adopt(0);
    CHECK(world.ask(chooser, resp({"GET", "a"})) == bulk("0"));
    CHECK(world.ask(follower, resp({"GET", "a"})) == bulk("0"));
    for (Channel* client : {&fifth, &one_more}) {
        CHECK(world.ask(*client, resp({"GET", "a"})) == bulk("5"));
        CHECK(db_of(*client) == "5");
    }
    // What is not allowed any more ends.
    pool.databases_max = 1;
    adopt(3);
    CHECK(chooser.closed != fifth.closed);
    CHECK(world.ask(follower, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0].find(
              "is closed: it chose database 0, which is not redis_db any more after a reload, and "
              "clients of this worker use 1 databases besides the pool's; no more are allowed "
              "(databases_max)") != std::string::npos);
    world.loop().notices().clear();
    CHECK(world.proxy().is_idle());
}

TEST_CASE("a database that a client asks for may become the pool's meanwhile, or be it no more") {
    for (const bool becomes : {false, true}) {
        CAPTURE(becomes);
        config::Pool pool = redis_pool(1);
        pool.redis_db = becomes ? 0 : 2;
        Databases databases(pool);
        World& world = databases.world;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
        if (!becomes) CHECK(world.ask(client, resp({"SELECT", "2"})) == ok);
        World::say(client, resp({"SELECT", becomes ? "2" : "3"}) + resp({"SET", "a", "x"}));
        world.step();
        pool.redis_db = becomes ? 2 : 0;
        world.adopt({pool});
        world.settle();
        CHECK(World::heard(client) == ok + ok);
        CHECK(world.server(0).redis.values.contains(becomes ? "2/a" : "3/a"));
        pool.redis_db = 9;
        world.adopt({pool});
        world.settle();
        CHECK(world.ask(client, resp({"GET", "a"})) == bulk("x"));
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("what is queued or waits is in the database that its client chose, behind a reload") {
    Databases databases(redis_pool(1));
    World& world = databases.world;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SELECT", "0"}) + resp({"MULTI"}) + resp({"SET", "a", "0"})) ==
          ok + ok + "+QUEUED\r\n");
    config::Pool pool = redis_pool(1);
    pool.redis_db = 5;
    world.adopt({pool});
    static_cast<void>(world.ask(client, resp({"EXEC"})));
    CHECK(!world.server(0).redis.values.contains("5/a"));
    CHECK(world.ask(client,
                    resp({"WATCH", "a"}) + resp({"MULTI"}) + resp({"SET", "a", "1"}) +
                        resp({"EXEC"})) == ok + ok + "+QUEUED\r\n*1\r\n+OK\r\n");
    CHECK(!world.server(0).redis.values.contains("5/a"));
}

TEST_CASE("transactions, watched keys and waits are in the client's database") {
    Databases databases(redis_pool(1));
    World& world = databases.world;
    FakeRedis& redis = world.server(0).redis;
    Channel& client = world.client();
    CHECK(world.ask(client,
                    resp({"SELECT", "3"}) + resp({"MULTI"}) + resp({"SET", "a", "1"}) +
                        resp({"EXEC"})) == ok + ok + "+QUEUED\r\n*1\r\n+OK\r\n");
    CHECK(redis.values["3/a"] == "1");
    CHECK(world.ask(client,
                    resp({"WATCH", "a"}) + resp({"MULTI"}) + resp({"INCR", "a"}) +
                        resp({"EXEC"})) == ok + ok + "+QUEUED\r\n*1\r\n:2\r\n");
    CHECK(redis.values["3/a"] == "2");
    CHECK(world.ask(client, resp({"WATCH", "a"}) + resp({"SELECT", "0"})) ==
          ok + "-ERR ringmain: 'SELECT' is not supported while keys are watched: EXEC, DISCARD or "
               "UNWATCH first\r\n");
    // A connection that is given back keeps its database, and serves it only.
    CHECK(world.ask(client,
                    resp({"UNWATCH"}) + resp({"SELECT", "0"}) + resp({"WATCH", "a"}) +
                        resp({"MULTI"}) + resp({"GET", "a"}) + resp({"EXEC"})) ==
          ok + ok + ok + ok + "+QUEUED\r\n*1\r\n$-1\r\n");
}

}  // namespace ringmain::test
