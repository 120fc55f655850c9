// What a new server connection says first, and answers to it that are none.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string out_of_step = "sent a response that does not fit the request";

config::Pool guarded_pool() {
    config::Pool pool = redis_pool(1);
    pool.servers[0].password = "own";
    return pool;
}

// The connection on which it waits has said what it says first, and was answered nothing.
void wait_for_greeting(World& world, Channel& client, std::string_view request) {
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, request).empty());
    REQUIRE(world.link(0) != nullptr);
}

}  // namespace

TEST_CASE("an answer that does not fit what a new connection has said loses it") {
    struct Case {
        std::string command;
        std::string answer;
    };

    for (const Case& one : {Case{"AUTH", "+OK ready\r\n"},
                            Case{"AUTH", "+PONG\r\n"},
                            Case{"AUTH", "$2\r\nOK\r\n"},
                            Case{"AUTH", ":1\r\n"},
                            Case{"HELLO", "+OK\r\n"},
                            Case{"HELLO", "*0\r\n"},
                            Case{"SELECT", "+QUEUED\r\n"},
                            Case{"SELECT", "$-1\r\n"},
                            Case{"PING", "+OK\r\n"},
                            Case{"PING", "$4\r\nPONG\r\n"}}) {
        CAPTURE(one.command);
        CAPTURE(one.answer);
        config::Pool pool = guarded_pool();
        pool.redis_db = 3;
        World world(pool);
        world.server(0).redis.password = "own";
        world.server(0).redis.canned[one.command] = one.answer;
        Channel& client = world.client();
        const bool is_resp3 = one.command == "HELLO";
        if (is_resp3) CHECK(world.ask(client, resp({"HELLO", "3"})).starts_with("%7\r\n"));
        CHECK(world.ask(client, resp({"GET", "a"})) == error(s0 + out_of_step));
        CHECK(world.link(0, is_resp3) == nullptr);
        CHECK(world.health(0).failures() == 1);
        world.server(0).redis.canned.clear();
        world.pass(1000);
        CHECK(world.ask(client, resp({"GET", "a"})) == (is_resp3 ? "_\r\n" : "$-1\r\n"));
    }
}

TEST_CASE("a server that greets with +OK is found out before the first request leaves") {
    config::Pool pool = redis_pool(1);
    std::string answers = "+OK\r\n+OK\r\n+PONG\r\n";
    SUBCASE("instead of answering AUTH") {
        pool = guarded_pool();
    }
    SUBCASE("instead of answering SELECT") {
        pool.redis_db = 3;
    }
    SUBCASE("instead of answering both") {
        pool = guarded_pool();
        pool.redis_db = 3;
        answers.insert(0, "+OK\r\n");
    }
    for (const size_t at_once : {answers.size(), size_t{5}}) {
        CAPTURE(at_once);
        World world(pool);
        Channel& client = world.client();
        wait_for_greeting(world, client, resp({"GET", "a"}));
        for (size_t at = 0; at < answers.size() && world.link(0) != nullptr; at += at_once) {
            world.reply(0, answers.substr(at, at_once));
            world.settle();
        }
        CHECK(World::heard(client) == error(s0 + out_of_step));
        CHECK(world.health(0).failures() == 1);
    }
}

TEST_CASE("a server that may not be asked PING, or cannot answer it now, serves all the same") {
    World world(guarded_pool());
    world.server(0).redis.password = "own";
    const std::string error = "-NOPERM this user has no permissions to run the 'ping' command\r\n";
    SUBCASE("no permission") {
        world.server(0).redis.canned["PING"] = error;
    }
    SUBCASE("renamed") {
        world.server(0).redis.canned["PING"] = "-ERR unknown command 'PING'\r\n";
    }
    SUBCASE("loading") {
        world.server(0).redis.canned["PING"] = "-LOADING Redis is loading\r\n";
    }
    SUBCASE("its master is down") {
        world.server(0).redis.canned["PING"] = "-MASTERDOWN Link with MASTER is down\r\n";
    }
    CHECK(world.ask(world.client(), resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("PING behind a password costs neither a packet nor the time of a probe") {
    config::Pool pool = guarded_pool();
    pool.timeout_ms = 2000;
    pool.connect_timeout_ms = 500;
    World world(pool);
    Channel& client = world.client();
    wait_for_greeting(world, client, resp({"GET", "a"}));
    CHECK(world.link(0)->arrived == resp({"AUTH", "own"}) + resp({"PING"}));
    world.pass(510);
    CHECK(World::heard(client) == error(s0 + "accepted the connection but did not answer within "
                                             "500 ms (connect_timeout)"));
}

TEST_CASE("who connects to a server that is down is to be answered PONG") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Refusing;
    CHECK(world.ask(client, resp({"GET", "a"})) == error(s0 + "refused the connection"));
    world.server(0).mood = Mood::Up;
    world.server(0).redis.canned["PING"] = "+OK\r\n";
    world.pass(1000);
    CHECK(world.health(0).last_error() == out_of_step);
    CHECK(world.ask(client, resp({"GET", "a"})) == error(s0 + out_of_step));
    world.server(0).redis.canned["PING"] = "-ERR unknown command 'PING'\r\n";
    world.pass(1000);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("a memcached that is asked for its version is to tell it") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Refusing;
    CHECK_FALSE(world.ask(client, "get a\r\n").empty());
    world.server(0).mood = Mood::Up;
    for (const std::string_view answer : {"OK\r\n", "STORED\r\n", "7\r\n", "END\r\n"}) {
        CAPTURE(answer);
        world.server(0).memcached.canned["version"] = answer;
        world.pass(1000);
        CHECK(world.ask(client, "get a\r\n") == server_error(s0 + out_of_step));
    }
    world.server(0).memcached.canned["version"] = "ERROR\r\n";
    world.pass(1000);
    CHECK(world.ask(client, "get a\r\n") == "END\r\n");
}

}  // namespace ringmain::test
