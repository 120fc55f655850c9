// memcached clients that speak the binary protocol: the same servers, connections and limits.

#include "ringmain/core/counted_commands.h"
#include "tests/unit/core/world.h"
#include "tests/unit/memcached/binary_packets.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

using memcached::test::Asked;
using memcached::test::count_extras;
using memcached::test::noop;
using memcached::test::number;
using memcached::test::packet;
using memcached::test::responses_in;
using memcached::test::set_extras;

std::string set_packet(const std::string& key, const std::string& value, uint8_t opcode = 0x01) {
    return packet({.opcode = opcode, .key = key, .value = value, .extras = set_extras()});
}

std::string get_packet(const std::string& key, uint8_t opcode = 0x00) {
    return packet({.opcode = opcode, .key = key});
}

std::string ask(World& world, Channel& client, const std::string& bytes) {
    return responses_in(world.ask(client, bytes));
}

}  // namespace

TEST_CASE("binary: requests reach the key's server in text and come back in binary") {
    World world(memcached_pool(3));
    Channel& client = world.client();
    CHECK(ask(world, client, set_packet("a", "5")) == "01 s00");
    CHECK(ask(world, client, get_packet("a")) == "00 s00 x00000000 v5 c7");
    CHECK(ask(world, client, get_packet("a", 0x0C)) == "0c s00 x00000000 ka v5 c7");
    CHECK(ask(world, client, get_packet("b")) == "00 s01 vNot found");
    CHECK(ask(world, client, packet({.opcode = 0x04, .key = "a"})) == "04 s00");
    CHECK(ask(world, client, packet({.opcode = 0x04, .key = "a"})) == "04 s01 vNot found");
    world.server(world.server_of("n")).memcached.canned["ma"] = "VA 2 c3\r\n10\r\n";
    CHECK(
        ask(world, client, packet({.opcode = 0x05, .key = "n", .extras = count_extras(1, 2, 3)})) ==
        "05 s00 v" + number(10, 8) + " c3");
    CHECK(world.server(world.server_of("n")).memcached.log.back() == "ma n v c D1 MI N3 J2");
    // Text and binary clients meet.
    Channel& text = world.client();
    CHECK(ask(world, client, set_packet("a", "6")) == "01 s00");
    CHECK(world.ask(text, "get a\r\n") == "VALUE a 0 1\r\n6\r\nEND\r\n");
    CHECK(world.ask(text, "mg a v\r\n") == "VA 1\r\n6\r\n");
}

TEST_CASE("binary: a value beyond request_size_max leaves no older one behind") {
    config::Pool pool = memcached_pool(3);
    pool.request_size_max = 1000;
    const std::string large(2000, 'x');
    for (const bool cut : {false, true}) {
        World world(pool, {.cut = cut});
        Channel& client = world.client();
        for (uint32_t server = 0; server < 3; ++server) {
            const std::string key = world.key_on(server);
            for (const uint8_t opcode : {uint8_t{0x01}, uint8_t{0x11}}) {  // set, quiet set
                CAPTURE(int{opcode});
                CHECK(ask(world, client, set_packet(key, "old")) == "01 s00");
                const std::string word = opcode == 0x01 ? "01" : "11";
                CHECK(ask(world, client, set_packet(key, large, opcode) + get_packet(key)) ==
                      word + " s03 vToo large. | 00 s01 vNot found");
            }
            CHECK(ask(world, client, set_packet(key, "old")) == "01 s00");
            CHECK(ask(world, client, set_packet(key, large, 0x03) + get_packet(key, 0x09) + noop) ==
                  "03 s03 vToo large. | 09 s00 x00000000 vold c7 | 0a s00");
        }
        const std::string blank = "a b";
        CHECK(ask(world, client, set_packet(blank, large)) == "01 s03 vToo large.");
        CHECK(world.server(world.server_of(blank)).memcached.log.back() == "md YSBi b");
        CHECK(ask(world, client, set_packet(std::string(200, ' '), large)) == "01 s03 vToo large.");
        world.server(0).mood = Mood::Refusing;
        world.cut_off(0);
        CHECK(ask(world, client, set_packet(world.key_on(0), large)) == "01 s03 vToo large.");
    }
}

TEST_CASE("binary: a key in base64 is placed as the key itself") {
    World world(memcached_pool(3));
    Channel& client = world.client();
    for (const std::string key : {"a b", "c d", "e\r\nf", "g h i", "\x7F"}) {
        CAPTURE(key);
        FakeMemcached& server = world.server(world.server_of(key)).memcached;
        server.log.clear();
        CHECK(ask(world, client, get_packet(key)) == "00 s01 vNot found");
        REQUIRE(server.log.size() == 1);
        CHECK(server.log[0].starts_with("mg "));
    }
    CHECK(ask(world, client, get_packet(std::string(187, ' ')) + noop) ==
          "00 s04 vringmain: a key with blanks or control characters has at most 186 bytes | 0a "
          "s00");
}

TEST_CASE("binary: quiet requests are answered when there is something to say, in order") {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        World world(memcached_pool(3), {.seed = seed, .cut = true});
        Channel& client = world.client();
        const std::string a = world.key_on(0);
        const std::string b = world.key_on(1);
        const std::string c = world.key_on(2);
        CHECK(ask(world, client, set_packet(a, "1", 0x11) + set_packet(c, "3", 0x11) + noop) ==
              "0a s00");
        CHECK(ask(world,
                  client,
                  get_packet(a, 0x0D) + get_packet(b, 0x0D) + get_packet(c, 0x09) +
                      get_packet("none", 0x09) + get_packet(b) + noop + get_packet(c, 0x0D)) ==
              "0d s00 x00000000 k" + a +
                  " v1 c7 | 09 s00 x00000000 v3 c7 | "
                  "00 s01 vNot found | 0a s00 | 0d s00 x00000000 k" +
                  c + " v3 c7");
        CHECK(ask(world,
                  client,
                  packet({.opcode = 0x14, .key = "none"}) + packet({.opcode = 0x14, .key = a}) +
                      packet({.opcode = 0x18}) + noop) == "14 s01 vNot found | 0a s00");
    }
}

TEST_CASE("binary: a slow server's answers do not mix with others'") {
    World world(memcached_pool(2));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.server(1).memcached.values[b] = std::string(5000, 'b');
    CHECK(ask(world,
              client,
              get_packet(a, 0x0C) + get_packet(b, 0x0C) + noop + get_packet("x y", 0x0A))
              .empty());
    world.reply(0, "VALUE " + a + " 5 4 8\r\naaaa\r\nEND\r\n");
    world.settle();
    CHECK(responses_in(World::heard(client)) ==
          "0c s00 x00000005 k" + a + " vaaaa c8 | " + "0c s00 x00000000 k" + b + " v" +
              std::string(5000, 'b') + " c7 | 0a s00 | " + "0a s04 vInvalid arguments");
    CHECK(client.closed);
}

TEST_CASE("binary: gets of several clients, text ones too, share a line") {
    World world(memcached_pool(1));
    Channel& one = world.client();
    Channel& other = world.client();
    Channel& text = world.client();
    CHECK(ask(world, one, set_packet("a", "1") + set_packet("c", "3")) == "01 s00 | 01 s00");
    CHECK(world.ask(text, "version\r\n") != "");
    FakeMemcached& server = world.server(0).memcached;
    server.log.clear();
    World::say(one, get_packet("a") + get_packet("b", 0x0C) + get_packet("d", 0x0D));
    World::say(text, "gets c\r\n");
    World::say(other, get_packet("c", 0x0C) + noop);
    world.settle();
    CHECK(server.log.size() == 1);
    CHECK(responses_in(World::heard(one)) == "00 s00 x00000000 v1 c7 | 0c s01 kb");
    CHECK(World::heard(text) == "VALUE c 0 1 7\r\n3\r\nEND\r\n");
    CHECK(responses_in(World::heard(other)) == "0c s00 x00000000 kc v3 c7 | 0a s00");
}

TEST_CASE("binary: what concerns all servers, and what is answered here") {
    World world(memcached_pool(3));
    Channel& client = world.client();
    CHECK(ask(world, client, set_packet("a", "1") + packet({.opcode = 0x08})) == "01 s00 | 08 s00");
    for (uint32_t i = 0; i < 3; ++i) {
        CHECK(world.server(i).memcached.values.empty());
    }
    CHECK(ask(world, client, packet({.opcode = 0x1B, .extras = number(1, 4)})) == "1b s00");
    const std::string stats = ask(world, client, packet({.opcode = 0x10}));
    CHECK(stats.starts_with("10 s00 kpid v5 | 10 s00 kcurr_items v0 | "));
    CHECK(stats.find("| 10 s00 kringmain_clients v1 |") != std::string::npos);
    CHECK(stats.ends_with("| 10 s00"));
    CHECK(ask(world, client, packet({.opcode = 0x10, .key = "reset"}) + noop) == "10 s00 | 0a s00");
    CHECK(ask(world, client, packet({.opcode = 0x10, .key = "ringmain"}))
              .starts_with("10 s00 kringmain_version v"));
    CHECK(ask(world, client, packet({.opcode = 0x10, .key = "cachedump"})) ==
          "10 s83 vringmain: 'stats cachedump' is per server: ask the server");
    CHECK(ask(world, client, packet({.opcode = 0x10, .key = "sizes_enable"})) ==
          "10 s83 vringmain: 'stats sizes_enable' is not supported: ask each server itself");
    for (const char* kind : {"\r\n", "bogus", "detail", "detail foo", "details"}) {
        CHECK(ask(world, client, packet({.opcode = 0x10, .key = kind})) == "10 s01 vNot found");
    }
    CHECK(ask(world, client, packet({.opcode = 0x0B})) == "0b s00 v1.6.18");
    CHECK(ask(world, client, packet({.opcode = 0x21, .key = "PLAIN", .value = "x"}) + noop) ==
          "21 s81 vUnknown command | 0a s00");
    CHECK(ask(world, client, get_packet("a") + packet({.opcode = 0x07}) + noop) ==
          "00 s01 vNot found | 07 s00");
    CHECK(client.closed);
    Channel& other = world.client();
    CHECK(ask(world, other, get_packet("a") + packet({.opcode = 0x17}) + noop) ==
          "00 s01 vNot found");
    CHECK(other.closed);
}

TEST_CASE("binary: requests are counted by the verbs that they become") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    CHECK(ask(world,
              client,
              get_packet("a") + set_packet("a", "1") + noop + packet({.opcode = 0x7F})) ==
          "00 s01 vNot found | 01 s00 | 0a s00 | 7f s81 vUnknown command");
    const auto& commands = world.proxy().pools()[0]->counters->commands;
    const auto count_of = [&commands](memcached::Verb verb) {
        return commands[core::number_of(verb)].get();
    };
    CHECK(count_of(memcached::Verb::Gets) == 1);
    CHECK(count_of(memcached::Verb::MetaSet) == 1);
    CHECK(count_of(memcached::Verb::MetaNoop) == 1);
    CHECK(count_of(memcached::Verb::Invalid) == 1);
    CHECK(world.counters().requests.get() == 4);
}

TEST_CASE("binary: a key that is too long for text counts as its command, refused by a limit") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    const std::string key(187, ' ');
    ask(world, client, get_packet(key) + set_packet(key, "1"));
    const auto& counters = *world.proxy().pools()[0]->counters;
    const auto count_of = [&counters](memcached::Verb verb) {
        return counters.commands[core::number_of(verb)].get();
    };
    CHECK(count_of(memcached::Verb::MetaGet) == 1);
    CHECK(count_of(memcached::Verb::MetaSet) == 1);
    CHECK(count_of(memcached::Verb::Invalid) == 0);
    CHECK(counters.errors[static_cast<size_t>(stats::Reason::Limit)].get() == 2);
}

TEST_CASE("binary: hostile input ends its own connection and nobody else's") {
    World world(memcached_pool(2));
    Channel& bystander = world.client();
    CHECK(ask(world, bystander, set_packet("a", "1")) == "01 s00");
    const auto fate = [&world](const std::string& bytes) {
        Channel& client = world.client();
        const std::string answers = ask(world, client, get_packet("a") + bytes + noop);
        CHECK(answers.starts_with("00 s00 x00000000 v1 c7"));
        return answers.substr(22) + (client.closed ? " closed" : "");
    };
    CHECK(fate("get a\r\n" + std::string(30, 'x')) == " closed");
    CHECK(fate(packet({.opcode = 0x0A, .magic = 0x81})) == " closed");
    CHECK(fate(get_packet(std::string(251, 'k'))) == " | 00 s04 vInvalid arguments closed");
    CHECK(fate(packet({.opcode = 0x00, .key = "abc", .key_size = 4})) ==
          " | 00 s81 vUnknown command closed");
    CHECK(fate(packet({.opcode = 0x00})) == " | 00 s04 vInvalid arguments closed");
    CHECK(fate(packet({.opcode = 0x7F, .key = "k", .value = "v"})) ==
          " | 7f s81 vUnknown command | 0a s00");
    // The binary magic behind a text command is none.
    Channel& client = world.client();
    CHECK(world.ask(client, "mn\r\n" + noop) == "MN\r\nERROR\r\n");  // its '\n' ends a line
    CHECK_FALSE(client.closed);
    CHECK(ask(world, bystander, get_packet("a")) == "00 s00 x00000000 v1 c7");
}

TEST_CASE("binary: a first request that comes byte by byte, and one that never ends") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    for (const char byte : set_packet("a", "hello")) {
        CHECK(client.arrived.empty());
        World::say(client, std::string(1, byte));
        world.settle();
    }
    CHECK(responses_in(World::heard(client)) == "01 s00");
    CHECK(ask(world, client, set_packet("b", "hello").substr(0, 30)).empty());
    client.inbound_end = true;
    world.settle();
    CHECK(client.closed);
    CHECK(world.server(0).memcached.values.size() == 1);
}

TEST_CASE("binary: errors of servers and of ringmain have a status and a text") {
    World world(memcached_pool(2));
    world.server(1).mood = Mood::Refusing;
    Channel& client = world.client();
    const std::string down = " s86 vringmain: server s1 (10.0.0.1:7001) refused the connection";
    const std::string b = world.key_on(1);
    CHECK(ask(world, client, get_packet(b) + noop) == "00" + down + " | 0a s00");
    CHECK(ask(world,
              client,
              get_packet(b, 0x0D) + set_packet(b, "1", 0x11) + packet({.opcode = 0x08}) + noop) ==
          "0d" + down + " | 11" + down + " | 08" + down + " | 0a s00");
    CHECK(ask(world, client, packet({.opcode = 0x10}) + noop) == "10" + down + " | 0a s00");

    const std::string a = world.key_on(0);
    CHECK(ask(world, client, set_packet(a, "0")) == "01 s00");
    world.server(0).mood = Mood::Mute;
    CHECK(ask(world, client, set_packet(a, "1")).empty());
    world.reply(0, "SERVER_ERROR out of memory storing object\r\n");
    world.settle();
    CHECK(responses_in(World::heard(client)) == "01 s82 vOut of memory");
    CHECK(ask(world, client, get_packet(a, 0x0D)).empty());
    world.pass(500);
    CHECK(responses_in(World::heard(client)) ==
          "0d s86 vringmain: server s0 (10.0.0.1:7000) did not answer within 400 ms "
          "(timeout)");
    CHECK(!client.closed);
}

TEST_CASE("binary: a value beyond request_size_max is skipped, and the client goes on") {
    config::Pool pool = memcached_pool(1);
    pool.request_size_max = 100'000;
    World world(pool, {.cut = true});
    Channel& client = world.client();
    CHECK(ask(world, client, set_packet("a", std::string(500'000, 'x')) + noop) ==
          "01 s03 vToo large. | 0a s00");
    CHECK(world.loop().blocks().in_use() <= 3);
    const std::string large(90'000, 'x');
    CHECK(ask(world, client, set_packet("a", large, 0x11) + get_packet("a")) ==
          "00 s00 x00000000 v" + large + " c7");
}

TEST_CASE("binary: without memory the answer says so, and it is the request's") {
    World world(memcached_pool(1), {.blocks = 32});
    Channel& client = world.client();
    CHECK(ask(world, client, set_packet("a", "1")) == "01 s00");
    std::vector<Block*> taken;
    while (world.loop().blocks().available() > 4) {
        taken.push_back(world.loop().blocks().take());
    }
    CHECK(ask(world, client, get_packet("a")) ==
          "00 s86 vringmain: out of buffer memory; see buffer_memory");
    // In the middle of a request: its name is known, and where it ends is not.
    const std::string beginning = set_packet("a", std::string(50'000, 'x')).substr(0, 20'000);
    CHECK(ask(world, client, beginning) ==
          "01 s86 vringmain: out of buffer memory for a request; see buffer_memory");
    CHECK(client.closed);
    for (Block* block : taken) {
        world.loop().blocks().release(block);
    }
}

TEST_CASE("binary: a reload keeps clients and gives them the new limit") {
    config::Pool pool = memcached_pool(2);
    World world(pool);
    Channel& client = world.client();
    CHECK(ask(world, client, set_packet("a", std::string(2000, 'x'))) == "01 s00");
    pool.request_size_max = 1000;
    world.adopt({pool});
    CHECK(ask(world, client, set_packet("a", std::string(2000, 'x'))) == "01 s03 vToo large.");
}

TEST_CASE("binary: who leaves with requests under way leaves nothing behind") {
    World world(memcached_pool(2), {.seed = 3, .cut = true});
    for (const Mood mood : {Mood::Mute, Mood::Up}) {
        world.server(0).mood = mood;
        Channel& client = world.client();
        std::string bytes;
        for (int i = 0; i < 50; ++i) {
            bytes += get_packet("key" + std::to_string(i), 0x0C) +
                     set_packet("key" + std::to_string(i), "v");
        }
        World::say(client, bytes);
        world.step();
        world.step();
        world.drop(client);
        world.settle();
        world.pass(2000);
    }
}

}  // namespace ringmain::test
