// Connections of single clients that are lost, and what their clients and others notice of it.

#include "tests/unit/core/world.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string transaction = resp({"MULTI"}) + resp({"SET", "a", "mine"}) + resp({"EXEC"});

std::string discarded_for(const std::string& why) {
    return ok + "-ERR ringmain: the transaction is lost: " + why + "\r\n" +
           "-EXECABORT ringmain: transaction discarded: " + why + "\r\n";
}

void reset(World& world, Channel& channel) {
    world.loop().begin();
    world.loop().reset(channel);
    world.loop().end();
}

void answer(World& world, Channel& channel, const std::string& text) {
    channel.inbound += text;
    world.settle();
}

}  // namespace

TEST_CASE("watched keys that are lost behind a command that waited make EXEC fail") {
    World world(redis_pool(1));
    world.server(0).redis.canned["BLPOP"] = "*-1\r\n";
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    CHECK(world.ask(client, resp({"BLPOP", "l", "0.1"})) == "*-1\r\n");
    REQUIRE(world.leases(0).size() == 1);
    reset(world, *world.leases(0)[0]);
    CHECK(world.ask(client, transaction) ==
          discarded_for("server s0 (10.0.0.1:7000) reset the connection"));
    CHECK(world.server(0).redis.values.empty());
}

TEST_CASE("a lease that is late while its answer comes says nothing against the server") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 100;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, transaction) == ok + "+QUEUED\r\n");
    Channel& lease = *world.leases(0)[0];
    uint32_t failures = 0;
    SUBCASE("some of it has come") {
        answer(world, lease, "+OK\r\n+QUEUED\r\n*1\r\n$9\r\nso");
        world.pass(60);
        answer(world, lease, "far");
        world.pass(40);
    }
    SUBCASE("nothing has come for as long") {
        answer(world, lease, "+OK\r\n+QUEUED\r\n*1\r\n$9\r\nso");
        world.pass(100);
        failures = 1;
    }
    CHECK(World::heard(client).find("did not answer within 100 ms (timeout)") != std::string::npos);
    CHECK(lease.closed);
    CHECK(world.health(0).failures() == failures);
}

TEST_CASE("a server that is full says so to the first that is asked on a lease") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    const std::string full = "-ERR max number of clients reached\r\n";
    const std::string said =
        "-ERR ringmain: server s0 (10.0.0.1:7000) takes no more connections: " + full;
    SUBCASE("to WATCH") {
        world.server(0).redis.canned["WATCH"] = full;
        CHECK(world.ask(client, resp({"WATCH", "a"})) == said);
    }
    SUBCASE("to what waits") {
        world.server(0).redis.canned["BLPOP"] = full;
        CHECK(world.ask(client, resp({"BLPOP", "l", "1"})) == said);
    }
    SUBCASE("to what stands before WAIT") {
        world.server(0).redis.canned["PUBLISH"] = full;
        CHECK(world.ask(client, resp({"SET", "a", "1"})) == ok);
        CHECK(world.ask(client, resp({"WAIT", "1", "100"}))
                  .starts_with(said.substr(0, said.size() - 2)));
    }
    CHECK(world.leases(0).empty());
    CHECK(world.health(0).failures() == 0);
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == ok);
}

TEST_CASE("so do those that are lost while their client waits on another server") {
    World world(redis_pool(2));
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", a})) == ok);
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"BLPOP", b, "0"})).empty());
    std::string why = "server s0 (10.0.0.1:7000) reset the connection";
    SUBCASE("with their connection") {
        reset(world, *world.leases(0)[0]);
    }
    SUBCASE("with their server") {
        config::Pool pool = redis_pool(2);
        pool.servers.erase(pool.servers.begin());
        world.adopt({pool});
        world.settle();
        why = "server s0 (10.0.0.1:7000) is not configured any more";
    }
    const size_t place = world.proxy().pools()[0]->servers.size() - 1;
    answer(world, *world.leases(static_cast<uint32_t>(place))[0], "*-1\r\n");
    CHECK(World::heard(client) == "*-1\r\n");
    CHECK(world.ask(client, transaction) == discarded_for(why));
}

TEST_CASE("a reload that removes the server where keys are watched and waited for") {
    std::string end = "is not configured any more";
    config::Pool other = redis_pool(2);
    other.servers.erase(other.servers.begin());
    SUBCASE("for another one") {}
    SUBCASE("from where it was: its connections are more") {
        end = "has new connections after a reload (server_connections or redis_db)";
        other = redis_pool(1);
        other.server_connections = 2;
    }
    SUBCASE("from where it was: its database is another") {
        end = "has new connections after a reload (server_connections or redis_db)";
        other = redis_pool(1);
        other.redis_db = 3;
    }
    for (const bool pops : {false, true}) {
        CAPTURE(pops);
        World world(redis_pool(1));
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"BLPOP", "l", "0"})).empty());
        REQUIRE(world.leases(0).size() == 1);
        Channel* lease = world.leases(0)[0];
        world.adopt({other});
        world.settle();
        lease->arrived.clear();
        if (pops) lease->inbound += popped;
        world.server(0).mood = Mood::Up;
        world.settle();
        const std::string why = "server s0 (10.0.0.1:7000) " + end;
        CHECK(World::heard(client) == (pops ? popped : "-ERR ringmain: " + why + "\r\n"));
        CHECK(lease->closed);
        CHECK(world.ask(client, transaction) == discarded_for(why));
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("EXEC and UNWATCH that are lost on their way say so themselves") {
    for (const bool unwatches : {false, true}) {
        CAPTURE(unwatches);
        World world(redis_pool(1));
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
        world.server(0).mood = Mood::Mute;
        static_cast<void>(world.ask(client, unwatches ? resp({"UNWATCH"}) : transaction));
        reset(world, *world.leases(0)[0]);
        world.settle();
        CHECK(World::heard(client) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) reset the connection\r\n");
        world.server(0).mood = Mood::Up;
        world.pass(100);
        CHECK(world.ask(client, transaction) == ok + "+QUEUED\r\n*1\r\n+OK\r\n");
    }
}

TEST_CASE("an answer of a command that waited and does not fit into memory ends its connection") {
    for (const bool leaves : {false, true}) {
        CAPTURE(leaves);
        World world(redis_pool(1), {.blocks = 128});
        world.server(0).mood = Mood::Mute;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"BLPOP", "big", "0"}) + resp({"BLPOP", "l", "0"})).empty());
        REQUIRE(world.leases(0).size() == 1);
        Channel* first = world.leases(0)[0];
        answer(
            world, *first, "*2\r\n" + bulk("big") + "$4000000\r\n" + std::string(3'000'000, 'x'));
        CHECK(World::heard(client) ==
              "-ERR ringmain: the response does not fit into buffer memory; see buffer_memory\r\n");
        CHECK(first->closed);
        // It waits again, on another connection.
        REQUIRE(world.leases(0).size() == 1);
        CHECK(pool_counters(world).clients_waiting.get() == 1);
        CHECK(world.counters().server_failures.get() == 0);
        if (leaves) {
            world.drop(client);
            CHECK(world.leases(0).empty());
        } else {
            answer(world, *world.leases(0)[0], popped);
            CHECK(World::heard(client) == popped);
        }
        CHECK(pool_counters(world).clients_waiting.get() == 0);
        CHECK(world.proxy().pools()[0]->servers[0]->leased == 0);
    }
}

TEST_CASE("nothing waits behind the rest of an answer that was too large") {
    config::Pool pool = redis_pool(1);
    pool.gather_size_max = 64 * 1024;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "l"})) == ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"KEYS", "*"}) + resp({"GET", "l"})).empty());
    Channel* watched = world.leases(0)[0];
    answer(world, *watched, "*1\r\n$200000\r\n" + std::string(100'000, 'x'));
    CHECK(World::heard(client) ==
          "-ERR ringmain: what the servers answer together is larger than 65536 bytes "
          "(gather_size_max)\r\n"
          "-ERR ringmain: server s0 (10.0.0.1:7000) sent a response that is too large to be "
          "kept\r\n");
    CHECK(watched->closed);
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})).empty());
    REQUIRE(world.leases(0).size() == 1);
    SUBCASE("the server is removed") {
        config::Pool other = redis_pool(2);
        other.servers.erase(other.servers.begin());
        world.leases(0)[0]->arrived.clear();
        world.server(0).mood = Mood::Up;  // which closes what is ended
        world.adopt({other});
        world.settle();
        CHECK(World::heard(client) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) is not configured any more\r\n");
        CHECK(world.proxy().is_idle());
    }
    SUBCASE("the server answers") {
        answer(world, *world.leases(0)[0], popped);
        CHECK(World::heard(client) == popped);
        CHECK(world.ask(client, transaction) ==
              discarded_for("server s0 (10.0.0.1:7000) sent a response that is too large to be "
                            "kept"));
    }
}

TEST_CASE("of a gather that another server has failed the watched connection stays") {
    World world(redis_pool(2));
    const std::string a = world.key_on(0);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", a})) == ok);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Refusing;
    CHECK(world.ask(client, resp({"KEYS", "*"})).empty());
    const std::string keys = "*1\r\n" + bulk(std::string(100'000, 'x'));
    answer(world, *world.leases(0)[0], keys.substr(0, 50'000));
    answer(world, *world.leases(0)[0], keys.substr(50'000));
    CHECK(World::heard(client).find("refused the connection") != std::string::npos);
    CHECK(world.leases(0).size() == 1);
    CHECK(client.client->session->watching != nullptr);
}

TEST_CASE("on a watched connection time begins when a large value has passed") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 64 * 1024;
    pool.timeout_ms = 100;
    World world(pool, {.blocks = 512});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "big"}) + resp({"GET", "small"})).empty());
    REQUIRE(world.leases(0).size() == 1);
    Channel* watched = world.leases(0)[0];
    const std::string all = bulk(std::string(1'000'000, 'a'));
    for (size_t at = 0; at < all.size(); at += 100'000) {
        answer(world, *watched, all.substr(at, 100'000));
        world.pass(50);
    }
    CHECK(World::heard(client) == all);
    world.pass(30);
    CHECK_FALSE(watched->closed);
    SUBCASE("and the answer comes") {
        answer(world, *watched, bulk("s"));
        CHECK(World::heard(client) == bulk("s"));
    }
    SUBCASE("and it does not come, which says nothing about the server") {
        world.pass(60);
        CHECK(World::heard(client) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 100 ms "
              "(timeout)\r\n");
        CHECK(watched->closed);
        CHECK(world.health(0).failures() == 0);
    }
}

TEST_CASE("an answer that is none to the question of a turn is nobody's") {
    const std::string misfit =
        "-ERR ringmain: server s0 (10.0.0.1:7000) sent a response that does not fit the "
        "request\r\n";
    const std::string wrong = "-WRONGTYPE no list\r\n";
    // To LPOP, and to BLPOP.
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"$-1\r\n", "$3\r\nabc\r\n"},
        {"$-1\r\n", ":1\r\n"},
        {"$-1\r\n", "*1\r\n" + bulk("a")},
        {"$-1\r\n", wrong},
        {":1\r\n", ""},
        {popped, ""},
        {wrong, ""},
    };
    for (const auto& one : cases) {
        const auto& pop = one.first;
        const auto& wait = one.second;
        CAPTURE(pop);
        CAPTURE(wait);
        World world(redis_pool(2));
        for (uint32_t i = 0; i < 2; ++i) {
            world.server(i).redis.canned = {{"LPOP", pop}, {"BLPOP", wait}};
        }
        Channel& client = world.client();
        const bool refused = pop == wrong || wait == wrong;
        CHECK(world.ask(client, resp({"BLPOP", world.key_on(0), world.key_on(1), "5"})) ==
              (refused ? wrong : misfit));
        CHECK(pool_counters(world).clients_waiting.get() == 0);
        CHECK(world.ask(client, resp({"PING"})) == "+PONG\r\n");
    }
}

// When it answers the connection is nobody's: it is closed, or used by others when the server is
// back.
TEST_CASE("a watched connection on which an answer is due when its server is ejected") {
    for (const bool comes_back : {false, true}) {
        for (const bool is_watched : {false, true}) {
            CAPTURE(comes_back);
            CAPTURE(is_watched);
            config::Pool pool = redis_pool(2);
            pool.auto_eject_hosts = true;
            pool.server_failure_limit = 1;
            pool.server_retry_timeout_ms = 50;
            World world(pool);
            const std::string key = world.key_on(0);
            Channel& client = world.client();
            if (is_watched) CHECK(world.ask(client, resp({"WATCH", key})) == ok);
            world.server(0).mood = Mood::Mute;
            CHECK(world.ask(world.client(), resp({"GET", key})).empty());
            CHECK(world.ask(client, resp({is_watched ? "GET" : "WATCH", key})).empty());
            REQUIRE(world.leases(0).size() == 1);
            Channel& lease = *world.leases(0)[0];
            lease.arrived.clear();  // the answer is given below
            world.cut_off(0);
            world.settle();
            CHECK_FALSE(world.health(0).accepts_traffic());
            if (comes_back) {
                world.server(0).mood = Mood::Up;
                world.pass(100);
                CHECK(world.health(0).accepts_traffic());
            }
            // In front of the first WATCH stands the question whether the server takes
            // transactions.
            answer(world, lease, is_watched ? bulk("x") : ok + ok + ok);
            CHECK(World::heard(client) == (is_watched ? bulk("x") : ok));
            CHECK(lease.closed == !comes_back);
            CHECK(world.proxy().pools()[0]->servers[0]->idle_lease_count == (comes_back ? 1 : 0));
            CHECK(world.ask(client, transaction).find("-EXECABORT") != std::string::npos);
        }
    }
}

TEST_CASE("who leaves a command that waits costs nobody else a connection") {
    World world(redis_pool(1));
    Channel& one = world.client();
    Channel& two = world.client();
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"SET", "a", "1"})) == ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(one, resp({"BLPOP", "l", "0"})).empty());
    reset(world, *world.leases(0)[0]);
    world.settle();
    CHECK(World::heard(one) == "-ERR ringmain: server s0 (10.0.0.1:7000) reset the connection\r\n");
    world.server(0).mood = Mood::Up;
    world.pass(100);
    CHECK(world.ask(other, resp({"GET", "a"})) == bulk("1"));  // the server is well
    world.server(0).mood = Mood::Mute;
    for (int i = 0; i < 5; ++i) {
        Channel& leaving = world.client();
        CHECK(world.ask(leaving, resp({"BLPOP", "l", "0"})).empty());
        world.drop(leaving);
        CHECK(world.ask(two, resp({"BLPOP", "l", "0"})).empty());
        REQUIRE(world.leases(0).size() == 1);
        answer(world, *world.leases(0)[0], popped);
        CHECK(World::heard(two) == popped);
        reset(world, *world.leases(0)[0]);  // an idle one: that is nobody's fault either
    }
}

// The connection that everybody shares says that the server is there, and nobody else looks after
// it.
TEST_CASE("a server that closes one client's connection goes on serving others that need theirs") {
    World world(redis_pool(1));
    world.server(0).redis.canned["BLPOP"] = popped;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "b", "x"})) == ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})).empty());
    REQUIRE(world.leases(0).size() == 1);
    reset(world, *world.leases(0)[0]);
    world.settle();
    CHECK(World::heard(client).starts_with("-ERR ringmain: server s0 (10.0.0.1:7000) reset"));
    world.server(0).mood = Mood::Up;
    world.pass(5000);
    CHECK(world.ask(world.client(), resp({"BLPOP", "l", "0"})) == popped);
}

}  // namespace ringmain::test
