// Errors that other tests do not come across: servers that misbehave at odd moments, limits, and an
// arena that is nearly empty.

#include "tests/unit/core/hog.h"
#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("a large response that stops before its client's turn is an error") {
    config::Pool pool = redis_pool(2);
    pool.late_connection_timeout_ms = 300;
    World world(pool);
    Channel& client = world.client();
    const std::string other = world.key_on(1);
    CHECK(world.ask(client, resp({"GET", other})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", world.key_on(0)}) + resp({"GET", other})).empty());
    world.reply(1, "$1000000\r\n" + std::string(500'000, 'x'));
    world.settle();
    world.pass(500);
    const std::string heard = World::heard(client);
    CHECK(heard.find("s1 (10.0.0.1:7001) has sent less than 1024 bytes of a response for 300 ms "
                     "(late_connection_timeout)") != std::string::npos);
}

TEST_CASE("a server that refuses MULTI although it took it before runs nothing") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MULTI"}) + resp({"GET", "a"}) + resp({"EXEC"})) ==
          "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"MULTI"}) + resp({"GET", "a"}) + resp({"EXEC"})) ==
          "+OK\r\n+QUEUED\r\n");
    world.reply(0, "-NOPERM no\r\n$-1\r\n-ERR EXEC without MULTI\r\n");
    world.settle();
    CHECK(World::heard(client) == error(s0 + "refused MULTI: -NOPERM no"));
}

TEST_CASE("a WATCH behind one that was refused is told why") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"WATCH", "a"}) + resp({"WATCH", "b"})).empty());
    world.leases(0)[0]->inbound += "+OK\r\n+OK\r\n-NOPERM no\r\n";
    world.settle();
    CHECK(World::heard(client) == "-NOPERM no\r\n" + error(s0 + "refused to watch keys"));
}

TEST_CASE("watched keys live on one server") {
    World world(redis_pool(2));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", world.key_on(0)})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"WATCH", world.key_on(1)}))
              .starts_with("-CROSSSLOT ringmain: the watched keys live on several servers; give"));
}

TEST_CASE("a subscription connection that brings what is no message is lost") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SUBSCRIBE", "a"})).empty());
    REQUIRE(world.subscription(0) != nullptr);
    world.subscription(0)->inbound += "*x\r\n";
    world.settle();
    CHECK(World::heard(client).starts_with("-ERR ringmain: " + s0 + "sent a malformed message: "));
}

TEST_CASE("values that were not asked for fit no response of several servers") {
    World world(memcached_pool(2));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    const std::string a = world.key_on(0, 0);
    const std::string b = world.key_on(0, 1);
    const std::string c = world.key_on(1);
    CHECK(world.ask(client, "get " + a + " " + b + " " + c + "\r\n").empty());
    world.reply(0, "VALUE " + a + " 0 1\r\nx\r\nVALUE nobody 0 1\r\ny\r\nEND\r\n");
    world.reply(1, "END\r\n");
    world.settle();
    CHECK(World::heard(client) ==
          "SERVER_ERROR ringmain: the servers' responses to the parts do not fit the request\r\n");
}

TEST_CASE("what is answered here has a limit") {
    World world(redis_pool(2), {.blocks = 2048});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"ECHO", std::string(1'100'000, 'x')}))
              .find(" bytes is too large to be answered here (limit 1048576)\r\n") !=
          std::string::npos);
    // Keys and channels that are asked for in other words, and names that nobody may have.
    std::vector<std::string> words = {"SUNION", world.key_on(0), world.key_on(1)};
    for (uint32_t i = 0; i < 70; ++i) {
        words.push_back("k" + std::to_string(i) + std::string(60'000, 'k'));
    }
    const std::string limit = " bytes is too large to be answered here (limit 4194304)\r\n";
    CHECK(world.ask(client, resp(words)).ends_with(limit));
    words = {"PUBSUB", "NUMSUB", std::string(4 << 20, 'c')};
    CHECK(world.ask(client, resp(words)) == "-ERR ringmain: 'PUBSUB NUMSUB' with 4194344" + limit);
    std::vector<std::string> unsubscribe(1 + 80, std::string(60'000, 'x'));
    unsubscribe[0] = "UNSUBSCRIBE";
    CHECK(world.ask(client, resp(unsubscribe)).starts_with("-ERR ringmain: 'UNSUBSCRIBE' with 48"));
    world.server(0).redis.values[world.key_on(0)] = std::string(3000, 'x');
    world.server(1).redis.values[world.key_on(1)] = std::string(3000, 'x');
    CHECK(world.ask(client, resp({"LCS", world.key_on(0), world.key_on(1)}))
              .starts_with("-ERR ringmain: the strings live on two servers and are too long to be "
                           "compared here: one length times the other is more than 4194304; "));
}

TEST_CASE("the names of channels have a limit together") {
    config::Pool pool = redis_pool(1);
    pool.key_size_max = 2 * 1024 * 1024;
    World world(pool, {.blocks = 4096});
    Channel& client = world.client();
    std::string text;
    for (char letter = 0; letter < 65; ++letter) {
        const std::string name(1024 * 1024, static_cast<char>('0' + letter));
        text = world.ask(client, resp({"SUBSCRIBE", name}));
        if (text.starts_with("-")) break;
    }
    CHECK(text ==
          "-ERR ringmain: the names of the channels that clients of this worker are subscribed to "
          "would take more than 67108864 bytes; use shorter or fewer ones\r\n");
}

TEST_CASE("without room in the arena every kind of request has its error") {
    World world(redis_pool(1), {.blocks = 128});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"PING"}) + resp({"MULTI"})) == "+PONG\r\n+OK\r\n");
    const Hog hog(world.loop().blocks(), 5);
    CHECK(world.ask(other, resp({"WATCH", "a"})) ==
          "-ERR ringmain: out of memory for requests; see buffer_memory\r\n");
    CHECK(world.ask(other, "PING\r\n") == "-ERR ringmain: out of buffer memory\r\n");
    CHECK(world.ask(client, resp({"GET", "a"})) ==
          "-ERR ringmain: out of buffer memory for a transaction; see buffer_memory\r\n");
}

TEST_CASE("without room in the arena a new connection is not greeted") {
    config::Pool pool = redis_pool(1);
    SUBCASE("by us") {
        pool.redis_auth = "secret";
        World world(pool, {.blocks = 128});
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"AUTH", "secret"})) == "+OK\r\n");
        world.server(0).mood = Mood::Vanished;
        CHECK(world.ask(client, resp({"GET", "a"})).empty());
        const Hog hog(world.loop().blocks(), 0);
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(World::heard(client) ==
              error(s0 + "cannot be greeted: buffer memory is exhausted (buffer_memory)"));
    }
    SUBCASE("by the server") {
        World world(pool, {.blocks = 128});
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"HELLO", "3"})).starts_with("%7"));
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"GET", "a"})).empty());
        const Hog hog(world.loop().blocks(), 5);
        const uint32_t before = world.health(0).failures();
        world.reply(0, "%1\r\n$5\r\npro", true);
        world.settle();
        CHECK(World::heard(client) ==
              error(s0 + "sent a greeting for which buffer memory is exhausted (buffer_memory)"));
        CHECK(world.health(0).failures() == before);
        CHECK_FALSE(world.health(0).is_down());
    }
}

TEST_CASE("without room in the arena a large request is not sent on") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 10'000;
    World world(pool, {.blocks = 128});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"PING"})) == "+PONG\r\n");
    world.server(0).mood = Mood::Mute;
    const std::string begin = "*3\r\n" + bulk("SET") + bulk("a") + "$1000000\r\n";
    CHECK(world.ask(client, begin + std::string(40'000, 'x')).empty());
    const Hog hog(world.loop().blocks(), 5);
    CHECK(world.ask(client, std::string(1000, 'x')) ==
          error(s0 + "cannot be sent more: buffer memory is exhausted (buffer_memory)"));
}

TEST_CASE("what is no answer to MULTI loses the connection") {
    for (const bool watches : {false, true}) {
        CAPTURE(watches);
        World world(redis_pool(1));
        Channel& client = world.client();
        if (watches) {
            CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
        } else {
            CHECK(world.ask(client, resp({"MULTI"}) + resp({"GET", "a"}) + resp({"EXEC"})) ==
                  ok + "+QUEUED\r\n*1\r\n$-1\r\n");
        }
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"MULTI"}) + resp({"GET", "a"}) + resp({"EXEC"})) ==
              ok + "+QUEUED\r\n");
        Channel* conn = watches ? world.leases(0)[0] : world.link(0);
        conn->inbound += ":1\r\n+QUEUED\r\n*1\r\n$1\r\nx\r\n";
        world.settle();
        CHECK(World::heard(client) == error(s0 + "sent a response that does not fit the request"));
        CHECK(conn->closed);
    }
}

TEST_CASE("what is not supported is not supported within a transaction, and aborts it") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string refusal = world.ask(client, resp({"BGSAVE"}));
    CHECK(refusal.starts_with("-ERR ringmain: 'BGSAVE' is not supported: "));
    CHECK(world.ask(client, resp({"MULTI"}) + resp({"ASKING"}) + resp({"EXEC"}))
              .ends_with("-EXECABORT Transaction discarded because of previous errors.\r\n"));
    CHECK(world.server(0).redis.log.empty());
}

TEST_CASE("a confirmation of another shape loses the subscription connection") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"SUBSCRIBE", "a"})).empty());
    world.subscription(0)->inbound += "*3\r\n" + bulk("subscribe") + bulk("a") + bulk("1");
    world.settle();
    CHECK(World::heard(client) ==
          error(s0 + "sent what nobody asked for on a subscription connection"));
}

TEST_CASE("of a large answer to EXEC that nobody hears any more the connection is clean") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    world.server(0).mood = Mood::Mute;
    World::say(client, resp({"MULTI"}) + resp({"GET", "a"}) + resp({"EXEC"}));
    world.settle();
    Channel& lease = *world.leases(0)[0];
    lease.arrived.clear();
    lease.inbound += "+OK\r\n+QUEUED\r\n*1\r\n$1000\r\n" + std::string(700, 'x');
    world.settle();
    world.drop(client);
    lease.inbound += std::string(100, 'x');
    world.settle();
    lease.inbound += std::string(200, 'x') + "\r\n";
    world.settle();
    CHECK(world.proxy().is_idle());
}

TEST_CASE("UNWATCH that there is no room to ask for ends the watch all the same") {
    World world(redis_pool(1), {.blocks = 128});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    Channel& lease = *world.leases(0)[0];
    {
        const Hog hog(world.loop().blocks(), 5);
        CHECK(world.ask(client, resp({"UNWATCH"})) == ok);
        CHECK(lease.closed);
    }
    CHECK(world.ask(client, resp({"MULTI"}) + resp({"GET", "a"}) + resp({"EXEC"})) ==
          ok + "+QUEUED\r\n*1\r\n$-1\r\n");
    CHECK(pool_counters(world).leases.get() == 0);
}

TEST_CASE("WAIT that there is no room to ask for is not begun") {
    World world(redis_pool(2), {.blocks = 128});
    Channel& client = world.client();
    {
        const Hog hog(world.loop().blocks(), 9);
        CHECK(
            world.ask(client, resp({"WAIT", "1", "0"})) ==
            error("out of buffer memory; see buffer_memory; 'WAIT' asks all servers of the pool"));
    }
    for (const uint32_t server : {0U, 1U}) {
        CHECK(world.server(server).redis.log.empty());
        world.server(server).redis.canned["WAIT"] = server == 0 ? ":1\r\n" : "$1\r\n1\r\n";
    }
    CHECK(world.ask(client, resp({"WAIT", "1", "0"})) ==
          error("the servers' answers do not fit the request; 'WAIT' asks all "
                "servers of the pool"));
    CHECK(pool_counters(world).leases.get() == 0);
    CHECK(pool_counters(world).clients_waiting.get() == 0);
}

}  // namespace ringmain::test
