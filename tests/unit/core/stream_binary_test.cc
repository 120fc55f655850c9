// Large values of clients that speak memcached's binary protocol, passed on as they arrive.

#include "ringmain/core/limits.h"
#include "tests/unit/core/streaming.h"
#include "tests/unit/memcached/binary_packets.h"

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

using memcached::test::noop;
using memcached::test::packet;
using memcached::test::responses_in;
using memcached::test::set_extras;

constexpr uint32_t size = 200'000;
constexpr size_t half = 100'000;

config::Pool binary_pool(uint32_t servers = 1) {
    config::Pool pool = memcached_pool(servers);
    pool.stream_threshold = threshold;
    return pool;
}

std::string data_of(char letter) {
    std::string data(size, letter);
    data.replace(size / 2, 2, "\r\n");
    return data;
}

std::string store(uint8_t opcode, const std::string& key, const std::string& value) {
    const bool has_extras = opcode != 0x0E && opcode != 0x0F;
    return packet({.opcode = opcode,
                   .key = key,
                   .value = value,
                   .extras = has_extras ? set_extras(5, 60) : std::string()});
}

std::string read(uint8_t opcode, const std::string& key) {
    const bool touches = opcode == 0x1D || opcode == 0x1C;
    return packet({.opcode = opcode,
                   .key = key,
                   .extras = touches ? memcached::test::number(60, 4) : std::string()});
}

// What is asked before a value: the rest is the test's to answer.
void tell_version(World& world) {
    for (uint32_t server = 0; server < world.proxy().pools()[0]->servers.size(); ++server) {
        for (Channel* lease : world.leases(server)) {
            if (lease->arrived != "version\r\n") continue;
            lease->arrived.clear();
            lease->inbound += "VERSION 1.6.18\r\n";
        }
    }
    world.settle();
}

// One server that says what the test says.
struct One {
    explicit One(uint32_t blocks = 2048)
        : world(binary_pool(), {.blocks = blocks}), client(&world.client()) {
        world.server(0).mood = Mood::Mute;
    }

    std::string ask(const std::string& bytes) {
        const std::string heard = world.ask(*client, bytes);
        tell_version(world);
        return heard + World::heard(*client);
    }

    // What the client hears of what the server says.
    std::string hear(Channel& link, std::string_view bytes) {
        link.inbound += bytes;
        world.settle();
        return World::heard(*client);
    }

    Channel& lease() {
        const std::vector<Channel*> found = world.leases(0);
        REQUIRE(found.size() == 1);
        return *found.front();
    }

    World world;
    Channel* client;
};

// A client of two servers that say what the test says, each with a key.
struct Two {
    Two()
        : world(binary_pool(2), {.blocks = 2048}),
          client(&world.client()),
          a(world.key_on(0)),
          b(world.key_on(1)) {
        world.server(0).mood = Mood::Mute;
        world.server(1).mood = Mood::Mute;
    }

    World world;
    Channel* client;
    std::string a;
    std::string b;
};

}  // namespace

// --- requests ------------------------------------------------------------------------------------

TEST_CASE("binary: a large value reaches its server before its end is there") {
    const std::string data = data_of('a');
    for (const auto& [opcode, key, head, answer, heard] :
         std::vector<std::tuple<uint8_t, std::string, std::string, std::string, std::string>>{
             {0x01, "a", "ms a 200000 c F5 T60\r\n", "HD c7\r\n", "01 s00 c7"},
             {0x11, "a", "ms a 200000 c F5 T60\r\n", "HD c7\r\n", ""},
             {0x11,
              "a",
              "ms a 200000 c F5 T60\r\n",
              "SERVER_ERROR out of memory\r\n",
              "11 s82 vOut of memory"},
             {0x02,
              "a b",
              "ms YSBi 200000 b c F5 T60 ME\r\n",
              "NS\r\n",
              "02 s02 vData exists for key."},
             {0x0E, "a", "ms a 200000 c MA\r\n", "HD c9\r\n", "0e s00 c9"}}) {
        const std::string& line = head;
        CAPTURE(line);
        One pair;
        const std::string request = store(opcode, key, data);
        CHECK(pair.ask(request.substr(0, half)) == "");
        Channel& link = pair.lease();
        const size_t value_at = request.size() - size;
        CHECK(link.arrived == line + data.substr(0, half - value_at));
        CHECK(pair.ask(request.substr(half)) == "");
        CHECK(link.arrived == line + data + "\r\n");
        CHECK(responses_in(pair.hear(link, answer)) == heard);
        CHECK(pair.world.counters().requests.get() == 1);
        pair.world.server(0).mood = Mood::Up;
        CHECK(responses_in(pair.ask(noop)) == "0a s00");
    }
}

TEST_CASE("binary: a large value is the same request wherever it is cut") {
    const std::string request = store(0x01, "abc", data_of('a'));
    for (size_t cut = 0; cut <= 40; ++cut) {
        for (const size_t at : {cut, request.size() - cut}) {
            CAPTURE(at);
            World world(binary_pool());
            Channel& client = world.client();
            std::string heard = world.ask(client, request.substr(0, at));
            heard += world.ask(client, request.substr(at) + noop);
            CHECK(responses_in(heard) == "01 s00 | 0a s00");
            CHECK(world.server(0).memcached.values["abc"] == data_of('a'));
        }
    }
}

TEST_CASE("binary: large values take their turn, and no more memory than a window") {
    for (uint64_t seed = 1; seed < 12; ++seed) {
        CAPTURE(seed);
        World world(binary_pool(2), {.blocks = 2048, .seed = seed, .cut = true});
        Channel& client = world.client();
        const std::string a = world.key_on(0);
        const std::string b = world.key_on(1);
        const std::string one = data_of('1');
        const std::string two = data_of('2');
        const std::string heard =
            responses_in(world.ask(client,
                                   store(0x01, a, "0") + store(0x11, b, "0") + store(0x11, a, one) +
                                       read(0x00, a) + store(0x01, a, two) + store(0x11, b, two) +
                                       read(0x09, "none") + read(0x0C, a) + noop + read(0x00, b)));
        CHECK(heard == "01 s00 | 00 s00 x00000000 v" + one + " c7 | 01 s00 | 0c s00 x00000000 k" +
                           a + " v" + two + " c7 | 0a s00 | 00 s00 x00000000 v" + two + " c7");
    }
    One pair(512);
    const std::string huge = store(0x01, "a", std::string(8 * core::stream_window, 'h'));
    pair.world.server(0).mood = Mood::Up;
    World::say(*pair.client, huge.substr(0, half));
    pair.world.settle();
    Channel& stream = pair.lease();
    stream.reads = false;
    World::say(*pair.client, huge.substr(half));
    pair.world.settle();
    CHECK_FALSE(pair.client->client->wants_input());
    CHECK(bytes_in_use(pair.world) < 2 * core::stream_window);
    stream.reads = true;
    pair.world.settle();
    CHECK(responses_in(World::heard(*pair.client)) == "01 s00");
}

TEST_CASE("binary: what cannot be passed on is answered as what is short") {
    const std::string data = data_of('a');
    // A key that text cannot hold and that is too long in base64.
    World world(binary_pool());
    Channel& client = world.client();
    CHECK(responses_in(world.ask(client, store(0x01, std::string(187, ' '), data) + noop)) ==
          "01 s04 vringmain: a key with blanks or control characters has at most 186 bytes | 0a "
          "s00");
    // A value beyond the limit, behind large ones that fit.
    config::Pool pool = binary_pool();
    pool.request_size_max = 300'000;
    for (const bool cut : {false, true}) {
        World limited(pool, {.blocks = 2048, .cut = cut});
        CHECK(responses_in(limited.ask(limited.client(),
                                       store(0x01, "a", data) + store(0x01, "a", data + data) +
                                           read(0x00, "a") + store(0x11, "a", data) +
                                           store(0x02, "b", data + data) + noop)) ==
              "01 s00 | 01 s03 vToo large. | 00 s01 vNot found | 02 s03 vToo large. | 0a s00");
        CHECK(limited.server(0).memcached.values["a"] == data);
    }
}

TEST_CASE("binary: a server that refuses a large value at its line is heard when it has it") {
    const std::string request = store(0x11, "a", data_of('a'));
    One pair;
    CHECK(pair.ask(request.substr(0, half)) == "");
    Channel& link = pair.lease();
    CHECK(pair.hear(link, "SERVER_ERROR object too large for cache\r\n") == "");
    CHECK_FALSE(link.closed);
    CHECK(responses_in(pair.ask(request.substr(half) + noop)) == "11 s03 vToo large. | 0a s00");
    CHECK(pair.world.counters().server_failures.get() == 0);
}

TEST_CASE("binary: where no other connection is to be had a large value waits for its end") {
    for (const std::string key : {"a", "a b"}) {
        CAPTURE(key);
        One pair;
        World& world = pair.world;
        world.server(0).mood = Mood::Up;
        CHECK(responses_in(pair.ask(store(0x01, key, "0"))) == "01 s00");
        world.server(0).mood = Mood::Mute;
        const std::string request = store(0x01, key, data_of('a'));
        CHECK(world.ask(*pair.client, request.substr(0, half)) == "");
        Channel& lease = pair.lease();
        CHECK(lease.arrived == "version\r\n");
        lease.inbound += "ERROR Too many open connections\r\n";
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(lease.closed);
        CHECK(responses_in(pair.ask(request.substr(half) + read(0x00, "b"))) ==
              "01 s00 | 00 s01 vNot found");
        CHECK(world.counters().requests.get() == 3);
        CHECK(world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("binary: who is lost in the middle of a large value costs its client an error") {
    const std::string request = store(0x01, "a", data_of('a'));
    const std::string told = "01 s86 vringmain: server s0 (10.0.0.1:7000) reset the connection";
    One pair;
    CHECK(pair.ask(request.substr(0, half)) == "");
    pair.world.loop().reset(pair.lease());
    pair.world.settle();
    CHECK(responses_in(World::heard(*pair.client)) == told);
    pair.world.server(0).mood = Mood::Up;
    CHECK(pair.ask(request.substr(half)) == "");
    pair.world.pass(5000);
    CHECK(responses_in(pair.ask(read(0x00, "a") + noop)) == "00 s01 vNot found | 0a s00");
    // Who leaves costs the server nothing.
    One left;
    CHECK(left.ask(request.substr(0, half)) == "");
    Channel& link = left.lease();
    left.world.drop(*left.client);
    left.world.settle();
    CHECK(link.closed);
    CHECK(left.world.counters().server_failures.get() == 0);
    // All servers are out: the rest is dropped.
    config::Pool pool = binary_pool();
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World out(pool);
    out.server(0).mood = Mood::Refusing;
    Channel& client = out.client();
    CHECK(responses_in(out.ask(client, read(0x00, "a"))).starts_with("00 s86 vringmain: "));
    CHECK(responses_in(out.ask(client, request.substr(0, half))).starts_with("01 s86 vringmain: "));
    CHECK(responses_in(out.ask(client, request.substr(half) + noop)) == "0a s00");
}

// --- responses -----------------------------------------------------------------------------------

TEST_CASE("binary: a large value reaches its client before its end is there") {
    const std::string data = data_of('a');
    const std::string classic = "VALUE a 5 200000 7\r\n" + data + "\r\nEND\r\n";
    const std::string meta = "VA 200000 f5 c7\r\n" + data + "\r\n";
    for (const auto& [opcode, key, answer] :
         std::vector<std::tuple<uint8_t, std::string, std::string>>{{0x00, "a", classic},
                                                                    {0x09, "a", classic},
                                                                    {0x0C, "a", classic},
                                                                    {0x1D, "a", classic},
                                                                    {0x0D, "a b", meta}}) {
        const int code = opcode;
        CAPTURE(code);
        const bool with_key = opcode == 0x0C || opcode == 0x0D;
        One pair;
        CHECK(pair.ask(read(opcode, key)) == "");
        Channel& link = *pair.world.link(0);
        const std::string began = pair.hear(link, answer.substr(0, half));
        const size_t value_at = answer.find(data);
        const size_t head_size = 24 + 4 + (with_key ? key.size() : 0);
        REQUIRE(began.size() == head_size + half - value_at);
        // Up to the last bytes, which are no part of the value.
        std::string heard = began;
        for (size_t at = half; at < answer.size(); at += 33'333) {
            heard += pair.hear(link, answer.substr(at, 33'333));
        }
        CHECK(responses_in(heard) ==
              memcached::test::hex({reinterpret_cast<const char*>(&opcode), 1}) + " s00 x00000005" +
                  (with_key ? " k" + key : std::string()) + " v" + data + " c7");
        pair.world.server(0).mood = Mood::Up;
        CHECK(responses_in(pair.ask(noop)) == "0a s00");
    }
}

TEST_CASE("binary: the end of a large value may come in any pieces") {
    const std::string data = data_of('a');
    const std::string answer = "VALUE a 5 200000 7\r\n" + data + "\r\nEND\r\n";
    for (size_t left = 0; left <= 12; ++left) {
        CAPTURE(left);
        One pair;
        CHECK(pair.ask(read(0x00, "a")) == "");
        Channel& link = *pair.world.link(0);
        std::string heard = pair.hear(link, answer.substr(0, half));
        heard += pair.hear(link, answer.substr(half, answer.size() - half - left));
        heard += pair.hear(link, answer.substr(answer.size() - left));
        CHECK(responses_in(heard) == "00 s00 x00000005 v" + data + " c7");
    }
}

TEST_CASE("binary: a large value waits for its turn") {
    const std::string data = data_of('b');
    for (const bool whole : {false, true}) {
        CAPTURE(whole);
        Two two;
        World& world = two.world;
        Channel& client = *two.client;
        const std::string& a = two.a;
        const std::string& b = two.b;
        CHECK(world.ask(client, read(0x00, a) + read(0x0C, b) + read(0x00, a)) == "");
        const std::string answer = "VALUE " + b + " 5 200000 7\r\n" + data + "\r\nEND\r\n";
        const std::string small = "VALUE " + a + " 0 1 3\r\nx\r\nEND\r\n";
        const size_t there = whole ? answer.size() : half;
        Channel& first = *world.link(0);
        Channel& second = *world.link(1);
        second.inbound += answer.substr(0, there);
        world.settle();
        CHECK(World::heard(client) == "");
        first.inbound += small;
        world.settle();
        std::string heard = World::heard(client);
        CHECK(heard.size() > half);
        second.inbound += answer.substr(there);
        world.settle();
        first.inbound += small;
        world.settle();
        heard += World::heard(client);
        CHECK(responses_in(heard) == "00 s00 x00000000 vx c3 | 0c s00 x00000005 k" + b + " v" +
                                         data + " c7 | 00 s00 x00000000 vx c3");
    }
}

TEST_CASE("binary: a touch that brings a value is answered without it") {
    const std::string data = data_of('a') + "\r\n";
    for (const auto& [key, answer] : std::vector<std::pair<std::string, std::string>>{
             {"a", "VALUE a 5 200000 7\r\n" + data + "END\r\n"},
             {"a b", "VA 200000 f5 c7\r\n" + data}}) {
        One pair;
        CHECK(pair.ask(read(0x1C, key)) == "");
        Channel& link = *pair.world.link(0);
        std::string heard = pair.hear(link, answer.substr(0, half));
        heard += pair.hear(link, answer.substr(half));
        pair.world.server(0).mood = Mood::Up;
        heard += pair.ask(noop);
        CHECK(responses_in(heard) == "1c s00 x00000005 c7 | 0a s00");
    }
}

TEST_CASE("binary: a large value that has no end closes the client that has its beginning") {
    const std::string answer = "VALUE a 5 200000 7\r\n" + data_of('a') + "\r\nEND\r\n";
    One pair;
    CHECK(pair.ask(read(0x00, "a")) == "");
    CHECK(pair.hear(*pair.world.link(0), answer.substr(0, half)).size() > 50'000);
    pair.world.loop().reset(*pair.world.link(0));
    pair.world.settle();
    CHECK(pair.client->closed);
    // Of which nothing has left: it gets the error.
    Two two;
    World& world = two.world;
    CHECK(world.ask(*two.client, read(0x00, two.a) + read(0x00, two.b)) == "");
    Channel& second = *world.link(1);
    second.inbound += "VALUE " + two.b + " 5 200000 7\r\n" + data_of('b');
    world.settle();
    world.loop().reset(second);
    world.settle();
    world.link(0)->inbound += "END\r\n";
    world.settle();
    CHECK(responses_in(World::heard(*two.client)) ==
          "00 s01 vNot found | 00 s86 vringmain: server s1 (10.0.0.1:7001) reset the connection");
    CHECK_FALSE(two.client->closed);
}

TEST_CASE("binary: a client that has all of a large value does not need the end of the response") {
    const std::string data = data_of('a');
    One pair;
    CHECK(pair.ask(read(0x00, "a") + noop) == "");
    Channel& link = *pair.world.link(0);
    const std::string heard = pair.hear(link, "VALUE a 5 200000 7\r\n" + data + "\r\n");
    CHECK(responses_in(heard) == "00 s00 x00000005 v" + data + " c7");
    pair.world.loop().reset(link);
    pair.world.settle();
    CHECK_FALSE(pair.client->closed);
    CHECK(responses_in(World::heard(*pair.client)) == "0a s00");
}

TEST_CASE("binary: the line of a large value may be as long as a line may be") {
    const std::string data = data_of('a');
    for (const uint64_t threshold_of_pool : {uint64_t{100}, threshold, uint64_t{0}}) {
        for (const size_t line_size :
             std::vector<size_t>{511, 512, 513, 514, 515, 600, 2047, 2048}) {
            CAPTURE(threshold_of_pool);
            CAPTURE(line_size);
            config::Pool pool = binary_pool();
            pool.stream_threshold = threshold_of_pool;
            World world(pool, {.blocks = 2048});
            world.server(0).mood = Mood::Mute;
            Channel& client = world.client();
            CHECK(world.ask(client, read(0x00, "a b")) == "");
            std::string line = "VA 200000 f5 c7 ";
            line += std::string(line_size - line.size(), 'x');
            Channel& link = *world.link(0);
            std::string heard;
            for (const std::string& part : {line + "\r\n", data + "\r\n"}) {
                link.inbound += part;
                world.settle();
                heard += World::heard(client);
            }
            if (line_size > 2047) {
                CHECK(responses_in(heard).starts_with("00 s86 vringmain: server s0"));
            } else {
                CHECK(responses_in(heard) == "00 s00 x00000005 v" + data + " c7");
            }
        }
    }
}

}  // namespace ringmain::test
