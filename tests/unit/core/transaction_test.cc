// MULTI, EXEC, DISCARD, WATCH, UNWATCH.

#include "ringmain/base/ascii.h"
#include "ringmain/core/limits.h"
#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string queued = "+QUEUED\r\n";
const std::string aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";

std::string requests(const std::vector<std::vector<std::string>>& all) {
    std::string text;
    for (const auto& arguments : all) {
        text += resp(arguments);
    }
    return text;
}

using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("a transaction leaves in one piece with EXEC, behind one question") {
    World world(redis_pool(1));
    Channel& client = world.client();
    Log& log = world.server(0).redis.log;
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "1"}, {"INCR", "a"}})) ==
          ok + queued + queued);
    CHECK(log.empty());
    CHECK(world.ask(client, requests({{"EXEC"}, {"GET", "a"}})) ==
          "*2\r\n+OK\r\n:2\r\n" + bulk("2"));
    CHECK(log == Log{"MULTI", "DISCARD", "MULTI", "SET a 1", "INCR a", "EXEC", "GET a"});
    log.clear();
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "5"}, {"EXEC"}})) ==
          ok + queued + "*1\r\n+OK\r\n");
    CHECK(log == Log{"MULTI", "SET a 5", "EXEC"});
    CHECK(world.leases(0).empty());
}

TEST_CASE("requests of others stand before and behind a transaction, never within") {
    World world(redis_pool(1), {.seed = 3, .cut = true});
    constexpr int clients = 8;
    std::vector<Channel*> all;
    for (int i = 0; i < clients; ++i) {
        all.push_back(&world.client());
    }
    for (int turn = 0; turn < 20; ++turn) {
        for (Channel* client : all) {
            World::say(
                *client,
                requests({{"INCR", "n"}, {"MULTI"}, {"INCR", "m"}, {"INCR", "m"}, {"EXEC"}}));
        }
        for (int i = 0; i < 30; ++i) {
            world.step(50);
        }
    }
    world.settle();
    for (Channel* client : all) {
        const std::string heard = World::heard(*client);
        size_t count = 0;
        for (size_t at = heard.find("*2\r\n:"); at != std::string::npos;
             at = heard.find("*2\r\n:", at + 1)) {
            const size_t end = heard.find('\r', at + 5);
            const auto first = ascii::parse_int64(heard.substr(at + 5, end - at - 5)).value();
            CHECK(heard.find(":" + std::to_string(first + 1) + "\r\n", at + 5) !=
                  std::string::npos);
            CHECK(first % 2 == 1);
            count += 1;
        }
        CHECK(count == 20);
    }
    CHECK(world.server(0).redis.values["m"] == std::to_string(clients * 20 * 2));
}

TEST_CASE("an empty transaction needs no server, nor does one that is discarded") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, requests({{"MULTI"}, {"EXEC"}, {"MULTI"}, {"DISCARD"}, {"UNWATCH"}})) ==
          ok + "*0\r\n" + ok + ok + ok);
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "1"}, {"DISCARD"}, {"EXEC"}})) ==
          ok + queued + ok + "-ERR EXEC without MULTI\r\n");
    CHECK(world.counters().fragments.get() == 0);
}

TEST_CASE("a server that refuses MULTI gets no transaction") {
    World world(redis_pool(1));
    world.server(0).redis.knows_transactions = false;
    Channel& client = world.client();
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}, {"GET", "a"}})) ==
          ok + queued +
              "-EXECABORT ringmain: transaction discarded: server s0 (10.0.0.1:7000) refuses "
              "transactions: -ERR unknown command 'MULTI'\r\n$-1\r\n");
    CHECK(world.counters().errors.get() == 1);
    CHECK(world.ask(client, resp({"WATCH", "a"})) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) refuses transactions: -ERR unknown command "
          "'MULTI'\r\n");
    CHECK(world.counters().errors.get() == 2);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.leases(0).empty());
}

// Whoever shares the connection would have his commands queued.
TEST_CASE("a server that takes MULTI and does not end it costs nobody an answer") {
    World world(redis_pool(1));
    FakeRedis& redis = world.server(0).redis;
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string all = requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}});
    std::string command;
    std::string refusal;
    std::string first;
    SUBCASE("EXEC is refused") {
        command = "EXEC";
        refusal = "-ERR unknown command 'EXEC'";
        first = refusal + "\r\n";
    }
    SUBCASE("DISCARD is refused") {
        command = "DISCARD";
        refusal = "-NOPERM this user has no permissions to run the 'discard' command";
    }
    const std::string refused =
        "-EXECABORT ringmain: transaction discarded: server s0 (10.0.0.1:7000) refuses "
        "transactions: " +
        refusal + "\r\n";
    redis.canned[command] = refusal + "\r\n";
    CHECK(world.ask(other, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.ask(client, all) == ok + queued + (first.empty() ? refused : first));
    CHECK(world.ask(other, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.ask(other, resp({"SET", "a", "2"})) == ok);
    // It is not tried again for a while.
    redis.log.clear();
    CHECK(world.ask(client, all) == ok + queued + refused);
    CHECK(redis.log.empty());
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(world.loop().notices().size() == 1);
    redis.canned.clear();
    world.pass(core::transactions_refused_for.to_millis() + 10);
    CHECK(world.ask(client, all) == ok + queued + "*1\r\n+OK\r\n");
}

TEST_CASE("what stands behind a transaction that its server does not end is lost, and says so") {
    World world(redis_pool(1));
    FakeRedis& redis = world.server(0).redis;
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string all = requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}});
    CHECK(world.ask(client, all) == ok + queued + "*1\r\n+OK\r\n");
    redis.canned["EXEC"] = "-ERR unknown command 'EXEC'\r\n";
    World::say(client, all);
    World::say(other, resp({"SET", "b", "1"}));
    world.settle();
    CHECK(World::heard(client) == ok + queued + "-ERR unknown command 'EXEC'\r\n");
    CHECK(World::heard(other) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) was in a transaction that it does not end: "
          "-ERR unknown command 'EXEC'\r\n");
    CHECK_FALSE(redis.values.contains("b"));
}

TEST_CASE("a transaction of which not all is answered is lost") {
    for (const char* lie : {"*1\r\n+OK\r\n", "*3\r\n+OK\r\n+OK\r\n+OK\r\n", "*0\r\n", "$-1\r\n"}) {
        CAPTURE(lie);
        World world(redis_pool(1));
        world.server(0).redis.canned["EXEC"] = lie;
        Channel& client = world.client();
        const std::string answer = world.ask(
            client, requests({{"MULTI"}, {"SET", "a", "1"}, {"SET", "b", "1"}, {"EXEC"}}));
        CHECK(answer == ok + queued + queued +
                            "-ERR ringmain: server s0 (10.0.0.1:7000) sent a response that does "
                            "not fit the request\r\n");
    }
}

TEST_CASE("what the server refuses while it is queued is told by EXEC") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, requests({{"MULTI"}, {"BAD", "a"}, {"SET", "a", "1"}, {"EXEC"}})) ==
          ok + queued + queued +
              "-EXECABORT Transaction discarded because of: OOM command not allowed\r\n");
    CHECK(world.server(0).redis.values.empty());
}

TEST_CASE("how a transaction ended is understood when its client is gone, wherever that is cut") {
    for (size_t cut = 0; cut <= aborted.size(); ++cut) {
        CAPTURE(cut);
        World world(redis_pool(1));
        Channel& client = world.client();
        Channel& other = world.client();
        const std::string good = requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}});
        CHECK(world.ask(client, good) == ok + queued + "*1\r\n+OK\r\n");
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, requests({{"MULTI"}, {"BAD", "a"}, {"EXEC"}})) == ok + queued);
        CHECK(world.ask(other, resp({"GET", "a"})) == "");
        world.drop(client);
        world.settle();
        Channel& link = *world.link(0);
        link.inbound += ok + "-OOM no\r\n" + aborted.substr(0, cut);
        world.settle();
        link.inbound += aborted.substr(cut) + bulk("1");
        world.settle();
        CHECK(World::heard(other) == bulk("1"));
        CHECK_FALSE(link.closed);
        CHECK(world.loop().notices().empty());
        link.arrived.clear();
        world.server(0).mood = Mood::Up;
        CHECK(world.ask(other, good) == ok + queued + "*1\r\n+OK\r\n");
    }
}

TEST_CASE("WATCH takes a connection, EXEC gives it back") {
    World world(redis_pool(1));
    Channel& client = world.client();
    Channel& other = world.client();
    FakeRedis& redis = world.server(0).redis;
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    CHECK(world.leases(0).size() == 1);
    CHECK(world.proxy().pools()[0]->servers[0]->leased == 1);
    CHECK(world.ask(other, resp({"SET", "a", "1"})) == ok);
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "2"}, {"EXEC"}, {"GET", "a"}})) ==
          ok + queued + "*-1\r\n" + bulk("1"));
    CHECK(world.proxy().pools()[0]->servers[0]->leased == 0);
    // The next client uses the same one.
    CHECK(world.ask(other,
                    requests({{"WATCH", "a"}, {"GET", "a"}, {"MULTI"}, {"INCR", "a"}, {"EXEC"}})) ==
          ok + bulk("1") + ok + queued + "*1\r\n:2\r\n");
    CHECK(world.leases(0).size() == 1);
    CHECK(redis.values["a"] == "2");
    CHECK(world.proxy().pools()[0]->counters->leases_taken.get() == 2);
    CHECK(world.proxy().pools()[0]->counters->leases.get() == 0);
}

TEST_CASE("requests around WATCH keep their order, whatever connection they take") {
    World world(redis_pool(1), {.seed = 5, .cut = true});
    Channel& client = world.client();
    std::string expected;
    for (int i = 0; i < 30; ++i) {
        const std::string value = std::to_string(i);
        World::say(client,
                   requests({{"SET", "a", value},
                             {"WATCH", "a"},
                             {"GET", "a"},
                             {"MULTI"},
                             {"SET", "b", value},
                             {"EXEC"},
                             {"GET", "b"},
                             {"WATCH", "b"},
                             {"UNWATCH"},
                             {"GET", "a"}}));
        expected += ok + ok + bulk(value) + ok + queued + "*1\r\n+OK\r\n" + bulk(value) + ok + ok +
                    bulk(value);
    }
    while (client.arrived.size() < expected.size()) {
        world.step(50);
    }
    CHECK(World::heard(client) == expected);
}

TEST_CASE("a client that leaves has its watched connection closed") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, requests({{"WATCH", "a"}, {"MULTI"}, {"SET", "a", "1"}})) ==
          ok + ok + queued);
    world.drop(client);
    CHECK(world.leases(0).empty());
    CHECK(world.proxy().pools()[0]->counters->leases.get() == 0);
    CHECK(world.server(0).redis.values.empty());
}

TEST_CASE("a client may leave at any moment of a transaction") {
    const std::string all = requests(
        {{"SET", "a", "0"}, {"WATCH", "a"}, {"MULTI"}, {"SET", "a", "1"}, {"EXEC"}, {"GET", "a"}});
    for (size_t size = 0; size <= all.size(); size += 5) {
        for (int batches = 0; batches < 8; ++batches) {
            CAPTURE(size);
            CAPTURE(batches);
            World world(redis_pool(1));
            Channel& client = world.client();
            Channel& other = world.client();
            World::say(client, all.substr(0, size));
            for (int i = 0; i < batches; ++i) {
                world.step();
            }
            world.drop(client);
            CHECK(world.ask(other, requests({{"MULTI"}, {"SET", "b", "1"}, {"EXEC"}})) ==
                  ok + queued + "*1\r\n+OK\r\n");
            CHECK(world.proxy().is_idle());
            CHECK(world.proxy().pools()[0]->servers[0]->leased == 0);
        }
    }
}

TEST_CASE("a server may go at any moment of a transaction") {
    const std::string all = requests({{"WATCH", "a"}, {"MULTI"}, {"SET", "a", "1"}, {"EXEC"}});
    for (int batches = 0; batches < 12; ++batches) {
        CAPTURE(batches);
        World world(redis_pool(1));
        Channel& client = world.client();
        World::say(client, all);
        for (int i = 0; i < batches; ++i) {
            world.step();
        }
        world.loop().begin();
        for (Channel* lease : world.leases(0)) {
            world.loop().reset(*lease);
        }
        world.loop().end();
        world.settle();
        const std::string heard = World::heard(client);
        const bool ran = heard.ends_with("*1\r\n+OK\r\n");
        const bool lost = heard.ends_with("reset the connection\r\n");
        CHECK((ran || lost));
        if (ran) CHECK(world.server(0).redis.values["a"] == "1");
        CHECK(world.proxy().pools()[0]->servers[0]->leased == 0);
        // It goes on as if nothing had been.
        world.pass(100);
        CHECK(world.ask(client, all) == ok + ok + queued + "*1\r\n+OK\r\n");
    }
}

TEST_CASE("watched keys that are lost make EXEC fail until they are given up") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    world.loop().begin();
    world.loop().reset(*world.leases(0)[0]);
    world.loop().end();
    const std::string why = "server s0 (10.0.0.1:7000) reset the connection";
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.ask(client, resp({"WATCH", "a"})) ==
          "-ERR ringmain: keys that were watched before are lost: " + why + "; UNWATCH first\r\n");
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}})) ==
          ok + "-ERR ringmain: the transaction is lost: " + why + "\r\n" +
              "-EXECABORT ringmain: transaction discarded: " + why + "\r\n");
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}})) ==
          ok + queued + "*1\r\n+OK\r\n");
}

TEST_CASE("keys that are watched for too long are lost, and others get their turn") {
    config::Pool pool = redis_pool(1);
    pool.lease_timeout_ms = 1000;
    pool.leases_max = 1;
    World world(pool);
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
    CHECK(
        world.ask(other, resp({"WATCH", "a"})) ==
        "-ERR ringmain: clients of this worker hold 1 connections of their own, for WATCH and for "
        "commands that wait; no more are allowed (leases_max)\r\n");
    CHECK(world.proxy().pools()[0]->counters->leases_refused.get() == 1);
    world.pass(900);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");  // which is a use
    world.pass(900);
    CHECK(world.leases(0).size() == 1);
    world.pass(200);
    CHECK(world.leases(0).empty());
    CHECK(world.ask(other, resp({"WATCH", "a"})) == ok);
    CHECK(world.ask(client, requests({{"MULTI"}, {"EXEC"}})) ==
          ok +
              "-EXECABORT ringmain: transaction discarded: keys were watched for 1000 ms without a "
              "command for their server (lease_timeout)\r\n");
}

TEST_CASE("what is queued is a use of the watched keys' connection") {
    config::Pool pool = redis_pool(1);
    pool.lease_timeout_ms = 1000;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, requests({{"WATCH", "a"}, {"MULTI"}})) == ok + ok);
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"SET", "a", "1"}, {"PING"}, {"GET", "a"}}) {
        world.pass(800);
        CHECK(world.ask(client, resp(command)) == "+QUEUED\r\n");
    }
    world.pass(800);
    CHECK(world.ask(client, resp({"EXEC"})) == "*3\r\n+OK\r\n+PONG\r\n" + bulk("1"));
    CHECK(world.ask(client, requests({{"WATCH", "a"}, {"MULTI"}})) == ok + ok);
    world.pass(1100);
    CHECK(world.ask(client, resp({"EXEC"})).starts_with("-EXECABORT"));
}

TEST_CASE("an idle connection is closed after a while") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, requests({{"WATCH", "a"}, {"UNWATCH"}})) == ok + ok);
    CHECK(world.leases(0).size() == 1);
    world.pass(core::idle_lease_max.to_millis() + 20);
    CHECK(world.leases(0).empty());
    CHECK(world.ask(client, requests({{"WATCH", "a"}, {"UNWATCH"}})) == ok + ok);
}

TEST_CASE("a transaction that its server does not answer in time") {
    for (const bool watched : {false, true}) {
        CAPTURE(watched);
        World world(redis_pool(1));
        Channel& client = world.client();
        CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "x", "1"}, {"EXEC"}})) ==
              ok + queued + "*1\r\n+OK\r\n");
        if (watched) CHECK(world.ask(client, resp({"WATCH", "a"})) == ok);
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}})) == ok + queued);
        world.pass(450);
        CHECK(
            World::heard(client) ==
            "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 400 ms (timeout)\r\n");
        // What comes late is for nobody.
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(world.ask(client, resp({"GET", "x"})) == bulk("1"));
        CHECK(world.proxy().is_idle());
        CHECK(world.leases(0).empty());
    }
}

TEST_CASE("a server that does not say whether it takes transactions gets none") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "x", "1"})) == ok);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}})) == ok + queued);
    world.pass(450);
    CHECK(World::heard(client) ==
          "-EXECABORT ringmain: transaction discarded: server s0 (10.0.0.1:7000) did not answer "
          "within 400 ms (timeout)\r\n");
    // One reply is one error, and for what it was.
    const stats::PoolCounters& counters = *world.proxy().pools()[0]->counters;
    CHECK(world.counters().errors.get() == 1);
    CHECK(counters.errors[static_cast<size_t>(stats::Reason::Timeout)].get() == 1);
    CHECK(counters.forward_error.get() == 1);
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.server(0).redis.log == std::vector<std::string>{"SET x 1", "MULTI", "DISCARD"});
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}})) ==
          ok + queued + "*1\r\n+OK\r\n");
}

TEST_CASE("keys of several servers abort a transaction") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    const std::string crossing =
        "-CROSSSLOT ringmain: the keys of this transaction live on several servers; give them a "
        "common hash tag (and set hash_tag for the pool)\r\n";
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", a, "1"}, {"SET", b, "1"}, {"EXEC"}})) ==
          ok + queued + crossing + aborted);
    CHECK(world.counters().fragments.get() == 0);
    CHECK(
        world.ask(client,
                  requests({{"WATCH", a},
                            {"SET", b, "1"},
                            {"MULTI"},
                            {"SET", b, "2"},
                            {"EXEC"},
                            {"GET", b}})) ==
        ok + ok + ok +
            "-CROSSSLOT ringmain: the watched keys and this transaction's live on several servers; "
            "give them a common hash tag (and set hash_tag for the pool)\r\n" +
            aborted + bulk("1"));
    CHECK(world.leases(0).empty());
}

TEST_CASE("a transaction does not outlive a change of the servers") {
    World world(redis_pool(2));
    Channel& client = world.client();
    Channel& watching = world.client();
    const std::string key = world.key_on(1);
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", key, "1"}})) == ok + queued);
    CHECK(world.ask(watching, requests({{"WATCH", key}, {"MULTI"}, {"SET", key, "1"}})) ==
          ok + ok + queued);
    SUBCASE("one is removed") {
        world.adopt({redis_pool(1)});
        CHECK(world.ask(client, resp({"EXEC"})) ==
              "-EXECABORT ringmain: transaction discarded: servers came or went since its first "
              "command; try again\r\n");
        CHECK(world.ask(watching, resp({"EXEC"})) ==
              "-EXECABORT ringmain: transaction discarded: server s1 (10.0.0.1:7001) is not "
              "configured any more\r\n");
        CHECK(world.ask(client, requests({{"MULTI"}, {"SET", key, "1"}, {"EXEC"}})) ==
              ok + queued + "*1\r\n+OK\r\n");
    }
    SUBCASE("none moves") {
        config::Pool pool = redis_pool(2);
        pool.timeout_ms = 1000;
        world.adopt({pool});
        CHECK(world.ask(client, resp({"EXEC"})) == "*1\r\n+OK\r\n");
        CHECK(world.ask(watching, resp({"EXEC"})) == "*-1\r\n");
        world.server(1).redis.values.clear();
    }
    SUBCASE("the pool is removed") {
        config::Pool other = redis_pool(1);
        other.name = "other";
        world.adopt({other});
        world.settle();
        CHECK(client.closed);
        CHECK(watching.closed);
    }
    CHECK(world.server(1).redis.values.empty());
}

TEST_CASE("a watch does not outlive a change of the servers, whatever is queued behind it") {
    World world(redis_pool(2));
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string on_second = world.key_on(1);
    CHECK(world.ask(client, resp({"WATCH", on_second})) == ok);
    CHECK(world.ask(other, resp({"WATCH", on_second})) == ok);
    // The watched key may live elsewhere now, and what happens to it there is not seen.
    config::Pool pool = redis_pool(2);
    pool.servers[0].weight = 3;
    world.adopt({pool});
    const std::string queued_key = world.key_on(1);
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", queued_key, "1"}, {"EXEC"}})) ==
          ok + queued +
              "-EXECABORT ringmain: transaction discarded: servers came or went since its first "
              "command; try again\r\n");
    CHECK(world.ask(client, requests({{"MULTI"}, {"SET", queued_key, "1"}, {"EXEC"}})) ==
          ok + queued + "*1\r\n+OK\r\n");
    CHECK(
        world.ask(other, requests({{"UNWATCH"}, {"MULTI"}, {"SET", queued_key, "1"}, {"EXEC"}})) ==
        ok + ok + queued + "*1\r\n+OK\r\n");
}

TEST_CASE("a command that is not known may be a transaction's first") {
    World world(redis_pool(2));
    Channel& client = world.client();
    CHECK(world.ask(client, requests({{"MULTI"}, {"JSON.SET", "a", "$", "1"}, {"EXEC"}}))
              .starts_with(ok + queued + "*1\r\n"));
}

TEST_CASE("what a transaction publishes goes to the server of its channel") {
    for (const std::string name : {"PUBLISH", "SPUBLISH"}) {
        CAPTURE(name);
        World world(redis_pool(2));
        world.server(1).redis.canned[name] = ":1\r\n";
        Channel& client = world.client();
        const std::string channel = world.key_on(1);
        CHECK(world.ask(client, requests({{"MULTI"}, {name, channel, "x"}})) == ok + queued);
        CHECK(world.ask(client, resp({"SET", world.key_on(0), "1"})).starts_with("-CROSSSLOT"));
        CHECK(
            world.ask(client, requests({{"DISCARD"}, {"MULTI"}, {name, channel, "x"}, {"EXEC"}})) ==
            ok + ok + queued + "*1\r\n:1\r\n");
    }
}

TEST_CASE("in RESP3 as well") {
    World world(redis_pool(1));
    Channel& client = world.client();
    World::say(client, resp({"HELLO", "3"}));
    world.settle();
    World::heard(client);
    CHECK(world.ask(client,
                    requests({{"WATCH", "a"},
                              {"SET", "a", "1"},
                              {"MULTI"},
                              {"GET", "b"},
                              {"EXEC"},
                              {"MULTI"},
                              {"GET", "b"},
                              {"EXEC"}})) ==
          ok + ok + ok + queued + "_\r\n" + ok + queued + "*1\r\n_\r\n");
    CHECK(world.ask(client, requests({{"WATCH", "a"}, {"RESET"}, {"EXEC"}})) ==
          ok + "+RESET\r\n-ERR EXEC without MULTI\r\n");
    CHECK(world.proxy().pools()[0]->servers[0]->leased == 0);
}

TEST_CASE("a transaction may be as large as a request, and its memory counts") {
    config::Pool pool = redis_pool(1);
    pool.request_size_max = 64 * 1024;
    World world(pool);
    Channel& client = world.client();
    const std::string value(40'000, 'v');
    CHECK(world.ask(client,
                    requests({{"MULTI"},
                              {"SET", "a", value},
                              {"SET", "b", value},
                              {"SET", "c", "1"},
                              {"EXEC"}})) ==
          ok + queued +
              "-ERR ringmain: transaction is larger than 65536 bytes (request_size_max)\r\n" +
              queued + aborted);
    CHECK(world.counters().fragments.get() == 0);
}

}  // namespace ringmain::test
