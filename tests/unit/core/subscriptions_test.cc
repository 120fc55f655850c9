// SUBSCRIBE and its kin, and the connections that bring messages.

#include "ringmain/core/limits.h"
#include "tests/unit/core/listening.h"

#include <algorithm>

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("clients of one channel share one subscription") {
    Listening listening;
    World& world = listening.world;
    std::vector<Channel*> clients = {listening.client};
    for (int i = 0; i < 20; ++i) {
        clients.push_back(&world.client());
        CHECK(world.ask(*clients.back(), resp({"SUBSCRIBE", "c"})) ==
              confirmed("subscribe", "c", 1));
    }
    CHECK(logged(world, 0, "subscribe c") == 1);
    CHECK(listening.counters().channels.get() == 1);
    CHECK(listening.counters().subscriptions.get() == 21);
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", "x"})) == ":21\r\n");
    for (Channel* client : clients) {
        CHECK(World::heard(*client) == message("c", "x"));
    }
    CHECK(listening.counters().messages.get() == 1);
    CHECK(listening.counters().messages_delivered.get() == 21);
    // Whoever leaves last is noticed by the server.
    for (size_t i = 1; i < clients.size(); ++i) {
        world.drop(*clients[i]);
    }
    world.settle();
    CHECK(logged(world, 0, "unsubscribe c") == 0);
    world.drop(*listening.client);
    world.settle();
    CHECK(logged(world, 0, "unsubscribe c") == 1);
    CHECK(listening.counters().channels.get() == 0);
    CHECK(listening.counters().subscriptions.get() == 0);
}

TEST_CASE("PUBSUB NUMSUB counts clients, and those of others as their server does") {
    Listening listening;
    World& world = listening.world;
    const auto count = [&](const std::string& word, const std::string& name) {
        const std::string answer = world.ask(*listening.other, resp({"PUBSUB", word, name}));
        CHECK(answer.starts_with("*2\r\n" + bulk(name) + ":"));
        return answer.substr(answer.rfind(':'));
    };
    Channel& second = world.client();
    static_cast<void>(world.ask(second, resp({"SUBSCRIBE", "c", "d"})));
    // The server knows this worker and two others.
    world.server(0).redis.canned["PUBSUB"] = "*2\r\n" + bulk("c") + ":3\r\n";
    CHECK(count("NUMSUB", "c") == ":4\r\n");
    CHECK(count("SHARDNUMSUB", "c") == ":3\r\n");
    world.server(0).redis.canned["PUBSUB"] = "*2\r\n" + bulk("d") + ":1\r\n";
    CHECK(count("NUMSUB", "d") == ":1\r\n");
    world.server(0).redis.canned["PUBSUB"] = "*2\r\n" + bulk("none") + ":0\r\n";
    CHECK(count("NUMSUB", "none") == ":0\r\n");
    world.drop(second);
    world.settle();
    world.server(0).redis.canned["PUBSUB"] = "*2\r\n" + bulk("c") + ":3\r\n";
    CHECK(count("NUMSUB", "c") == ":3\r\n");
}

TEST_CASE("the connection is closed when nothing was subscribed for half a minute") {
    Listening listening;
    World& world = listening.world;
    CHECK(world.ask(*listening.client, resp({"UNSUBSCRIBE"})) == confirmed("unsubscribe", "c", 0));
    world.pass(29'000);
    CHECK(world.subscription(0) != nullptr);
    world.pass(2'000);
    CHECK(world.subscription(0) == nullptr);
    CHECK(world.ask(*listening.client, resp({"SUBSCRIBE", "d"})) == confirmed("subscribe", "d", 1));
    CHECK(world.loop().notices().empty());
}

TEST_CASE("names of several servers are confirmed in the order of the command") {
    World world(redis_pool(3));
    Channel& client = world.client();
    const std::string a = world.key_on(2);
    const std::string b = world.key_on(0);
    const std::string c = world.key_on(1);
    CHECK(world.ask(client, resp({"SUBSCRIBE", a, b, c, b})) ==
          confirmed("subscribe", a, 1) + confirmed("subscribe", b, 2) +
              confirmed("subscribe", c, 3) + confirmed("subscribe", b, 3));
    CHECK(logged(world, 2, "subscribe " + a) == 1);
    CHECK(logged(world, 0, "subscribe " + b) == 1);
    CHECK(logged(world, 1, "subscribe " + c) == 1);
    // A pattern is subscribed everywhere.
    CHECK(world.ask(client, resp({"PSUBSCRIBE", "k*"})) == confirmed("psubscribe", "k*", 4));
    for (uint32_t server = 0; server < 3; ++server) {
        CHECK(logged(world, server, "psubscribe k*") == 1);
    }
}

TEST_CASE("CLIENT REPLY OFF silences errors, and neither confirmations nor messages") {
    Listening listening;
    World& world = listening.world;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"CLIENT", "REPLY", "OFF"}) + resp({"SUBSCRIBE", "c", "d"})) ==
          confirmed("subscribe", "c", 1) + confirmed("subscribe", "d", 2));
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", "x"})) == ":2\r\n");
    CHECK(World::heard(client) == message("c", "x"));
    CHECK(world.ask(client, resp({"GET", "k"})) == "");
    CHECK(world.ask(client, resp({"UNSUBSCRIBE"})).ends_with(":0\r\n"));
    CHECK(world.ask(client, resp({"UNSUBSCRIBE"})) ==
          "*3\r\n" + bulk("unsubscribe") + "$-1\r\n:0\r\n");
    CHECK(world.ask(client, resp({"GET", "k"})) == "");
    // Refused by the server: an error like any.
    world.server(0).redis.canned["subscribe"] = "-NOPERM no\r\n";
    CHECK(world.ask(client, resp({"SUBSCRIBE", "e"})) == "");
    world.server(0).redis.canned.clear();
    CHECK(world.ask(client, resp({"CLIENT", "REPLY", "ON"}) + resp({"PING"})) ==
          "+OK\r\n+PONG\r\n");
    CHECK(
        world.ask(client,
                  resp({"CLIENT", "REPLY", "SKIP"}) + resp({"SUBSCRIBE", "f"}) + resp({"PING"})) ==
        confirmed("subscribe", "f", 1) + "*2\r\n" + bulk("pong") + bulk(""));
}

TEST_CASE("what is said behind SUBSCRIBE waits for its answer") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "k"})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world
              .ask(client,
                   resp({"GET", "k"}) + resp({"SUBSCRIBE", "c"}) + resp({"PING"}) +
                       resp({"UNSUBSCRIBE"}) + resp({"PING"}))
              .empty());
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == "$-1\r\n" + confirmed("subscribe", "c", 1) +
                                      "*2\r\n$4\r\npong\r\n$0\r\n\r\n" +
                                      confirmed("unsubscribe", "c", 0) + "+PONG\r\n");
}

TEST_CASE("a message that comes before all names are confirmed is not lost behind them") {
    World world(redis_pool(2));
    Channel& first = world.client();
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.ask(first, resp({"SUBSCRIBE", a}));
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SUBSCRIBE", a, b})).empty());
    // Not subscribed yet: the confirmation is the first that it hears.
    world.ask(world.client(), resp({"PUBLISH", a, "early"}));
    CHECK(World::heard(first) == message(a, "early"));
    CHECK(World::heard(client).empty());
    world.server(1).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == confirmed("subscribe", a, 1) + confirmed("subscribe", b, 2));
}

TEST_CASE("RESP3 clients get pushes, RESP2 clients arrays, of one message") {
    Listening listening;
    World& world = listening.world;
    Channel& modern = world.client();
    world.ask(modern, resp({"HELLO", "3"}));
    CHECK(world.ask(modern, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 1, true));
    for (const size_t size : {size_t{0}, size_t{100}, size_t{2047}, size_t{2048}, size_t{60'000}}) {
        const std::string payload(size, 'x');
        CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", payload})) == ":2\r\n");
        CHECK(World::heard(*listening.client) == message("c", payload));
        CHECK(World::heard(modern) == message("c", payload, true));
    }
    CHECK(world.ask(modern, resp({"GET", "k"})) == "_\r\n");
    CHECK(world.ask(modern, resp({"HELLO", "2"})).starts_with("*14\r\n"));
    CHECK(
        world.ask(modern, resp({"GET", "k"})).starts_with("-ERR Can't execute 'get': only (P|S)"));
}

TEST_CASE("a message does not fall into the middle of a large response") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 10'000;
    Listening listening(pool);
    World& world = listening.world;
    Channel& modern = world.client();
    world.ask(modern, resp({"HELLO", "3"}));
    CHECK(world.ask(modern, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 1, true));
    CHECK(world.ask(modern, resp({"GET", "k"})) == "_\r\n");
    world.server(0).mood = Mood::Mute;
    const std::string large = bulk(std::string(50'000, 'v'));
    CHECK(world.ask(modern, resp({"GET", "k"})) == "");
    Channel* link = world.link(0, true);
    link->inbound += large.substr(0, 30'000);
    world.settle();
    listening.bring(message("c", "x"));
    link->inbound += large.substr(30'000);
    world.settle();
    CHECK(World::heard(modern) == message("c", "x", true) + large);
}

TEST_CASE("messages in any pieces") {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        World world(redis_pool(1), {.seed = seed, .cut = true});
        Channel& client = world.client();
        Channel& other = world.client();
        CHECK(world.ask(client, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 1));
        std::string wanted;
        for (size_t i = 0; i < 20; ++i) {
            const std::string payload(world.loop().prng().below(6000), 'x');
            World::say(other, resp({"PUBLISH", "c", payload}));
            wanted += message("c", payload);
        }
        world.settle();
        CHECK(World::heard(client) == wanted);
    }
}

TEST_CASE("a server that is lost gets all subscriptions again, and clients notice nothing") {
    Listening listening;
    World& world = listening.world;
    world.ask(*listening.client, resp({"PSUBSCRIBE", "p*"}) + resp({"SSUBSCRIBE", "s"}));
    world.subscription(0)->inbound_end = true;
    world.settle();
    CHECK(World::heard(*listening.client).empty());
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0] ==
          "pool main: " + s0 +
              "closed the connection; clients stay subscribed, 3 channels and patterns of theirs "
              "will be subscribed there again");
    world.pass(1000);
    REQUIRE(world.loop().notices().size() == 2);
    CHECK(world.loop().notices()[1] == "pool main: " + s0.substr(0, s0.size() - 1) +
                                           ": 3 channels and patterns are subscribed again");
    for (const char* line : {"subscribe c", "psubscribe p*", "ssubscribe s"}) {
        CHECK(logged(world, 0, line) == 2);
    }
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", "x"})) == ":1\r\n");
    CHECK(World::heard(*listening.client) == message("c", "x"));
}

TEST_CASE("while it stays away it is tried again with backoff, and told once") {
    Listening listening;
    World& world = listening.world;
    world.server(0).mood = Mood::Refusing;
    world.subscription(0)->inbound_end = true;
    const uint64_t before = world.loop().events();
    world.pass(20'000);
    CHECK(world.loop().events() - before < 300);
    CHECK(std::ranges::count_if(world.loop().notices(), [](const std::string& notice) {
              return notice.find("will be subscribed") != std::string::npos;
          }) == 1);
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(logged(world, 0, "subscribe c") == 2);
}

TEST_CASE("unsubscribing while the server is away is remembered") {
    Listening listening;
    World& world = listening.world;
    world.ask(*listening.client, resp({"SUBSCRIBE", "d"}));
    world.server(0).mood = Mood::Refusing;
    world.subscription(0)->inbound_end = true;
    world.settle();
    CHECK(world.ask(*listening.client, resp({"UNSUBSCRIBE", "c"})) ==
          confirmed("unsubscribe", "c", 1));
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(logged(world, 0, "subscribe c") == 1);
    CHECK(logged(world, 0, "subscribe d") == 2);
    CHECK(logged(world, 0, "unsubscribe c") == 0);
}

TEST_CASE("a server that cannot be reached makes an error in its name's place") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.server(0).mood = Mood::Refusing;
    const std::string refused = error(s0 + "refused the connection");
    CHECK(world.ask(client, resp({"SUBSCRIBE", a, b})) == refused + confirmed("subscribe", b, 1));
    // A pattern is on all servers or on none.
    world.pass(1000);
    CHECK(world.ask(client, resp({"PSUBSCRIBE", "p*"})) == refused);
    CHECK(logged(world, 1, "psubscribe p*") == logged(world, 1, "punsubscribe p*"));
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(world.ask(client, resp({"SUBSCRIBE", a})) == confirmed("subscribe", a, 2));
    CHECK(world.ask(client, resp({"PSUBSCRIBE", "p*"})) == confirmed("psubscribe", "p*", 3));
}

TEST_CASE("a server that does not confirm in time makes an error, and is given up later") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    World::say(client, resp({"SUBSCRIBE", "c"}) + resp({"PING"}));
    world.pass(300);
    CHECK(World::heard(client).empty());
    world.pass(200);
    CHECK(World::heard(client) ==
          error(s0 + "did not confirm the subscription within 400 ms (timeout)") + "+PONG\r\n");
    CHECK(world.counters().timeouts.get() == 1);
    REQUIRE(world.subscription(0) != nullptr);
    world.pass(1500);
    CHECK(world.subscription(0) == nullptr);
}

TEST_CASE("a late confirmation is no harm") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    World::say(client, resp({"SUBSCRIBE", "c"}));
    world.pass(500);
    CHECK(World::heard(client).starts_with("-ERR"));
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.server(0).redis.log == std::vector<std::string>{"subscribe c", "unsubscribe c"});
    CHECK(world.ask(client, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 1));
}

TEST_CASE("a client that leaves while it waits is forgotten") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SUBSCRIBE", "c", "d"})).empty());
    world.drop(client);
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.server(0).redis.subscribers.empty());
    CHECK(world.proxy().pools()[0]->topics->names_size == 0);
}

TEST_CASE("a server's own refusal is the answer") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).redis.canned["subscribe"] = "-NOPERM no channels\r\n";
    CHECK(world.ask(client, resp({"SUBSCRIBE", "c"}) + resp({"PING"})) ==
          "-NOPERM no channels\r\n+PONG\r\n");
    CHECK(world.subscription(0) != nullptr);
    world.server(0).redis.canned.clear();
    CHECK(world.ask(client, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 1));
}

TEST_CASE("a refusal by two servers is that of one pattern alone") {
    World world(redis_pool(2));
    Channel& client = world.client();
    Channel& bystander = world.client();
    const std::string kept = "kept*";
    CHECK(world.ask(bystander, resp({"PSUBSCRIBE", kept})) == confirmed("psubscribe", kept, 1));
    for (const uint32_t server : {0U, 1U}) {
        world.server(server).mood = Mood::Mute;
    }
    CHECK(world.ask(client, resp({"PSUBSCRIBE", "p*", "q*"})).empty());
    const auto bring = [&world](uint32_t server, const std::string& bytes) {
        world.subscription(server)->inbound += bytes;
        world.settle();
    };
    // Of each server: p refused, q confirmed.
    const std::string refusal = "-NOPERM no patterns\r\n";
    bring(0, refusal);
    bring(1, refusal);
    CHECK(world.loop().notices().empty());
    // Another asks for what was refused, while the first still waits for the rest.
    Channel& late = world.client();
    CHECK(world.ask(late, resp({"PSUBSCRIBE", "p*"})).empty());
    bring(0, confirmed("psubscribe", "q*", 2));
    bring(1, confirmed("psubscribe", "q*", 2));
    CHECK(World::heard(client) == refusal + confirmed("psubscribe", "q*", 1));
    bring(0, confirmed("psubscribe", "p*", 3));
    CHECK(World::heard(late).empty());
    bring(1, confirmed("psubscribe", "p*", 3));
    CHECK(World::heard(late) == confirmed("psubscribe", "p*", 1));
    CHECK(world.loop().notices().empty());
}

TEST_CASE("who subscribes while the end of a subscription is on its way waits for a new one") {
    Listening listening;
    World& world = listening.world;
    world.ask(*listening.client, resp({"SUBSCRIBE", "d"}));
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(*listening.client, resp({"UNSUBSCRIBE", "d"})) ==
          confirmed("unsubscribe", "d", 1));
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "d"})).empty());
    listening.bring(confirmed("unsubscribe", "d", 1));
    CHECK(World::heard(*listening.other).empty());
    listening.bring(confirmed("subscribe", "d", 2));
    CHECK(World::heard(*listening.other) == confirmed("subscribe", "d", 1));
}

TEST_CASE("a subscription behind a message that takes long is not given up") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 100;
    Listening listening(pool);
    World& world = listening.world;
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(*listening.other, resp({"SUBSCRIBE", "d"})).empty());
    const std::string slow = message("c", std::string(20'000, 'm'));
    for (size_t at = 0; at < slow.size(); at += 1024) {
        listening.bring(slow.substr(at, 1024));
        world.pass(200);
    }
    CHECK(World::heard(*listening.client) == slow);
    CHECK(world.loop().notices().empty());
    world.pass(1000);
    CHECK_FALSE(world.loop().notices().empty());
}

TEST_CASE("what is not a message or a confirmation closes the connection") {
    const std::string unasked = "sent what nobody asked for on a subscription connection";
    for (const auto& [bytes, reason] : std::vector<std::pair<std::string, std::string>>{
             {"+OK\r\n", unasked},
             {"-ERR what\r\n", unasked},
             {":1\r\n", unasked},
             {"+PONG\r\n", unasked},
             {"*2\r\n$4\r\npong\r\n$0\r\n\r\n", unasked},
             {confirmed("subscribe", "c", 1), unasked},
             {confirmed("unsubscribe", "c", 0), unasked},
             {message("d", "x"), unasked},
             {"*4\r\n" + bulk("message") + bulk("c") + bulk("c") + bulk("x"), unasked},
             {"*3\r\n" + bulk("pmessage") + bulk("c") + bulk("x"), unasked},
             {"*3\r\n" + bulk("smessage") + bulk("c") + bulk("x"), unasked},
             {"*3\r\n" + bulk("message") + bulk("c") + ":1\r\n", unasked},
             {"*3\r\n" + bulk("message") + bulk("c") + "$-1\r\n", unasked},
             {"*3\r\n" + bulk("message") + bulk("c") + "*1\r\n" + bulk("x"), unasked},
             {"*3\r\n$-1\r\n" + bulk("c") + bulk("x"), unasked},
             {"*-1\r\n", unasked},
             {">3\r\n" + bulk("message") + bulk("c") + bulk("x"), unasked},
             {"|1\r\n+a\r\n+b\r\n" + message("c", "x"),
              "sent a malformed message: type of RESP3 in RESP2"},
             {"?\r\n", "sent a malformed message: unknown type of response"},
             {"*3\r\n$x\r\n", "sent a malformed message: invalid number"},
         }) {
        const std::string& sent = bytes;
        CAPTURE(sent);
        Listening listening;
        listening.bring(bytes);
        CHECK(World::heard(*listening.client).empty());
        listening.check_closed(reason);
    }
}

TEST_CASE("what WAIT publishes for itself is no client's") {
    Listening listening;
    World& world = listening.world;
    Channel& modern = world.client();
    world.ask(modern, resp({"HELLO", "3"}));
    world.ask(modern, resp({"PSUBSCRIBE", "*"}));
    world.ask(*listening.client, resp({"SUBSCRIBE", "ringmain:wait"}));
    world.ask(*listening.client, resp({"PSUBSCRIBE", "ringmain:*"}));
    world.server(0).redis.canned["WAIT"] = ":1\r\n";
    CHECK(world.ask(*listening.other, resp({"WAIT", "1", "100"})) == ":1\r\n");
    CHECK(logged(world, 0, "PUBLISH ringmain:wait ") == 1);
    world.settle();
    CHECK(World::heard(*listening.client).empty());
    CHECK(World::heard(modern).empty());
    CHECK(listening.counters().messages.get() == 0);
    CHECK(world.loop().notices().empty());
    // Of that channel alone.
    for (const std::string channel : {"ringmain:wait2", "ringmain:wai", "ringmain:waiT"}) {
        world.ask(*listening.other, resp({"PUBLISH", channel, ""}));
        CHECK(World::heard(*listening.client) ==
              "*4\r\n" + bulk("pmessage") + bulk("ringmain:*") + bulk(channel) + bulk(""));
        CHECK(World::heard(modern) ==
              ">4\r\n" + bulk("pmessage") + bulk("*") + bulk(channel) + bulk(""));
    }
    world.ask(*listening.other, resp({"PUBLISH", "c", "ringmain:wait"}));
    CHECK(World::heard(*listening.client) == message("c", "ringmain:wait"));
}

TEST_CASE("a message behind the confirmation of its end is unasked, one before it is dropped") {
    for (const bool late : {false, true}) {
        Listening listening;
        World& world = listening.world;
        world.ask(*listening.client, resp({"SUBSCRIBE", "d"}));
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(*listening.client, resp({"UNSUBSCRIBE", "d"})) ==
              confirmed("unsubscribe", "d", 1));
        const std::string end = confirmed("unsubscribe", "d", 1);
        listening.bring(late ? end + message("d", "x") : message("d", "x") + end);
        CHECK(World::heard(*listening.client).empty());
        CHECK(world.loop().notices().empty() != late);
    }
}

TEST_CASE("a silent server is asked whether it is there, and lost when it does not answer") {
    Listening listening;
    World& world = listening.world;
    world.pass(25'000);
    CHECK(logged(world, 0, "PING") == 2);
    CHECK(world.loop().notices().empty());
    world.server(0).mood = Mood::Mute;
    world.pass(13'000);
    REQUIRE(!world.loop().notices().empty());
    CHECK(world.loop().notices()[0].find("has not answered on its subscription connection for 1600 "
                                         "ms (late_connection_timeout)") != std::string::npos);
    world.server(0).mood = Mood::Up;
    world.pass(2000);
    CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", "x"})) == ":1\r\n");
    CHECK(World::heard(*listening.client) == message("c", "x"));
}

TEST_CASE("channels follow a reload") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::vector<std::string> names = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"};
    CHECK(world
              .ask(client,
                   resp({"SUBSCRIBE", names[0], names[1], names[2], names[3], names[4], names[5]}) +
                       resp({"PSUBSCRIBE", "k*"}))
              .ends_with(confirmed("psubscribe", "k*", 7)));
    world.adopt({redis_pool(3)});
    world.settle();
    std::vector<uint32_t> hits(3);
    for (const std::string& name : names) {
        const uint32_t server = world.server_of(name);
        hits[server] += 1;
        CHECK(logged(world, server, "subscribe " + name) == 1);
        CHECK(logged(world, 0, "unsubscribe " + name) == (server == 0 ? 0 : 1));
        CHECK(world.ask(world.client(), resp({"PUBLISH", name, "x"})) == ":1\r\n");
        CHECK(World::heard(client) == message(name, "x"));
    }
    CHECK(hits[1] + hits[2] > 0);
    for (uint32_t server = 0; server < 3; ++server) {
        CHECK(logged(world, server, "psubscribe k*") == 1);
    }
    // And back: two servers are not there any more.
    world.adopt({redis_pool(1)});
    world.settle();
    for (const std::string& name : names) {
        CHECK(world.ask(world.client(), resp({"PUBLISH", name, "y"})) == ":1\r\n");
        CHECK(World::heard(client) == message(name, "y"));
    }
    CHECK(world.loop().notices().empty());
}

TEST_CASE("a pool that is removed takes its subscribers with it") {
    Listening listening;
    World& world = listening.world;
    config::Pool other = redis_pool(1);
    other.name = "other";
    world.adopt({other});
    world.settle();
    CHECK(listening.client->closed);
    CHECK(world.server(0).redis.subscribers.empty());
}

TEST_CASE("channels of a server that is ejected move, and come back with it") {
    config::Pool pool = redis_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 1000;
    World world(pool);
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string a = world.key_on(0);
    CHECK(world.ask(client, resp({"SUBSCRIBE", a}) + resp({"PSUBSCRIBE", "x*"}))
              .ends_with(confirmed("psubscribe", "x*", 2)));
    CHECK(world.ask(other, resp({"PUBLISH", a, "1"})) == ":1\r\n");
    CHECK(World::heard(client) == message(a, "1"));
    world.server(0).mood = Mood::Refusing;
    world.cut_off(0);
    world.subscription(0)->inbound_end = true;
    world.settle();
    CHECK(world.ask(other, resp({"PUBLISH", a, "2"})).starts_with("-ERR"));
    world.settle();
    CHECK(world.ask(other, resp({"PUBLISH", a, "3"})) == ":1\r\n");
    CHECK(World::heard(client) == message(a, "3"));
    CHECK(logged(world, 1, "subscribe " + a) == 1);
    world.server(0).mood = Mood::Up;
    world.pass(3000);
    CHECK(world.ask(other, resp({"PUBLISH", a, "4"})) == ":1\r\n");
    CHECK(World::heard(client) == message(a, "4"));
    CHECK(logged(world, 0, "subscribe " + a) == 2);
    CHECK(logged(world, 1, "unsubscribe " + a) == 1);
    CHECK(logged(world, 0, "psubscribe x*") == 2);
}

TEST_CASE("while keys come back slowly a channel is heard wherever it may be published") {
    config::Pool pool = redis_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 1000;
    pool.slow_start_ms = 4000;
    World world(pool);
    Channel& client = world.client();
    Channel& other = world.client();
    std::vector<std::string> names;
    for (uint32_t i = 0; i < 20; ++i) {
        names.push_back(world.key_on(0, i));
        world.ask(client, resp({"SUBSCRIBE", names.back()}));
    }
    world.ask(other, resp({"PUBLISH", names[0], "1"}));
    World::heard(client);
    world.server(0).mood = Mood::Refusing;
    world.cut_off(0);
    world.settle();
    CHECK(world.ask(other, resp({"PUBLISH", names[0], "2"})).starts_with("-ERR"));
    world.settle();
    world.server(0).mood = Mood::Up;
    uint32_t elsewhere = 0;
    for (int i = 0; i < 12; ++i) {
        world.pass(500);
        for (const std::string& name : names) {
            if (world.server_of(name) == 1) elsewhere += 1;
            CHECK(world.ask(other, resp({"PUBLISH", name, "x"})) == ":1\r\n");
            CHECK(World::heard(client) == message(name, "x"));
        }
    }
    CHECK(elsewhere > 20);
    world.pass(1000);
    for (const std::string& name : names) {
        CHECK(logged(world, 1, "unsubscribe " + name) == 1);
    }
}

TEST_CASE("events of the keyspace are heard from every server") {
    World world(redis_pool(2));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SUBSCRIBE", "__keyevent@0__:set"}))
              .ends_with("__keyevent@0__:set\r\n:1\r\n"));
    for (uint32_t server = 0; server < 2; ++server) {
        REQUIRE(world.subscription(server) != nullptr);
        world.subscription(server)->inbound += message("__keyevent@0__:set", "k");
        world.settle();
        CHECK(World::heard(client) == message("__keyevent@0__:set", "k"));
    }
}

TEST_CASE("limits say what they are") {
    config::Pool pool = redis_pool(1);
    pool.client_subscriptions_max = 2;
    pool.subscriptions_max = 3;
    pool.key_size_max = 10;
    World world(pool);
    Channel& one = world.client();
    Channel& two = world.client();
    CHECK(world.ask(one, resp({"SUBSCRIBE", "a", "b"})) ==
          confirmed("subscribe", "a", 1) + confirmed("subscribe", "b", 2));
    CHECK(world.ask(one, resp({"SUBSCRIBE", "c"})) ==
          error("a client may be subscribed to 2 channels and patterns (client_subscriptions_max), "
                "this one is to 2 and asks for 1 more"));
    CHECK(world.ask(two, resp({"PSUBSCRIBE", "c", "d"})) ==
          error("clients of this worker have 2 subscriptions, and no more than 3 are allowed "
                "(subscriptions_max)"));
    CHECK(world.proxy().pools()[0]->counters->subscriptions_refused.get() == 2);
    CHECK(world.ask(two, resp({"SUBSCRIBE", "12345678901"})) ==
          error("key of 11 bytes is larger than key_size_max (10)"));
    // To which it may have been subscribed before a reload.
    CHECK(world.ask(two, resp({"UNSUBSCRIBE", "12345678901"})) ==
          confirmed("unsubscribe", "12345678901", 0));
    CHECK(world.ask(two, resp({"SUBSCRIBE", "d"})) == confirmed("subscribe", "d", 1));
    CHECK(world.ask(one, resp({"UNSUBSCRIBE", "a"})) == confirmed("unsubscribe", "a", 1));
    CHECK(world.ask(one, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 2));
}

TEST_CASE("what a client is subscribed to already, or names twice, is no more than it is") {
    config::Pool pool = redis_pool(1);
    pool.client_subscriptions_max = 2;
    pool.subscriptions_max = 4;
    World world(pool);
    Channel& one = world.client();
    Channel& two = world.client();
    CHECK(world.ask(one, resp({"SUBSCRIBE", "a", "b"})) ==
          confirmed("subscribe", "a", 1) + confirmed("subscribe", "b", 2));
    CHECK(world.ask(one, resp({"SUBSCRIBE", "a"})) == confirmed("subscribe", "a", 2));
    CHECK(world.ask(one, resp({"PSUBSCRIBE", "a"})).starts_with("-ERR ringmain: a client may"));
    CHECK(world.ask(two, resp({"SUBSCRIBE", "b", "b", "b", "b"})) ==
          times(4, confirmed("subscribe", "b", 1)));
    CHECK(world.ask(two, resp({"SUBSCRIBE", "d"})) == confirmed("subscribe", "d", 2));
    CHECK(world.ask(two, resp({"SUBSCRIBE", "b"})) == confirmed("subscribe", "b", 2));
    CHECK(world.ask(world.client(), resp({"SUBSCRIBE", "b", "b"})) ==
          error("clients of this worker have 4 subscriptions, and no more than 4 are allowed "
                "(subscriptions_max)"));
}

TEST_CASE("many names are asked for in portions") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string long_name(1000, 'n');
    std::vector<std::string> request = {"SUBSCRIBE"};
    for (int i = 0; i < 1000; ++i) {
        request.push_back(long_name + std::to_string(i));
    }
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp(request)).empty());
    const uint64_t asked = world.subscription(0)->arrived.size();
    CHECK(asked >= core::topics_asked_size_max);
    CHECK(asked < core::topics_asked_size_max + 2 * long_name.size());
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client).ends_with(confirmed("subscribe", long_name + "999", 1000)));
}

TEST_CASE("a subscriber that takes nothing is closed, the others get all") {
    config::Pool pool = redis_pool(1);
    pool.client_output_limit = 100'000;
    Listening listening(pool);
    World& world = listening.world;
    Channel& slow = world.client();
    world.ask(slow, resp({"SUBSCRIBE", "c"}));
    slow.reads = false;
    const std::string payload(5000, 'x');
    for (int i = 0; i < 40; ++i) {
        const std::string count = slow.closed ? ":1\r\n" : ":2\r\n";
        CHECK(world.ask(*listening.other, resp({"PUBLISH", "c", payload})) == count);
        CHECK(World::heard(*listening.client) == message("c", payload));
    }
    CHECK(slow.closed);
    CHECK(world.counters().worker.clients_closed_slow.get() == 1);
    REQUIRE(world.loop().notices().size() == 1);
    CHECK(world.loop().notices()[0].find("(client_output_limit)") != std::string::npos);
    CHECK(listening.counters().subscriptions.get() == 1);
}

TEST_CASE("a message that does not fit into memory is dropped, and no other") {
    World world(redis_pool(1), {.blocks = 64});
    Channel& client = world.client();
    world.ask(client, resp({"SUBSCRIBE", "c"}));
    Channel* link = world.subscription(0);
    REQUIRE(link != nullptr);
    link->inbound += message("c", std::string(2'000'000, 'x')) + message("c", "small");
    world.settle();
    CHECK(World::heard(client) == message("c", "small"));
    CHECK(world.proxy().pools()[0]->counters->messages_dropped.get() == 1);
    CHECK(world.loop().notices().empty());
}

TEST_CASE("an idle subscriber is not closed, an idle other is") {
    config::Pool pool = redis_pool(1);
    pool.client_idle_timeout_ms = 1000;
    Listening listening(pool);
    listening.world.pass(5000);
    CHECK(!listening.client->closed);
    CHECK(listening.other->closed);
    CHECK(listening.world.ask(*listening.client, resp({"UNSUBSCRIBE"})) ==
          confirmed("unsubscribe", "c", 0));
    listening.world.pass(2500);
    CHECK(listening.client->closed);
}

TEST_CASE("a subscribed client says only what it may") {
    Listening listening;
    World& world = listening.world;
    for (const char* name : {"GET", "MULTI", "NOSUCH", "SAVE", "ECHO"}) {
        std::vector<std::string> request = {name, "k"};
        if (std::string(name) == "MULTI" || std::string(name) == "SAVE") request.pop_back();
        std::string lower;
        for (const char byte : std::string(name)) {
            lower += static_cast<char>(byte + 32);
        }
        CHECK(world.ask(*listening.client, resp(request)) ==
              "-ERR Can't execute '" + lower +
                  "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
                  "this context\r\n");
    }
    CHECK(world.ask(*listening.client, resp({"EXEC"}))
              .starts_with("-EXECABORT Transaction discarded because of: Can't execute 'exec': "));
    CHECK(world.ask(*listening.client, resp({"RESET"})) == "+RESET\r\n");
    CHECK(world.ask(*listening.client, resp({"GET", "k"})) == "$-1\r\n");
    CHECK(world.server(0).redis.subscribers.empty());
}

TEST_CASE("subscribing with a password and another database") {
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "secret";
    pool.redis_db = 3;
    World world(pool);
    world.server(0).redis.password = "secret";
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SUBSCRIBE", "c"})) == "-NOAUTH Authentication required.\r\n");
    CHECK(world.ask(client, resp({"AUTH", "secret"}) + resp({"SUBSCRIBE", "c"})) ==
          "+OK\r\n" + confirmed("subscribe", "c", 1));
    CHECK(world.server(0).redis.log ==
          std::vector<std::string>{"AUTH secret", "SELECT 3", "PING", "subscribe c"});
}

TEST_CASE("each worker has its own subscription") {
    const config::Pool pool = redis_pool(1);
    config::Config config;
    config.pools.push_back(pool);
    Process process(config, 2);
    Loop first(config, {.process = &process, .worker = 0});
    Loop second(config, {.process = &process, .worker = 1});
    for (Loop* loop : {&first, &second}) {
        loop->begin();
        Channel* client = loop->accept();
        REQUIRE(client != nullptr);
        client->inbound = resp({"SUBSCRIBE", "c"});
        loop->receive(*client);
        loop->end();
        CHECK(loop->channels().size() == 3);  // 0, the client, and a connection of its own
    }
}

}  // namespace ringmain::test
