// Whether a server takes `ms`: one before memcached 1.6.10 would run its data as commands.

#include "tests/unit/core/streaming.h"
#include "tests/unit/memcached/binary_packets.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

using memcached::test::noop;
using memcached::test::packet;
using memcached::test::responses_in;
using memcached::test::set_extras;

const std::string too_old =
    "server s0 (10.0.0.1:7000) runs memcached 1.6.9, which does not take ms (that needs "
    "1.6.10), nor what binary clients store or delete by a cas (1.6.13)";
const std::string flawed =
    "ringmain: server s0 (10.0.0.1:7000) "
    "runs memcached 1.6.12, which tells a wrong cas: binary clients need 1.6.13";
const std::string bomb = "get a\r\nflush_all\r\nset a 0 0 1";

std::string store(const std::string& key, const std::string& value, uint8_t opcode = 0x01) {
    return packet({.opcode = opcode, .key = key, .value = value, .extras = set_extras()});
}

std::string read(const std::string& key) {
    return packet({.opcode = 0x00, .key = key});
}

std::string ms(const std::string& key, const std::string& value, const std::string& flags = "") {
    return "ms " + key + " " + std::to_string(value.size()) + flags + "\r\n" + value + "\r\n";
}

std::string no_version(const std::string& answer) {
    return s0 + "does not tell its version ('" + answer +
           "'), so it gets no ms (that needs memcached 1.6.10), nor what binary clients store or "
           "delete by a cas (1.6.13)";
}

std::vector<std::string>& log_of(World& world) {
    return world.server(0).memcached.log;
}

}  // namespace

TEST_CASE("meta sets: a binary client's first value waits for the server's version") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    CHECK(responses_in(world.ask(
              client, store("a", "1") + read("a") + store("b", "2", 0x11) + read("b") + noop)) ==
          "01 s00 | 00 s00 x00000000 v1 c7 | 00 s00 x00000000 v2 c7 | 0a s00");
    CHECK(log_of(world) == std::vector<std::string>{
                               "version", "ms a 1 c F0 T0", "gets a", "ms b 1 c F0 T0", "gets b"});
    // It is known from then on, until a connection may lead to another server.
    log_of(world).clear();
    CHECK(responses_in(world.ask(world.client(), store("a", "1"))) == "01 s00");
    world.cut_off(0);
    CHECK(responses_in(world.ask(client, store("a", "1"))) == "01 s00");
    CHECK(log_of(world) == std::vector<std::string>{"ms a 1 c F0 T0", "version", "ms a 1 c F0 T0"});
    CHECK(world.counters().requests.get() == 7);
    CHECK(server_counters(world, 0).requests.get() == 6);  // "version" is none
    CHECK(server_counters(world, 0).responses.get() == 6);
    CHECK(world.counters().server_failures.get() == 0);
}

TEST_CASE("meta sets: an old server gets no value of a binary client, and is told of") {
    World world(memcached_pool(1));
    world.server(0).memcached.grow_old();
    world.server(0).memcached.values["a"] = "old";
    Channel& client = world.client();
    const std::string refused = "01 s86 vringmain: " + too_old;
    CHECK(responses_in(
              world.ask(client, store("a", bomb) + store("a", bomb, 0x11) + read("a") + noop)) ==
          refused + " | 11" + refused.substr(2) + " | 00 s00 x00000000 vold c7 | 0a s00");
    CHECK(log_of(world) == std::vector<std::string>{"version", "gets a"});
    // Whoever says ms hears the same. Classic words are served.
    Channel& text = world.client();
    CHECK(world.ask(text, ms("a", bomb) + "set a 0 0 1\r\n1\r\nget a\r\n") ==
          "SERVER_ERROR ringmain: " + too_old + "\r\nSTORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n");
    CHECK(world.ask(text, ms("a", bomb, " q") + "mn\r\n") ==
          "SERVER_ERROR ringmain: " + too_old + "\r\nMN\r\n");
    CHECK(world.counters().server_failures.get() == 0);
    // It is replaced by a newer one.
    world.server(0).memcached = FakeMemcached();
    world.cut_off(0);
    CHECK(world.ask(text, ms("a", bomb)) == "HD\r\n");
    CHECK(log_of(world) ==
          std::vector<std::string>{"version", "ms a " + std::to_string(bomb.size())});
}

TEST_CASE("meta sets: a text client's ms costs the connection once") {
    World world(memcached_pool(1));
    world.server(0).memcached.grow_old();
    world.server(0).memcached.values["a"] = "old";
    Channel& client = world.client();
    const std::string lost =
        "SERVER_ERROR ringmain: server s0 (10.0.0.1:7000) refuses the command and may run its "
        "data\r\n";
    CHECK(world.ask(client, ms("a", "get a") + "get a\r\n") ==
          "CLIENT_ERROR invalid flag\r\n" + lost);
    CHECK(world.counters().server_failures.get() == 0);
    log_of(world).clear();
    for (int i = 0; i < 3; ++i) {
        CHECK(world.ask(client, ms("a", "get a") + "get a\r\n") ==
              "SERVER_ERROR ringmain: " + too_old + "\r\nVALUE a 0 3\r\nold\r\nEND\r\n");
    }
    CHECK(std::count(log_of(world).begin(), log_of(world).end(), "version") == 1);
    CHECK(std::count(log_of(world).begin(), log_of(world).end(), "get a") == 3);
}

TEST_CASE("meta sets: a binary client does not go on with the wrong cas of 1.6.10 to 1.6.12") {
    for (const bool text_first : {false, true}) {
        CAPTURE(text_first);
        World world(memcached_pool(1));
        world.server(0).memcached.canned["version"] = "VERSION 1.6.12\r\n";
        Channel& text = world.client();
        Channel& client = world.client();
        // That one was answered well says nothing of its version.
        if (text_first)
            CHECK(world.ask(text, ms("a", "1") + ms("a", "1", " S1")) == "HD\r\nHD\r\n");
        const std::string removal = packet({.opcode = 0x04, .key = "a", .cas = 7});
        const std::string plain_removal = packet({.opcode = 0x04, .key = "a"});
        for (int i = 0; i < 2; ++i) {
            CHECK(responses_in(world.ask(client, removal + store("a", "1") + noop)) ==
                  "04 s86 v" + flawed + " | 01 s86 v" + flawed + " | 0a s00");
            const auto& log = log_of(world);
            CHECK(std::count(log.begin(), log.end(), "version") == 1);
        }
        CHECK(responses_in(world.ask(client, plain_removal)) != "");
        CHECK(log_of(world).back() == "md a");
        CHECK(world.ask(text, ms("a", "1") + ms("a", "1", " S1")) == "HD\r\nHD\r\n");
        // Behind a new connection may be another server.
        world.server(0).memcached.canned.erase("version");
        world.cut_off(0);
        CHECK(responses_in(world.ask(client, store("a", "1"))) == "01 s00");
        CHECK(log_of(world).back() == "ms a 1 c F0 T0");
    }
}

TEST_CASE("meta sets: who asks for the version takes nobody's connection while it is made") {
    for (const std::string_view version :
         {"VERSION 1.6.12\r\n", "VERSION 1.6.9\r\n", "ERROR\r\n"}) {
        CAPTURE(version);
        World world(memcached_pool(1));
        Channel& client = world.client();
        Channel& other = world.client();
        CHECK(responses_in(world.ask(client, store("a", "1"))) == "01 s00");
        world.cut_off(0);
        world.server(0).memcached.canned["version"] = version;
        World::say(client, store("a", "2"));
        World::say(other, "get b\r\n");
        world.settle();
        CHECK(World::heard(other) == "END\r\n");
        CHECK(responses_in(World::heard(client)).starts_with("01 s86 vringmain: server s0 "));
    }
}

TEST_CASE("meta sets: who doubted a server that is flawed gives it what text clients say") {
    World world(memcached_pool(1));
    Channel& text = world.client();
    world.server(0).memcached.canned["version"] = "VERSION 1.6.10\r\n";
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(text, ms("a", "1")) == "");
    world.reply(0, "CLIENT_ERROR invalid flag\r\n");
    world.settle();
    CHECK(World::heard(text) == "CLIENT_ERROR invalid flag\r\n");
    world.server(0).mood = Mood::Up;
    CHECK(world.ask(text, ms("a", "1")) == "HD\r\n");
    CHECK(log_of(world) == std::vector<std::string>{"version", "ms a 1"});
}

TEST_CASE("meta sets: a server that knows ms may refuse one") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, ms("a", "1")) == "");
    world.reply(0, "HD\r\n");
    world.settle();
    CHECK(world.ask(client, ms("a", "1", " Z") + "get a\r\n") == "HD\r\n");
    world.reply(0, "CLIENT_ERROR invalid flag\r\nEND\r\n");
    world.settle();
    CHECK(World::heard(client) == "CLIENT_ERROR invalid flag\r\nEND\r\n");
    // Its first answer is an error to what none refuses: once.
    for (const bool again : {false, true}) {
        if (!again) world.cut_off(0);
        const std::string sent = world.ask(client, ms("a", "1") + "get a\r\n");
        CHECK(sent == "");
        if (again) {
            CHECK(world.link(0)->arrived == "version\r\n");
            world.reply(0, "VERSION 1.6.18\r\n");
            world.settle();
        }
        world.reply(0, "CLIENT_ERROR invalid flag\r\n");
        world.settle();
        CHECK((world.link(0) != nullptr) == again);
        if (again) world.reply(0, "END\r\n");
        world.settle();
        CHECK(World::heard(client).starts_with("CLIENT_ERROR invalid flag\r\n"));
        if (again) CHECK(world.link(0)->arrived.ends_with("get a\r\n"));
    }
    CHECK(world.counters().server_failures.get() == 0);
}

// Its error says nothing of the server, and would cost all others' requests.
TEST_CASE("meta sets: what a server that knows ms may refuse waits for its version") {
    for (const char* flags : {" Z", " q z", " N30", " Mx", " T007", " F+1", " C00", " S1"}) {
        CAPTURE(flags);
        World world(memcached_pool(1));
        world.server(0).mood = Mood::Mute;
        Channel& other = world.client();
        Channel& client = world.client();
        CHECK(world.ask(other, "mg v\r\nmg v\r\n") == "");
        CHECK(world.ask(client, ms("a", "1", flags)) == "");
        CHECK(world.link(0)->arrived.find("ms a") == std::string::npos);
        world.reply(0, "EN\r\nEN\r\nVERSION 1.6.18\r\n");
        world.settle();
        CHECK(world.ask(other, "mg v\r\n") == "EN\r\nEN\r\n");
        world.reply(0, "CLIENT_ERROR invalid flag\r\nEN\r\n");
        world.settle();
        CHECK(World::heard(client) == "CLIENT_ERROR invalid flag\r\n");
        CHECK(World::heard(other) == "EN\r\n");
        CHECK(world.link(0) != nullptr);
    }
    World plain(memcached_pool(1));
    const std::string flags = " b c C1 F2 I k MS Ox T-1";
    CHECK(plain.ask(plain.client(), ms("Zm9v", "1", flags)) == "HD\r\n");
    CHECK(log_of(plain) == std::vector<std::string>{"ms Zm9v 1" + flags});
}

TEST_CASE("meta sets: a server that cannot read a line of ms does not know its data either") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, ms("a", "1")) == "HD\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, ms("a", "flush_all", " Z")) == "");
    world.reply(0, "CLIENT_ERROR bad command line format\r\n");
    world.settle();
    CHECK(World::heard(client) == "CLIENT_ERROR bad command line format\r\n");
    CHECK(world.link(0) == nullptr);
    CHECK(world.counters().server_failures.get() == 0);
}

TEST_CASE("meta sets: who does not tell its version is asked again by the next") {
    config::Pool pool = memcached_pool(1);
    pool.timeout_ms = 100;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, store("a", "1") + read("a")) == "");
    CHECK(world.link(0)->arrived == "version\r\n");
    world.pass(150);
    CHECK(responses_in(World::heard(client)).starts_with("01 s86 vringmain: "));
    // Lost while it is asked.
    World other(memcached_pool(1));
    other.server(0).mood = Mood::Mute;
    Channel& waits = other.client();
    Channel& leaves = other.client();
    CHECK(other.ask(waits, store("a", "1") + noop) == "");
    CHECK(other.ask(leaves, store("a", "2")) == "");
    other.drop(leaves);
    other.cut_off(0);
    other.settle();
    CHECK(responses_in(World::heard(waits)) ==
          "01 s86 vringmain: server s0 (10.0.0.1:7000) reset the connection | 0a s00");
    // An answer that is none.
    const std::string unfit =
        "01 s86 vringmain: " + s0 + "sent a response that does not fit the request";
    other.server(0).mood = Mood::Up;
    for (const auto& [answer, heard] : {
             std::pair<std::string, std::string>{"ERROR\r\n",
                                                 "01 s86 vringmain: " + no_version("ERROR")},
             {"SERVER_ERROR busy\r\n", "01 s86 vringmain: " + no_version("SERVER_ERROR busy")},
             {"STAT a 1\r\nERROR\r\n", unfit},
             {value("a", "1") + "ERROR\r\n", unfit},
             {"VERSION 1.6.0 DF\r\n", "01 s00"},
             {"STORED\r\n", unfit},
         }) {
        const std::string& told = answer;  // a structured binding is not captured
        CAPTURE(told);
        World fresh(memcached_pool(1));
        fresh.server(0).memcached.canned["version"] = answer;
        CHECK(responses_in(fresh.ask(fresh.client(), store("a", "1"))) == heard);
    }
}

TEST_CASE("meta sets: a large value does not reach an old server") {
    config::Pool pool = memcached_pool(1);
    pool.stream_threshold = threshold;
    const std::string data = std::string(100'000, 'x') + "\r\n" + bomb + std::string(100'000, 'y');
    for (const bool is_connected : {false, true}) {
        CAPTURE(is_connected);
        World world(pool, {.blocks = 2048});
        world.server(0).memcached.grow_old();
        Channel& client = world.client();
        if (is_connected) CHECK(responses_in(world.ask(client, read("a"))).starts_with("00 s01"));
        const std::string request = store("a", data);
        std::string heard;
        for (int round = 0; round < 2; ++round) {
            heard = world.ask(client, request.substr(0, 60'000));
            heard += world.ask(client, request.substr(60'000) + read("a"));
            CHECK(responses_in(heard) == "01 s86 vringmain: " + too_old + " | 00 s01 vNot found");
        }
        heard = world.ask(client, request.substr(0, 60'000));
        CHECK(responses_in(heard) == "01 s86 vringmain: " + too_old);
        CHECK(responses_in(world.ask(client, request.substr(60'000) + noop)) == "0a s00");
        for (const std::string& line : log_of(world)) {
            CHECK((line == "version" || line == "gets a"));
        }
        CHECK(world.counters().server_failures.get() == 0);
    }
}

// On a connection of its own that cannot be had, and so on the common one.
TEST_CASE("meta sets: a large value that falls back to the common connection is asked for there") {
    config::Pool pool = memcached_pool(1);
    pool.stream_threshold = threshold;
    const std::string request = store("a", std::string(200'000, 'x'));
    for (const bool is_old : {false, true}) {
        CAPTURE(is_old);
        World world(pool, {.blocks = 2048});
        if (is_old) world.server(0).memcached.grow_old();
        Channel& client = world.client();
        CHECK(responses_in(world.ask(client, read("b"))) == "00 s01 vNot found");
        log_of(world).clear();
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, request.substr(0, 60'000)) == "");
        CHECK(world.ask(client, request.substr(60'000)) == "");
        REQUIRE(world.leases(0).size() == 1);
        Channel& lease = *world.leases(0).front();
        CHECK(std::exchange(lease.arrived, {}) == "version\r\n");
        lease.inbound += "ERROR Too many open connections\r\n";
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(responses_in(World::heard(client)) ==
              (is_old ? "01 s86 vringmain: " + too_old : "01 s00"));
        CHECK(log_of(world) == (is_old
                                    ? std::vector<std::string>{"version"}
                                    : std::vector<std::string>{"version", "ms a 200000 c F0 T0"}));
    }
}

TEST_CASE("meta sets: a value whose client is gone does not reach an old server either") {
    config::Pool pool = memcached_pool(1);
    pool.stream_threshold = threshold;
    World world(pool, {.blocks = 2048});
    world.server(0).memcached.grow_old();
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, store("a", std::string(200'000, 'x'))) == "");
    world.drop(client);
    world.server(0).mood = Mood::Up;
    world.settle();
    for (const std::string& line : log_of(world)) {
        CHECK(line == "version");
    }
}

TEST_CASE("meta sets: an error in pieces that nobody waits for is still one") {
    World world(memcached_pool(1));
    CHECK(world.ask(world.client(), ms("a", "1")) == "HD\r\n");
    world.server(0).mood = Mood::Mute;
    Channel& leaves = world.client();
    Channel& stays = world.client();
    CHECK(world.ask(leaves, ms("a", "1")) == "");
    CHECK(world.ask(stays, "get a\r\n") == "");
    world.drop(leaves);
    world.reply(0, "SERVER_ERROR out of memory stor");
    world.settle();
    world.reply(0, "ing object\r\nEND\r\n");
    world.settle();
    CHECK(World::heard(stays) == "END\r\n");
}

TEST_CASE(
    "meta sets: a value that waits for a version is let go with its client, and has a bound") {
    config::Pool pool = memcached_pool(1);
    pool.timeout_ms = 100;
    pool.server_queue_size_max = 150'000;
    World world(pool, {.blocks = 2048});
    world.server(0).mood = Mood::Mute;
    Channel& leaves = world.client();
    Channel& waits = world.client();
    const std::string value(100'000, 'x');
    CHECK(world.ask(leaves, store("a", value)) == "");
    CHECK(world.ask(waits, store("a", value)) == "");
    CHECK(bytes_in_use(world) > 200'000);
    world.drop(leaves);
    world.settle();
    CHECK(bytes_in_use(world) < 160'000);
    world.pass(150);
    CHECK(responses_in(World::heard(waits)).starts_with("01 s86 vringmain: server s0"));
    CHECK(bytes_in_use(world) < 60'000);
    // Two are more than may wait for the server.
    World other(pool, {.blocks = 2048});
    other.server(0).mood = Mood::Mute;
    Channel& one = other.client();
    Channel& two = other.client();
    CHECK(other.ask(one, store("a", value)) == "");
    CHECK(other.ask(two, store("a", value)) == "");
    other.reply(0, "VERSION 1.6.18\r\nVERSION 1.6.18\r\n");
    other.settle();
    CHECK(World::heard(one) == "");
    CHECK(responses_in(World::heard(two))
              .starts_with("01 s86 vringmain: server s0 (10.0.0.1:7000) "
                           "has no room for "));
}

TEST_CASE("meta sets: a large ms that is refused at its line is asked for next time") {
    config::Pool pool = memcached_pool(1);
    pool.stream_threshold = threshold;
    World world(pool, {.blocks = 2048});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string request = ms("a", std::string(200'000, 'x'));
    CHECK(world.ask(client, request.substr(0, 60'000)) == "");
    REQUIRE(world.leases(0).size() == 1);
    world.leases(0).front()->inbound += "CLIENT_ERROR invalid flag\r\nERROR\r\n";
    world.settle();
    CHECK(World::heard(client).starts_with("SERVER_ERROR ringmain: "));
    world.ask(client, request.substr(60'000));
    world.pass(3000);
    World::heard(client);
    CHECK(world.ask(client, ms("a", "1")) == "");
    CHECK(world.link(0)->arrived == "version\r\n");
}

TEST_CASE("meta sets: a large value that falls back has to have room to ask in") {
    config::Pool pool = memcached_pool(1);
    pool.stream_threshold = threshold;
    World world(pool, {.blocks = 2048});
    Channel& client = world.client();
    CHECK(responses_in(world.ask(client, read("b"))) == "00 s01 vNot found");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, store("a", std::string(200'000, 'x'))) == "");
    REQUIRE(world.leases(0).size() == 1);
    Channel& lease = *world.leases(0).front();
    CHECK(lease.arrived == "version\r\n");
    std::vector<Block*> taken;
    while (world.loop().blocks().available() > 0) {
        taken.push_back(world.loop().blocks().take());
    }
    world.loop().reset(lease);
    world.step();
    CHECK(world.link(0)->arrived == "");
    for (Block* block : taken) {
        world.loop().blocks().release(block);
    }
    world.settle();
}

TEST_CASE("meta sets: who tells no version gets no ms, and nobody else hears of it") {
    World world(memcached_pool(1));
    world.server(0).memcached.grow_old();
    world.server(0).memcached.canned["version"] = "ERROR\r\n";
    Channel& binary = world.client();
    Channel& text = world.client();
    for (int i = 0; i < 3; ++i) {
        World::say(binary, store("a", bomb));
        World::say(text, "get a\r\n" + ms("a", bomb, " MI") + "touch a 1\r\n");
        world.settle();
        CHECK(responses_in(World::heard(binary)) == "01 s86 vringmain: " + no_version("ERROR"));
        CHECK(World::heard(text) ==
              "END\r\n" + server_error(no_version("ERROR")) + "NOT_FOUND\r\n");
    }
    CHECK(std::ranges::count(log_of(world), "get a") == 3);
    CHECK(std::ranges::none_of(log_of(world),
                               [](const std::string& line) { return line.starts_with("ms"); }));
    CHECK(world.counters().server_failures.get() == 0);
    // The log has heard of it once.
    CHECK(std::ranges::count(world.loop().notices(), "pool main: " + no_version("ERROR")) == 1);
    // What waits for a connection that leads to another server is not sent either.
    world.server(0).memcached = FakeMemcached();
    CHECK(world.ask(text, ms("a", "1")) == "HD\r\n");
    world.cut_off(0);
    world.server(0).memcached.canned["version"] = "ERROR\r\n";
    log_of(world).clear();
    CHECK(world.ask(text, ms("a", bomb, " MI")) == server_error(no_version("ERROR")));
    CHECK(log_of(world) == std::vector<std::string>{"version"});
}

TEST_CASE("meta sets: what a server says for its version is shown as text, and not all of it") {
    World world(memcached_pool(1));
    world.server(0).memcached.canned["version"] = "ERROR \x1b[2J" + std::string(300, 'x') + "\r\n";
    const std::string heard = responses_in(world.ask(world.client(), store("a", "1")));
    CHECK(heard.find("'ERROR \\x1b[2Jxxx") != std::string::npos);
    CHECK(heard.find("xxx...'") != std::string::npos);
}

TEST_CASE("meta sets: one more connection to a server that is connected leads to the same") {
    config::Pool pool = memcached_pool(1);
    pool.stream_threshold = threshold;
    World world(pool, {.blocks = 2048});
    Channel& client = world.client();
    CHECK(world.ask(client, ms("a", "1")) == "HD\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(world.client(), store("a", std::string(200'000, 'x')).substr(0, 60'000)) == "");
    REQUIRE(world.leases(0).size() == 1);
    CHECK(world.ask(client, ms("a", "1", " Z") + "get b\r\n") == "");
    world.reply(0, "CLIENT_ERROR invalid flag\r\nEND\r\n");
    world.settle();
    CHECK(World::heard(client) == "CLIENT_ERROR invalid flag\r\nEND\r\n");
}

TEST_CASE("meta sets: what a server calls its version is shown as text, and not all of it") {
    World world(memcached_pool(1));
    world.server(0).memcached.canned["version"] =
        "VERSION 1.6.9\x1b[2J" + std::string(100, 'x') + "\r\n";
    CHECK(responses_in(world.ask(world.client(), store("a", "1"))) ==
          "01 s86 vringmain: server s0 (10.0.0.1:7000) runs memcached 1.6.9\\x1b[2J" +
              std::string(23, 'x') +
              ", which does not take ms (that needs 1.6.10), nor what binary clients store or "
              "delete by a cas (1.6.13)");
}

}  // namespace ringmain::test
