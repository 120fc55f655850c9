// Another configuration while clients are being served.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool without(config::Pool pool, size_t server) {
    pool.servers.erase(pool.servers.begin() + static_cast<ptrdiff_t>(server));
    return pool;
}

}  // namespace

TEST_CASE("what did not change goes on as if nothing had happened") {
    World world(redis_pool(2));
    world.server(0).mood = Mood::Mute;
    const std::string a = world.key_on(0);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", a})) == "");
    Channel* link = world.link(0);
    config::Pool changed = redis_pool(2);
    changed.timeout_ms = 1000;
    world.adopt({changed});
    CHECK(world.link(0) == link);
    CHECK(world.proxy().is_settled());
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(client) == bulk("1"));
    CHECK(world.counters().server_connects.get() == 1);

    // The new options count from the next request on.
    CHECK(world.ask(client, resp({"GET", a})) == "");
    world.pass(900);
    CHECK(World::heard(client) == "");
    world.pass(200);
    CHECK(World::heard(client).find("did not answer within 1000 ms") != std::string::npos);
}

TEST_CASE("where keys live is taken over, not made anew, where it is the same") {
    config::Config config;
    config.pools = {redis_pool(3)};
    config.pools[0].timeout_ms = 1000;
    bool is_taken = true;
    SUBCASE("the same servers") {}
    SUBCASE("another weight") {
        config.pools[0].servers[1].weight = 2;
        is_taken = false;
    }
    World world(redis_pool(3));
    const core::Pool& before = *world.proxy().pools()[0];
    world.loop().begin();
    world.loop().adopt(config);
    CHECK(before.any_live() == !is_taken);
    CHECK(world.proxy().pools()[0]->any_live());
    world.loop().end();
    CHECK(world.ask(world.client(), resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("a server that is gone answers what it was asked, and gets nothing new") {
    World world(redis_pool(2));
    world.server(1).mood = Mood::Mute;
    const std::string b = world.key_on(1);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", b})) == "");
    Channel* link = world.link(1);
    world.adopt({without(redis_pool(2), 1)});
    CHECK(!world.proxy().is_settled());
    CHECK(world.ask(client, resp({"SET", b, "2"})) == "");  // answered by s0, behind the GET
    link->inbound += bulk("1");
    world.settle();
    CHECK(World::heard(client) == bulk("1") + "+OK\r\n");
    CHECK(link->closed);
    CHECK(world.proxy().is_settled());
    CHECK(world.ask(client, resp({"GET", b})) == bulk("2"));
    CHECK(world.loop().notices().empty());
}

TEST_CASE("a removed server that never answers does not stay for ever") {
    World world(redis_pool(2));
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", world.key_on(1)})) == "");
    world.adopt({without(redis_pool(2), 1)});
    world.pass(3000);
    CHECK(World::heard(client).find("did not answer within 400 ms") != std::string::npos);
    CHECK(world.proxy().is_settled());
}

TEST_CASE("a new server takes its keys at once, connected beforehand") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "k0", "1"})) == "+OK\r\n");
    config::Pool wider = redis_pool(2);
    wider.preconnect = true;
    world.adopt({wider});
    world.settle();
    REQUIRE(world.link(1) != nullptr);
    CHECK(world.link(1)->connected);
    CHECK(world.ask(client, resp({"GET", world.key_on(0)})) != "");
    CHECK(world.ask(client, resp({"GET", world.key_on(1)})) == "$-1\r\n");
}

TEST_CASE("the clients of a removed pool get their answers and then leave") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& busy = world.client();
    Channel& idle = world.client();
    CHECK(world.ask(busy, resp({"GET", "a"}) + resp({"GET", "b"})) == "");
    Channel* link = world.link(0);
    config::Pool other = redis_pool(1);
    other.name = "other";
    world.adopt({other});
    world.settle();
    CHECK(idle.closed);
    CHECK(!busy.closed);
    link->inbound += bulk("1") + bulk("2");
    world.settle();
    CHECK(World::heard(busy) == bulk("1") + bulk("2"));
    CHECK(busy.closed);
    CHECK(link->closed);
    CHECK(world.proxy().is_settled());
}

TEST_CASE("the clients of a removed pool are answered to the last request, paused or not") {
    config::Pool pool = redis_pool(1);
    pool.requests_in_flight_max = 2;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    std::string requests;
    for (int i = 0; i < 10; ++i) {
        requests += resp({"GET", "k" + std::to_string(i)});
    }
    CHECK(world.ask(client, requests) == "");
    Channel* link = world.link(0);
    config::Pool other = redis_pool(1);
    other.name = "other";
    world.adopt({other});
    for (int i = 0; i < 10; ++i) {
        CHECK(!client.closed);
        CHECK(!link->closed);
        link->inbound += bulk(std::to_string(i));
        world.settle();
        CHECK(World::heard(client) == bulk(std::to_string(i)));
    }
    CHECK(client.closed);
    CHECK(world.proxy().is_settled());
}

namespace {

// The pool goes while `bytes` have arrived and are unread.
void retire_behind(World& world, Channel& client, const std::string& bytes) {
    client.client->unread = bytes.size();
    config::Pool other = redis_pool(1);
    other.name = "other";
    world.adopt({other});
    CHECK_FALSE(client.closed);
}

}  // namespace

TEST_CASE(
    "the clients of a removed pool are answered what has arrived and is unread, and no more") {
    for (const bool in_pieces : {false, true}) {
        for (const bool is_connected : {false, true}) {
            World world(redis_pool(1));
            Channel& client = world.client();
            if (is_connected) CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
            const std::string get = resp({"GET", "a"});
            const std::string sent = get + get + get;
            const std::string later = resp({"GET", "b"}) + "*2\r\n$3\r\nGET";
            CHECK(world.ask(client, sent.substr(0, 10)).empty());
            retire_behind(world, client, sent.substr(10));
            const std::string rest = sent.substr(10) + later;
            std::string heard;
            for (size_t at = 0, step = in_pieces ? 1 : rest.size(); at < rest.size(); at += step) {
                heard += world.ask(client, rest.substr(at, step));
            }
            const std::string value = is_connected ? bulk("1") : "$-1\r\n";
            CHECK(heard == value + value + value);
            CHECK(client.closed);
            CHECK(world.proxy().is_idle());
            CHECK(world.proxy().is_settled());
        }
    }
}

TEST_CASE("what a client has sent to a removed pool does not hold it up") {
    const std::string sent = resp({"BLPOP", "l", "0"}) + resp({"WAIT", "1", "0"}) +
                             resp({"MULTI"}) + resp({"SET", "a", "1"}) + resp({"EXEC"}) +
                             resp({"SUBSCRIBE", "news"});
    for (const size_t step : {sent.size(), size_t{1}}) {
        World world(redis_pool(1));
        Channel& client = world.client();
        retire_behind(world, client, sent);
        std::string heard;
        for (size_t at = 0; at < sent.size(); at += step) {
            heard += world.ask(client, sent.substr(at, step));
        }
        CHECK(heard ==
              "-ERR ringmain: 'BLPOP' is not begun: the connection is about to end\r\n"
              "-ERR ringmain: 'WAIT' is not begun: the connection is about to end\r\n"
              "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"
              "-ERR ringmain: server s0 (10.0.0.1:7000) is not configured any more\r\n");
        CHECK(client.closed);
        CHECK(world.proxy().is_settled());
    }
}

TEST_CASE("a new password asks new clients; a server that wants another is connected anew") {
    World world(redis_pool(1));
    Channel& old_client = world.client();
    CHECK(world.ask(old_client, resp({"SET", "a", "1"})) == "+OK\r\n");
    Channel* link = world.link(0);
    world.server(0).redis.password = "secret";
    config::Pool guarded = redis_pool(1);
    guarded.redis_auth = "secret";
    world.adopt({guarded});
    CHECK(world.ask(old_client, resp({"GET", "a"})) == bulk("1"));
    CHECK(link->closed);
    Channel& new_client = world.client();
    CHECK(world.ask(new_client, resp({"GET", "a"})) == "-NOAUTH Authentication required.\r\n");
    world.adopt({redis_pool(1)});
    world.server(0).redis.password = "";
    CHECK(world.ask(new_client, resp({"GET", "a"})) == bulk("1"));
}

TEST_CASE("a client does not overtake itself when its server is connected to anew") {
    World world(redis_pool(2));
    const std::string a = world.key_on(0);
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", a})) == "$-1\r\n");
    Channel* link = world.link(0);
    link->reads = false;
    CHECK(world.ask(client, resp({"SET", a, "1"}) + resp({"GET", world.key_on(1)})) == "");
    config::Pool changed = redis_pool(2);
    changed.server_connections = 2;
    world.adopt({changed});
    CHECK(world.ask(client, resp({"GET", a}) + resp({"PING"})) == "");
    CHECK(world.ask(other, resp({"GET", a})) == "$-1\r\n");  // has nothing to wait for
    SUBCASE("the old connection answers") {
        link->reads = true;
        world.settle();
        CHECK(World::heard(client) == "+OK\r\n$-1\r\n" + bulk("1") + "+PONG\r\n");
    }
    SUBCASE("the old connection is lost") {
        world.loop().begin();
        world.loop().reset(*link);
        world.loop().end();
        world.settle();
        const std::string lost =
            "-ERR ringmain: server s0 (10.0.0.1:7000) reset the connection\r\n";
        CHECK(World::heard(client) == lost + "$-1\r\n$-1\r\n+PONG\r\n");
        CHECK_FALSE(world.health(0).is_down());
    }
    CHECK(world.proxy().is_settled());
}

TEST_CASE("a client that was about to be read on waits all the same") {
    config::Pool pool = redis_pool(1);
    pool.requests_in_flight_max = 2;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client,
                    resp({"SET", "a", "1"}) + resp({"SET", "a", "2"}) + resp({"GET", "a"})) == "");
    Channel* link = world.link(0);
    pool.server_connections = 2;
    config::Config config;
    config.file = "ringmain.toml";
    config.pools = {pool};
    link->inbound += "+OK\r\n";
    world.loop().begin();
    world.loop().receive(*link);
    world.loop().adopt(config);
    world.loop().end();
    CHECK(client.client->requests.size() == 1);
    link->arrived.clear();
    link->inbound += "+OK\r\n";
    world.settle();
    CHECK(World::heard(client) == "+OK\r\n+OK\r\n");
    world.server(0).redis.values["a"] = "2";
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == bulk("2"));
    world.adopt({pool});  // `config` ends here
}

TEST_CASE("a server that is down is looked after by its new connections, too") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})).find("refused") != std::string::npos);
    config::Pool changed = redis_pool(1);
    changed.server_connections = 2;
    world.adopt({changed});
    world.server(0).mood = Mood::Up;
    world.pass(600);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("one configuration after the other, with clients in the middle of a request") {
    World world(redis_pool(3));
    Channel& client = world.client();
    const std::string request = resp({"MSET", "a", "1", "b", "2", "c", "3", "d", "4"});
    for (size_t cut = 1; cut < request.size(); ++cut) {
        World::say(client, request.substr(0, cut));
        world.settle();
        world.adopt({cut % 2 == 0 ? redis_pool(3) : without(redis_pool(3), cut % 3)});
        CHECK(world.ask(client, request.substr(cut)) == "+OK\r\n");
        CHECK(world.ask(client, resp({"MGET", "a", "b", "c", "d"})) ==
              "*4\r\n" + bulk("1") + bulk("2") + bulk("3") + bulk("4"));
    }
    CHECK(world.proxy().is_settled());
}

TEST_CASE("memcached clients stay where they are") {
    World world(memcached_pool(2));
    Channel& client = world.client();
    World::say(client, "set a 0 0 3\r\nx");
    world.settle();
    config::Pool changed = memcached_pool(2);
    changed.request_size_max = 10;
    world.adopt({changed});
    CHECK(world.ask(client, "yz\r\n") == "STORED\r\n");
    CHECK(world.ask(client, "set a 0 0 11\r\n01234567890\r\n").starts_with("SERVER_ERROR"));
}

TEST_CASE("a timeout that there was none of before is that of requests under way too") {
    config::Pool pool = redis_pool(1);
    SUBCASE("none") {
        pool.timeout_ms = 0;
    }
    SUBCASE("a long one") {
        pool.timeout_ms = 60'000;
    }
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(1000);
    pool.timeout_ms = 400;
    world.adopt({pool});
    static_cast<void>(world.ask(client, resp({"GET", "b"})));
    world.pass(500);
    CHECK(World::heard(client).find("did not answer within 400 ms") != std::string::npos);
    CHECK(world.counters().timeouts.get() == 2);
}

TEST_CASE("health checks end and begin again with their interval") {
    config::Pool pool = redis_pool(1);
    pool.health_check_interval_ms = 100;
    World world(pool);
    world.step();
    world.pass(300);
    const size_t before = world.server(0).redis.log.size();
    CHECK(before >= 2);
    pool.health_check_interval_ms = 0;
    world.adopt({pool});
    world.pass(1000);
    const size_t meanwhile = world.server(0).redis.log.size();
    CHECK(meanwhile <= before + 1);
    CHECK(world.proxy().next_deadline() == Instant::never());
    pool.health_check_interval_ms = 100;
    world.adopt({pool});
    world.pass(1000);
    CHECK(world.server(0).redis.log.size() >= meanwhile + 5);
}

}  // namespace ringmain::test
