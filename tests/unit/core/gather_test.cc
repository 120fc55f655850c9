// Commands whose answer lies on all servers.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// Asks, lets each server give its answer, the last one first, and returns what the client gets.
std::string gather(World& world,
                   Channel& client,
                   const std::vector<std::string>& request,
                   const std::vector<std::string>& answers,
                   bool resp3 = false) {
    const auto count = static_cast<uint32_t>(answers.size());
    world.mute(count);
    CHECK(world.ask(client, resp(request)) == "");
    for (uint32_t i = count; i-- > 0;) {
        CHECK(World::heard(client) == "");
        world.reply(i, answers[i], resp3);
        world.settle();
    }
    return World::heard(client);
}

const std::string misfit = "-ERR ringmain: the servers' answers do not fit the request\r\n";

}  // namespace

TEST_CASE("each command joins the answers of all servers in its way") {
    struct Case {
        std::vector<std::string> request;
        std::vector<std::string> answers;
        std::string expected;
    };

    const std::vector<Case> cases = {
        {{"DBSIZE"}, {":3\r\n", ":0\r\n", ":40\r\n"}, ":43\r\n"},
        {{"LASTSAVE"}, {":300\r\n", ":100\r\n", ":200\r\n"}, ":100\r\n"},
        {{"KEYS", "*"},
         {"*1\r\n" + bulk("a"), "*0\r\n", "*2\r\n" + bulk("b") + bulk("c")},
         "*3\r\n" + bulk("a") + bulk("b") + bulk("c")},
        {{"PUBSUB", "NUMPAT"}, {":3\r\n", ":5\r\n", ":0\r\n"}, ":5\r\n"},
        {{"PUBSUB", "CHANNELS"},
         {"*1\r\n" + bulk("a"), "*0\r\n", "*1\r\n" + bulk("b")},
         "*2\r\n" + bulk("a") + bulk("b")},
        {{"FLUSHALL"}, {"+OK\r\n", "+OK\r\n", "+OK\r\n"}, "+OK\r\n"},
        {{"FLUSHALL"}, {"+OK\r\n", "-ERR b\r\n", "-ERR c\r\n"}, "-ERR b\r\n"},
        {{"RANDOMKEY"}, {"$-1\r\n", bulk("b"), "$-1\r\n"}, bulk("b")},
        {{"RANDOMKEY"}, {"$-1\r\n", "$-1\r\n", "$-1\r\n"}, "$-1\r\n"},
        {{"SCRIPT", "LOAD", "return 1"}, {bulk("abc"), bulk("abc"), bulk("abc")}, bulk("abc")},
        {{"SCRIPT", "LOAD", "return 1"},
         {bulk("abc"), bulk("abc"), bulk("abd")},
         "-ERR ringmain: servers s0 (10.0.0.1:7000) and s2 (10.0.0.1:7002) answer differently; ask "
         "them directly\r\n"},
        {{"SCRIPT", "EXISTS", "a", "b"},
         {"*2\r\n:1\r\n:1\r\n", "*2\r\n:1\r\n:0\r\n", "*2\r\n:1\r\n:1\r\n"},
         "*2\r\n:1\r\n:0\r\n"},
        {{"SCRIPT", "EXISTS", "a", "b"},
         {"*2\r\n:1\r\n:1\r\n", "*1\r\n:1\r\n", "*2\r\n:1\r\n:1\r\n"},
         misfit},
        {{"SLOWLOG", "GET", "2"},
         {"*1\r\n*2\r\n:0\r\n:7\r\n", "*0\r\n", "*2\r\n*2\r\n:5\r\n:9\r\n*2\r\n:4\r\n:1\r\n"},
         "*2\r\n*2\r\n:5\r\n:9\r\n*2\r\n:0\r\n:7\r\n"},
        {{"SLOWLOG", "GET"}, {"*1\r\n:1\r\n", "*0\r\n", "*0\r\n"}, misfit},
        {{"MEMORY", "DOCTOR"},
         {bulk("one"), bulk("two\n"), bulk("")},
         bulk("# server s0 (10.0.0.1:7000)\none\n# server s1 (10.0.0.1:7001)\ntwo\n# server s2 "
              "(10.0.0.1:7002)\n")},
        {{"FUNCTION", "STATS"},
         {"*2\r\n" + bulk("running_script") + "$-1\r\n",
          "*2\r\n" + bulk("running_script") + "*1\r\n" + bulk("f"),
          "*2\r\n" + bulk("running_script") + "$-1\r\n"},
         "*2\r\n" + bulk("running_script") + "*1\r\n" + bulk("f")},
    };
    for (const Case& one : cases) {
        CAPTURE(one.request);
        World world(redis_pool(3));
        CHECK(gather(world, world.client(), one.request, one.answers) == one.expected);
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("SCAN goes from server to server and names each in its cursor") {
    World world(redis_pool(3));
    Channel& client = world.client();
    world.mute(3);
    const auto page = [&](const std::string& cursor, uint32_t server, const std::string& answer) {
        CHECK(world.ask(client, resp({"SCAN", cursor, "COUNT", "5"})) == "");
        Channel* link = world.link(server);
        REQUIRE(link != nullptr);
        const std::string asked = std::exchange(link->arrived, {});
        world.reply(server, answer);
        world.settle();
        return asked + "/" + World::heard(client);
    };
    const std::string keys = "*1\r\n" + bulk("a");
    CHECK(page("0", 0, "*2\r\n" + bulk("24") + keys) ==
          resp({"SCAN", "0", "COUNT", "5"}) + "/*2\r\n" + bulk("98304") + keys);
    CHECK(page("98304", 0, "*2\r\n" + bulk("0") + keys) ==
          resp({"SCAN", "24", "COUNT", "5"}) + "/*2\r\n" + bulk("1") + keys);
    CHECK(page("1", 1, "*2\r\n" + bulk("3") + "*0\r\n") ==
          resp({"SCAN", "0", "COUNT", "5"}) + "/*2\r\n" + bulk("12289") + "*0\r\n");
    CHECK(page("12289", 1, "*2\r\n" + bulk("0") + keys) ==
          resp({"SCAN", "3", "COUNT", "5"}) + "/*2\r\n" + bulk("2") + keys);
    CHECK(page("2", 2, "*2\r\n" + bulk("0") + keys) ==
          resp({"SCAN", "0", "COUNT", "5"}) + "/*2\r\n" + bulk("0") + keys);
    // The largest cursor that a client can hold, and one beyond.
    CHECK(page("0", 0, "*2\r\n" + bulk("4503599627370494") + keys) ==
          resp({"SCAN", "0", "COUNT", "5"}) + "/*2\r\n" + bulk("18446744073709543424") + keys);
    CHECK(page("0", 0, "*2\r\n" + bulk("4503599627370495") + keys) ==
          resp({"SCAN", "0", "COUNT", "5"}) +
              "/-ERR ringmain: server s0 (10.0.0.1:7000) gave a cursor that is too large to be "
              "passed on\r\n");
    for (const char* bad : {"x", "3", "4095", "-1", " 1", "1 ", "18446744073709551616"}) {
        CAPTURE(bad);
        CHECK(world.ask(client, resp({"SCAN", bad})) == "-ERR invalid cursor\r\n");
    }
}

TEST_CASE("what does not fit the question closes the connection it came on") {
    for (const char* wrong : {"+OK\r\n", "$1\r\n1\r\n", "*0\r\n"}) {
        CAPTURE(wrong);
        World world(redis_pool(2));
        Channel& client = world.client();
        CHECK(gather(world, client, {"DBSIZE"}, {wrong, ":1\r\n"}) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) sent a response that does not fit the "
              "request\r\n");
        CHECK(world.link(0) == nullptr);
        CHECK(world.link(1) != nullptr);
    }
}

TEST_CASE("with a server down or out nothing is sent and the error names it") {
    World world(redis_pool(3));
    Channel& client = world.client();
    world.server(1).mood = Mood::Refusing;
    const std::string down = "-ERR ringmain: server s1 (10.0.0.1:7001) refused the connection\r\n";
    CHECK(world.ask(client, resp({"DBSIZE"})) == down);
    world.server(0).redis.log.clear();
    CHECK(world.ask(client, resp({"FLUSHALL"}) + resp({"KEYS", "*"}) + resp({"RANDOMKEY"})) ==
          down + down + down);
    CHECK(world.ask(client, resp({"SCAN", "1"})) == down);
    CHECK(world.server(0).redis.log.empty());
    CHECK(world.proxy().is_idle());
}

TEST_CASE("a server that is lost or too late takes the gather with it") {
    World world(redis_pool(2));
    world.mute(2);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"KEYS", "*"}) + resp({"PING"})) == "");
    world.reply(0, "*1\r\n" + bulk(std::string(100'000, 'x')));
    world.settle();
    world.cut_off(1);
    world.settle();
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s1 (10.0.0.1:7001) reset the connection\r\n+PONG\r\n");
    CHECK(world.ask(client, resp({"DBSIZE"})).starts_with("-ERR ringmain: server s1"));
    world.server(1).mood = Mood::Up;
    world.pass(1000);
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"KEYS", "*"})) == "");
    world.reply(0, "*1\r\n" + bulk(std::string(100'000, 'x')));
    world.pass(500);
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s1 (10.0.0.1:7001) did not answer within 400 ms (timeout)\r\n");
    CHECK(world.loop().blocks().in_use() <= 3);
}

TEST_CASE("a client that leaves in the middle leaves nothing behind") {
    World world(redis_pool(2));
    world.mute(2);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"KEYS", "*"}) + resp({"SLOWLOG", "GET"})) == "");
    world.reply(0, "*1\r\n" + bulk(std::string(100'000, 'x')) + "*0\r\n");
    world.settle();
    world.drop(client);
    CHECK(world.loop().blocks().in_use() <= 3);
    world.reply(1, "*0\r\n*0\r\n");
    world.settle();
    CHECK(world.proxy().is_idle());
}

TEST_CASE("answers beyond gather_size_max are an error, and are not kept") {
    config::Pool pool = redis_pool(2);
    pool.gather_size_max = 64 * 1024;
    const std::string error =
        "-ERR ringmain: what the servers answer together is larger than 65536 bytes "
        "(gather_size_max)\r\n";
    // Crossed by one server alone, by both, with the end of the last answer.
    for (const size_t first : {size_t{200'000}, size_t{40'000}, size_t{60'000}}) {
        CAPTURE(first);
        World world(pool);
        world.mute(2);
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"KEYS", "*"}) + resp({"PING"})) == "");
        world.reply(0, "*1\r\n" + bulk(std::string(first, 'x')));
        world.settle();
        CHECK(world.loop().blocks().in_use() <= 6);
        const size_t second = first == 60'000 ? 5'600 : 40'000;
        world.reply(1, "*1\r\n" + bulk(std::string(second, 'y')));
        world.settle();
        CHECK(World::heard(client) == error + "+PONG\r\n");
        CHECK(world.loop().blocks().in_use() <= 3);
        CHECK(world.proxy().is_idle());
        // Both connections go on.
        world.ask(client, resp({"DBSIZE"}));
        world.reply(0, ":1\r\n");
        world.reply(1, ":1\r\n");
        world.settle();
        CHECK(World::heard(client) == ":2\r\n");
    }
}

TEST_CASE("answers that end on no server fail at once when they are too large together") {
    config::Pool pool = redis_pool(2);
    pool.gather_size_max = 64 * 1024;
    World world(pool);
    world.mute(2);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"KEYS", "*"}) + resp({"PING"})) == "");
    for (const char* begin : {"*2000000\r\n", "", ""}) {
        for (uint32_t server = 0; server < 2; ++server) {
            world.reply(server, begin + bulk(std::string(30'000, 'x')));
            world.settle();
        }
    }
    CHECK(World::heard(client) ==
          "-ERR ringmain: what the servers answer together is larger than 65536 bytes "
          "(gather_size_max)\r\n+PONG\r\n");
    CHECK(world.loop().blocks().in_use() <= 3);
}

TEST_CASE("memory of requests that a gather keeps is its client's, not a neighbour's") {
    config::Pool pool = redis_pool(2);
    pool.output_pause_size = 64ULL * 1024;
    World world(pool, {.blocks = 1024});
    world.mute(2);
    Channel& neighbour = world.client();
    neighbour.reads = false;
    const std::string echo = resp({"ECHO", std::string(200'000, 'e')});
    World::say(neighbour, echo + echo);
    world.settle();
    std::vector<std::string> words = {"SUNION"};
    for (int i = 0; i < 10; ++i) {
        words.push_back(std::to_string(i) + std::string(60'000, 'k'));
    }
    Channel& greedy = world.client();
    Channel& another = world.client();
    for (int i = 0; i < 16; ++i) {
        World::say(greedy, resp(words));
        World::say(another, resp(words));
        world.settle();
        world.pass(10);
    }
    CHECK((greedy.closed || another.closed));
    CHECK_FALSE(neighbour.closed);
}

TEST_CASE("what a client pipelines behind sixteen gathers waits for them") {
    World world(redis_pool(2));
    world.mute(2);
    Channel& client = world.client();
    std::string all;
    for (int i = 0; i < 20; ++i) {
        all += resp({"DBSIZE"});
    }
    CHECK(world.ask(client, all) == "");
    CHECK(world.proxy().live_requests() == 16);
    for (int i = 0; i < 16; ++i) {
        world.reply(0, ":1\r\n");
        world.reply(1, ":2\r\n");
    }
    world.settle();
    std::string expected;
    for (int i = 0; i < 16; ++i) {
        expected += ":3\r\n";
    }
    CHECK(World::heard(client) == expected);
    CHECK(world.proxy().live_requests() == 4);
    for (int i = 0; i < 4; ++i) {
        world.reply(0, ":1\r\n");
        world.reply(1, ":2\r\n");
    }
    world.settle();
    CHECK(World::heard(client) == ":3\r\n:3\r\n:3\r\n:3\r\n");
}

TEST_CASE("CONFIG passes when the pool says so") {
    World world(redis_pool(2));
    CHECK(world.ask(world.client(), resp({"CONFIG", "SET", "maxmemory", "0"})) ==
          "-ERR ringmain: CONFIG is for all clients of all servers of the pool, and is not let "
          "through unless the pool says so (config_commands = true)\r\n");
    config::Pool pool = redis_pool(2);
    pool.config_commands = true;
    World open(pool);
    CHECK(gather(open, open.client(), {"CONFIG", "GET", "x"}, {"*0\r\n", "*0\r\n"}) == "*0\r\n");
}

TEST_CASE("servers give settings in any order, and it is the same answer") {
    config::Pool pool = redis_pool(2);
    pool.config_commands = true;
    World world(pool);
    const std::string a = bulk("maxa") + bulk("1");
    const std::string b = bulk("maxb") + bulk("2");
    CHECK(gather(world,
                 world.client(),
                 {"CONFIG", "GET", "max*"},
                 {"*4\r\n" + a + b, "*4\r\n" + b + a}) == "*4\r\n" + a + b);
    CHECK(gather(world,
                 world.client(),
                 {"CONFIG", "GET", "max*"},
                 {"*4\r\n" + a + b, "*4\r\n" + b + b}) ==
          "-ERR ringmain: servers s0 (10.0.0.1:7000) and s1 (10.0.0.1:7001) answer differently; "
          "ask them directly\r\n");
}

TEST_CASE("keys on several servers: their values are fetched and the answer is computed") {
    World world(redis_pool(2));
    const std::string a0 = world.key_on(0, 0);
    const std::string a1 = world.key_on(0, 1);
    const std::string b0 = world.key_on(1, 0);
    Channel& client = world.client();
    const auto ask = [&](const std::vector<std::string>& request,
                         const std::string& first,
                         const std::string& second) {
        world.mute(2);
        CHECK(world.ask(client, resp(request)) == "");
        const std::string asked = std::exchange(world.link(0)->arrived, {}) + "/" +
                                  std::exchange(world.link(1)->arrived, {}) + "/";
        world.reply(1, second);
        world.settle();
        world.reply(0, first);
        world.settle();
        return asked + World::heard(client);
    };
    const std::string none = "*0\r\n";
    // Of a set one question per server.
    CHECK(ask({"sdiff", a0, b0, a1}, "*2\r\n" + bulk("x") + bulk("y"), "*1\r\n" + bulk("y")) ==
          resp({"SDIFF", a0, a1}) + "/" + resp({"SUNION", b0}) + "/*1\r\n" + bulk("x"));
    CHECK(ask({"SDIFF", b0, a0, a1}, "*1\r\n" + bulk("y"), "*1\r\n" + bulk("x")) ==
          resp({"SUNION", a0, a1}) + "/" + resp({"SDIFF", b0}) + "/*1\r\n" + bulk("x"));
    CHECK(ask({"SINTERCARD", "2", a0, b0}, "*1\r\n" + bulk("x"), "*1\r\n" + bulk("x")) ==
          resp({"SINTER", a0}) + "/" + resp({"SINTER", b0}) + "/:1\r\n");
    // Of a sorted set one per key.
    const std::string one = "*2\r\n" + bulk("m") + bulk("1");
    CHECK(ask({"ZUNION", "3", a0, b0, a1, "WITHSCORES"}, one + one, one) ==
          resp({"ZUNION", "1", a0, "WITHSCORES"}) + resp({"ZUNION", "1", a1, "WITHSCORES"}) + "/" +
              resp({"ZUNION", "1", b0, "WITHSCORES"}) + "/*2\r\n" + bulk("m") + bulk("3"));
    CHECK(ask({"LCS", a0, b0}, bulk("abc"), bulk("xbc")) ==
          resp({"GET", a0}) + "/" + resp({"GET", b0}) + "/" + bulk("bc"));
    // On one server it passes as it came.
    CHECK(ask({"sunion", a0, a1}, none, "") == resp({"sunion", a0, a1}) + "//" + none);
    // The error that redis would have found first, whoever was faster.
    CHECK(ask({"PFCOUNT", a0, b0}, "-WRONGTYPE a\r\n", "-WRONGTYPE b\r\n")
              .ends_with("/-WRONGTYPE a\r\n"));
    CHECK(ask({"PFCOUNT", b0, a0}, "-WRONGTYPE a\r\n", "-WRONGTYPE b\r\n")
              .ends_with("/-WRONGTYPE b\r\n"));
    CHECK(ask({"SUNION", a0, b0}, "*1\r\n:1\r\n", none).ends_with("/" + misfit));
    // What a server forbids is told where it is not what the client asked for.
    CHECK(
        ask({"SDIFF", a0, b0}, none, "-NOPERM no\r\n")
            .ends_with("/-ERR ringmain: server s1 (10.0.0.1:7001) refuses SUNION, which SDIFF over "
                       "several servers needs: -NOPERM no; make it take that, or give the keys a "
                       "common hash tag\r\n"));
    CHECK(ask({"SDIFF", b0, a0}, none, "-NOPERM no\r\n").ends_with("/-NOPERM no\r\n"));
    CHECK(ask({"PFCOUNT", b0, a0}, "-NOPERM no\r\n", "$-1\r\n")
              .find("server s0 (10.0.0.1:7000) refuses GET, which PFCOUNT over several servers") !=
          std::string::npos);
    CHECK(world.proxy().is_idle());
}

TEST_CASE("limits that a reload lowers are those of later requests") {
    World world(redis_pool(2));
    Channel& client = world.client();
    std::vector<std::string> request = {"SUNION"};
    for (uint32_t i = 0; i < 20; ++i) {
        request.push_back(world.key_on(i % 2, i / 2));
    }
    world.mute(2);
    CHECK(world.ask(client, resp(request)).empty());
    CHECK(world.ask(client, resp({"SCRIPT", "LOAD", std::string(70'000, 's')})).empty());
    config::Pool lower = redis_pool(2);
    lower.request_arguments_max = 16;
    lower.request_size_max = 64ULL * 1024;
    world.adopt({lower});
    for (const uint32_t server : {0U, 1U}) {
        world.reply(server, "*1\r\n" + bulk("x") + bulk(std::string(40, 'a')));
    }
    world.settle();
    CHECK(World::heard(client).starts_with("*1\r\n" + bulk("x")));
    CHECK(world.ask(client, resp(request)).starts_with("-ERR Protocol error"));
}

TEST_CASE("what may be combined is bounded") {
    config::Pool pool = redis_pool(2);
    pool.gather_elements_max = 3;
    World world(pool);
    Channel& client = world.client();
    const std::vector<std::string> request = {"SUNION", world.key_on(0), world.key_on(1)};
    const std::string two = "*2\r\n" + bulk("x") + bulk("y");
    CHECK(gather(world, client, request, {two, two}) ==
          "-ERR ringmain: the keys live on several servers and have more than 3 elements together "
          "(gather_elements_max); give them a common hash tag\r\n");
    std::vector<std::string> many = {"SUNION"};
    for (int i = 0; i < 4097; ++i) {
        many.push_back("k" + std::to_string(i));
    }
    CHECK(world.ask(client, resp(many)) ==
          "-ERR ringmain: 4097 keys on several servers are more than 4096, which one request may "
          "combine; give them a common hash tag\r\n");
    CHECK(world.proxy().is_idle());
}

TEST_CASE("a client that leaves while keys are fetched leaves nothing behind") {
    World world(redis_pool(2));
    world.mute(2);
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    CHECK(world.ask(client,
                    resp({"ZUNION", "3", a, b, a}) + resp({"SINTER", a, b}) +
                        resp({"PFCOUNT", b, a})) == "");
    world.reply(0, "*2\r\n" + bulk(std::string(100'000, 'x')) + bulk("1") + "*0\r\n");
    world.settle();
    world.drop(client);
    CHECK(world.loop().blocks().in_use() <= 3);
    world.reply(0, "*0\r\n$-1\r\n");
    world.reply(1, "*0\r\n*0\r\n$-1\r\n");
    world.settle();
    CHECK(world.proxy().is_idle());
}

TEST_CASE("NUMSUB asks each channel's own server, about its channels only") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    const std::string c = world.key_on(1, 1);
    const auto pair = [](const std::string& name, int count) {
        return bulk(name) + ":" + std::to_string(count) + "\r\n";
    };
    CHECK(world.ask(client, resp({"PUBSUB", "NUMSUB"})) == "*0\r\n");
    CHECK(gather(world,
                 client,
                 {"PUBSUB", "NUMSUB", b, a, c, b},
                 {"*2\r\n" + pair(a, 1), "*6\r\n" + pair(b, 2) + pair(c, 3) + pair(b, 2)}) ==
          "*8\r\n" + pair(b, 2) + pair(a, 1) + pair(c, 3) + pair(b, 2));
    for (const std::string& wrong : std::vector<std::string>{"*0\r\n",
                                                             "*4\r\n" + pair(a, 1) + pair(a, 1),
                                                             "*2\r\n" + bulk(a) + bulk(a),
                                                             "*2\r\n:1\r\n:1\r\n"}) {
        CHECK(gather(
                  world, client, {"PUBSUB", "SHARDNUMSUB", a, b}, {wrong, "*2\r\n" + pair(b, 0)}) ==
              misfit);
    }
}

}  // namespace ringmain::test
