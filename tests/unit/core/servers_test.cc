// Servers that are lost, late, wrong or slow to take a connection.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("a lost server fails what waits for it, by name, and nothing else") {
    World world(redis_pool(2));
    world.server(0).mood = Mood::Mute;
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", a}) + resp({"GET", b}) + resp({"GET", a})) == "");
    CHECK(world.ask(other, resp({"GET", a}) + resp({"GET", b})) == "");
    world.reply(0, bulk("1"));
    world.settle();
    world.cut_off(0);
    world.settle();
    const std::string lost = error(s0 + "reset the connection");
    CHECK(World::heard(client) == bulk("1") + "$-1\r\n" + lost);
    CHECK(World::heard(other) == lost + "$-1\r\n");
    CHECK(world.counters().server_failures.get() == 1);
    CHECK(world.counters().errors.get() == 2);
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0] == "pool main: " + s0 + "reset the connection");
}

TEST_CASE("a server without a name is told by its address") {
    config::Pool pool = redis_pool(1);
    pool.servers[0].name.clear();
    World world(pool);
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) ==
          error("server 10.0.0.1:7000 refused the connection"));
}

TEST_CASE("connections that nobody waits for begin some at a time, others at once") {
    config::Pool pool = redis_pool(8);
    pool.preconnect = true;
    World world(pool, {.preconnects = 2});
    Channel& client = world.client();
    world.proxy().preconnect();
    world.step();
    CHECK(world.link(0) != nullptr);
    CHECK(world.link(1) != nullptr);
    CHECK(world.link(2) == nullptr);
    World::say(client,
               resp({"GET", world.key_on(7)}) + resp({"GET", world.key_on(6)}) +
                   resp({"GET", world.key_on(5)}));
    world.step();
    for (const uint32_t server : {2U, 3U, 5U, 6U, 7U}) {
        CHECK(world.link(server) != nullptr);
    }
    CHECK(world.link(4) == nullptr);
    CHECK(world.proxy().has_more_to_do());
    world.settle();
    CHECK(World::heard(client) == "$-1\r\n$-1\r\n$-1\r\n");
    CHECK(world.link(4) != nullptr);
    CHECK_FALSE(world.proxy().has_more_to_do());
}

TEST_CASE("what a connection waited for its turn to begin is not the server's time") {
    config::Pool pool = redis_pool(4);
    pool.preconnect = true;
    pool.connect_timeout_ms = 100;
    World world(pool, {.preconnects = 1});
    for (uint32_t server = 0; server < 4; ++server) {
        world.server(server).mood = Mood::Vanished;
    }
    world.proxy().preconnect();
    world.step();  // s0 begins
    world.loop().advance(Duration::millis(90));
    world.step();  // s1
    CHECK(world.counters().server_failures.get() == 0);
    world.loop().advance(Duration::millis(20));
    world.step();
    CHECK(world.counters().server_failures.get() == 1);
    CHECK(world.health(0).is_down());
    CHECK_FALSE(world.health(1).is_down());
    world.loop().advance(Duration::millis(90));
    world.step();
    CHECK(world.health(1).is_down());
    CHECK_FALSE(world.health(2).is_down());
}

TEST_CASE("a server that is back is back for all connections to it at once") {
    World world(redis_pool(1));
    Channel& one = world.client();
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"HELLO", "3"})).starts_with('%'));
    for (int round = 0; round < 20; ++round) {
        CHECK(world.ask(one, resp({"GET", "a"})) == "$-1\r\n");
        CHECK(world.ask(other, resp({"GET", "a"})) == "_\r\n");
        world.server(0).mood = Mood::Refusing;
        world.cut_off(0);
        world.cut_off(0, true);
        for (int i = 0; i < 50 + 7 * round; ++i) {
            CHECK(world.ask(i % 2 == round % 2 ? one : other, resp({"GET", "a"})).starts_with('-'));
            world.pass(10);
        }
        world.server(0).mood = Mood::Up;
        int waited = 0;
        for (; world.health(0).is_down() && waited < 600; ++waited) {
            world.pass(1);
        }
        CHECK(waited < 600);
        CHECK(world.ask(one, resp({"GET", "a"})) == "$-1\r\n");
        CHECK(world.ask(other, resp({"GET", "a"})) == "_\r\n");
    }
}

TEST_CASE("after a failure requests fail at once until the server is connected again") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    const std::string refused = error(s0 + "refused the connection");
    for (int round = 0; round < 5; ++round) {
        CHECK(world.ask(client, resp({"GET", "a"})) == refused);
        CHECK(world.link(0) == nullptr);
        const uint64_t failures = world.counters().server_failures.get();
        CHECK(world.ask(client, resp({"GET", "a"})) == refused);
        CHECK(world.counters().server_failures.get() == failures);  // not even tried
        world.pass(500);
        CHECK(world.counters().server_failures.get() > failures);  // tried in the background
    }
    CHECK(world.loop().notices().size() == 1);
    world.server(0).mood = Mood::Up;
    world.pass(500);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.loop().notices().back() ==
          "pool main: server s0 (10.0.0.1:7000) is connected again");
    // All is forgotten: the next loss is told again.
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.cut_off(0);
    CHECK(world.loop().notices().back() == "pool main: " + s0 + "reset the connection");
}

TEST_CASE("the delay before the next try doubles and stays below its maximum") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    static_cast<void>(world.ask(client, resp({"GET", "a"})));
    // 20, 40, 80, 160, 320, 500, 500 ms, each between half of it and all of it; ticks of 10 ms.
    for (const int64_t delay : {20, 40, 80, 160, 320, 500, 500}) {
        CAPTURE(delay);
        const uint64_t failures = world.counters().server_failures.get();
        int64_t waited = 0;
        while (world.counters().server_failures.get() == failures && waited < 1000) {
            world.pass(10);
            waited += 10;
        }
        CHECK(waited >= delay / 2);
        CHECK(waited <= delay + 10);
    }
}

TEST_CASE("with preconnect the servers are connected before anybody asks, and again after a loss") {
    config::Pool pool = redis_pool(2);
    pool.preconnect = true;
    World world(pool);
    world.loop().begin();
    world.proxy().preconnect();
    world.loop().end();
    world.settle();
    CHECK(world.counters().server_connections.get() == 2);
    world.cut_off(1);
    CHECK(world.counters().server_connections.get() == 1);
    CHECK(world.proxy().next_deadline() != Instant::never());
    world.pass(50);
    CHECK(world.counters().server_connections.get() == 2);
    world.pass(1000);
    CHECK(world.proxy().next_deadline() == Instant::never());
}

TEST_CASE("a server that closes an idle connection has done nothing wrong") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    world.hang_up(0);
    world.settle();
    CHECK(world.link(0) == nullptr);
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(world.loop().notices().empty());
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("a server that takes connections and closes them fills no log") {
    config::Pool pool = redis_pool(1);
    pool.preconnect = true;
    World world(pool);
    world.loop().begin();
    world.proxy().preconnect();
    world.loop().end();
    for (int i = 0; i < 10; ++i) {
        world.settle();
        if (world.link(0) != nullptr) world.hang_up(0);
        world.pass(520);
    }
    CHECK(world.counters().server_failures.get() >= 5);
    CHECK(world.loop().notices().size() == 1);
}

TEST_CASE("a byte that nobody asked for closes the connection and is told") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    world.reply(0, "+");
    world.settle();
    CHECK(world.link(0) == nullptr);
    CHECK(world.counters().server_failures.get() == 1);
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0] == "pool main: " + s0 + "sent bytes that nobody asked for");
}

TEST_CASE("what a server says of itself on a new connection is quoted") {
    config::Pool pool = redis_pool(1);
    pool.preconnect = true;
    World world(pool);
    world.loop().begin();
    world.proxy().preconnect();
    world.loop().end();
    world.settle();
    const std::string said =
        "-DENIED Redis is running in protected mode because protected mode is enabled and no "
        "password is set";
    std::string shown;
    SUBCASE("a line") {
        world.reply(0, said + "\r\nmore");
        shown = "\"" + said + "\"";
    }
    SUBCASE("a long line") {
        world.reply(0, said + " for the default user. In this mode...\r\n");
        shown = "\"" + said + " ...\"";
    }
    SUBCASE("of bytes that are no text") {
        world.reply(0, std::string("\0\x01\"\\\xFF\n", 6));
        shown = R"("\x00\x01\"\\\xff\n")";
    }
    world.hang_up(0);
    world.settle();
    const std::string text = s0 + "sent bytes that nobody asked for: " + shown;
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0] == "pool main: " + text);
    CHECK(world.health(0).last_error() == "sent bytes that nobody asked for: " + shown);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == error(text));
}

TEST_CASE("bytes behind the last response close the connection, and the response is delivered") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.reply(0, bulk("1") + bulk("2"));
    world.settle();
    CHECK(World::heard(client) == bulk("1"));
    CHECK(world.link(0) == nullptr);
}

TEST_CASE("a byte that came before the request was sent does not answer it") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    // Both in one batch: the request cannot have left when the byte came.
    World::say(client, resp({"GET", "a"}));
    world.reply(0, bulk("somebody else's"));
    world.settle();
    CHECK(World::heard(client) == error(s0 + "sent bytes that nobody asked for"));
}

TEST_CASE("a response too many does not answer what waits behind a send") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.link(0)->reads = false;
    CHECK(world.ask(client, resp({"GET", "b"})) == "");
    CHECK(world.ask(client, resp({"GET", "c"})) == "");
    world.reply(0, bulk("1") + bulk("2") + bulk("3"));
    world.settle();
    CHECK(World::heard(client) ==
          bulk("1") + bulk("2") +
              error("server s0 (10.0.0.1:7000) sent bytes that nobody asked for"));
}

TEST_CASE("a malformed response closes the connection") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"}) + resp({"GET", "b"})) == "");
    world.reply(0, bulk("1") + "?what\r\n");
    world.settle();
    const std::string text = World::heard(client);
    CHECK(text.starts_with(bulk("1") + "-ERR ringmain: " + s0 + "sent a malformed response: "));
    CHECK(world.link(0) == nullptr);
}

TEST_CASE("a push message closes the connection") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.reply(0, ">2\r\n+invalidate\r\n*0\r\n");
    world.settle();
    CHECK(World::heard(client) == error(s0 + "sent a push message that nobody subscribed to"));
}

TEST_CASE("a connection that closes in the middle of a response fails it") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.reply(0, "$100\r\nabc");
    world.hang_up(0);
    world.settle();
    CHECK(World::heard(client) == error(s0 + "closed the connection"));
}

TEST_CASE("a late response is dropped, and the next one is delivered") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(200);
    CHECK(world.ask(client, resp({"GET", "b"})) == "");
    Channel* link = world.link(0);
    world.pass(210);
    CHECK(World::heard(client) == error(s0 + "did not answer within 400 ms (timeout)"));
    CHECK(world.counters().timeouts.get() == 1);
    link->inbound += bulk("a") + bulk("b");
    world.settle();
    CHECK(World::heard(client) == bulk("b"));
    CHECK(world.proxy().is_idle());
    CHECK_FALSE(link->closed);
}

TEST_CASE("a connection whose oldest request is late by four timeouts is closed") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    Channel* late = world.link(0);
    world.pass(1590);
    CHECK(World::heard(client) == error(s0 + "did not answer within 400 ms (timeout)"));
    CHECK_FALSE(late->closed);
    world.pass(20);
    CHECK(late->closed);
    CHECK(world.proxy().is_idle());
    CHECK(world.loop().notices().back() ==
          "pool main: " + s0 + "has not answered for 1600 ms (late_connection_timeout)");
}

TEST_CASE("what waits on a connection that is closed for being late is told") {
    config::Pool pool = redis_pool(1);
    pool.late_connection_timeout_ms = 500;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(300);
    CHECK(world.ask(client, resp({"GET", "b"})) == "");
    world.pass(110);
    World::heard(client);
    world.pass(100);
    CHECK(World::heard(client) ==
          error(s0 + "has not answered for 500 ms (late_connection_timeout)"));
}

TEST_CASE("nobody queues behind a request that is late: another connection takes over") {
    config::Pool pool = redis_pool(1);
    SUBCASE("at the next request") {}
    SUBCASE("beforehand") {
        pool.preconnect = true;
    }
    World world(pool);
    Channel& one = world.client();
    Channel& two = world.client();
    CHECK(world.ask(one, resp({"GET", "a"})) == "$-1\r\n");
    Channel* late = world.link(0);
    late->reads = false;
    CHECK(world.ask(one, resp({"GET", "a"})) == "");
    world.pass(410);
    CHECK(World::heard(one) == error(s0 + "did not answer within 400 ms (timeout)"));
    CHECK((world.link(0) != nullptr) == pool.preconnect);
    CHECK(world.ask(two, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.ask(one, resp({"SET", "a", "1"}) + resp({"GET", "a"})) == "+OK\r\n" + bulk("1"));
    CHECK(world.link(0) != late);
    // When it has answered it goes.
    late->reads = true;
    world.settle();
    CHECK(World::heard(one) == "");
    world.pass(1300);
    CHECK(late->closed);
    CHECK(world.counters().server_connections.get() == 1);
    CHECK(world.counters().server_connects.get() == 2);
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(world.proxy().next_deadline() == Instant::never());
}

TEST_CASE("who has something in flight on a late connection waits for it") {
    World world(redis_pool(1));
    Channel& one = world.client();
    Channel& two = world.client();
    CHECK(world.ask(one, resp({"GET", "a"})) == "$-1\r\n");
    Channel* late = world.link(0);
    late->reads = false;
    CHECK(world.ask(one, resp({"SET", "a", "1"})) == "");
    world.pass(300);
    CHECK(world.ask(one, resp({"SET", "a", "2"})) == "");
    CHECK(world.ask(two, resp({"SET", "b", "2"})) == "");
    world.pass(110);
    const std::string text = error(s0 + "did not answer within 400 ms (timeout)");
    CHECK(World::heard(one) == text);
    CHECK(world.ask(one, resp({"GET", "a"})) == "");
    CHECK(world.ask(two, resp({"GET", "b"})) == "");
    SUBCASE("and is answered") {
        late->reads = true;
        world.settle();
        CHECK(World::heard(one) == "+OK\r\n" + bulk("2"));
        CHECK(World::heard(two) == "+OK\r\n" + bulk("2"));
    }
    SUBCASE("or told that it is late") {
        world.pass(300);
        CHECK(World::heard(one) == text + "$-1\r\n");
        CHECK(World::heard(two) == text + "$-1\r\n");
    }
}

TEST_CASE("beside a late connection there are two others at most, whatever becomes of them") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    for (int i = 0; i < 500; ++i) {
        World::say(client, resp({"GET", "a"}));
        world.pass(10);
        CHECK(world.counters().server_connections.get() <= 3);
    }
    world.server(0).mood = Mood::Up;
    world.pass(600);
    World::heard(client);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("without a timeout a request waits for ever") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 0;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(5000);
    CHECK(World::heard(client) == "");
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(client) == bulk("1"));
}

TEST_CASE("a client that left has its timeouts pass without a trace") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"}) + resp({"GET", "b"})) == "");
    world.drop(client);
    world.pass(500);
    CHECK_FALSE(world.proxy().is_idle());
    world.pass(1500);
    CHECK(world.proxy().is_idle());
}

TEST_CASE("a server that does not take the connection fails after connect_timeout") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 5000;
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(1490);
    CHECK(World::heard(client) == "");
    world.pass(10);
    CHECK(World::heard(client) ==
          error(s0 + "did not accept the connection within 1500 ms (connect_timeout)"));
}

TEST_CASE("a name that is not looked up in time is told from a server that does not accept") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 5000;
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.proxy().pools()[0]->servers[0]->connection(0, false).is_sought = true;
    world.pass(1500);
    CHECK(World::heard(client) ==
          error(s0 + "cannot be found: looking up its name takes longer than 1500 ms "
                     "(connect_timeout)"));
}

TEST_CASE("a request whose time is up before there is a connection says so") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 100;
    pool.connect_timeout_ms = 5000;
    pool.late_connection_timeout_ms = 200;
    World world(pool);
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    const core::Server& server = *world.proxy().pools()[0]->servers[0];
    for (int i = 0; i < 3; ++i) {
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        world.pass(110);
        CHECK(World::heard(client) ==
              error(s0 + "did not accept the connection within 100 ms (timeout)"));
    }
    // It has taken no connection that it could be silent on, or late.
    CHECK_FALSE(server.silence.is_silent());
    CHECK(world.health(0).failures() == 1);  // of one attempt
    CHECK(world.counters().server_failures.get() == 0);

    world.proxy().pools()[0]->servers[0]->connection(0, false).is_sought = true;
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(110);
    CHECK(World::heard(client) ==
          error(s0 + "cannot be found: looking up its name takes longer than 100 ms (timeout)"));
}

TEST_CASE("a look-up that takes long says nothing about a server with other connections") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 100;
    pool.server_connections = 2;
    World world(pool);
    Channel& first = world.client();
    Channel& second = world.client();
    CHECK(world.ask(first, resp({"GET", "a"})) == "$-1\r\n");
    world.server(0).mood = Mood::Vanished;
    CHECK(world.ask(second, resp({"GET", "a"})) == "");
    world.proxy().pools()[0]->servers[0]->connection(1, false).is_sought = true;
    world.pass(110);
    CHECK(World::heard(second) ==
          error(s0 + "cannot be found: looking up its name takes longer than 100 ms (timeout)"));
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("a connection that is replaced in the same batch hears nothing of its predecessor") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    Channel& old = *world.link(0);
    // Lost while idle, asked for again, and then the old socket says more: all in one batch.
    world.loop().begin();
    world.loop().end_of_stream(old);
    World::say(client, resp({"GET", "a"}));
    CHECK(world.loop().receive(client));
    old.inbound = "+stray\r\n";
    CHECK(world.loop().receive(old));
    world.loop().reset(old);
    world.loop().end();
    CHECK(old.closed);
    world.settle();
    CHECK(World::heard(client) == "$-1\r\n");
}

TEST_CASE("a late connection that is lost does not leave its server down with nobody to look") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 100;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    Channel* late = world.link(0);
    REQUIRE(late != nullptr);
    world.pass(110);
    CHECK_FALSE(World::heard(client).empty());
    // After a pause of the process its request is younger than the failure.
    const auto lose = [&] {
        world.loop().advance(Duration::millis(300));
        world.loop().begin({.by = Duration::millis(300)});
        world.loop().reset(*late);
        world.loop().end();
    };
    SUBCASE("while the one in its place is there") {
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        lose();
        CHECK_FALSE(world.health(0).is_down());
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(World::heard(client) == "$-1\r\n");
    }
    SUBCASE("before that was needed") {
        lose();
        CHECK(world.health(0).is_down());
        world.server(0).mood = Mood::Up;
        world.pass(600);
        CHECK_FALSE(world.health(0).is_down());
        CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    }
}

// --- what a new connection must be told ----------------------------------------------------------

TEST_CASE("a new connection authenticates, switches to RESP3 and selects, in this order") {
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "secret";
    pool.redis_db = 5;
    World world(pool);
    world.server(0).redis.password = "secret";
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", "secret"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.server(0).redis.log ==
          std::vector<std::string>{"AUTH secret", "SELECT 5", "PING", "GET a"});
    world.server(0).redis.log.clear();
    CHECK(world.ask(client, resp({"HELLO", "3"})).starts_with("%7\r\n"));
    CHECK(world.ask(client, resp({"GET", "a"})) == "_\r\n");
    CHECK(world.server(0).redis.log ==
          std::vector<std::string>{"AUTH secret", "HELLO 3", "SELECT 5", "PING", "GET a"});
}

TEST_CASE("a server that refuses the greeting is told with what it refused") {
    config::Pool pool = redis_pool(1);
    pool.redis_db = 5;
    SUBCASE("the password") {
        pool.redis_auth = "wrong";
        World world(pool);
        world.server(0).redis.password = "secret";
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"AUTH", "wrong"}) + resp({"GET", "a"})) ==
              "+OK\r\n" + error(s0 + "refused the password (redis_auth): -WRONGPASS invalid "
                                     "username-password pair"));
        CHECK(world.server(0).redis.log ==
              std::vector<std::string>{"AUTH wrong", "SELECT 5", "PING"});
        CHECK(world.link(0) == nullptr);
    }
    SUBCASE("for want of a password") {
        World world(pool);
        world.server(0).redis.password = "secret";
        Channel& client = world.client();
        const std::string text = s0 +
                                 "wants a password that it was not given (redis_auth, or password "
                                 "of the server): -NOAUTH Authentication required.";
        CHECK(world.ask(client, resp({"HELLO", "3"}) + resp({"GET", "a"})).ends_with(error(text)));
        REQUIRE(world.loop().notices().size() == 1);
        CHECK(world.loop().notices()[0] == "pool main: " + text);
    }
    SUBCASE("the database") {
        World world(pool);
        world.server(0).redis.has_databases = false;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"GET", "a"})) ==
              error(s0 + "refused the database (redis_db = 5): -ERR DB index is out of range"));
    }
    SUBCASE("the database while a script runs") {
        World world(pool);
        world.server(0).redis.canned["SELECT"] = "-BUSY Redis is busy running a script.\r\n";
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"GET", "a"})) ==
              error(s0 + "does not choose database 5 now: -BUSY Redis is busy running a script."));
    }
    SUBCASE("the protocol version") {
        World world(pool);
        world.server(0).redis.knows_resp3 = false;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"HELLO", "3"}) + resp({"GET", "a"}))
                  .ends_with(error(s0 + "refused RESP3 (HELLO 3); connect with RESP2: -ERR unknown "
                                        "command 'HELLO'")));
    }
}

TEST_CASE("a server that wants a password that the pool does not have is told once a minute") {
    World world(redis_pool(2));
    world.server(1).redis.password = "secret";
    Channel& client = world.client();
    const std::string noauth = "-NOAUTH Authentication required.\r\n";
    const auto ask = [&] {
        CHECK(world.ask(client, resp({"GET", world.key_on(1)})) == noauth);
        CHECK(world.ask(client, resp({"MGET", world.key_on(0), world.key_on(1)})) == noauth);
        CHECK(world.ask(client, resp({"GET", world.key_on(0)})) == "$-1\r\n");
    };
    ask();
    world.pass(59'000);
    ask();
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0] ==
          "pool main: server s1 (10.0.0.1:7001) wants a password that it was not given "
          "(redis_auth, or password of the server): -NOAUTH Authentication required.");
    world.pass(2'000);
    ask();
    CHECK(world.loop().notices().size() == 2);
}

TEST_CASE("a server that talks before it was greeted is hung up on") {
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "secret";
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    World::say(client, resp({"AUTH", "secret"}) + resp({"GET", "a"}));
    world.step();
    Channel* link = world.link(0);
    REQUIRE(link != nullptr);
    world.loop().begin();
    world.loop().connected(*link);
    link->inbound = "+OK\r\n";
    CHECK(world.loop().receive(*link));
    world.loop().end();
    world.settle();
    CHECK(World::heard(client) ==
          "+OK\r\n" + error(s0 + "sent bytes that nobody asked for: \"+OK\""));
}

TEST_CASE("a server that never answers the greeting fails after connect_timeout") {
    config::Pool pool = redis_pool(1);
    pool.redis_db = 1;
    pool.timeout_ms = 5000;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(1510);
    CHECK(
        World::heard(client) ==
        error(s0 + "accepted the connection but did not answer within 1500 ms (connect_timeout)"));
}

// --- RESP3 ---------------------------------------------------------------------------------------

TEST_CASE("HELLO 3 waits for all earlier answers, and what follows it waits for HELLO") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client,
                    resp({"SET", "a", "1"}) + resp({"HELLO", "3"}) + resp({"GET", "a"}) +
                        resp({"PING"})) == "");
    CHECK(world.link(0, true) == nullptr);
    // More of them, in several receives, while the client waits.
    CHECK(world.ask(client, resp({"GET", "b"})) == "");
    CHECK(world.ask(client, resp({"HELLO", "2"}) + resp({"GET", "c"})) == "");
    CHECK(world.counters().requests.get() == 1);
    world.server(0).mood = Mood::Up;
    world.settle();
    const std::string text = World::heard(client);
    CHECK(text.starts_with("+OK\r\n%7\r\n"));
    CHECK(text.find(bulk("1") + "+PONG\r\n_\r\n*14\r\n") != std::string::npos);
    CHECK(text.ends_with("$-1\r\n"));
    CHECK(world.counters().requests.get() == 7);
}

TEST_CASE("a HELLO that waits is answered when the client's earlier request fails") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"}) + resp({"HELLO", "3"})) == "");
    world.cut_off(0);
    world.settle();
    CHECK(World::heard(client).find("%7\r\n") != std::string::npos);
}

TEST_CASE("RESET goes back to RESP2 after the earlier answers") {
    World world(redis_pool(1));
    Channel& client = world.client();
    static_cast<void>(world.ask(client, resp({"HELLO", "3"})));
    CHECK(world.ask(client, resp({"GET", "a"}) + resp({"RESET"}) + resp({"GET", "a"})) ==
          "_\r\n+RESET\r\n$-1\r\n");
}

TEST_CASE("several connections per server: a client stays on its own") {
    config::Pool pool = redis_pool(1);
    pool.server_connections = 3;
    World world(pool);
    Channel& first = world.client();
    Channel& second = world.client();
    for (int i = 0; i < 4; ++i) {
        CHECK(world.ask(first, resp({"SET", "a", std::to_string(i)})) == "+OK\r\n");
        CHECK(world.ask(first, resp({"GET", "a"})) == bulk(std::to_string(i)));
    }
    CHECK(world.counters().server_connects.get() == 1);
    CHECK(world.ask(second, resp({"GET", "a"})) == bulk("3"));
    CHECK(world.counters().server_connects.get() == 2);
}

}  // namespace ringmain::test
