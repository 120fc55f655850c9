// One request, several servers: redis's commands of many keys.

#include "tests/unit/core/world.h"

#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// Two keys on each of two servers, the servers taking turns.
struct Keys {
    explicit Keys(World& world)
        : a0(world.key_on(0, 0)),
          b0(world.key_on(1, 0)),
          a1(world.key_on(0, 1)),
          b1(world.key_on(1, 1)) {}

    std::string a0, b0, a1, b1;
};

}  // namespace

TEST_CASE("MSET and MGET reach all servers and keep the order of the keys") {
    World world(redis_pool(2));
    const Keys k(world);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MSET", k.a0, "1", k.b0, "2", k.a1, "3", k.b1, "4"})) ==
          "+OK\r\n");
    CHECK(world.server(0).redis.values.size() == 2);
    CHECK(world.server(1).redis.values.size() == 2);
    CHECK(world.ask(client, resp({"MGET", k.b1, k.a0, k.a0, "none", k.a1, k.b0})) ==
          "*6\r\n" + bulk("4") + bulk("1") + bulk("1") + "$-1\r\n" + bulk("3") + bulk("2"));
}

TEST_CASE("DEL, UNLINK, EXISTS and TOUCH add up what the servers count") {
    World world(redis_pool(2));
    const Keys k(world);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MSET", k.a0, "1", k.b0, "2", k.a1, "3", k.b1, "4"})) ==
          "+OK\r\n");
    CHECK(world.ask(client, resp({"EXISTS", k.a0, k.b0, "none", k.a0})) == ":3\r\n");
    CHECK(world.ask(client, resp({"TOUCH", k.a0, k.b0, k.b1})) == ":3\r\n");
    CHECK(world.ask(client, resp({"DEL", k.a0, k.b0, "none"})) == ":2\r\n");
    CHECK(world.ask(client, resp({"unlink", k.a1, k.b1, k.a0})) == ":2\r\n");
    CHECK(world.server(1).redis.log.back() == "UNLINK " + k.b1);
    CHECK(world.ask(client, resp({"EXISTS", k.a0, k.b0, k.a1, k.b1})) == ":0\r\n");
}

TEST_CASE("keys of one server are forwarded as they came") {
    World world(redis_pool(2));
    const Keys k(world);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"mget", k.a0, k.a1})) == "-ERR unknown command 'mget'\r\n");
    CHECK(world.server(0).redis.log == std::vector<std::string>{"mget " + k.a0 + " " + k.a1});
}

TEST_CASE("MSET with a key that has no value is refused before anything is sent") {
    World world(redis_pool(2));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MSET", "a", "1", "b"})) ==
          "-ERR wrong number of arguments for 'mset' command\r\n");
    CHECK(world.counters().fragments.get() == 0);
}

TEST_CASE("an error of one part is the answer of the whole, in the server's words") {
    World world(redis_pool(2));
    const Keys k(world);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MGET", k.a0, k.b0}) + resp({"PING"})) == "");
    world.reply(1, "-LOADING Redis is loading the dataset in memory\r\n");
    world.settle();
    CHECK(World::heard(client) == "");
    world.reply(0, "*1\r\n" + bulk("1"));
    world.settle();
    CHECK(World::heard(client) == "-LOADING Redis is loading the dataset in memory\r\n+PONG\r\n");
}

TEST_CASE("a part whose server is down answers the whole with an error, and nothing is sent") {
    World world(redis_pool(2));
    const Keys k(world);
    world.server(1).mood = Mood::Refusing;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MSET", k.a0, "1", k.b0, "2"})) ==
          "-ERR ringmain: server s1 (10.0.0.1:7001) refused the connection\r\n");
    // Now it is known to be down.
    world.server(0).redis.log.clear();
    CHECK(world.ask(client, resp({"MSET", k.a0, "1", k.b0, "2"})) ==
          "-ERR ringmain: server s1 (10.0.0.1:7001) refused the connection\r\n");
    CHECK(world.server(0).redis.log.empty());
}

TEST_CASE("a part of the wrong shape closes its connection and answers the request") {
    const std::string misfit =
        "-ERR ringmain: server s1 (10.0.0.1:7001) sent a response that does not fit the "
        "request\r\n";

    struct Case {
        const char* command;
        const char* right;
        std::vector<std::string> wrong;
    };

    const std::vector<Case> cases = {
        {"MGET",
         "*1\r\n$-1\r\n",
         {"*2\r\n$-1\r\n$-1\r\n", "*0\r\n", "*-1\r\n", ":1\r\n", "$1\r\nx\r\n", "+OK\r\n"}},
        {"DEL", ":1\r\n", {":2\r\n", ":-1\r\n", "+OK\r\n", "$1\r\n1\r\n", "*0\r\n"}},
        {"MSET", "+OK\r\n", {":1\r\n", "$2\r\nOK\r\n", "*0\r\n", "+PONG\r\n", "+OKAY\r\n"}},
    };
    for (const Case& one : cases) {
        for (const std::string& wrong : one.wrong) {
            for (const bool wrong_first : {false, true}) {
                CAPTURE(one.command);
                CAPTURE(wrong);
                CAPTURE(wrong_first);
                World world(redis_pool(2));
                const Keys k(world);
                world.server(0).mood = Mood::Mute;
                world.server(1).mood = Mood::Mute;
                Channel& client = world.client();
                std::vector<std::string> request = {one.command, k.a0, k.b0};
                if (request[0] == "MSET") request = {"MSET", k.a0, "1", k.b0, "2"};
                CHECK(world.ask(client, resp(request)) == "");
                if (!wrong_first) world.reply(0, one.right);
                world.settle();
                world.reply(1, wrong);
                world.settle();
                if (wrong_first) world.reply(0, one.right);
                world.settle();
                CHECK(World::heard(client) == misfit);
                CHECK(world.link(1) == nullptr);
                CHECK(world.link(0) != nullptr);
            }
        }
    }
}

TEST_CASE("a part of the wrong shape is not read to its end") {
    for (const auto& [command, beginning, is_lost] :
         std::vector<std::tuple<std::string, std::string, bool>>{
             {"MGET", "$2000000\r\n", true},
             {"MGET", "*1\r\n$2000000\r\n", false},
             {"MGET", "-ERR with no", false},
             {"DEL", "*3\r\n", true},
             {"DEL", "%3\r\n", true},
             {"MSET", "$10\r\nxxxxx", true},
             {"MSET", "+O", false},
             {"SINTER", "$10\r\nxxxxx", true},
             {"SINTER", "*2\r\n", false}}) {
        World world(redis_pool(2));
        world.mute(2);
        Channel& client = world.client();
        const Keys k(world);
        const bool is_set = command == "MSET";
        const std::string& said = beginning;
        CAPTURE(said);
        CHECK(world.ask(client,
                        is_set ? resp({command, k.a0, "1", k.b0, "1"})
                               : resp({command, k.a0, k.b0})) == "");
        world.reply(0, beginning);
        world.settle();
        CHECK((world.link(0) == nullptr) == is_lost);
    }
}

TEST_CASE("a client that leaves between two parts leaves nothing behind") {
    World world(redis_pool(2));
    const Keys k(world);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MGET", k.a0, k.b0})) == "");
    const std::string large(600'000, 'x');
    world.reply(0, "*1\r\n" + bulk(large));
    world.settle();
    const uint32_t used = world.loop().blocks().in_use();
    CHECK(used > 30);
    world.drop(client);
    // What the first server sent is of no use to anybody, however long the second one takes.
    CHECK(world.loop().blocks().in_use() <= 3);
    CHECK_FALSE(world.proxy().is_idle());
    world.reply(1, "*1\r\n$-1\r\n");
    world.settle();
    CHECK(world.proxy().is_idle());
}

TEST_CASE("parts that time out take the whole with them, and free what the others brought") {
    World world(redis_pool(2));
    const Keys k(world);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MGET", k.a0, k.b0})) == "");
    world.reply(0, "*1\r\n" + bulk(std::string(600'000, 'x')));
    Channel* late = world.link(1);
    world.pass(420);
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s1 (10.0.0.1:7001) did not answer within 400 ms (timeout)\r\n");
    CHECK(world.loop().blocks().in_use() <= 3);
    late->inbound += "*1\r\n$-1\r\n";
    world.settle();
    CHECK(World::heard(client) == "");
    CHECK(world.proxy().is_idle());
}

TEST_CASE("nulls of a joined response are those of the client's protocol version") {
    World world(redis_pool(2));
    const Keys k(world);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"HELLO", "3"})).starts_with("%7\r\n"));
    CHECK(world.ask(client, resp({"MGET", k.a0, k.b0})) == "*2\r\n_\r\n_\r\n");
    CHECK(world.ask(client, resp({"GET", k.a0})) == "_\r\n");
}

TEST_CASE("a request of thousands of keys is split and joined") {
    World world(redis_pool(4));
    Channel& client = world.client();
    std::vector<std::string> set = {"MSET"};
    std::vector<std::string> get = {"MGET"};
    std::string expected = "*5000\r\n";
    for (int i = 0; i < 5000; ++i) {
        const std::string key = "key:" + std::to_string(i);
        set.push_back(key);
        set.push_back("value of " + key);
        get.push_back(key);
        expected += bulk("value of " + key);
    }
    CHECK(world.ask(client, resp(set)) == "+OK\r\n");
    CHECK(world.ask(client, resp(get)) == expected);
}

TEST_CASE("large and small values in turn cost blocks for their bytes only") {
    // Each large value is shared, and each small one behind it is copied: into one block after the
    // other, not into one each.
    World world(redis_pool(2), {.blocks = 300});
    std::vector<std::string> request = {"MSET"};
    for (uint32_t i = 0; i < 200; ++i) {
        request.push_back(world.key_on(i % 2, i / 2));
        request.push_back(std::string((i / 2) % 2 == 0 ? 2100 : 1, 'x'));
    }
    Channel& client = world.client();
    CHECK(world.ask(client, resp(request)) == "+OK\r\n");

    const uint32_t before = world.loop().blocks().in_use();
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    world.link(0)->reads = false;
    world.link(1)->reads = false;
    CHECK(world.ask(client, resp(request)) == "");
    CHECK(world.loop().blocks().in_use() - before < 40);  // 216 KiB
}

}  // namespace ringmain::test
