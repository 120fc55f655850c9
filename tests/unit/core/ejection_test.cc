// Servers that fail, are ejected, and what happens to their keys; servers that only seem to fail.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool ejecting_pool(uint32_t servers) {
    config::Pool pool = redis_pool(servers);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 2;
    pool.server_retry_timeout_ms = 2000;
    return pool;
}

// Two failures: a request that finds nobody, and the attempt after it.
void eject(World& world, uint32_t server) {
    world.server(server).mood = Mood::Refusing;
    Channel& client = world.client();
    static_cast<void>(world.ask(client, resp({"GET", world.key_on(server)})));
    world.pass(30);
    REQUIRE_FALSE(world.health(server).accepts_traffic());
    world.drop(client);
}

// "GET a" and the like; not what a probe says.
size_t commands(const FakeServer& server) {
    return static_cast<size_t>(std::count_if(
        server.redis.log.begin(), server.redis.log.end(), [](const std::string& line) {
            return line != "PING";
        }));
}

}  // namespace

TEST_CASE("failures in a row eject a server, and its keys go where twemproxy puts them") {
    World world(ejecting_pool(3));
    eject(world, 0);
    CHECK(pool_counters(world).server_ejects.get() == 1);
    CHECK(world.loop().notices().back() ==
          "pool main: server s0 (10.0.0.1:7000) is ejected (server_failure_limit = 2); the last "
          "failure: refused the connection");
    std::vector<placement::Node> nodes = world.pool().nodes();
    nodes[0].live = false;
    const placement::Placement without(world.pool().placement, nodes);
    Channel& client = world.client();
    for (int i = 0; i < 200; ++i) {
        const std::string key = "k" + std::to_string(i);
        CHECK(world.server_of(key) == without.server_of(key, world.loop().prng()));
        CHECK(world.ask(client, resp({"SET", key, "1"})) == "+OK\r\n");
    }
    CHECK(commands(world.server(0)) == 0);
}

TEST_CASE("one failure fewer than the limit, then an answer: nothing is ejected") {
    World world(ejecting_pool(2));
    const std::string key = world.key_on(0);
    Channel& client = world.client();
    for (int round = 0; round < 5; ++round) {
        CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"GET", key})) == "");
        world.cut_off(0);
        world.settle();
        CHECK(World::heard(client) == error(s0 + "reset the connection"));
        CHECK(world.health(0).failures() == 1);
        world.server(0).mood = Mood::Up;
        world.pass(30);
    }
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("all connections that one event takes with it are one failure") {
    config::Pool pool = ejecting_pool(2);
    pool.server_connections = 4;
    World world(pool);
    const std::string key = world.key_on(0);
    world.server(0).mood = Mood::Mute;
    std::vector<Channel*> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(&world.client());
        CHECK(world.ask(*clients.back(), resp({"GET", key})) == "");
        world.pass(20);
    }
    CHECK(world.counters().server_connections.get() == 4);
    // Not all in one batch: completions come as they come.
    for (size_t i = 1; i < world.loop().channels().size(); ++i) {
        Channel& channel = *world.loop().channels()[i];
        if (channel.server == nullptr) continue;
        world.loop().begin();
        world.loop().reset(channel);
        world.loop().end();
        world.loop().advance(Duration::millis(1));
    }
    CHECK(world.counters().server_failures.get() == 4);
    CHECK(world.health(0).failures() == 1);
    CHECK(world.health(0).accepts_traffic());
}

// As when something in between forgets all that it knew.
TEST_CASE("connections that one event took are one failure, however much later each shows it") {
    for (const bool by_reset : {false, true}) {
        CAPTURE(by_reset);
        config::Pool pool = ejecting_pool(2);
        pool.server_connections = 4;
        World world(pool);
        const std::string key = world.key_on(0);
        std::vector<Channel*> clients;
        for (int i = 0; i < 4; ++i) {
            clients.push_back(&world.client());
            CHECK(world.ask(*clients.back(), resp({"GET", key})) == "$-1\r\n");
        }
        REQUIRE(world.counters().server_connections.get() == 4);
        const std::vector<Channel*> old = world.links(0);
        world.pass(10);
        for (size_t i = 0; i < clients.size(); ++i) {
            world.server(0).mood = Mood::Mute;
            CHECK(world.ask(*clients[i], resp({"GET", key})) == "");
            for (Channel* channel : old) {
                if (channel->arrived.empty()) continue;
                channel->arrived.clear();  // nobody gets it
                if (!by_reset) continue;
                world.loop().begin();
                world.loop().reset(*channel);
                world.loop().end();
            }
            world.server(0).mood = Mood::Up;
            world.pass(410);
            CHECK(World::heard(*clients[i]).starts_with("-ERR ringmain: "));
            CHECK(world.health(0).accepts_traffic());
            CHECK_FALSE(world.proxy().pools()[0]->servers[0]->silence.is_silent());
        }
        world.pass(2000);  // late connections are given up
        for (Channel* client : clients) {
            CHECK(world.ask(*client, resp({"GET", key})) == "$-1\r\n");
        }
    }
}

TEST_CASE("all requests that are late at once are one failure, and later ones another") {
    World world(ejecting_pool(2));
    const std::string key = world.key_on(0);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    for (int i = 0; i < 10; ++i) {
        CHECK(world.ask(client, resp({"GET", key})) == "");
        world.pass(10);
    }
    world.pass(400);
    CHECK(world.counters().timeouts.get() == 10);
    CHECK(world.health(0).failures() == 1);
    CHECK(world.ask(client, resp({"GET", key})).find("did not answer") != std::string::npos);
    world.pass(410);
    CHECK_FALSE(world.health(0).accepts_traffic());
    // The client that saw it finds another server at once.
    World::heard(client);
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
}

TEST_CASE("a server that is mute on the connection in place of the late one is out at once") {
    for (const bool preconnect : {false, true}) {
        CAPTURE(preconnect);
        config::Pool pool = ejecting_pool(2);
        pool.preconnect = preconnect;
        pool.timeout_ms = 100;
        pool.late_connection_timeout_ms = 60'000;
        World world(pool);
        const std::string key = world.key_on(0);
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
        SUBCASE("mute") {
            world.server(0).mood = Mood::Mute;
        }
        SUBCASE("and takes no connection") {
            world.server(0).mood = Mood::Mute;
            CHECK(world.ask(client, resp({"GET", key})) == "");
            world.server(0).mood = Mood::Vanished;
        }
        for (int i = 0; i < 2; ++i) {
            CHECK(world.health(0).accepts_traffic());
            CHECK(world.ask(client, resp({"GET", key})) == "");
            world.pass(110);
            CHECK_FALSE(World::heard(client).empty());
        }
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
}

TEST_CASE("an answer that comes too late is no success") {
    World world(ejecting_pool(2));
    const std::string key = world.key_on(0);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    for (int i = 0; i < 2; ++i) {
        CHECK(world.ask(client, resp({"GET", key})) == "");
        Channel* link = world.link(0);
        world.pass(410);
        World::heard(client);
        link->inbound += "$-1\r\n";
        world.settle();
    }
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("an answer in time to what was asked before the failure does not make it undone") {
    config::Pool pool = ejecting_pool(2);
    pool.server_connections = 2;
    World world(pool);
    const std::string key = world.key_on(0);
    Channel& one = world.client();
    Channel& two = world.client();
    CHECK(world.ask(one, resp({"GET", key})) == "$-1\r\n");
    CHECK(world.ask(two, resp({"GET", key})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(one, resp({"GET", key})) == "");
    world.pass(200);
    CHECK(world.ask(two, resp({"GET", key})) == "");
    world.pass(210);
    CHECK(world.health(0).failures() == 1);
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(two) == "$-1\r\n");
    CHECK(world.health(0).failures() == 1);
    CHECK(world.ask(two, resp({"GET", key})) == "$-1\r\n");
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("who waits for a connection to a server that is ejected meanwhile is told at once") {
    config::Pool pool = ejecting_pool(2);
    pool.server_connections = 2;
    pool.server_failure_limit = 1;
    World world(pool);
    const std::string key = world.key_on(0);
    Channel& one = world.client();
    Channel& two = world.client();
    CHECK(world.ask(one, resp({"GET", key})) == "$-1\r\n");
    Channel* established = world.link(0);
    world.server(0).mood = Mood::Vanished;
    CHECK(world.ask(two, resp({"GET", key})) == "");
    Channel* connecting = world.loop().channels().back().get();
    CHECK(world.ask(one, resp({"GET", key})) == "");
    world.loop().begin();
    world.loop().reset(*established);
    SUBCASE("which does not come about") {}
    SUBCASE("which comes about in the same batch") {
        world.loop().connected(*connecting);
    }
    world.loop().end();
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(one) == error(s0 + "reset the connection"));
    CHECK(World::heard(two) == error(s0 + "is ejected: reset the connection"));
    CHECK(connecting->closed);
    CHECK(commands(world.server(0)) == 1);
    world.pass(2100);
    CHECK(world.ask(two, resp({"GET", key})) == "$-1\r\n");
    CHECK(commands(world.server(0)) == 2);
}

TEST_CASE("a server that greets and then dies on every request is ejected") {
    config::Pool pool = ejecting_pool(2);
    pool.redis_db = 5;
    pool.server_failure_limit = 3;
    World world(pool);
    const std::string key = world.key_on(0);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    for (uint32_t failures = 1; failures <= 3; ++failures) {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"GET", key})) == "");
        world.cut_off(0);
        world.settle();
        CHECK(World::heard(client) == error(s0 + "reset the connection"));
        CHECK(world.health(0).failures() == failures);
        world.server(0).mood = Mood::Up;
        world.pass(600);  // it is connected again, and selects
    }
    CHECK_FALSE(world.health(0).accepts_traffic());
}

TEST_CASE("a server that greets and hangs up is tried ever less often") {
    config::Pool pool = redis_pool(1);
    pool.redis_db = 5;
    pool.preconnect = true;
    World world(pool);
    world.loop().begin();
    world.proxy().preconnect();
    world.loop().end();
    for (int i = 0; i < 500; ++i) {
        world.pass(10);
        const Channel* link = world.link(0);
        if (link != nullptr && link->server->state == core::ServerConn::State::Ready) {
            world.cut_off(0);
        }
    }
    CHECK(world.counters().server_connects.get() >= 10);
    CHECK(world.counters().server_connects.get() <= 26);
    CHECK(world.loop().notices().size() == 1);
}

TEST_CASE("a server that closes idle connections is not ejected") {
    config::Pool pool = ejecting_pool(1);
    pool.server_failure_limit = 1;
    World world(pool);
    Channel& client = world.client();
    for (int i = 0; i < 5; ++i) {
        CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
        world.hang_up(0);
        world.settle();
    }
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("what a server says about itself goes to the client and is no failure") {
    config::Pool pool = ejecting_pool(1);
    pool.server_failure_limit = 1;
    World world(pool);
    Channel& client = world.client();
    for (const char* text : {"-LOADING Redis is loading the dataset in memory\r\n",
                             "-BUSY Redis is busy running a script.\r\n",
                             "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
                             "-MASTERDOWN Link with MASTER is down\r\n",
                             "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"}) {
        CAPTURE(text);
        world.server(0).redis.canned["GET"] = text;
        CHECK(world.ask(client, resp({"GET", "a"})) == text);
        CHECK(world.link(0) != nullptr);
    }
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("with eject_on_loading a server that loads is ejected, and back when it has loaded") {
    config::Pool pool = ejecting_pool(2);
    pool.eject_on_loading = true;
    World world(pool);
    const std::string key = world.key_on(0);
    const std::string loading = "-LOADING Redis is loading the dataset in memory\r\n";
    world.server(0).redis.canned = {{"GET", loading}, {"PING", loading}};
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", key})) == loading);
    CHECK(world.health(0).accepts_traffic());
    world.pass(10);
    CHECK(world.ask(client, resp({"GET", key})) == loading);
    CHECK_FALSE(world.health(0).accepts_traffic());
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    world.pass(3000);
    CHECK_FALSE(world.health(0).accepts_traffic());
    world.server(0).redis.canned.clear();
    world.pass(2100);
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("what a script says of loading is not the server's word") {
    config::Pool pool = ejecting_pool(1);
    pool.eject_on_loading = true;
    World world(pool);
    world.server(0).redis.canned["EVAL"] = "-LOADING so it says\r\n";
    Channel& client = world.client();
    SUBCASE("on a connection for all") {}
    SUBCASE("on one of the client's own") {
        CHECK(world.ask(client, resp({"WATCH", "a"})) == "+OK\r\n");
    }
    for (int i = 0; i < 3; ++i) {
        CHECK(world.ask(client, resp({"EVAL", "return 1", "1", "a"})) == "-LOADING so it says\r\n");
        world.pass(10);
    }
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("a server that takes no more connections and serves those that it has is well") {
    config::Pool pool = ejecting_pool(1);
    pool.redis_auth = "secret";
    pool.server_failure_limit = 1;
    World world(pool);
    world.server(0).redis.password = "secret";
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", "secret"}) + resp({"SET", "a", "1"})) ==
          "+OK\r\n+OK\r\n");
    world.server(0).redis.canned["AUTH"] = "-ERR max number of clients reached\r\n";
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"AUTH", "secret"}) + resp({"SELECT", "5"}) + resp({"GET", "a"})) ==
          "+OK\r\n" + error(s0 + "takes no more connections: -ERR max number of clients reached") +
              "$1\r\n1\r\n");
    world.pass(50);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.health(0).failures() == 0);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$1\r\n1\r\n");
}

TEST_CASE("what may have come and found no buffer says nothing against the server") {
    config::Pool pool = ejecting_pool(1);
    pool.server_failure_limit = 1;
    pool.timeout_ms = 100;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
    core::ServerConn& conn = world.proxy().pools()[0]->servers[0]->connection(0, false);
    world.server(0).mood = Mood::Mute;
    World::say(client, resp({"GET", "a"}));
    world.settle();
    bool counts = false;
    SUBCASE("it is so when time is up") {
        conn.is_starved = true;
        world.pass(100);
    }
    SUBCASE("it was so after the request") {
        conn.is_starved = true;
        world.pass(50);
        conn.is_starved = false;
        conn.moved_at = world.proxy().now();
        world.pass(50);
    }
    SUBCASE("it was not so") {
        world.pass(100);
        counts = true;
    }
    CHECK(World::heard(client) == error(s0 + "did not answer within 100 ms (timeout)"));
    CHECK(world.health(0).accepts_traffic() != counts);
}

TEST_CASE(
    "a large request that is too late and still being taken says nothing against the server") {
    config::Pool pool = ejecting_pool(1);
    pool.server_failure_limit = 1;
    pool.timeout_ms = 100;
    pool.stream_threshold = 0;  // on everybody's connection
    World world(pool, {.blocks = 1024});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
    Channel& link = *world.link(0);
    link.reads = false;
    link.sip = 1000;
    World::say(client, resp({"MSET", "a", std::string(3'000'000, 'v')}));
    world.settle();
    World::say(other, resp({"GET", "b"}));
    for (int i = 0; i < 20; ++i) {
        link.reads = true;
        world.step();
        link.reads = false;
        world.pass(50);
    }
    CHECK(World::heard(client) == error(s0 + "did not answer within 100 ms (timeout)"));
    CHECK(World::heard(other).find("did not answer within 100 ms (timeout)") != std::string::npos);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.health(0).failures() == 0);
    CHECK_FALSE(link.closed);
    SUBCASE("it takes no more") {
        world.pass(1000);
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
    SUBCASE("it takes the rest, and has its time to answer") {
        world.server(0).mood = Mood::Mute;
        link.sip = 4'000'000;
        link.reads = true;
        world.settle();
        world.pass(300);
        CHECK(world.health(0).accepts_traffic());
        CHECK_FALSE(link.closed);
        world.pass(200);  // that it does not use
        CHECK_FALSE(world.health(0).accepts_traffic());
    }
}

TEST_CASE("with every server out the answer says so at once, and the client stays") {
    World world(ejecting_pool(2));
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    eject(world, 0);
    eject(world, 1);
    Channel& client = world.client();
    const std::string answer = world.ask(client, resp({"GET", a}));
    CHECK(answer ==
          error("every server of pool 'main' is ejected (last: server s1 (10.0.0.1:7001) refused "
                "the connection); next attempt in 1970 ms (server_retry_timeout)"));
    CHECK(world.ask(client, resp({"MGET", a, b})) == answer);
    CHECK(world.ask(client, resp({"MSET", a, "1", b, "2"})) == answer);
    CHECK(world.ask(client, resp({"EVAL", "return 1", "0"})) == answer);
    CHECK(world.ask(client, resp({"FOO.BAR", a})) == answer);
    CHECK(world.ask(client, resp({"PING"})) == "+PONG\r\n");
    // All who ask at the same time hear the same; later there is less to wait.
    world.pass(500);
    const std::string later = world.ask(client, resp({"GET", a}));
    CHECK(later.find("next attempt in 1470 ms (server_retry_timeout)") != std::string::npos);
    CHECK(world.ask(client, resp({"GET", b}) + resp({"GET", a})) == later + later);
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).mood = Mood::Up;
    }
    world.pass(2100);
    CHECK(world.ask(client, resp({"MGET", a, b})) == "*2\r\n$-1\r\n$-1\r\n");
}

TEST_CASE("with every memcached server out too") {
    config::Pool pool = memcached_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool);
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).mood = Mood::Refusing;
    }
    static_cast<void>(world.ask(client, "get " + a + " " + b + "\r\n"));
    const std::string answer = world.ask(client, "get " + a + "\r\n");
    CHECK(answer.starts_with("SERVER_ERROR ringmain: every server of pool 'main' is ejected"));
    CHECK(world.ask(client, "get " + a + " " + b + "\r\n") == answer);
    CHECK(world.ask(client, "flush_all\r\n") == answer);
    CHECK(world.ask(client, "stats\r\n") == answer);
    CHECK(world.ask(client, "set " + a + " 0 0 1 noreply\r\nx\r\nversion\r\n")
              .starts_with("VERSION"));
    CHECK(world.ask(client, "stats ringmain\r\n").starts_with("STAT "));
}

TEST_CASE("flush_all misses no server, stats asks those that are in") {
    config::Pool pool = memcached_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool);
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    static_cast<void>(world.ask(client, "get " + world.key_on(0) + "\r\n"));
    CHECK(
        world.ask(client, "flush_all\r\n") ==
        "SERVER_ERROR ringmain: server s0 (10.0.0.1:7000) is ejected: refused the connection\r\n");
    CHECK(world.ask(client, "stats\r\n").starts_with("STAT pid 5\r\n"));
}

TEST_CASE("random places keys on the servers that are in") {
    config::Pool pool = ejecting_pool(3);
    pool.placement.distribution = placement::DistributionKind::Random;
    pool.server_failure_limit = 1;
    World world(pool);
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    for (int i = 0; i < 100 && world.health(0).accepts_traffic(); ++i) {
        static_cast<void>(world.ask(client, resp({"GET", "a"})));
    }
    for (int i = 0; i < 100; ++i) {
        CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    }
    CHECK(commands(world.server(1)) > 20);
    CHECK(commands(world.server(2)) > 20);
}

TEST_CASE("what one worker decides all follow in their next batch") {
    World one(ejecting_pool(3), {.workers = 2});
    World two(ejecting_pool(3), {.seed = 2, .process = &one.loop().process(), .worker = 1});
    const std::string key = two.key_on(0);
    Channel& client = two.client();
    CHECK(two.ask(client, resp({"GET", key})) == "$-1\r\n");
    CHECK(two.server(0).redis.log.size() == 1);
    eject(one, 0);
    two.loop().advance(one.loop().now() - two.loop().now());
    CHECK(two.ask(client, resp({"SET", key, "1"})) == "+OK\r\n");
    CHECK(two.server(0).redis.log.size() == 1);
    CHECK(one.server_of(key) == two.server_of(key));
    // The failures of both count together: one each.
    CHECK(one.server(1).mood == Mood::Up);
    const std::string other = one.key_on(1);
    one.server(1).mood = Mood::Mute;
    two.server(1).mood = Mood::Mute;
    Channel& first = one.client();
    Channel& second = two.client();
    CHECK(one.ask(first, resp({"GET", other})) == "");
    one.cut_off(1);
    CHECK(one.health(1).failures() == 1);
    CHECK(two.health(1).is_down());
    CHECK(two.ask(second, resp({"GET", other})) ==
          error("server s1 (10.0.0.1:7001) reset the connection"));
    CHECK(two.link(1) == nullptr);
}

TEST_CASE("an attempt that began before a server was back does not hold it back") {
    config::Pool pool = ejecting_pool(3);
    pool.timeout_ms = 0;
    pool.connect_timeout_ms = 60'000;
    World one(pool, {.workers = 2});
    World two(pool, {.seed = 2, .process = &one.loop().process(), .worker = 1});
    const std::string key = two.key_on(0);
    two.server(0).mood = Mood::Vanished;
    Channel& client = two.client();
    CHECK(two.ask(client, resp({"GET", key})) == "");
    eject(one, 0);
    one.server(0).mood = Mood::Up;
    one.pass(2100);
    REQUIRE(one.health(0).accepts_traffic());
    // The other worker has seen nothing of this.
    two.loop().advance(one.loop().now() - two.loop().now());
    two.loop().begin();
    two.loop().reset(*two.link(0), "refused the connection");
    two.loop().end();
    CHECK(World::heard(client) == "");
    two.server(0).mood = Mood::Up;
    CHECK_FALSE(two.health(0).is_down());
    CHECK(two.ask(client, resp({"GET", key})) == error(s0 + "refused the connection") + "$-1\r\n");
}

// --- without ejection ----------------------------------------------------------------------------

TEST_CASE(
    "a server that is down fails requests at once, on every connection, and one looks after it") {
    config::Pool pool = redis_pool(1);
    pool.server_connections = 8;
    World world(pool);
    world.server(0).mood = Mood::Refusing;
    const std::string refused = error(s0 + "refused the connection");
    CHECK(world.ask(world.client(), resp({"GET", "a"})) == refused);
    CHECK(world.counters().server_failures.get() == 1);
    for (int i = 0; i < 8; ++i) {
        CHECK(world.ask(world.client(), resp({"GET", "a"})) == refused);
    }
    CHECK(world.counters().server_failures.get() == 1);  // nobody else has tried
    for (int i = 0; i < 100; ++i) {
        world.pass(50);
        CHECK(world.ask(world.client(), resp({"GET", "a"})) == refused);
    }
    // In 5 s: 20, 40, 80, 160, 320 ms, then every 500 ms, each between half of it and all of it.
    CHECK(world.counters().server_failures.get() >= 12);
    CHECK(world.counters().server_failures.get() <= 26);
    CHECK(world.loop().notices().size() == 1);
    world.server(0).mood = Mood::Up;
    world.pass(510);
    for (int i = 0; i < 8; ++i) {
        CHECK(world.ask(world.client(), resp({"GET", "a"})) == "$-1\r\n");
    }
    CHECK(world.loop().notices().size() == 2);
}

TEST_CASE("nobody waits for the attempt to reach a server that has vanished") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(1510);
    World::heard(client);
    const std::string text =
        error(s0 + "did not accept the connection within 1500 ms (connect_timeout)");
    for (int i = 0; i < 60; ++i) {
        CHECK(world.ask(client, resp({"GET", "a"})) == text);
        world.pass(50);
    }
    world.server(0).mood = Mood::Up;
    world.pass(2100);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("a server that refuses RESP3 serves RESP2") {
    World world(redis_pool(1));
    world.server(0).redis.knows_resp3 = false;
    Channel& three = world.client();
    CHECK(world.ask(three, resp({"HELLO", "3"}) + resp({"GET", "a"})).ends_with("'HELLO'\r\n"));
    Channel& two = world.client();
    CHECK(world.ask(two, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("that we could not connect says nothing about the server") {
    config::Pool pool = ejecting_pool(1);
    pool.server_failure_limit = 1;
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.loop().begin();
    world.proxy().on_connect_impossible(*world.link(0)->server, "cannot be reached: no descriptor");
    world.loop().end();
    world.settle();
    CHECK(World::heard(client) == error(s0 + "cannot be reached: no descriptor"));
    CHECK(world.health(0).failures() == 0);
}

}  // namespace ringmain::test
