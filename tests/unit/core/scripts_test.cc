// What SCRIPT LOAD has given to all servers is told again to one that may have forgotten it.

#include "ringmain/core/scripts.h"

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("what one worker keeps another one finds, until it is forgotten") {
    core::Scripts scripts;
    core::KnownScripts one(scripts);
    core::KnownScripts other(scripts);
    CHECK(one.find("aa") == nullptr);
    one.keep("aa", "return 1");
    one.keep("bb", "return 2");
    one.keep("aa", "return 1");
    REQUIRE(other.find("aa") != nullptr);
    CHECK(other.find("aa") == one.find("aa"));
    CHECK(other.find("aa")->text == "return 1");
    CHECK(other.find("aa")->number == 0);
    CHECK(other.find("bb")->number == 1);
    other.forget();
    CHECK(one.find("aa") == nullptr);
    other.keep("aa", "return 1");
    REQUIRE(one.find("aa") != nullptr);
    CHECK(one.find("aa")->number == 2);
    CHECK(one.find("bb") == nullptr);
}

TEST_CASE("what is kept is bounded") {
    core::Scripts scripts;
    core::KnownScripts known(scripts);
    const std::string large(core::scripts_size_max / 2, 'x');
    known.keep("a", large);
    known.keep("b", large + "y");
    known.keep("c", large);
    CHECK(known.find("a") != nullptr);
    CHECK(known.find("b") == nullptr);
    CHECK(known.find("c") != nullptr);

    core::Scripts many;
    core::KnownScripts known_many(many);
    for (uint32_t i = 0; i < core::scripts_max + 5; ++i) {
        known_many.keep(std::to_string(i), "");
    }
    CHECK(known_many.find(std::to_string(core::scripts_max - 1)) != nullptr);
    CHECK(known_many.find(std::to_string(core::scripts_max)) == nullptr);
}

namespace {

const std::string digest(40, 'a');

std::string load(std::string_view text) {
    return "SCRIPT LOAD " + std::string(text);
}

// Two servers that have been given the script "return 1".
void give_script(World& world, Channel& client) {
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["SCRIPT"] = bulk(digest);
        world.server(i).redis.canned["EVALSHA"] = ":1\r\n";
    }
    CHECK(world.ask(client, resp({"SCRIPT", "LOAD", "return 1"})) == bulk(digest));
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.log.clear();
    }
}

}  // namespace

TEST_CASE("a connection is told a script once, ahead of the first EVALSHA that names it") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_script(world, client);
    const std::string key = world.key_on(0);
    const std::string run = resp({"EVALSHA", digest, "1", key});
    CHECK(world.ask(client, run + run + resp({"EVALSHA", digest, "0"})) == ":1\r\n:1\r\n:1\r\n");
    const std::string line = "EVALSHA " + digest + " 1 " + key;
    std::vector<std::string>& log = world.server(0).redis.log;
    CHECK(log ==
          std::vector<std::string>{load("return 1"), line, line, "EVALSHA " + digest + " 0"});
    CHECK(world.server(1).redis.log.empty());

    // Another connection to it knows nothing yet.
    log.clear();
    world.cut_off(0);
    world.pass(1000);
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(log == std::vector<std::string>{load("return 1"), line});
    log.clear();
    CHECK(world.ask(client, resp({"EVALSHA", std::string(40, 'b'), "1", key})) == ":1\r\n");
    CHECK(log.size() == 1);
}

TEST_CASE("a server that could not take the script, or has lost it, is told again") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_script(world, client);
    const std::string run = resp({"EVALSHA", digest, "1", world.key_on(0)});
    FakeRedis& redis = world.server(0).redis;
    redis.canned["SCRIPT"] = "-LOADING Redis is loading the dataset in memory\r\n";
    redis.canned["EVALSHA"] = "-LOADING Redis is loading the dataset in memory\r\n";
    CHECK(world.ask(client, run) == "-LOADING Redis is loading the dataset in memory\r\n");
    redis.log.clear();
    redis.canned["SCRIPT"] = bulk(digest);
    redis.canned["EVALSHA"] = ":1\r\n";
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(redis.log.size() == 2);
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(redis.log.size() == 3);

    redis.canned["EVALSHA"] = "-NOSCRIPT No matching script.\r\n";
    CHECK(world.ask(client, run) == "-NOSCRIPT No matching script.\r\n");
    redis.log.clear();
    redis.canned["EVALSHA"] = "-ERR of the script's own\r\n";
    CHECK(world.ask(client, run) == "-ERR of the script's own\r\n");
    CHECK(redis.log.size() == 2);
    CHECK(world.ask(client, run) == "-ERR of the script's own\r\n");
    CHECK(redis.log.size() == 3);
}

TEST_CASE("after SCRIPT FLUSH nothing is told, and a lost server says so once") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_script(world, client);
    FakeRedis& redis = world.server(0).redis;
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["SCRIPT"] = "+OK\r\n";
    }
    CHECK(world.ask(client, resp({"SCRIPT", "FLUSH"})) == "+OK\r\n");
    redis.log.clear();
    const std::string run = resp({"EVALSHA", digest, "1", world.key_on(0)});
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(redis.log.size() == 1);

    give_script(world, client);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, run + run) == "");
    world.cut_off(0);
    world.settle();
    const std::string lost = "-ERR ringmain: server s0 (10.0.0.1:7000) reset the connection\r\n";
    CHECK(World::heard(client) == lost + lost);
    CHECK(world.proxy().is_idle());
}

}  // namespace ringmain::test
