// Commands that wait on their server.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// A client whose BLPOP has reached its server, which says nothing.
struct Waiting {
    explicit Waiting(config::Pool pool = redis_pool(1), const std::string& seconds = "0")
        : world(std::move(pool)), client(&world.client()), other(&world.client()) {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(*client, resp({"BLPOP", "l", seconds})).empty());
        REQUIRE(world.leases(0).size() == 1);
    }

    [[nodiscard]] const stats::PoolCounters& counters() {
        return *world.proxy().pools()[0]->counters;
    }

    void answer(const std::string& text) {
        world.leases(0)[0]->inbound += text;
        world.settle();
    }

    World world;
    Channel* client;
    Channel* other;
};

config::Pool other_server() {
    config::Pool pool = redis_pool(2);
    pool.servers.erase(pool.servers.begin());
    return pool;
}

config::Pool other_pool() {
    config::Pool pool = redis_pool(1);
    pool.name = "other";
    return pool;
}

// Its server closes what was ended, without an answer.
void close(World& world, Channel& lease) {
    lease.arrived.clear();
    world.server(0).mood = Mood::Up;
    world.settle();
}

}  // namespace

TEST_CASE("a command that waits gets its answer, whenever it comes") {
    Waiting waiting;
    CHECK(waiting.counters().clients_waiting.get() == 1);
    CHECK(waiting.world.ask(*waiting.other, resp({"INFO", "clients"}))
              .find("blocked_clients:1\r\n") != std::string::npos);
    waiting.world.pass(3'600'000 / 100);
    CHECK(World::heard(*waiting.client).empty());
    waiting.answer(popped);
    CHECK(World::heard(*waiting.client) == popped);
    CHECK(waiting.counters().clients_waiting.get() == 0);
    CHECK(waiting.world.ask(*waiting.other, resp({"INFO", "clients"}))
              .find("blocked_clients:0\r\n") != std::string::npos);
    CHECK(waiting.counters().leases.get() == 0);
    CHECK(waiting.world.counters().timeouts.get() == 0);
    // That it waited is not how long its server takes, and no time is not either.
    CHECK(waiting.counters().latency.sum_us() == 0);
    CHECK(waiting.counters().latency.count_in(0) == 0);
    const stats::ServerCounters& server = waiting.world.proxy().pools()[0]->servers[0]->counters();
    CHECK(server.responses.get() == 1);
    CHECK(server.latency.count_in(0) == 0);
    CHECK(server.out_queue_bytes.get() == 0);
}

TEST_CASE("what a client sends behind it waits, what others send does not") {
    Waiting waiting;
    World& world = waiting.world;
    CHECK(world.ask(*waiting.client, resp({"GET", "a"}) + resp({"PING"})).empty());
    world.server(0).mood = Mood::Up;
    // The server answers everything but the one that waits.
    world.leases(0)[0]->arrived.clear();
    CHECK(world.ask(*waiting.other, resp({"SET", "a", "1"})) == "+OK\r\n");
    CHECK(World::heard(*waiting.client).empty());
    waiting.answer(popped);
    CHECK(World::heard(*waiting.client) == popped + bulk("1") + "+PONG\r\n");
}

TEST_CASE("it does not overtake what its client said before") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).redis.canned["BLPOP"] = popped;
    CHECK(world.ask(client,
                    resp({"SET", "a", "1"}) + resp({"BLPOP", "l", "0"}) + resp({"GET", "a"})) ==
          "+OK\r\n" + popped + bulk("1"));
    CHECK(world.server(0).redis.log == std::vector<std::string>{"SET a 1", "BLPOP l 0", "GET a"});
}

TEST_CASE("its server has the command's time, the timeout and a second to answer") {
    Waiting waiting(redis_pool(1), "1.5");
    const int64_t due = 1500 + 400 + 1000;
    waiting.world.pass(due - 50);
    CHECK(World::heard(*waiting.client).empty());
    waiting.world.pass(100);
    CHECK(World::heard(*waiting.client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) has not answered when the command's time was "
          "up\r\n");
    CHECK(waiting.world.leases(0).empty());
    CHECK(waiting.world.counters().timeouts.get() == 1);
}

TEST_CASE("a time in thousands of digits is the server's") {
    for (const std::string& seconds : {std::string(127, '0') + "100",
                                       "1e" + std::string(126, '0') + "2",
                                       std::string(20'000, '0') + "100"}) {
        CAPTURE(seconds.size());
        Waiting waiting(redis_pool(1), seconds);
        waiting.world.pass(50'000);
        CHECK(World::heard(*waiting.client).empty());
        waiting.answer(popped);
        CHECK(World::heard(*waiting.client) == popped);
    }
}

TEST_CASE("where requests have no timeout, neither has a command with a time of its own") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 0;
    Waiting waiting(pool, "1.5");
    waiting.world.pass(60'000);
    CHECK(World::heard(*waiting.client).empty());
    waiting.answer("*-1\r\n");
    CHECK(World::heard(*waiting.client) == "*-1\r\n");
    CHECK(waiting.world.counters().timeouts.get() == 0);
}

TEST_CASE("without a timeout its server has late_connection_timeout beyond the command's time") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 0;
    pool.late_connection_timeout_ms = 700;
    Waiting waiting(pool, "1.5");
    waiting.world.pass(1500 + 700 + 1000 - 50);
    CHECK(World::heard(*waiting.client).empty());
    waiting.world.pass(100);
    CHECK(World::heard(*waiting.client).find("when the command's time was up") !=
          std::string::npos);
}

TEST_CASE("whoever waits for longer than clocks count waits for a hundred years") {
    for (const char* seconds : {"9999999999", "9000000000000000", "1e12"}) {
        CAPTURE(seconds);
        Waiting waiting(redis_pool(1), seconds);
        waiting.world.pass(60'000);
        CHECK(World::heard(*waiting.client).empty());
        CHECK(waiting.world.counters().timeouts.get() == 0);
        waiting.answer(popped);
        CHECK(World::heard(*waiting.client) == popped);
    }
    World world(redis_pool(2));
    for (const uint32_t server : {0U, 1U}) {
        world.server(server).mood = Mood::Mute;
    }
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"XREAD", "BLOCK", "9223372036854775807", "STREAMS", "s", "$"},
             {"BLPOP", world.key_on(0), world.key_on(1), "9999999999"}}) {
        Channel& client = world.client();
        CHECK(world.ask(client, resp(words)).empty());
        world.pass(100);
        CHECK(World::heard(client).empty());
        world.drop(client);
    }
}

TEST_CASE("a pause of the process is no time that a server took") {
    Waiting waiting(redis_pool(1), "1");
    Loop& loop = waiting.world.loop();
    loop.advance(Duration::millis(60'000));
    loop.begin({.by = Duration::millis(60'000)});
    loop.end();
    waiting.world.settle();
    CHECK(World::heard(*waiting.client).empty());
    waiting.answer(popped);
    CHECK(World::heard(*waiting.client) == popped);
}

TEST_CASE("the connection goes with its client") {
    for (const bool orderly : {false, true}) {
        Waiting waiting;
        World& world = waiting.world;
        Channel* lease = world.leases(0)[0];
        lease->arrived.clear();
        if (orderly) {
            waiting.client->inbound_end = true;
            world.settle();
            CHECK(lease->shut);
            CHECK_FALSE(waiting.client->closed);
            world.server(0).mood = Mood::Up;
            world.settle();
            CHECK(World::heard(*waiting.client).empty());  // as redis has it
        } else {
            world.drop(*waiting.client);
        }
        CHECK(waiting.client->closed);
        CHECK(lease->closed);
        CHECK(world.leases(0).empty());
        CHECK(world.proxy().is_idle());
        CHECK(waiting.counters().clients_waiting.get() == 0);
        CHECK(world.counters().errors.get() == 0);  // nobody heard of one
        CHECK(world.proxy().pools()[0]->counters->forward_error.get() == 0);
    }
}

TEST_CASE("what a client has sent behind its command that waits ends with it") {
    Waiting waiting;
    CHECK(waiting.world.ask(*waiting.client, resp({"PING"}) + resp({"SET", "a", "1"})).empty());
    waiting.world.leases(0)[0]->arrived.clear();
    waiting.world.server(0).mood = Mood::Up;
    waiting.client->inbound_end = true;
    waiting.world.settle();
    CHECK(World::heard(*waiting.client).empty());
    CHECK(waiting.client->closed);
    CHECK(waiting.world.server(0).redis.log.empty());
    CHECK(waiting.world.proxy().is_idle());
}

TEST_CASE("what was refused behind a command that waits is not its answer") {
    for (const bool several : {false, true}) {
        CAPTURE(several);
        World world(redis_pool(2));
        const std::vector<std::string> keys = {world.key_on(0), world.key_on(several ? 1 : 0)};
        for (const uint32_t server : {0U, 1U}) {
            world.server(server).redis.canned["LPOP"] = "$-1\r\n";
        }
        Channel& client = world.client();
        world.server(0).mood = several ? Mood::Up : Mood::Mute;
        World::say(client, resp({"BLPOP", keys[0], keys[1], "0"}) + resp({"GET"}) + resp({"PING"}));
        client.inbound_end = true;
        world.settle();
        if (!several) {
            world.leases(0)[0]->arrived.clear();
            world.server(0).mood = Mood::Up;  // which closes what was ended
            world.settle();
        }
        CHECK(World::heard(client).empty());
        CHECK(client.closed);
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("a client that has ended its side gets what is there") {
    for (const bool at_once : {true, false}) {
        CAPTURE(at_once);
        World world(redis_pool(1));
        world.server(0).redis.canned["BLPOP"] = popped;
        Channel& client = world.client();
        World::say(client,
                   resp({"SET", "a", "1"}) + resp({"BLPOP", "l", "0"}) + resp({"GET", "a"}) +
                       resp({"BLPOP", "l", "0"}));
        if (!at_once) world.step();
        client.inbound_end = true;
        world.settle();
        CHECK(World::heard(client) == "+OK\r\n" + popped + bulk("1") + popped);
        CHECK(client.closed);
        CHECK(world.leases(0).empty());
        CHECK(world.server(0).redis.log ==
              std::vector<std::string>{"SET a 1", "BLPOP l 0", "GET a", "BLPOP l 0"});
        CHECK(world.proxy().is_idle());
        CHECK(world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("an answer that comes when the client has ended its side is delivered") {
    Waiting waiting;
    World& world = waiting.world;
    waiting.client->inbound_end = true;
    world.settle();
    Channel* lease = world.leases(0)[0];
    CHECK(lease->shut);
    waiting.answer(popped);
    CHECK(World::heard(*waiting.client) == popped);
    CHECK(waiting.client->closed);
    CHECK(lease->closed);
    CHECK(world.proxy().is_idle());
}

TEST_CASE("a server that does not close what was ended is not waited for") {
    Waiting waiting;
    World& world = waiting.world;
    waiting.client->inbound_end = true;
    world.pass(1300);
    CHECK_FALSE(waiting.client->closed);
    world.pass(200);
    CHECK(waiting.client->closed);
    CHECK(World::heard(*waiting.client).empty());
    CHECK(world.proxy().is_idle());
    CHECK(world.counters().server_failures.get() == 0);
}

TEST_CASE(
    "what was watched where a client that has ended its side waited is lost, and it goes on") {
    for (const bool at_once : {true, false}) {
        CAPTURE(at_once);
        World world(redis_pool(1));
        world.server(0).redis.canned["BLPOP"] = popped;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"WATCH", "a"})) == "+OK\r\n");
        World::say(client,
                   resp({"BLPOP", "l", "0"}) + resp({"SET", "a", "1"}) + resp({"GET", "a"}) +
                       resp({"MULTI"}) + resp({"EXEC"}));
        if (!at_once) world.step();
        client.inbound_end = true;
        world.pass(2000);
        CHECK(World::heard(client) ==
              popped + "+OK\r\n" + bulk("1") + "+OK\r\n" +
                  "-EXECABORT ringmain: transaction discarded: the client has ended its side of "
                  "the connection where it waited for an answer\r\n");
        CHECK(client.closed);
        CHECK(world.leases(0).empty());
        CHECK(world.proxy().is_idle());
        CHECK(world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("of several servers each is asked once for a client that has ended its side") {
    for (const uint32_t has : {0U, 1U, 2U}) {
        CAPTURE(has);
        World world(redis_pool(2));
        const std::vector<std::string> keys = {world.key_on(0), world.key_on(1)};
        for (const uint32_t server : {0U, 1U}) {
            world.server(server).redis.canned["LPOP"] = server == has ? bulk("x") : "$-1\r\n";
        }
        Channel& client = world.client();
        World::say(client, resp({"BLPOP", keys[0], keys[1], "0"}) + resp({"PING"}));
        client.inbound_end = true;
        world.settle();
        const std::string wanted =
            has == 2 ? "" : "*2\r\n" + bulk(keys[has]) + bulk("x") + "+PONG\r\n";
        CHECK(World::heard(client) == wanted);
        CHECK(client.closed);
        CHECK(world.proxy().is_idle());
        CHECK(world.counters().errors.get() == 0);
    }
}

TEST_CASE("a client may leave, and a server go, while its connection is not there yet") {
    for (int batches = 0; batches < 4; ++batches) {
        for (const bool leaves : {false, true}) {
            CAPTURE(batches);
            CAPTURE(leaves);
            World world(redis_pool(1));
            world.server(0).redis.canned["BLPOP"] = popped;
            Channel& client = world.client();
            Channel& other = world.client();
            World::say(client, resp({"BLPOP", "l", "0"}));
            for (int i = 0; i < batches; ++i) {
                world.step();
            }
            if (leaves) {
                world.drop(client);
            } else {
                world.loop().begin();
                for (Channel* lease : world.leases(0)) {
                    world.loop().reset(*lease);
                }
                world.loop().end();
            }
            world.pass(100);
            CHECK(world.ask(other, resp({"BLPOP", "l", "0"})) == popped);
            CHECK(world.proxy().is_idle());
            CHECK(world.proxy().pools()[0]->servers[0]->leased == 0);
        }
    }
}

TEST_CASE("a stop ends what waits, and begins nothing new") {
    Waiting waiting;
    World& world = waiting.world;
    World::say(*waiting.client, resp({"BLPOP", "m", "0"}));
    world.settle();
    world.loop().begin();
    world.proxy().drain();
    world.loop().end();
    world.settle();
    REQUIRE(world.leases(0).size() == 1);
    world.leases(0)[0]->arrived.clear();
    CHECK(world.leases(0)[0]->shut);
    CHECK(World::heard(*waiting.client).empty());
    world.server(0).mood = Mood::Up;  // which closes what was ended
    world.settle();
    CHECK(
        World::heard(*waiting.client) ==
        "-ERR ringmain: a command that waits on its server was ended: ringmain is being stopped\r\n"
        "-ERR ringmain: 'BLPOP' is not begun: the connection is about to end\r\n");
    CHECK(waiting.client->closed);
    CHECK(world.proxy().is_idle());
}

TEST_CASE("a stop ends what waits before more than its client is read for") {
    Waiting waiting;
    World& world = waiting.world;
    const std::string ping = resp({"PING"});
    std::string pings;
    std::string pongs;
    for (int i = 0; i < 10'000; ++i) {
        pings += ping;
        pongs += "+PONG\r\n";
    }
    World::say(*waiting.client, pings + resp({"BLPOP", "m", "0"}));
    world.settle();
    waiting.client->client->unread = waiting.client->inbound.size();
    REQUIRE(waiting.client->client->unread > ping.size());
    world.loop().begin();
    world.proxy().drain();
    world.loop().end();
    world.settle();
    REQUIRE(world.leases(0).size() == 1);
    CHECK(world.leases(0)[0]->shut);
    CHECK(World::heard(*waiting.client).empty());
    close(world, *world.leases(0)[0]);
    CHECK(World::heard(*waiting.client) ==
          "-ERR ringmain: a command that waits on its server was ended: ringmain is being "
          "stopped\r\n" +
              pongs + "-ERR ringmain: 'BLPOP' is not begun: the connection is about to end\r\n");
    CHECK(waiting.client->closed);
    CHECK(world.proxy().is_idle());
}

TEST_CASE("what a server has popped when ringmain stops is delivered") {
    for (const bool several : {false, true}) {
        CAPTURE(several);
        World world(redis_pool(2));
        const std::vector<std::string> keys = {world.key_on(0), world.key_on(several ? 1 : 0, 1)};
        for (const uint32_t server : {0U, 1U}) {
            world.server(server).redis.canned["LPOP"] = "$-1\r\n";
        }
        Channel& client = world.client();
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"BLPOP", keys[0], keys[1], "0"})).empty());
        if (several) {
            world.leases(0)[0]->inbound += "$-1\r\n";  // and it waits there
            world.settle();
        }
        REQUIRE(world.leases(0).size() == 1);
        Channel* lease = world.leases(0)[0];
        world.loop().begin();
        world.proxy().drain();
        world.loop().end();
        world.settle();
        CHECK(lease->shut);
        lease->inbound += popped;
        world.settle();
        CHECK(World::heard(client) == popped);
        CHECK(client.closed);
        CHECK(lease->closed);
        CHECK(world.proxy().is_idle());
        CHECK(pool_counters(world).clients_waiting.get() == 0);
    }
}

TEST_CASE("a stop does not wait for a server that says nothing for longer than a request") {
    for (const bool several : {false, true}) {
        CAPTURE(several);
        World world(redis_pool(2));
        world.server(0).redis.canned["LPOP"] = world.server(1).redis.canned["LPOP"] = "$-1\r\n";
        Channel& client = world.client();
        world.server(0).mood = Mood::Mute;
        CHECK(world
                  .ask(client,
                       resp({"BLPOP", world.key_on(0), world.key_on(several ? 1 : 0, 1), "0"}))
                  .empty());
        if (several) {
            world.leases(0)[0]->inbound += "$-1\r\n";
            world.settle();
        }
        world.loop().begin();
        world.proxy().drain();
        world.loop().end();
        world.pass(1300);
        CHECK(World::heard(client).empty());
        // The end of a turn's wait, too, is followed by no other question.
        if (several) world.leases(0)[0]->inbound += "*-1\r\n";
        world.pass(200);
        CHECK(World::heard(client) ==
              "-ERR ringmain: a command that waits on its server was ended: ringmain is being "
              "stopped\r\n");
        CHECK(client.closed);
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("a reload keeps what waits, unless its server or its pool is gone") {
    Waiting waiting;
    World& world = waiting.world;
    SUBCASE("the server stays") {
        config::Pool pool = redis_pool(1);
        pool.timeout_ms = 200;
        world.adopt({pool});
        world.pass(1000);
        waiting.answer(popped);
        CHECK(World::heard(*waiting.client) == popped);
    }
    Channel* lease = world.leases(0)[0];
    SUBCASE("the server is another") {
        world.adopt({other_server()});
        world.settle();
        CHECK(World::heard(*waiting.client).empty());
        CHECK(lease->shut);
        close(world, *lease);
        CHECK(World::heard(*waiting.client) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) is not configured any more\r\n");
        CHECK(world.ask(*waiting.client, resp({"PING"})) == "+PONG\r\n");
    }
    SUBCASE("the pool is gone") {
        world.adopt({other_pool()});
        world.settle();
        CHECK(lease->shut);
        close(world, *lease);
        CHECK(World::heard(*waiting.client) ==
              "-ERR ringmain: a command that waits on its server was ended: its pool is not "
              "configured any more\r\n");
        CHECK(waiting.client->closed);
    }
    SUBCASE("the server says nothing for longer than a request") {
        world.adopt({other_server()});
        world.pass(1300);
        CHECK(World::heard(*waiting.client).empty());
        world.pass(200);
        CHECK(World::heard(*waiting.client) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) is not configured any more\r\n");
    }
    CHECK(world.proxy().is_idle());
    CHECK(waiting.counters().leases.get() == 0);
}

TEST_CASE("what a server has popped when a reload removes it is delivered") {
    for (const bool pool_goes : {false, true}) {
        CAPTURE(pool_goes);
        Waiting waiting;
        World& world = waiting.world;
        Channel* lease = world.leases(0)[0];
        world.adopt({pool_goes ? other_pool() : other_server()});
        world.settle();
        lease->inbound += popped;
        world.settle();
        CHECK(World::heard(*waiting.client) == popped);
        CHECK(waiting.client->closed == pool_goes);
        CHECK(lease->closed);
        CHECK(pool_counters(world).clients_waiting.get() == 0);
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("what waits for a key that a reload moves is ended, and nothing else") {
    World world(redis_pool(2));
    World three(redis_pool(3));
    const auto key_that = [&](bool moves, const std::string& prefix) {
        for (int i = 0;; ++i) {
            std::string key = prefix + std::to_string(i);
            if (world.server_of(key) == 0 && three.server_of(key) == (moves ? 2U : 0U)) return key;
        }
    };
    const std::string moves = key_that(true, "m");
    const std::string stays = key_that(false, "s");
    const std::vector<std::vector<std::string>> commands = {
        {"BLPOP", stays, "0"},
        {"BLPOP", stays, moves, "7"},
        {"XREAD", "BLOCK", "0", "STREAMS", moves, "$"},
        {"BLMOVE", moves, moves, "LEFT", "RIGHT", "0"},
    };
    world.mute(2);
    std::vector<Channel*> clients;
    for (const std::vector<std::string>& command : commands) {
        clients.push_back(&world.client());
        CHECK(world.ask(*clients.back(), resp(command)).empty());
    }
    const std::vector<Channel*> leases = world.leases(0);
    REQUIRE(leases.size() == 4);
    world.adopt({redis_pool(2)});
    world.settle();
    for (const Channel* lease : leases) {
        CHECK_FALSE(lease->shut);
    }
    world.adopt({redis_pool(3)});
    world.settle();
    CHECK_FALSE(leases[0]->shut);
    leases[1]->inbound += popped;
    world.settle();
    CHECK(World::heard(*clients[1]) == popped);
    for (const size_t i : {2U, 3U}) {
        CHECK(leases[i]->shut);
        CHECK(World::heard(*clients[i]).empty());
    }
    leases[0]->arrived.clear();
    leases[2]->arrived.clear();
    close(world, *leases[3]);
    for (const size_t i : {2U, 3U}) {
        CHECK(World::heard(*clients[i]) ==
              "-ERR ringmain: a command that waits on its server was ended: a key of it may "
              "live on another server now; ask again\r\n");
        CHECK(world.ask(*clients[i], resp({"SET", moves, "v"})) == "+OK\r\n");
    }
    leases[0]->inbound += popped;
    world.settle();
    CHECK(World::heard(*clients[0]) == popped);
    CHECK(pool_counters(world).clients_waiting.get() == 0);
}

TEST_CASE("what waits for more keys than are kept is ended with every move, and watches none") {
    World world(redis_pool(2));
    Channel& client = world.client();
    world.mute(2);
    const std::string key = world.key_on(0, 2);
    std::vector<std::string> command = {"BLPOP"};
    command.insert(command.end(), 500, key);
    command.emplace_back("0");
    CHECK(world.ask(client, resp({"WATCH", key})).empty());
    Channel& lease = *world.leases(0)[0];
    lease.inbound += "+OK\r\n+OK\r\n+OK\r\n";
    world.settle();
    CHECK(World::heard(client) == "+OK\r\n");
    CHECK(world.ask(client, resp(command)).empty());
    world.adopt({redis_pool(3)});
    world.settle();
    CHECK(lease.shut);
    lease.inbound += popped;
    world.settle();
    CHECK(World::heard(client) == popped);
    const std::string lost = world.ask(client, resp({"MULTI"}) + resp({"EXEC"}));
    CHECK(lost ==
          "+OK\r\n-EXECABORT ringmain: transaction discarded: a key of it may live on another "
          "server now; ask again\r\n");
}

TEST_CASE("an ejected server's connections are given up") {
    config::Pool pool = redis_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool);
    const std::string key = world.key_on(0);
    Channel& client = world.client();
    Channel& other = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"BLPOP", key, "0"})).empty());
    CHECK(world.ask(other, resp({"GET", key})).empty());
    world.pass(450);
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) is ejected: did not answer "
          "within 400 ms (timeout)\r\n");
    CHECK(world.leases(0).empty());
    world.server(1).redis.canned["BLPOP"] = popped;
    CHECK(world.ask(client, resp({"BLPOP", key, "0"})) == popped);
}

TEST_CASE("a server that takes no more connections is not asked again and again") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
    world.server(0).mood = Mood::Refusing;
    const std::string refused =
        "-ERR ringmain: server s0 (10.0.0.1:7000) refused the connection\r\n";
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == refused);
    const size_t channels = world.loop().channels().size();
    for (int i = 0; i < 10; ++i) {
        CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == refused);
    }
    CHECK(world.loop().channels().size() == channels);
    CHECK(world.loop().notices().size() == 1);
    world.server(0).mood = Mood::Up;
    world.server(0).redis.canned["BLPOP"] = popped;
    // Its other connection was never touched.
    CHECK(world.ask(client, resp({"GET", "a"})) == bulk("1"));
    world.pass(100);
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == popped);
}

TEST_CASE("where nobody asks anything else, what waits tells that the server is down, and back") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Refusing;
    const std::string refused =
        "-ERR ringmain: server s0 (10.0.0.1:7000) refused the connection\r\n";
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == refused);
    CHECK(world.health(0).is_down());
    CHECK(world.health(0).failures() == 1);
    CHECK(world.loop().notices().size() == 1);
    world.pass(1000);
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == refused);
    CHECK(world.health(0).failures() > 2);  // it is tried in the background
    world.server(0).mood = Mood::Up;
    world.server(0).redis.canned["BLPOP"] = popped;
    world.pass(500);
    CHECK_FALSE(world.health(0).is_down());
    CHECK(world.ask(client, resp({"BLPOP", "l", "0"})) == popped);
    CHECK(world.loop().notices().back() ==
          "pool main: server s0 (10.0.0.1:7000) is connected again");
}

TEST_CASE("what waits fails with its server, and that counts, once for all that one event takes") {
    config::Pool pool = redis_pool(2);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 2;
    World world(pool);
    const std::string key = world.key_on(1);
    world.server(1).mood = Mood::Mute;
    for (int i = 0; i < 3; ++i) {
        CHECK(world.ask(world.client(), resp({"BLPOP", key, "0"})).empty());
    }
    for (Channel* lease : world.leases(1)) {
        world.loop().begin();
        world.loop().reset(*lease);
        world.loop().end();
    }
    CHECK(world.health(1).failures() == 1);
    world.server(1).mood = Mood::Up;
    world.pass(600);
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(world.client(), resp({"BLPOP", key, "0"})).empty());
    REQUIRE(world.leases(1).size() == 1);
    world.loop().begin();
    world.loop().reset(*world.leases(1)[0]);
    world.loop().end();
    CHECK(world.health(1).ejections() == 1);
}

TEST_CASE("that a client leaves, or that its time is up, is no failure of its server") {
    Waiting waiting;
    waiting.world.drop(*waiting.client);
    CHECK(waiting.world.leases(0).empty());
    CHECK(waiting.world.health(0).failures() == 0);
    CHECK(waiting.world.counters().server_failures.get() == 0);
}

TEST_CASE("within a transaction nothing waits") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client,
                    resp({"MULTI"}) + resp({"BLPOP", "l", "0"}) +
                        resp({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"})) ==
          "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    CHECK(world.leases(0).empty());
    CHECK(world.ask(client, resp({"EXEC"})).starts_with("*2\r\n"));
}

TEST_CASE("XREAD waits with BLOCK only") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).redis.canned["XREAD"] = "*-1\r\n";
    CHECK(world.ask(client, resp({"XREAD", "COUNT", "1", "STREAMS", "s", "$"})) == "*-1\r\n");
    CHECK(world.leases(0).empty());
    CHECK(world.ask(client, resp({"XREAD", "BLOCK", "10", "STREAMS", "s", "$"})) == "*-1\r\n");
    CHECK(world.leases(0).size() == 1);
}

}  // namespace ringmain::test
