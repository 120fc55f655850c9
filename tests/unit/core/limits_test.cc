// Time that passes and bounds that are reached: each with its own error and counter.

#include "ringmain/core/limits.h"

#include "tests/unit/core/world.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

uint64_t errors(World& world, stats::Reason reason) {
    return pool_counters(world).errors[static_cast<size_t>(reason)].get();
}

}  // namespace

TEST_CASE("the next deadline is the earliest of what waits, and never when nothing does") {
    World world(redis_pool(2));
    core::Proxy& proxy = world.proxy();
    CHECK(proxy.next_deadline() == Instant::never());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const Instant start = world.loop().now();
    CHECK(world.ask(client, resp({"GET", world.key_on(0)})) == "");
    CHECK(proxy.next_deadline() == start + Duration::millis(400));
    world.pass(100);
    CHECK(world.ask(client, resp({"GET", world.key_on(0)})) == "");
    CHECK(proxy.next_deadline() == start + Duration::millis(400));
    world.reply(0, bulk("1"));
    world.settle();
    // Known to be over only when it is time to look.
    CHECK(proxy.next_deadline() <= start + Duration::millis(500));
    world.pass(300);
    CHECK(proxy.next_deadline() == start + Duration::millis(500));
    world.reply(0, bulk("2"));
    world.settle();
    world.pass(110);
    CHECK(proxy.next_deadline() == Instant::never());
    CHECK(World::heard(client) == bulk("1") + bulk("2"));
}

TEST_CASE("whoever floods is read on in the next batch, and others have their turn") {
    config::Pool pool = redis_pool(1);
    pool.requests_in_flight_max = 100;
    World world(pool);
    Channel& flood = world.client();
    Channel& quiet = world.client();
    constexpr size_t count = 10'000;
    std::string requests;
    std::string wanted;
    for (size_t i = 0; i < count; ++i) {
        requests += "PING\r\n";
        wanted += "+PONG\r\n";
    }
    World::say(flood, requests);
    World::say(quiet, "PING\r\n");
    world.step();
    const uint64_t piece = block_size / 6 + 1;
    CHECK(world.counters().requests.get() >= 100);
    CHECK(world.counters().requests.get() <= 100 + piece + 1);
    CHECK(world.proxy().has_more_to_do());
    world.step();
    CHECK(World::heard(quiet) == "+PONG\r\n");
    CHECK(world.counters().requests.get() <= 2 * (100 + piece) + 1);
    world.settle();
    CHECK(World::heard(flood) == wanted);
    CHECK_FALSE(world.proxy().has_more_to_do());
    CHECK(world.counters().requests.get() == count + 1);
}

TEST_CASE("a request's time begins when it is queued, not when the connection is there") {
    for (const char* command : {"GET", "WATCH"}) {  // on a connection that is everybody's, and not
        CAPTURE(command);
        World world(redis_pool(1));
        world.server(0).mood = Mood::Vanished;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({command, "a"})) == "");
        world.pass(390);
        CHECK(World::heard(client) == "");
        world.pass(20);
        CHECK(World::heard(client) ==
              error(s0 + "did not accept the connection within 400 ms (timeout)"));
        CHECK(world.counters().timeouts.get() == 1);
        CHECK(server_counters(world, 0).timedout.get() == 1);
        CHECK(pool_counters(world).forward_error.get() == 1);
    }
}

TEST_CASE("without a timeout what is not accepted has connect_timeout, on a lease as well") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 0;
    pool.late_connection_timeout_ms = 300;
    for (const char* command : {"GET", "WATCH"}) {
        CAPTURE(command);
        World world(pool);
        world.server(0).mood = Mood::Vanished;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({command, "a"})) == "");
        world.pass(pool.connect_timeout_ms - 20);
        CHECK(World::heard(client) == "");
        world.pass(40);
        CHECK(World::heard(client).find("did not accept the connection within " +
                                        std::to_string(pool.connect_timeout_ms) +
                                        " ms (connect_timeout)") != std::string::npos);
    }
}

TEST_CASE("a tick before the next deadline changes nothing") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.loop().begin();
    world.loop().advance(Duration::millis(399));
    world.proxy().on_tick();
    world.loop().end();
    CHECK(World::heard(client) == "");
}

TEST_CASE("very many requests whose time is up at once are told so in parts") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    constexpr size_t each = 1000;
    std::string requests;
    for (size_t i = 0; i < each; ++i) {
        requests += resp({"GET", "a"});
    }
    std::vector<Channel*> clients;
    while (clients.size() * each <= core::expired_per_tick) {
        clients.push_back(&world.client());
        World::say(*clients.back(), requests);
    }
    world.settle();
    world.pass(390);
    CHECK(world.counters().timeouts.get() == 0);
    world.pass(10);
    CHECK(world.counters().timeouts.get() == core::expired_per_tick);
    CHECK(world.proxy().next_deadline() <= world.loop().now());
    world.pass(10);
    CHECK(world.counters().timeouts.get() == clients.size() * each);
    std::string answers;
    for (size_t i = 0; i < each; ++i) {
        answers += error(s0 + "did not answer within 400 ms (timeout)");
    }
    for (Channel* client : clients) {
        CHECK(World::heard(*client) == answers);
    }
}

TEST_CASE("late_connection_timeout bounds how long a connection may stay unanswered") {
    config::Pool pool = redis_pool(1);
    pool.late_connection_timeout_ms = 700;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(390);
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(10);
    CHECK(World::heard(client) == error(s0 + "did not answer within 400 ms (timeout)"));
    world.pass(290);
    CHECK(World::heard(client) == "");
    world.pass(20);
    CHECK(World::heard(client) ==
          error(s0 + "has not answered for 700 ms (late_connection_timeout)"));
    CHECK(server_counters(world, 0).late.get() == 1);
}

TEST_CASE("late_connection_timeout holds where requests have no timeout, too") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 0;
    pool.late_connection_timeout_ms = 700;
    const std::string late = error(s0 + "has not answered for 700 ms (late_connection_timeout)");
    World world(pool);
    Channel& client = world.client();
    Channel& watching = world.client();
    CHECK(world.ask(watching, resp({"WATCH", "w"})) == "+OK\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    CHECK(world.ask(watching, resp({"GET", "w"})) == "");
    world.pass(300);
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(390);
    CHECK(World::heard(client) == "");
    CHECK(World::heard(watching) == "");
    world.pass(20);
    CHECK(World::heard(client) == late + late);
    CHECK(World::heard(watching) == late);
    CHECK(server_counters(world, 0).late.get() == 1);
    CHECK(world.counters().timeouts.get() == 1);  // of the watching one
    world.server(0).mood = Mood::Up;
    world.pass(1000);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("without a timeout, too, a server that is answering is not to blame for being late") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 0;
    pool.late_connection_timeout_ms = 700;
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "w"})) == "+OK\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"MULTI"}) + resp({"GET", "w"}) + resp({"EXEC"})) ==
          "+OK\r\n+QUEUED\r\n");
    world.leases(0)[0]->inbound += "+OK\r\n+QUEUED\r\n*1\r\n$1000\r\n";
    for (int i = 0; i < 15; ++i) {
        world.pass(50);
        if (!world.leases(0).empty()) world.leases(0)[0]->inbound += "x";
        world.settle();
    }
    CHECK(World::heard(client).find("has been giving an answer for 700 ms") != std::string::npos);
    CHECK(world.health(0).accepts_traffic());
}

TEST_CASE("who waits for a confirmation when its connection is given up is told why") {
    config::Pool pool = redis_pool(1);
    pool.late_connection_timeout_ms = 300;
    World world(pool);
    Channel& first = world.client();
    CHECK(world.ask(first, resp({"SUBSCRIBE", "c"})) ==
          "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    world.server(0).mood = Mood::Mute;
    Channel& late = world.client();
    CHECK(world.ask(late, resp({"SUBSCRIBE", "d"})).empty());
    world.pass(390);
    CHECK(World::heard(late) ==
          error("server s0 (10.0.0.1:7000) has not answered on its subscription connection for 300 "
                "ms (late_connection_timeout)"));
}

TEST_CASE("a late_connection_timeout below the timeout lets every request have its time") {
    config::Pool pool = redis_pool(1);
    pool.late_connection_timeout_ms = 100;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.pass(390);
    CHECK(World::heard(client) == "");
    world.pass(20);
    CHECK(World::heard(client) == error(s0 + "has not answered for 400 ms (timeout)"));
}

TEST_CASE("no more than server_queue_max requests wait for a connection") {
    config::Pool pool = redis_pool(1);
    pool.server_queue_max = 3;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    std::string requests;
    for (int i = 0; i < 5; ++i) {
        requests += resp({"GET", "a"});
    }
    CHECK(world.ask(client, requests) == "");
    CHECK(server_counters(world, 0).queue_full.get() == 2);
    CHECK(errors(world, stats::Reason::Limit) == 2);
    world.reply(0, bulk("1") + bulk("2") + bulk("3"));
    world.settle();
    const std::string full =
        error(s0 + "does not keep up: 3 requests wait for it (server_queue_max)");
    CHECK(World::heard(client) == bulk("1") + bulk("2") + bulk("3") + full + full);
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.reply(0, bulk("4"));
    world.settle();
    CHECK(World::heard(client) == bulk("4"));
}

TEST_CASE("no more than server_queue_size_max bytes wait to be sent, but for one request alone") {
    config::Pool pool = redis_pool(1);
    pool.server_queue_size_max = 1000;
    World world(pool);
    world.server(0).mood = Mood::Vanished;  // nothing leaves
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", std::string(3000, 'x')})) == "");
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    CHECK(server_counters(world, 0).queue_full.get() == 1);
    world.pass(410);
    CHECK(World::heard(client).ends_with(error(
        s0 + "has no room for 20 bytes: 3029 wait for it, and server_queue_size_max is 1000")));
}

TEST_CASE("as many arguments as redis allows, and what they take goes back") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 0;
    World world(pool, {.blocks = 2048});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"DEL", "a"})) == ":0\r\n");
    constexpr uint32_t count = 1024 * 1024 + 2;
    const std::string head = "*" + std::to_string(count) + "\r\n";
    std::string names;
    for (uint32_t i = 1; i < count; ++i) {
        names += "$1\r\na\r\n";
    }
    const std::string request = head + bulk("DEL") + names;
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, request) == "");
    CHECK(world.proxy().scratch().arguments.capacity() == 0);
    Channel& link = *world.link(0);
    CHECK(link.arrived == request);
    link.inbound += ":1\r\n";
    world.settle();
    CHECK(World::heard(client) == ":1\r\n");
    world.server(0).mood = Mood::Up;
    link.arrived.clear();
    CHECK(world.ask(client, head + bulk("UNSUBSCRIBE") + names) ==
          "-ERR ringmain: 1048578 arguments for 'unsubscribe', which takes at most 1048576\r\n");
    CHECK(world.ask(client, resp({"PING"})) == "+PONG\r\n");
}

TEST_CASE("of an argument that is compared its beginning is looked at, however long it is") {
    config::Pool pool = redis_pool(2);
    World world(pool, {.blocks = 2048});
    Channel& client = world.client();
    const std::string key = world.key_on(0);
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned = {{"EVALSHA", "-NOSCRIPT none\r\n"},
                                        {"EVAL", ":1\r\n"},
                                        {"SCRIPT EXISTS", "*1\r\n:0\r\n"},
                                        {"SCRIPT LOAD", bulk(std::string(40, 'a'))},
                                        {"SCRIPT FLUSH", "-ERR flush\r\n"},
                                        {"SORT", "*0\r\n"},
                                        {"XREAD", "*0\r\n"},
                                        {"SINTERCARD", "-ERR number\r\n"}};
    }
    const std::string ones(3'000'000, '1');

    struct Case {
        std::vector<std::string> words;
        std::string answer;
    };

    const std::string shown = ones.substr(0, 128);
    const std::vector<Case> cases = {
        {{"EVALSHA", ones, "1", key}, "-NOSCRIPT none\r\n"},
        {{"EVAL", ones, "1", key}, ":1\r\n"},
        {{"EVAL", "return 1", ones, key}, ":1\r\n"},
        {{"SCRIPT", "EXISTS", ones}, "*1\r\n:0\r\n"},
        {{"SCRIPT", "LOAD", ones}, bulk(std::string(40, 'a'))},
        {{"SCRIPT", "FLUSH", ones}, "-ERR flush\r\n"},
        {{"SCRIPT", ones}, "-ERR unknown subcommand '" + shown + "'. Try SCRIPT HELP.\r\n"},
        {{"SCAN", ones}, "-ERR invalid cursor\r\n"},
        {{"SCAN", std::string(3'000'000, '0')}, "-ERR invalid cursor\r\n"},
        {{"SORT", key, "BY", ones},
         "-CROSSSLOT ringmain: the keys of 'SORT' live on several servers; give them a common hash "
         "tag (and set hash_tag for the pool)\r\n"},
        {{"SORT", key, ones, ones}, "*0\r\n"},
        {{"XREAD", ones, "STREAMS", key, "0"}, "*0\r\n"},
        {{"SINTERCARD", ones, key, key}, "-ERR number\r\n"},
        {{"WAIT", ones, "1"}, "-ERR value is not an integer or out of range\r\n"}};
    const auto is_small = [&world] { return world.proxy().scratch().text.capacity() < 200'000; };
    for (const Case& one : cases) {
        CAPTURE(one.words[0]);
        CHECK(world.ask(client, resp(one.words)) == one.answer);
        CHECK(is_small());
    }
    CHECK(world
              .ask(client,
                   resp({"MULTI"}) + resp({"EVALSHA", ones, "1", key}) +
                       resp({"EVAL", ones, "1", key}) + resp({"EXEC"}))
              .starts_with("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n"));
    CHECK(is_small());
}

TEST_CASE("request_arguments_max is where a request is refused") {
    config::Pool pool = redis_pool(1);
    pool.request_arguments_max = 20;
    World world(pool);
    Channel& client = world.client();
    std::vector<std::string> arguments = {"DEL"};
    arguments.resize(20, "a");
    CHECK(world.ask(client, resp(arguments)) == ":0\r\n");
    arguments.emplace_back("a");
    CHECK(world.ask(client, resp(arguments)) ==
          "-ERR Protocol error: invalid multibulk length\r\n");
    CHECK(client.closed);
    CHECK(errors(world, stats::Reason::Protocol) == 1);
}

TEST_CASE("a client that says nothing for client_idle_timeout is closed, one that waits is not") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 10'000;
    pool.client_idle_timeout_ms = 1000;
    World world(pool);
    Channel& silent = world.client();
    Channel& busy = world.client();
    Channel& waiting = world.client();
    CHECK(world.ask(silent, resp({"GET", "a"})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(waiting, resp({"GET", "a"})) == "");
    for (int i = 0; i < 5; ++i) {
        CHECK(world.ask(busy, resp({"PING"})) == "+PONG\r\n");
        world.pass(190);
    }
    CHECK_FALSE(silent.closed);
    world.pass(60);
    CHECK(silent.closed);
    CHECK(World::heard(silent).empty());
    CHECK_FALSE(busy.closed);
    CHECK_FALSE(waiting.closed);
    CHECK(pool_counters(world).clients_idle.get() == 1);
    world.pass(2000);
    CHECK(busy.closed);
    CHECK_FALSE(waiting.closed);
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(waiting) == bulk("1"));
    world.pass(900);
    CHECK_FALSE(waiting.closed);
    world.pass(1200);
    CHECK(waiting.closed);
    CHECK(world.proxy().next_deadline() == Instant::never());
}

TEST_CASE("a client that has said its last and waits is not looked at for ever") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 10'000;
    pool.client_idle_timeout_ms = 1000;
    World world(pool);
    Channel& leaving = world.client();
    Channel& silent = world.client();
    world.server(0).mood = Mood::Mute;
    World::say(leaving, resp({"GET", "a"}));
    leaving.inbound_end = true;
    world.pass(1500);
    CHECK_FALSE(leaving.closed);
    CHECK(silent.closed);
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(leaving) == bulk("1"));
    CHECK(leaving.closed);
}

TEST_CASE("a client whose requests wait to be read is not idle") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 400;
    pool.client_idle_timeout_ms = 300;
    pool.requests_in_flight_max = 1;
    World world(pool);
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    World::say(client, resp({"GET", "a"}) + resp({"GET", "b"}));
    world.pass(420);  // the time of the first is up, and that of the second begins
    CHECK_FALSE(client.closed);
    world.pass(420);
    const std::string late =
        "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 400 ms (timeout)\r\n";
    CHECK(World::heard(client) == late + late);
}

TEST_CASE("a pool's clients are counted over all workers, whichever of them takes them") {
    config::Pool pool = redis_pool(1);
    pool.client_connections = 3;
    World one(pool, {.workers = 4});
    World two(pool, {.seed = 2, .process = &one.loop().process(), .worker = 3});
    auto accepts = [](World& world) {
        world.loop().begin();
        Channel* channel = world.loop().accept();
        world.loop().end();
        return channel;
    };
    Channel* first = accepts(two);
    REQUIRE(first != nullptr);
    CHECK(accepts(two) != nullptr);
    CHECK(accepts(two) != nullptr);
    CHECK(accepts(two) == nullptr);
    CHECK(accepts(one) == nullptr);
    two.drop(*first);
    CHECK(accepts(one) != nullptr);
    CHECK(accepts(two) == nullptr);
}

TEST_CASE("requests beyond requests_max are refused, and those in flight are answered") {
    const std::string text = error("too many requests in flight: 64 in this worker (requests_max)");
    World world(redis_pool(2), {.requests_max = 64});
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", a})) == "$-1\r\n");
    world.server(0).mood = Mood::Mute;
    std::string requests;
    std::string answers;
    for (int i = 0; i < 64; ++i) {
        requests += resp({"SET", a, "1"});
        answers += "+OK\r\n";
    }
    CHECK(world.ask(client, requests) == "");
    CHECK(world.ask(other, resp({"GET", a})) == text);
    CHECK(world.ask(other, resp({"MGET", a, b})) == text);
    CHECK(world.ask(other, resp({"WATCH", b})) == text);
    CHECK(world.ask(other, resp({"BLPOP", b, "1"})) == text);
    CHECK(world.ask(other, resp({"LMPOP", "2", a, b, "LEFT"})) == text);
    CHECK(world.ask(other, resp({"SUBSCRIBE", b})) == text);
    CHECK(world.ask(other, resp({"SELECT", "1"})) == text);
    CHECK(world.ask(other, resp({"MULTI"}) + resp({"GET", b}) + resp({"EXEC"})) ==
          "+OK\r\n+QUEUED\r\n-EXECABORT ringmain: transaction discarded: too many requests in "
          "flight: 64 in this worker (requests_max)\r\n");
    CHECK(world.ask(other, resp({"PING"})) == "+PONG\r\n");
    CHECK(errors(world, stats::Reason::Limit) == 8);
    CHECK(errors(world, stats::Reason::Other) == 0);
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == answers);
    CHECK(world.ask(other, resp({"MGET", a, b})) == "*2\r\n" + bulk("1") + "$-1\r\n");
}

TEST_CASE("who asks for more than requests_max while others are in flight is told so in its turn") {
    const std::string text = error("too many requests in flight: 64 in this worker (requests_max)");
    World world(redis_pool(1), {.requests_max = 64});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
    world.server(0).mood = Mood::Mute;
    World::say(client, resp({"SET", "a", "2"}));
    std::string requests;
    std::string answers;
    for (int i = 0; i < 63; ++i) {
        requests += resp({"GET", "a"});
        answers += bulk("2");
    }
    World::say(other, requests);
    world.settle();
    for (int i = 0; i < 3; ++i) {
        World::say(client, resp({"GET", "a"}));
        World::say(other, resp({"PING"}));
        world.settle();
    }
    CHECK(World::heard(client) == "");
    CHECK(World::heard(other) == "");
    world.server(0).mood = Mood::Up;
    world.settle();
    // What came behind was not taken before there was room.
    CHECK(World::heard(client) == "+OK\r\n" + text + bulk("2") + bulk("2"));
    CHECK(World::heard(other) == answers + "+PONG\r\n+PONG\r\n+PONG\r\n");
    CHECK_FALSE(client.closed);
    CHECK_FALSE(other.closed);
}

TEST_CASE("memcached requests beyond requests_max are refused, too") {
    World world(memcached_pool(1), {.requests_max = 64});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, "get a\r\n") == "END\r\n");
    world.server(0).mood = Mood::Mute;
    std::string requests;
    for (int i = 0; i < 64; ++i) {
        requests += "set a 0 0 1\r\nx\r\n";
    }
    CHECK(world.ask(client, requests) == "");
    CHECK(world.ask(other, "get a\r\n") ==
          "SERVER_ERROR ringmain: too many requests in flight: 64 in this worker "
          "(requests_max)\r\n");
}

TEST_CASE("half a request does not keep a client") {
    config::Pool pool = redis_pool(1);
    pool.client_idle_timeout_ms = 1000;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, "*2\r\n$3\r\nGET\r\n$1") == "");
    world.pass(1020);
    CHECK(client.closed);
}

TEST_CASE("what a limit refuses is counted as that") {
    config::Pool pool = redis_pool(2);
    pool.gather_elements_max = 3;
    pool.databases_max = 0;
    World world(pool);
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.server(0).redis.values[a] = std::string(3000, 'x');
    world.server(1).redis.values[b] = std::string(3000, 'x');
    std::vector<std::string> pop = {"LMPOP", "65"};
    for (uint32_t i = 0; i < 65; ++i) {
        pop.push_back("k" + std::to_string(i));
    }
    pop.emplace_back("LEFT");
    std::vector<std::string> docs(20'000, "get");
    docs[0] = "COMMAND";
    docs[1] = "DOCS";
    const std::string name(16 * 1024 + 1, 'n');
    const std::vector<std::vector<std::string>> requests = {
        {"LCS", a, b},
        pop,
        {"SELECT", "1"},
        {"CLIENT", "SETNAME", name},
        {"CLIENT", "SETINFO", "lib-name", name},
        {"HELLO", "2", "SETNAME", name},
        {"COMMAND", "LIST", "FILTERBY", "PATTERN", std::string(513, '*')},
        docs,
    };
    Channel& client = world.client();
    uint64_t count = 0;
    for (const std::vector<std::string>& request : requests) {
        CAPTURE(request[0] + " " + request[1]);
        CHECK(world.ask(client, resp(request)).find(" ringmain: ") != std::string::npos);
        CHECK(errors(world, stats::Reason::Limit) == ++count);
    }
    CHECK(world.ask(client, resp({"CLIENT", "SETNAME", "a b"})).starts_with("-ERR Client names"));
    CHECK(errors(world, stats::Reason::Limit) == count);
    CHECK(errors(world, stats::Reason::Request) == 1);
}

TEST_CASE("memcached: what a limit refuses is counted as that") {
    config::Pool pool = memcached_pool(1);
    pool.request_size_max = 100'000;
    World world(pool);
    Channel& client = world.client();
    const std::string large(100'001, 'x');
    CHECK(world.ask(client, "set a 0 0 100001\r\n" + large + "\r\n") ==
          "SERVER_ERROR object too large for cache\r\n");
    CHECK(errors(world, stats::Reason::Limit) == 1);
    CHECK(world.ask(client, "ms a 100001\r\n" + large + "\r\n") ==
          "SERVER_ERROR object too large for cache\r\n");
    CHECK(errors(world, stats::Reason::Limit) == 2);
    CHECK(errors(world, stats::Reason::Other) == 0);
}

}  // namespace ringmain::test
