// Users and passwords of ringmain's own, one for each server.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

using Log = std::vector<std::string>;

// s0: the pool's user and password. s1: both of its own. s2: a password of its own.
config::Pool mixed_pool() {
    config::Pool pool = redis_pool(3);
    pool.redis_auth = "common";
    pool.redis_user = "ringmain";
    pool.servers[1].user = "one";
    pool.servers[1].password = "first";
    pool.servers[2].password = "second";
    return pool;
}

void prepare(World& world) {
    world.server(0).redis.user = "ringmain";
    world.server(0).redis.password = "common";
    world.server(1).redis.user = "one";
    world.server(1).redis.password = "first";
    world.server(2).redis.user = "ringmain";
    world.server(2).redis.password = "second";
}

Channel& known_client(World& world) {
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", "common"})) == "+OK\r\n");
    return client;
}

}  // namespace

TEST_CASE("each server is told its own user and password, before any request") {
    World world(mixed_pool());
    prepare(world);
    Channel& client = known_client(world);
    for (uint32_t i = 0; i < 3; ++i) {
        CHECK(world.ask(client, resp({"GET", world.key_on(i)})) == "$-1\r\n");
    }
    CHECK(world.server(0).redis.log ==
          Log{"AUTH ringmain common", "PING", "GET " + world.key_on(0)});
    CHECK(world.server(1).redis.log == Log{"AUTH one first", "PING", "GET " + world.key_on(1)});
    CHECK(world.server(2).redis.log ==
          Log{"AUTH ringmain second", "PING", "GET " + world.key_on(2)});
}

TEST_CASE("connections of every kind are told") {
    World world(mixed_pool());
    prepare(world);
    Channel& client = known_client(world);
    const std::string key = world.key_on(1);
    SUBCASE("of RESP3") {
        CHECK(world.ask(client, resp({"HELLO", "3"}) + resp({"GET", key})).ends_with("_\r\n"));
        CHECK(world.server(1).redis.log == Log{"AUTH one first", "HELLO 3", "GET " + key});
    }
    SUBCASE("of another database") {
        CHECK(world.ask(client, resp({"SELECT", "3"}) + resp({"GET", key})) == "+OK\r\n$-1\r\n");
        CHECK(world.server(1).redis.log == Log{"AUTH one first", "SELECT 3", "PING", "GET " + key});
    }
    SUBCASE("of one client") {
        CHECK(world.ask(client, resp({"WATCH", key})) == "+OK\r\n");
        CHECK(world.server(1).redis.log.front() == "AUTH one first");
        CHECK(world.server(1).redis.log.back() == "WATCH " + key);
    }
    SUBCASE("of subscriptions") {
        CHECK(world.ask(client, resp({"SUBSCRIBE", key})).starts_with("*3\r\n$9\r\nsubscribe"));
        CHECK(world.server(1).redis.log[0] == "AUTH one first");
    }
}

TEST_CASE("a pool may be open to clients while its servers are not") {
    config::Pool pool = redis_pool(1);
    pool.servers[0].password = "own";
    World world(pool);
    world.server(0).redis.password = "own";
    CHECK(world.ask(world.client(), resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.server(0).redis.log == Log{"AUTH own", "PING", "GET a"});
}

TEST_CASE("a probe is told, and a user that may not say PING is known all the same") {
    config::Pool pool = mixed_pool();
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 2000;
    World world(pool);
    prepare(world);
    Channel& client = known_client(world);
    const std::string key = world.key_on(1);
    world.server(1).mood = Mood::Refusing;
    static_cast<void>(world.ask(client, resp({"GET", key})));
    REQUIRE_FALSE(world.health(1).accepts_traffic());
    world.server(1).mood = Mood::Up;
    SUBCASE("the right password") {
        world.pass(2010);
    }
    SUBCASE("without the right to say PING") {
        world.server(1).redis.canned["PING"] =
            "-NOPERM this user has no permissions to run the 'ping' command\r\n";
        world.pass(2010);
    }
    SUBCASE("another password") {
        world.server(1).redis.password = "changed";
        world.pass(2010);
        CHECK_FALSE(world.health(1).accepts_traffic());
        CHECK(world.health(1).last_error() ==
              "refused user 'one' or its password (user and password of the server): -WRONGPASS "
              "invalid username-password pair");
        world.server(1).redis.password = "first";
        world.server(1).redis.log.clear();
        world.pass(2010);
    }
    CHECK(world.health(1).accepts_traffic());
    CHECK(world.server(1).redis.log == Log{"AUTH one first", "PING"});
}

TEST_CASE("what a server refuses is told with its user and the options, never with a password") {
    World world(mixed_pool());
    prepare(world);
    const std::string wrong = ": -WRONGPASS invalid username-password pair";
    uint32_t server = 0;
    std::string text;
    SUBCASE("both are the pool's") {
        text = "refused user 'ringmain' or its password (redis_user, redis_auth)" + wrong;
    }
    SUBCASE("both are the server's") {
        server = 1;
        text = "refused user 'one' or its password (user and password of the server)" + wrong;
    }
    SUBCASE("the password is the server's") {
        server = 2;
        text = "refused user 'ringmain' or its password (redis_user, and password of the server)" +
               wrong;
    }
    world.server(server).redis.password = "another";
    SUBCASE("a server that repeats what it does not know") {
        world.server(server).redis.canned["AUTH"] =
            "-ERR unknown command 'AUTH', with args beginning with: 'ringmain' 'common' \r\n";
        text =
            "refused user 'ringmain' or its password (redis_user, redis_auth): -ERR unknown "
            "command 'AUTH'";
    }
    SUBCASE("one that repeats it in words of its own") {
        world.server(server).redis.canned["AUTH"] = "-ERR what is 'AUTH' 'ringmain' 'common'?\r\n";
        text =
            "refused user 'ringmain' or its password (redis_user, redis_auth): an error that "
            "repeats the password";
    }
    SUBCASE("one that repeats a part of it where we cut") {
        world.server(server).redis.canned["AUTH"] = "-ERR " + std::string(192, '?') + "common\r\n";
        text =
            "refused user 'ringmain' or its password (redis_user, redis_auth): an error that "
            "repeats the password";
    }
    SUBCASE("one that is full, and repeats it") {
        world.server(server).redis.canned["AUTH"] =
            "-ERR max number of clients reached (AUTH common)\r\n";
        text = "takes no more connections: an error that repeats the password";
    }
    if (text.empty()) return;
    Channel& client = known_client(world);
    const std::string title = world.loop().proxy().pools()[0]->servers[server]->title();
    CHECK(world.ask(client, resp({"GET", world.key_on(server)})) ==
          error("server " + title + " " + text));
    for (const std::string& notice : world.loop().notices()) {
        for (const char* secret : {"common", "first", "second"}) {
            CHECK(notice.find(secret) == std::string::npos);
        }
    }
}

TEST_CASE("a server that has a user and the pool's password") {
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "common";
    pool.servers[0].user = "one";
    World world(pool);
    world.server(0).redis.password = "common";
    Channel& client = known_client(world);
    CHECK(world.ask(client, resp({"GET", "a"})) ==
          error("server s0 (10.0.0.1:7000) refused user 'one' or its password (user of the server, "
                "and redis_auth): -WRONGPASS invalid username-password pair"));
}

TEST_CASE("at a reload the servers whose credentials changed are connected to anew, no others") {
    World world(mixed_pool());
    prepare(world);
    Channel& client = known_client(world);
    std::vector<Channel*> links;
    for (uint32_t i = 0; i < 3; ++i) {
        CHECK(world.ask(client, resp({"SET", world.key_on(i), "1"})) == "+OK\r\n");
        links.push_back(world.link(i));
    }
    config::Pool changed = mixed_pool();
    std::vector<bool> is_anew;
    SUBCASE("those of one server") {
        changed.servers[1].user = "two";
        world.server(1).redis.user = "two";
        is_anew = {false, true, false};
    }
    SUBCASE("the pool's user") {
        changed.redis_user = "other";
        world.server(0).redis.user = world.server(2).redis.user = "other";
        is_anew = {true, false, true};
    }
    SUBCASE("the pool's password") {
        changed.redis_auth = "new";
        world.server(0).redis.password = "new";
        is_anew = {true, false, false};
    }
    SUBCASE("where they are written, and nothing else") {
        changed.servers[0].user = "ringmain";
        changed.servers[0].password = "common";
        is_anew = {false, false, false};
    }
    world.adopt({changed});
    for (uint32_t i = 0; i < 3; ++i) {
        CAPTURE(i);
        CHECK(world.ask(client, resp({"GET", world.key_on(i)})) == bulk("1"));
        CHECK((world.link(i) != links[i]) == is_anew[i]);
    }
    CHECK(world.proxy().is_settled());
    CHECK(world.loop().notices().empty());
}

TEST_CASE("what waits is told that the server has another user or password, not that it is gone") {
    World world(mixed_pool());
    prepare(world);
    Channel& client = known_client(world);
    Channel& watching = known_client(world);
    const std::string key = world.key_on(1);
    CHECK(world.ask(watching, resp({"WATCH", key})) == "+OK\r\n");
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"BLPOP", key, "0"})) == "");
    config::Pool changed = mixed_pool();
    changed.servers[1].password = "new";
    world.server(1).redis.password = "new";
    world.adopt({changed});
    world.pass(1500);
    const std::string why =
        "server s1 (10.0.0.1:7001) has new connections after a reload (its user "
        "or password)";
    CHECK(World::heard(client) == error(why));
    world.server(1).mood = Mood::Up;
    CHECK(world.ask(watching, resp({"MULTI"}) + resp({"GET", key}) + resp({"EXEC"})).find(why) !=
          std::string::npos);
}

TEST_CASE("what failed over a password or a database does not fail when a reload corrects it") {
    for (const bool is_password : {false, true}) {
        CAPTURE(is_password);
        config::Pool pool = redis_pool(1);
        pool.redis_db = is_password ? 0 : 99;
        pool.servers[0].password = is_password ? "wrong" : "";
        pool.auto_eject_hosts = true;
        pool.server_failure_limit = 3;
        World world(pool);
        world.server(0).redis.password = is_password ? "right" : "";
        world.server(0).redis.has_databases = is_password;
        Channel& client = world.client();
        for (int i = 0; i < 20; ++i) {
            CHECK(world.ask(client, resp({"GET", "a"})).starts_with("-ERR ringmain: "));
            world.pass(100);
        }
        const uint64_t ejections = world.health(0).ejections();
        CHECK(ejections > 0);
        CHECK(server_counters(world, 0).err.get() > 0);
        config::Pool corrected = pool;
        corrected.redis_db = 0;
        corrected.servers[0].password = is_password ? "right" : "";
        world.server(0).redis.has_databases = true;
        world.adopt({corrected});
        CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
        CHECK(server_counters(world, 0).err.get() > 0);  // they go on
        CHECK(!world.health(0).is_down());
        CHECK(world.health(0).failures() == 0);
        // A worker that has not adopted it yet goes on with what it knows.
        core::Shared& shared = world.loop().process().shared;
        CHECK(shared.pools[0].servers[0]->health.failures() > 0);
        CHECK(shared.pools[0].servers[0]->number == world.proxy().pools()[0]->servers[0]->number());
    }
}

TEST_CASE("a server that is out for another reason stays out though its password changes") {
    config::Pool pool = redis_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 1000;
    World world(pool);
    world.server(0).mood = Mood::Refusing;
    Channel& client = world.client();
    const std::string key = world.key_on(0);
    CHECK(world.ask(client, resp({"GET", key})).find("refused") != std::string::npos);
    CHECK(!world.health(0).accepts_traffic());
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    pool.servers[0].password = "new";
    world.server(0).redis.password = "new";
    world.adopt({pool});
    CHECK(!world.health(0).accepts_traffic());
    CHECK(world.health(0).change_reason() == "refused the connection");
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    world.server(0).mood = Mood::Up;
    world.pass(1500);
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.ask(client, resp({"GET", key})) == "$-1\r\n");
    world.loop().notices().clear();
}

TEST_CASE("who is subscribed stays so while its server's credentials change") {
    World world(mixed_pool());
    prepare(world);
    Channel& client = known_client(world);
    const std::string key = world.key_on(1);
    static_cast<void>(world.ask(client, resp({"SUBSCRIBE", key})));
    config::Pool changed = mixed_pool();
    changed.servers[1].password = "new";
    world.server(1).redis.password = "new";
    world.adopt({changed});
    world.settle();
    Channel& other = known_client(world);
    CHECK(world.ask(other, resp({"PUBLISH", key, "news"})) == ":1\r\n");
    world.settle();
    CHECK(World::heard(client).ends_with(bulk("news")));
}

}  // namespace ringmain::test
