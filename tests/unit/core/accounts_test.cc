// Every request is one, and so is its error or its response: what is counted where that is not
// plain.

#include "tests/unit/core/world.h"
#include "tests/unit/memcached/binary_packets.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

using stats::Reason;

uint64_t requests(World& world) {
    uint64_t sum = 0;
    for (const stats::Counter& command : pool_counters(world).commands) {
        sum += command.get();
    }
    return sum;
}

uint64_t errors(World& world, Reason reason) {
    return pool_counters(world).errors[static_cast<size_t>(reason)].get();
}

uint64_t errors(World& world) {
    uint64_t sum = 0;
    for (const stats::Counter& reason : pool_counters(world).errors) {
        sum += reason.get();
    }
    CHECK(world.counters().errors.get() == sum);
    return sum;
}

uint64_t entries_of(const stats::Histogram& histogram) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < stats::Histogram::buckets; ++i) {
        count += histogram.count_in(i);
    }
    return count;
}

}  // namespace

TEST_CASE("what the parts of a request do not give together is an error of ringmain's") {
    config::Pool pool = redis_pool(2);
    pool.gather_size_max = 64 * 1024;
    World world(pool);
    world.mute(2);
    Channel& client = world.client();
    Reason reason = Reason::Other;
    SUBCASE("the last answer makes them too large") {
        reason = Reason::Limit;
        CHECK(world.ask(client, resp({"KEYS", "*"})) == "");
        world.reply(0, "*1\r\n" + bulk(std::string(60'000, 'x')));
        world.reply(1, "*1\r\n" + bulk(std::string(9'000, 'y')));
        world.settle();
        CHECK(World::heard(client).find("(gather_size_max)") != std::string::npos);
    }
    SUBCASE("they are wrong together") {
        CHECK(world.ask(client, resp({"SCAN", "0"}) + resp({"DBSIZE"})) == "");
        world.reply(0, "*2\r\n" + bulk("99999999999999999999") + "*0\r\n:1\r\n");
        world.settle();
        world.reply(1, ":1\r\n");
        world.settle();
        CHECK(World::heard(client).starts_with("-ERR ringmain: "));
        CHECK(requests(world) == 2);
    }
    CHECK(errors(world, reason) == 1);
    CHECK(errors(world) == 1);
}

TEST_CASE("a client's own mistakes have a reason of their own") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    uint64_t count = 0;
    for (const std::string& mistake : {resp({"GET"}),
                                       resp({"NOSUCH"}),
                                       resp({"CLIENT", "NOSUCH"}),
                                       resp({"EXEC"}),
                                       resp({"MSET", "a"}),
                                       resp({"AUTH", "x"}),
                                       resp({"SELECT", "x"}),
                                       resp({"SCAN", "x"}),
                                       resp({"ACL", "CAT", "nosuch"}),
                                       resp({"WAIT", "x", "1"}),
                                       resp({"BLPOP", a, b, "x"})}) {
        CAPTURE(mistake);
        CHECK(world.ask(client, mistake).starts_with("-"));
        CHECK(errors(world, Reason::Request) == ++count);
    }
    CHECK(world.ask(client, resp({"MULTI"}) + resp({"GET"}) + resp({"EXEC"})).find("-EXECABORT") !=
          std::string::npos);
    CHECK(errors(world, Reason::Request) == count + 2);
    CHECK(errors(world) == count + 2);
    CHECK(world.ask(client, resp({"RENAME", a, b})).starts_with("-CROSSSLOT"));
    CHECK(errors(world, Reason::Unsupported) == 1);
    CHECK(errors(world) == count + 3);
}

TEST_CASE("memcached: a client's own mistakes have a reason of their own") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    uint64_t count = 0;
    for (const std::string& mistake : {std::string("nosuch\r\n"),
                                       std::string("get\r\n"),
                                       "get " + std::string(251, 'k') + "\r\n",
                                       std::string("incr a x\r\n"),
                                       std::string("stats nosuch\r\n")}) {
        CAPTURE(mistake);
        CHECK(world.ask(client, mistake).find("ERROR") != std::string::npos);
        CHECK(errors(world, Reason::Request) == ++count);
    }
    CHECK(errors(world) == count);
}

TEST_CASE("memcached: values that nobody asked for are an error of ringmain's") {
    World world(memcached_pool(2));
    world.mute(2);
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(0, 1);
    const std::string c = world.key_on(1);
    CHECK(world.ask(client, "get " + a + " " + b + " " + c + "\r\n").empty());
    world.reply(0, value(b, "x") + value(a, "y") + "END\r\n");
    world.reply(1, "END\r\n");
    world.settle();
    CHECK(World::heard(client).starts_with("SERVER_ERROR ringmain: the servers' responses "));
    CHECK(errors(world, Reason::Other) == 1);
    CHECK(errors(world) == 1);
}

TEST_CASE("binary: a set that is too large is one request and one error") {
    using memcached::test::packet;
    config::Pool pool = memcached_pool(1);
    pool.request_size_max = 1000;
    World world(pool);
    Channel& client = world.client();
    const auto set = [](uint8_t opcode) {
        return packet({.opcode = opcode,
                       .key = "a",
                       .value = std::string(2000, 'x'),
                       .extras = memcached::test::set_extras()});
    };
    CHECK_FALSE(world.ask(client, set(0x01)).empty());
    CHECK(requests(world) == 1);
    CHECK(errors(world, Reason::Limit) == 1);
    CHECK_FALSE(world.ask(client, set(0x11)).empty());  // setq
    CHECK(requests(world) == 2);
    CHECK(errors(world, Reason::Limit) == 2);
    // Nobody can be asked to remove its older value.
    world.server(0).mood = Mood::Refusing;
    world.cut_off(0);
    world.settle();
    CHECK_FALSE(world.ask(client, packet({.opcode = 0x00, .key = "a"})).empty());
    CHECK(errors(world) == 3);
    CHECK_FALSE(world.ask(client, set(0x01)).empty());
    CHECK(requests(world) == 4);
    CHECK(errors(world) == 4);
}

TEST_CASE("what is refused before its command is read is a request, too") {
    config::Pool pool = redis_pool(1);
    pool.request_size_max = 64 * 1024;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", std::string(100'000, 'x')})).starts_with("-ERR"));
    CHECK(requests(world) == 1);
    CHECK(errors(world, Reason::Limit) == 1);
    CHECK(world.ask(client, resp({std::string(70'000, 'x'), "a"})).starts_with("-ERR"));
    CHECK(requests(world) == 2);
    CHECK(errors(world) == 2);
    CHECK(pool_counters(world).commands[0].get() == 2);
}

TEST_CASE("responses that come with the end of their connection count") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "a"}) + resp({"GET", "b"}) + resp({"GET", "c"})) == "");
    world.loop().advance(Duration::millis(3));
    world.reply(0, "$-1\r\n$-1\r\n?\r\n");
    world.settle();
    CHECK(World::heard(client).starts_with("$-1\r\n$-1\r\n-ERR ringmain: "));
    const stats::ServerCounters& server = server_counters(world, 0);
    CHECK(server.responses.get() == 2);
    CHECK(entries_of(server.latency) == 2);
    CHECK(server.latency.sum_us() == 6000);
    CHECK(entries_of(pool_counters(world).latency) == 2);
    CHECK(errors(world) == 1);
}

TEST_CASE("a pop that asks one server after the other is timed as a whole") {
    World world(redis_pool(2));
    world.mute(2);
    Channel& client = world.client();
    const std::vector<std::string> pop = {"LMPOP", "2", world.key_on(0), world.key_on(1), "LEFT"};
    const stats::Histogram& latency = pool_counters(world).latency;
    for (const std::string_view last : {"*-1\r\n", "-ERR no\r\n"}) {
        const uint64_t before = entries_of(latency);
        const uint64_t sum = latency.sum_us();
        CHECK(world.ask(client, resp(pop)) == "");
        world.loop().advance(Duration::millis(20));
        world.reply(0, "*-1\r\n");
        world.settle();
        world.loop().advance(Duration::millis(30));
        world.reply(1, last);
        world.settle();
        CHECK(World::heard(client) == last);
        CHECK(entries_of(latency) == before + 1);
        CHECK(latency.sum_us() == sum + 50'000);
    }
    CHECK(entries_of(server_counters(world, 0).latency) == 2);
    CHECK(entries_of(server_counters(world, 1).latency) == 2);
}

TEST_CASE("a SUBSCRIBE that fails is one error, for the reason that it has") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string subscribe = resp({"SUBSCRIBE", "a", "b", "c"});
    SUBCASE("the server says nothing") {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, subscribe) == "");
        world.pass(500);
        CHECK(World::heard(client).find("did not confirm the subscription") != std::string::npos);
        CHECK(errors(world, Reason::Timeout) == 1);
        CHECK(pool_counters(world).forward_error.get() == 1);
    }
    SUBCASE("the server is lost") {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, subscribe) == "");
        world.subscription(0)->inbound_end = true;
        world.settle();
        CHECK(World::heard(client).find("closed the connection") != std::string::npos);
        CHECK(errors(world, Reason::Lost) == 1);
    }
    SUBCASE("nobody listens there") {
        world.server(0).mood = Mood::Refusing;
        CHECK_FALSE(world.ask(client, subscribe).empty());
        CHECK(errors(world, Reason::Refused) == 1);
    }
    SUBCASE("the server refuses it: that is its own error") {
        for (const char* name : {"a", "b", "c"}) {
            world.server(0).redis.canned[std::string("subscribe ") + name] = "-NOPERM no\r\n";
        }
        CHECK(world.ask(client, subscribe) == times(3, "-NOPERM no\r\n"));
        CHECK(pool_counters(world).forward_error.get() == 0);
        CHECK(errors(world) == 0);
        return;
    }
    CHECK(errors(world) == 1);
    CHECK(requests(world) == 1);
}

TEST_CASE("a SUBSCRIBE that waits for a server may be the oldest request") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    const stats::OldestRequest& oldest = pool_counters(world).oldest;
    CHECK(world.ask(client, resp({"SUBSCRIBE", "a"})) == "");
    const Instant began = world.loop().now();
    world.pass(200);
    CHECK(oldest.queued_ns.get() == static_cast<uint64_t>(began.ns));
    world.pass(300);
    CHECK(oldest.queued_ns.get() == 0);
}

TEST_CASE("bytes count in both directions, whatever they are") {
    config::Pool pool = redis_pool(1);
    pool.redis_db = 3;
    World world(pool);
    Channel& client = world.client();
    const std::string get = resp({"GET", "a"});
    CHECK(world.ask(client, get) == "$-1\r\n");
    const stats::ServerCounters& server = server_counters(world, 0);
    const std::string select = resp({"SELECT", "3"});
    CHECK(server.request_bytes.get() == select.size() + resp({"PING"}).size() + get.size());
    CHECK(server.response_bytes.get() == ok.size() + 7 + 5);
    CHECK(server.requests.get() == 1);
    // Of a subscription connection, too.
    const uint64_t before = server.request_bytes.get();
    CHECK_FALSE(world.ask(client, resp({"SUBSCRIBE", "c"})).empty());
    CHECK(server.request_bytes.get() >= before + resp({"subscribe", "c"}).size());
    CHECK(server.requests.get() == 1);
}

TEST_CASE("memcached: of a set that is too large and of its removal that fails one is an error") {
    using memcached::test::packet;
    for (const bool is_binary : {false, true}) {
        CAPTURE(is_binary);
        config::Pool pool = memcached_pool(1);
        pool.request_size_max = 1000;
        World world(pool);
        world.mute(1);
        Channel& client = world.client();
        const std::string large(2000, 'x');
        const std::string set = is_binary ? packet({.opcode = 0x01,
                                                    .key = "a",
                                                    .value = large,
                                                    .extras = memcached::test::set_extras()})
                                          : "set a 0 0 2000\r\n" + large + "\r\n";
        world.ask(client, set);
        world.pass(500);
        CHECK_FALSE(World::heard(client).empty());
        CHECK(errors(world, Reason::Limit) == 1);
        CHECK(errors(world) == 1);
        CHECK(requests(world) == 1);
        // Nobody can be asked to remove anything.
        world.server(0).mood = Mood::Refusing;
        if (world.link(0) != nullptr) world.cut_off(0);
        world.settle();
        world.ask(client, is_binary ? packet({.opcode = 0x00, .key = "a"}) : "get a\r\n");
        const uint64_t before = errors(world);
        world.ask(client, set);
        CHECK(errors(world) == before + 1);
    }
}

TEST_CASE("a timeout on a client's own connection is one") {
    World world(redis_pool(1));
    world.mute(1);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"WATCH", "a"})) == "");
    world.pass(500);
    CHECK_FALSE(World::heard(client).empty());
    CHECK(world.counters().timeouts.get() == 1);
    CHECK(errors(world, Reason::Timeout) == 1);
    CHECK(errors(world) == 1);
}

TEST_CASE("a write in steps that fails has no duration") {
    config::Pool pool = redis_pool(2);
    pool.cross_server_writes = config::CrossServerWrites::Emulate;
    World world(pool);
    world.mute(2);
    Channel& client = world.client();
    const std::string move = resp({"SMOVE", world.key_on(0), world.key_on(1), "m"});
    CHECK(world.ask(client, move) == "");
    for (int question = 0; question < 2; ++question) {
        world.reply(0, ":0\r\n");
        world.settle();
    }
    CHECK(World::heard(client) == ":0\r\n");
    const stats::Histogram& latency = pool_counters(world).latency;
    CHECK(entries_of(latency) == 1);
    CHECK(world.ask(client, move) == "");
    world.pass(500);
    CHECK_FALSE(World::heard(client).empty());
    CHECK(entries_of(latency) == 1);
}

}  // namespace ringmain::test
