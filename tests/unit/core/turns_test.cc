// Pops whose keys live on several servers (core/turns.h).

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string nothing = "*-1\r\n";

// Two servers, a key on each and another on the first. Whatever is asked there is not there, unless
// a test says so.
struct Pair {
    explicit Pair(config::Pool pool = redis_pool(2))
        : world(std::move(pool)),
          client(&world.client()),
          a(world.key_on(0)),
          a2(world.key_on(0, 1)),
          b(world.key_on(1)) {
        for (const uint32_t server : {0U, 1U}) {
            auto& canned = world.server(server).redis.canned;
            for (const char* name : {"LPOP", "RPOP"})
                canned[name] = "$-1\r\n";
            for (const char* name : {"ZPOPMIN", "ZPOPMAX"})
                canned[name] = "*0\r\n";
            for (const char* name :
                 {"LMPOP", "ZMPOP", "BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX", "BLMPOP", "BZMPOP"}) {
                canned[name] = nothing;
            }
        }
    }

    [[nodiscard]] std::vector<std::string>& log(uint32_t server) {
        return world.server(server).redis.log;
    }

    [[nodiscard]] const stats::PoolCounters& counters() {
        return *world.proxy().pools()[0]->counters;
    }

    void expect_idle() {
        CHECK(world.proxy().is_idle());
        CHECK(counters().clients_waiting.get() == 0);
        CHECK(counters().leases.get() == 0);
    }

    World world;
    Channel* client;
    std::string a, a2, b;
};

std::string mpop(const std::string& key, std::initializer_list<std::string> elements) {
    std::string text = "*2\r\n" + bulk(key) + "*" + std::to_string(elements.size()) + "\r\n";
    for (const std::string& element : elements) {
        text += bulk(element);
    }
    return text;
}

// A client that waits for a key on each of three servers, which answer when a test says so.
struct Three {
    Three() : world(redis_pool(3)), client(&world.client()) {
        for (const uint32_t server : {0U, 1U, 2U}) {
            keys.push_back(world.key_on(server));
            world.server(server).mood = Mood::Mute;
        }
    }

    void wait(std::vector<std::string> words) { CHECK(world.ask(*client, resp(words)).empty()); }

    // That and nothing else is asked, and answered.
    void hear(uint32_t server, const std::vector<std::string>& words, const std::string& text) {
        CAPTURE(words[0]);
        CAPTURE(words[1]);
        for (uint32_t i = 0; i < world.proxy().pools()[0]->servers.size(); ++i) {
            for (Channel* lease : world.leases(i)) {
                CHECK(std::exchange(lease->arrived, {}) == (i == server ? resp(words) : ""));
            }
        }
        REQUIRE(world.leases(server).size() == 1);
        world.leases(server)[0]->inbound += text;
        world.settle();
    }

    void ask(uint32_t server) { hear(server, {"LPOP", keys[server]}, "$-1\r\n"); }

    void turn(uint32_t server) { hear(server, {"BLPOP", keys[server], "0.100"}, nothing); }

    World world;
    Channel* client;
    std::vector<std::string> keys;
};

}  // namespace

TEST_CASE("lists on several servers are asked in turns, one question at a time") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    auto& first = world.server(0).redis;
    auto& second = world.server(1).redis;
    first.canned["RPOP"] = second.canned["RPOP"] = "$-1\r\n";
    first.canned["BRPOP"] = second.canned["BRPOP"] = "*-1\r\n";
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"BRPOP", a, b, "0.25"}) + resp({"PING"})).empty());
    CHECK(second.log.empty());  // the first has not answered
    REQUIRE(world.leases(0).size() == 1);
    world.leases(0)[0]->inbound += "$1\r\nx\r\n";
    world.settle();
    CHECK(World::heard(client) == "*2\r\n" + bulk(a) + bulk("x") + "+PONG\r\n");
    CHECK(second.log.empty());

    world.leases(0)[0]->arrived.clear();
    world.server(0).mood = Mood::Up;
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"BRPOP", a, b, "0.25"})).empty());
    REQUIRE(world.leases(1).size() == 1);
    world.leases(1)[0]->inbound += "$1\r\ny\r\n";
    world.settle();
    CHECK(World::heard(client) == "*2\r\n" + bulk(b) + bulk("y"));
    CHECK(world.proxy().is_idle());
    CHECK(pool_counters(world).clients_waiting.get() == 0);
}

TEST_CASE("turns end when the time is up, when a server fails and when the client leaves") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.server(0).redis.canned["LPOP"] = "$-1\r\n";
    world.server(1).redis.canned["LPOP"] = "$-1\r\n";
    world.server(0).mood = Mood::Mute;
    const auto answer = [&](const char* text) {
        REQUIRE(!world.leases(0).empty());
        world.leases(0)[0]->inbound += text;
        world.settle();
    };
    CHECK(world.ask(client, resp({"BLPOP", a, b, "0.25"})).empty());
    answer("$-1\r\n");
    CHECK(World::heard(client).empty());  // it waits on the first
    world.pass(300);
    answer("*-1\r\n");  // and asks the other once more
    CHECK(World::heard(client) == "*-1\r\n");

    CHECK(world.ask(client, resp({"BLPOP", a, b, "0"})).empty());
    REQUIRE(world.leases(0).size() == 1);
    world.loop().begin();
    world.loop().reset(*world.leases(0)[0]);
    world.loop().end();
    world.settle();
    CHECK(World::heard(client).starts_with("-ERR ringmain: server s0"));
    world.server(0).mood = Mood::Up;  // to be asked whether it is well
    world.pass(1000);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"BLPOP", a, b, "0"})).empty());
    const uint64_t errors = world.counters().errors.get();
    world.drop(client);
    CHECK(world.counters().errors.get() == errors);
    CHECK(world.proxy().is_idle());
    CHECK(pool_counters(world).clients_waiting.get() == 0);
}

TEST_CASE("what a wait has looked at is not asked behind it, nor what the next one looks at") {
    Three three;
    three.wait({"BLPOP", three.keys[0], three.keys[1], three.keys[2], "0"});
    for (const uint32_t server : {0U, 1U, 2U}) {
        three.ask(server);
    }
    three.turn(0);
    for (int round = 0; round < 3; ++round) {
        three.ask(1);  // stands before the third
        three.ask(2);
        three.turn(1);
        three.ask(0);
        three.turn(2);
        three.ask(0);
        three.ask(1);
        three.turn(0);
    }
    three.ask(1);
    three.hear(2, {"LPOP", three.keys[2]}, bulk("x"));
    CHECK(World::heard(*three.client) == "*2\r\n" + bulk(three.keys[2]) + bulk("x"));
}

TEST_CASE("two servers are waited on in turns with nothing in between, and both asked at the end") {
    for (const bool finds : {false, true}) {
        CAPTURE(finds);
        Three three;
        World& world = three.world;
        const std::string other = world.key_on(0, 1);
        three.wait({"BLPOP", three.keys[0], three.keys[1], other, "0.25"});
        three.ask(0);
        three.ask(1);
        three.hear(0, {"LPOP", other}, "$-1\r\n");
        world.pass(100);
        three.hear(0, {"BLPOP", three.keys[0], other, "0.100"}, nothing);
        world.pass(100);
        three.turn(1);
        world.pass(50);
        three.hear(0, {"BLPOP", three.keys[0], other, "0.050"}, nothing);
        CHECK(World::heard(*three.client).empty());
        three.hear(1, {"LPOP", three.keys[1]}, finds ? bulk("x") : "$-1\r\n");
        CHECK(World::heard(*three.client) ==
              (finds ? "*2\r\n" + bulk(three.keys[1]) + bulk("x") : nothing));
    }
}

TEST_CASE("time that is up in the middle of a round leaves no key unasked") {
    Three three;
    three.wait({"BLPOP", three.keys[0], three.keys[1], three.keys[2], "0.25"});
    for (const uint32_t server : {0U, 1U, 2U}) {
        three.ask(server);
    }
    three.turn(0);
    three.ask(1);
    three.ask(2);
    three.turn(1);
    three.world.pass(300);
    three.ask(0);
    three.ask(2);  // which the next turn would have been for
    CHECK(World::heard(*three.client) == nothing);
}

TEST_CASE("keys that move in the middle of a round are asked where they live then") {
    Three three;
    World& world = three.world;
    three.wait({"BLPOP", three.keys[0], three.keys[1], three.keys[2], "0"});
    for (const uint32_t server : {0U, 1U, 2U}) {
        three.ask(server);
    }
    three.turn(0);
    three.ask(1);
    three.ask(2);
    three.turn(1);
    config::Pool pool = redis_pool(3);
    pool.servers.erase(pool.servers.begin() + 1);
    world.adopt({pool});
    world.settle();
    three.ask(0);
    for (const size_t key : {1U, 2U}) {
        const uint32_t server = world.server_of(three.keys[key]);
        three.hear(server, {"LPOP", three.keys[key]}, "$-1\r\n");
    }
    CHECK(World::heard(*three.client).empty());
    CHECK(pool_counters(world).clients_waiting.get() == 1);
    world.drop(*three.client);
}

TEST_CASE("LMPOP asks the servers in the order of the keys, neighbours at once") {
    Pair pair;
    World& world = pair.world;
    const auto& [a, a2, b] = std::tie(pair.a, pair.a2, pair.b);
    CHECK(world.ask(*pair.client,
                    resp({"LMPOP", "4", a, a2, b, a, "LEFT", "COUNT", "2"}) + resp({"PING"})) ==
          nothing + "+PONG\r\n");
    CHECK(pair.log(0) == std::vector<std::string>{"LMPOP 2 " + a + " " + a2 + " LEFT COUNT 2",
                                                  "LMPOP 1 " + a + " LEFT COUNT 2"});
    CHECK(pair.log(1) == std::vector<std::string>{"LMPOP 1 " + b + " LEFT COUNT 2"});
    // On the connections that clients share.
    CHECK(world.leases(0).empty());
    CHECK(world.leases(1).empty());
    pair.expect_idle();
}

TEST_CASE("LMPOP and ZMPOP take from the first key that has something") {
    for (const char* name : {"LMPOP", "ZMPOP"}) {
        for (const uint32_t has : {0U, 1U}) {
            CAPTURE(name);
            CAPTURE(has);
            Pair pair;
            const std::string found = mpop(has == 0 ? pair.a : pair.b, {"x", "y"});
            pair.world.server(has).redis.canned[name] = found;
            const char* end = name[0] == 'L' ? "RIGHT" : "MAX";
            CHECK(pair.world.ask(*pair.client, resp({name, "2", pair.a, pair.b, end})) == found);
            CHECK(pair.log(0).size() == 1);
            CHECK(pair.log(1).size() == has);
            pair.expect_idle();
        }
    }
}

TEST_CASE("what is sent behind LMPOP is done behind it") {
    Pair pair;
    World& world = pair.world;
    world.server(1).mood = Mood::Mute;
    CHECK(world
              .ask(*pair.client,
                   resp({"LMPOP", "2", pair.a, pair.b, "LEFT"}) + resp({"SET", pair.a, "1"}))
              .empty());
    CHECK(pair.log(0).size() == 1);
    world.reply(1, mpop(pair.b, {"x"}));
    world.settle();
    CHECK(World::heard(*pair.client) == mpop(pair.b, {"x"}) + "+OK\r\n");
    CHECK(pair.log(0).back() == "SET " + pair.a + " 1");
}

TEST_CASE("an error in the order of the keys is the answer") {
    const std::string wrong = "-WRONGTYPE Operation against a key\r\n";
    for (const bool first : {false, true}) {
        CAPTURE(first);
        Pair pair;
        pair.world.server(first ? 0 : 1).redis.canned["LMPOP"] = wrong;
        pair.world.server(first ? 1 : 0).redis.canned["LMPOP"] = mpop(pair.a, {"x"});
        CHECK(pair.world.ask(*pair.client, resp({"LMPOP", "2", pair.a, pair.b, "LEFT"})) ==
              (first ? wrong : mpop(pair.a, {"x"})));
        pair.world.server(first ? 0 : 1).redis.canned["ZPOPMIN"] = wrong;
        pair.world.server(first ? 1 : 0).redis.canned["ZPOPMIN"] = "*2\r\n" + bulk("m") + bulk("1");
        const std::string member = "*3\r\n" + bulk(pair.a) + bulk("m") + bulk("1");
        CHECK(pair.world.ask(*pair.client, resp({"BZPOPMIN", pair.a, pair.b, "0"})) ==
              (first ? wrong : member));
        pair.expect_idle();
    }
}

TEST_CASE("each that waits asks with what does not, and then waits") {
    struct Case {
        std::vector<std::string> words;  // a, b and a2 where it says so
        std::string question, wait;
        std::string asked, waited;  // when it finds something
        std::string answer;
    };

    Pair names;
    const auto& [a, a2, b] = std::tie(names.a, names.a2, names.b);
    const std::string scored = "*3\r\n" + bulk(b) + bulk("m") + bulk("1.5");
    for (const Case& one : std::vector<Case>{
             {{"BLPOP", a, b, a2, "1"},
              "LPOP ",
              "BLPOP " + a + " " + a2 + " 0.100",
              bulk("x"),
              "*2\r\n" + bulk(b) + bulk("x"),
              "*2\r\n" + bulk(b) + bulk("x")},
             {{"BRPOP", a, b, a2, "1"},
              "RPOP ",
              "BRPOP " + a + " " + a2 + " 0.100",
              bulk("x"),
              "*2\r\n" + bulk(b) + bulk("x"),
              "*2\r\n" + bulk(b) + bulk("x")},
             {{"BZPOPMIN", a, b, a2, "1"},
              "ZPOPMIN ",
              "BZPOPMIN " + a + " " + a2 + " 0.100",
              "*2\r\n" + bulk("m") + bulk("1.5"),
              scored,
              scored},
             {{"BZPOPMAX", a, b, a2, "1"},
              "ZPOPMAX ",
              "BZPOPMAX " + a + " " + a2 + " 0.100",
              "*2\r\n" + bulk("m") + bulk("1.5"),
              scored,
              scored},
             {{"BLMPOP", "1", "3", a, b, a2, "LEFT"},
              "LMPOP 1 ",
              "BLMPOP 0.100 2 " + a + " " + a2 + " LEFT",
              mpop(b, {"x"}),
              mpop(b, {"x"}),
              mpop(b, {"x"})},
             {{"BZMPOP", "1", "3", a, b, a2, "MIN"},
              "ZMPOP 1 ",
              "BZMPOP 0.100 2 " + a + " " + a2 + " MIN",
              mpop(b, {"x"}),
              mpop(b, {"x"}),
              mpop(b, {"x"})},
         }) {
        CAPTURE(one.words[0]);
        for (const bool waits : {false, true}) {
            CAPTURE(waits);
            Pair pair;
            World& world = pair.world;
            const std::string& name = one.words[0];
            world.server(1).redis.canned[waits ? name : name.substr(1)] =
                waits ? one.waited : one.asked;
            CHECK(world.ask(*pair.client, resp(one.words)) == one.answer);
            REQUIRE(!pair.log(0).empty());
            CHECK(pair.log(0)[0].starts_with(one.question + a));
            CHECK(pair.log(1)[0].starts_with(one.question + b));
            // Of those who wait the second is found on the other server, a round later.
            CHECK(pair.log(0).size() == (waits ? 3 : 1));
            if (waits) CHECK(std::ranges::count(pair.log(0), one.wait) == 1);
            pair.expect_idle();
        }
    }
}

TEST_CASE("who speaks RESP3 hears it from the servers, and nothing as null") {
    Pair pair;
    World& world = pair.world;
    CHECK(world.ask(*pair.client, resp({"HELLO", "3"})).starts_with("%"));
    for (const uint32_t server : {0U, 1U}) {
        world.server(server).redis.canned["LMPOP"] = "_\r\n";
    }
    CHECK(world.ask(*pair.client, resp({"LMPOP", "2", pair.a, pair.b, "LEFT"})) == "_\r\n");
    world.server(1).redis.canned["ZPOPMIN"] = "*2\r\n" + bulk("m") + ",1.5\r\n";
    CHECK(world.ask(*pair.client, resp({"BZPOPMIN", pair.a, pair.b, "1"})) ==
          "*3\r\n" + bulk(pair.b) + bulk("m") + ",1.5\r\n");
    CHECK(world.link(0) == nullptr);
    pair.expect_idle();
}

TEST_CASE("a response that is none to the question costs the connection") {
    for (const bool waits : {false, true}) {
        CAPTURE(waits);
        Pair pair;
        pair.world.server(0).redis.canned["ZMPOP"] = ":1\r\n";
        pair.world.server(0).redis.canned["ZPOPMIN"] = "*3\r\n" + bulk("a") + bulk("b") + bulk("c");
        const std::string answer =
            pair.world.ask(*pair.client,
                           waits ? resp({"BZPOPMIN", pair.a, pair.b, "1"})
                                 : resp({"ZMPOP", "2", pair.a, pair.b, "MIN"}));
        CHECK(answer ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) sent a response that does not fit the "
              "request\r\n");
        pair.expect_idle();
    }
}

TEST_CASE("of an answer to LMPOP nothing is passed on before it is an element") {
    config::Pool pool = redis_pool(2);
    pool.stream_threshold = 1;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        World world(pool, {.seed = seed, .cut = true});
        Channel& client = world.client();
        const std::string a = world.key_on(0);
        const std::string b = world.key_on(1);
        const std::string ask = resp({"LMPOP", "2", a, b, "LEFT"});
        world.server(0).redis.canned["LMPOP"] = nothing;
        world.server(1).redis.canned["LMPOP"] = nothing;
        CHECK(world.ask(client, ask) == nothing);
        world.server(1).redis.canned["LMPOP"] = mpop(b, {"element"});
        CHECK(world.ask(client, ask) == mpop(b, {"element"}));
        world.server(0).redis.canned["LMPOP"] = ":1\r\n";
        CHECK(world.ask(client, ask).starts_with("-ERR ringmain: "));
        CHECK_FALSE(client.closed);
    }
}

TEST_CASE("LMPOP ends where a server fails, and its client goes on") {
    Pair pair;
    World& world = pair.world;
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(*pair.client, resp({"LMPOP", "2", pair.a, pair.b, "LEFT"})).empty());
    SUBCASE("it is lost") {
        world.cut_off(1);
        world.settle();
        CHECK(World::heard(*pair.client).starts_with("-ERR ringmain: server s1"));
        CHECK(pair.client->client->session->turns == nullptr);
    }
    SUBCASE("it says nothing, and its late answer is nobody's") {
        Channel* late = world.link(1);
        world.pass(450);
        CHECK(
            World::heard(*pair.client) ==
            "-ERR ringmain: server s1 (10.0.0.1:7001) did not answer within 400 ms (timeout)\r\n");
        late->inbound += mpop(pair.b, {"x"});
        world.settle();
        CHECK(World::heard(*pair.client).empty());
    }
    SUBCASE("the client leaves") {
        world.drop(*pair.client);
        world.reply(1, nothing);
        world.settle();
        pair.client = &world.client();
    }
    world.server(0).redis.canned["LMPOP"] = mpop(pair.a, {"y"});
    CHECK(world.ask(*pair.client, resp({"LMPOP", "2", pair.a, pair.b, "LEFT"})) ==
          mpop(pair.a, {"y"}));
    pair.expect_idle();
}

TEST_CASE("a client that has ended its side hears what LMPOP finds, nothing included") {
    Pair pair;
    World::say(*pair.client, resp({"LMPOP", "2", pair.a, pair.b, "LEFT"}) + resp({"PING"}));
    pair.client->inbound_end = true;
    pair.world.settle();
    CHECK(World::heard(*pair.client) == nothing + "+PONG\r\n");
    CHECK(pair.client->closed);
    pair.expect_idle();
}

TEST_CASE("mistakes are named before any server is asked") {
    Pair pair;
    for (const auto& asked : std::vector<std::pair<std::vector<std::string>, std::string>>{
             {{"LMPOP", "2", pair.a, pair.b}, "-ERR syntax error\r\n"},
             {{"ZMPOP", "2", pair.a, pair.b, "LEFT"}, "-ERR syntax error\r\n"},
             {{"BLMPOP", "1", "2", pair.a, pair.b, "LEFT", "COUNT", "0"},
              "-ERR count should be greater than 0\r\n"},
             {{"BZPOPMIN", pair.a, pair.b, "x"}, "-ERR timeout is not a float or out of range\r\n"},
             {{"BLPOP", pair.a, pair.b, "-1"}, "-ERR timeout is negative\r\n"},
         }) {
        const auto& words = asked.first;
        const auto& wanted = asked.second;
        CAPTURE(words[0]);
        CHECK(pair.world.ask(*pair.client, resp(words)) == wanted);
    }
    CHECK(pair.log(0).empty());
    CHECK(pair.log(1).empty());
}

TEST_CASE("more keys than are asked in turn are refused") {
    Pair pair;
    std::vector<std::string> words = {"BLPOP"};
    for (int i = 0; i < 64; ++i) {
        words.push_back(i % 2 == 0 ? pair.a : pair.b);
    }
    words.emplace_back("0.01");
    pair.world.server(1).redis.canned["LPOP"] = bulk("x");
    CHECK(pair.world.ask(*pair.client, resp(words)) == "*2\r\n" + bulk(pair.b) + bulk("x"));
    words.back() = pair.a;
    words.push_back("0.01");
    const std::string answer = pair.world.ask(*pair.client, resp(words));
    CHECK(
        answer.starts_with("-CROSSSLOT ringmain: more than 64 keys, or 65536 bytes, of 'BLPOP' "
                           "live on several servers"));
    pair.expect_idle();
}

TEST_CASE("within a transaction a pop has the keys of one server") {
    Pair pair;
    CHECK(pair.world.ask(
              *pair.client,
              resp({"MULTI"}) + resp({"LMPOP", "2", pair.a, pair.b, "LEFT"}) + resp({"EXEC"})) ==
          "+OK\r\n-CROSSSLOT ringmain: the keys of 'LMPOP' live on several servers; give them a "
          "common hash tag (and set hash_tag for the pool)\r\n-EXECABORT Transaction discarded "
          "because of previous errors.\r\n");
}

TEST_CASE("a question that is under way when ringmain stops is answered") {
    for (const bool finds : {false, true}) {
        CAPTURE(finds);
        Pair pair;
        World& world = pair.world;
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(*pair.client, resp({"BLPOP", pair.a, pair.b, "0"})).empty());
        world.loop().begin();
        world.proxy().drain();
        world.loop().end();
        world.settle();
        CHECK(World::heard(*pair.client).empty());
        REQUIRE(world.leases(0).size() == 1);
        world.leases(0)[0]->inbound += finds ? bulk("x") : "$-1\r\n";
        world.settle();
        CHECK(World::heard(*pair.client) ==
              (finds ? "*2\r\n" + bulk(pair.a) + bulk("x")
                     : "-ERR ringmain: a command that waits on its server was ended: ringmain is "
                       "being stopped\r\n"));
        CHECK(pair.client->closed);
        CHECK(pair.log(1).empty());
        pair.expect_idle();
    }
}

TEST_CASE("a question to a server that a reload removes is answered") {
    Pair pair(redis_pool(3));
    World& world = pair.world;
    world.server(2).redis.canned["LPOP"] = "$-1\r\n";
    const std::string c = world.key_on(2);
    world.server(2).mood = Mood::Mute;
    CHECK(world.ask(*pair.client, resp({"BLPOP", c, pair.a, "0"})).empty());
    REQUIRE(world.leases(2).size() == 1);
    Channel* lease = world.leases(2)[0];
    world.adopt({redis_pool(2)});
    world.settle();
    CHECK(World::heard(*pair.client).empty());
    lease->inbound += bulk("x");
    world.settle();
    CHECK(World::heard(*pair.client) == "*2\r\n" + bulk(c) + bulk("x"));
    CHECK(lease->closed);
    pair.expect_idle();
}

TEST_CASE("a turn on a server that a reload removes ends by itself, and others follow") {
    for (const bool finds : {false, true}) {
        CAPTURE(finds);
        Pair pair(redis_pool(3));
        World& world = pair.world;
        world.server(2).redis.canned["LPOP"] = "$-1\r\n";
        const std::string c = world.key_on(2);
        world.server(2).mood = Mood::Mute;
        CHECK(world.ask(*pair.client, resp({"BLPOP", c, pair.a, "0"})).empty());
        REQUIRE(world.leases(2).size() == 1);
        // Nothing is there, nor at the other key: it waits here.
        world.leases(2)[0]->inbound += "$-1\r\n";
        world.settle();
        REQUIRE(world.leases(2).size() == 1);
        Channel* lease = world.leases(2)[0];
        world.adopt({redis_pool(2)});
        world.settle();
        CHECK(World::heard(*pair.client).empty());
        const std::string found = "*2\r\n" + bulk(c) + bulk("x");
        for (const uint32_t server : {0U, 1U}) {
            world.server(server).redis.canned["LPOP"] = bulk("y");
        }
        lease->inbound += finds ? found : "*-1\r\n";
        world.settle();
        CHECK(World::heard(*pair.client) == (finds ? found : "*2\r\n" + bulk(c) + bulk("y")));
        CHECK(lease->closed);
        pair.expect_idle();
    }
}

TEST_CASE("what stands in a large element is not what its server says of itself") {
    config::Pool pool = redis_pool(2);
    pool.stream_threshold = 64 * 1024;
    pool.eject_on_loading = true;
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    for (const bool leaves : {false, true}) {
        CAPTURE(leaves);
        World world(pool, {.blocks = 2048});
        Channel& client = world.client();
        const std::string a = world.key_on(0);
        const std::string b = world.key_on(1);
        CHECK(world.ask(client, resp({"SET", a, "1"})) == "+OK\r\n");
        world.server(0).mood = Mood::Mute;
        world.server(1).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"LMPOP", "2", a, b, "LEFT"})) == "");
        Channel& link = *world.link(0);
        link.inbound += "*2\r\n" + bulk(a) + "*1\r\n$200016\r\n" + std::string(200'000, 'x');
        world.settle();
        CHECK(World::heard(client).size() > 200'000);
        if (leaves) {
            world.drop(client);
            world.settle();
        }
        for (const std::string_view part : {"-LOADING", "-LOADING\r\n"}) {
            link.inbound += part;
            world.settle();
        }
        CHECK(world.counters().server_failures.get() == 0);
        CHECK(world.loop().notices().empty());
    }
}

TEST_CASE("that a server takes no more connections is no answer to a pop") {
    for (const bool waits : {false, true}) {
        CAPTURE(waits);
        Pair pair;
        for (const char* name : {"LMPOP", "BLPOP", "LPOP"}) {
            pair.world.server(1).redis.canned[name] = "-ERR max number of clients reached\r\n";
        }
        CHECK(pair.world.ask(*pair.client,
                             waits ? resp({"BLPOP", pair.a, pair.b, "1"})
                                   : resp({"LMPOP", "2", pair.a, pair.b, "LEFT"})) ==
              error("server s1 (10.0.0.1:7001) takes no more connections: -ERR max number of "
                    "clients reached"));
    }
}

TEST_CASE("a pop that ringmain answers with an error is counted, with the reason") {
    using stats::Reason;
    const auto count = [](Pair& pair, Reason reason) {
        const auto index = static_cast<size_t>(reason);
        return std::pair(pair.counters().errors[index].get(), pair.counters().forward_error.get());
    };
    const std::pair<uint64_t, uint64_t> once = {1, 1};
    for (const bool waits : {false, true}) {
        CAPTURE(waits);
        const auto request = [&](const Pair& pair) {
            return waits ? resp({"BLPOP", pair.a, pair.b, "1"})
                         : resp({"LMPOP", "2", pair.a, pair.b, "LEFT"});
        };
        Pair refusing;
        refusing.world.server(1).mood = Mood::Refusing;
        CHECK(refusing.world.ask(*refusing.client, resp({"GET", refusing.b}))
                  .starts_with("-ERR ringmain: "));
        const auto before = count(refusing, Reason::Refused);
        CHECK(refusing.world.ask(*refusing.client, request(refusing))
                  .starts_with("-ERR ringmain: server s1"));
        CHECK(count(refusing, Reason::Refused) == std::pair(before.first + 1, before.second + 1));
    }
    config::Pool pool = redis_pool(2);
    pool.leases_max = 0;
    Pair full(pool);
    CHECK(full.world.ask(*full.client, resp({"BLPOP", full.a, full.b, "1"})).find("leases_max") !=
          std::string::npos);
    CHECK(count(full, Reason::Limit) == once);
    CHECK(full.world.counters().errors.get() == 1);
}

}  // namespace ringmain::test
