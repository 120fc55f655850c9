// A memcached that says what it may not: nobody gets it, and nobody waits for its end.

#include "tests/unit/core/warm_memcached.h"
#include "tests/unit/memcached/binary_packets.h"

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

using memcached::test::packet;
using memcached::test::responses_in;

const std::string memory_error = "SERVER_ERROR out of memory\r\n";
const std::string end_line = "END\r\n";
const std::string secret_value = value("other", "SECRET");
const std::string unfitting = server_error(s0 + "sent a response that does not fit the request");
const std::string of_other_key = server_error(s0 + "sent a value for a key that was not asked for");

// What the client of a request hears of the answer, with the connection lost over it or not.
std::string hear_of(const std::string& request, const std::string& answer, bool is_lost) {
    WarmMemcached two(2);  // the first has said something in text
    two.mute();
    two.say({"", request});
    two.reply(answer);
    CHECK((two.world.link(0) == nullptr) == is_lost);
    return two.heard(1);
}

}  // namespace

TEST_CASE("memcached lies: an error behind values answers what reads values, and nothing else") {
    const std::string answer = secret_value + memory_error;
    for (const std::string& request : {set("a", "1"),
                                       std::string("cas a 0 0 1 5\r\n1\r\n"),
                                       std::string("incr a 1\r\n"),
                                       std::string("touch a 1\r\n"),
                                       std::string("delete a\r\n"),
                                       std::string("flush_all\r\n"),
                                       std::string("verbosity 1\r\n"),
                                       std::string("stats\r\n"),
                                       std::string("mg a v\r\n"),
                                       std::string("ms a 1\r\n1\r\n"),
                                       std::string("md a\r\n"),
                                       std::string("ma a v\r\n"),
                                       std::string("me a\r\n")}) {
        CAPTURE(request);
        CHECK(hear_of(request, answer, true) == unfitting);
    }
    CHECK(hear_of(set("a", "1", " noreply") + "mn\r\n", answer, true) == "MN\r\n");
    for (const std::string verb : {"get", "gets", "gat 1", "gats 1"}) {
        CAPTURE(verb);
        CHECK(hear_of(verb + " other\r\n", answer, false) == answer);
        CHECK(hear_of(verb + " a\r\n", answer, true) == of_other_key);
    }
}

TEST_CASE("memcached lies: an error behind figures answers stats, and nothing else") {
    const std::string answer = "STAT password SECRET\r\n" + memory_error;
    for (const std::string& request :
         {std::string("get a\r\n"), set("a", "1"), std::string("mg a v\r\n")}) {
        CAPTURE(request);
        CHECK(hear_of(request, answer, true) == unfitting);
    }
    // What is said of all servers is the error alone.
    CHECK(hear_of("stats\r\n", answer, false) == memory_error);
}

TEST_CASE("memcached lies: of a part that ends in an error nothing but the error is said") {
    World world(memcached_pool(2));
    world.mute(2);
    Channel& client = world.client();
    const std::string a = world.key_on(0, 0);
    const std::string b = world.key_on(0, 1);
    const std::string other = world.key_on(1);
    CHECK(world.ask(client, "get " + a + " " + b + " " + other + "\r\n") == "");
    world.reply(0, value(a, "1") + secret_value + memory_error);
    world.reply(1, end_line);
    world.settle();
    CHECK(World::heard(client) == memory_error);
    // Where it comes in pieces, too.
    CHECK(world.ask(client, "get " + a + " " + b + " " + other + "\r\n") == "");
    for (const char byte : value(a, "1") + secret_value + memory_error) {
        world.reply(0, std::string(1, byte));
        world.settle();
    }
    world.reply(1, value(other, "3") + end_line);
    world.settle();
    CHECK(World::heard(client) == memory_error);
    CHECK(world.link(0) != nullptr);
}

TEST_CASE("memcached lies: a binary client is told of the error behind a value") {
    const std::string answer = value("a", "1", " 5") + memory_error;
    const auto told = [&](uint8_t opcode, const std::string& key, const std::string& said) {
        return responses_in(hear_of(packet({.opcode = opcode, .key = key}), said, false));
    };
    CHECK(told(0x00, "a", answer) == "00 s82 vOut of memory");
    CHECK(told(0x10, "", "STAT a 1\r\n" + memory_error) == "10 s82 vOut of memory");
    const std::string lost =
        responses_in(hear_of(packet({.opcode = 0x04, .key = "a"}), answer, true));
    CHECK(lost.starts_with("04 s86 "));
}

TEST_CASE("memcached lies: what cannot fit is not read to its end") {
    const std::string values = "VALUE a 0 2000000000\r\n";
    for (const auto& one : std::vector<std::pair<std::string, std::string>>{
             {set("a", "1"), values},
             {"delete a\r\n", values},
             {"flush_all\r\n", values},
             {"ma a v\r\n", values},
             {"mg a v\r\n", values},
             {"stats\r\n", values},
             {"get a\r\n", "VA 2000000000\r\n"},
             {"get a b\r\n", "VA 2000000000\r\n"},
             {"get a\r\n", "STAT a 1\r\n"},
             {"set a 0 0 1\r\n1\r\n", "STAT a 1\r\n"}}) {
        const std::string& request = one.first;
        const std::string& beginning = one.second;
        CAPTURE(request);
        CAPTURE(beginning);
        CHECK(hear_of(request, beginning, true) == unfitting);
        CHECK(hear_of(request, beginning + std::string(5000, 'x'), true) == unfitting);
    }
    CHECK(hear_of(set("a", "1", " noreply") + "mn\r\n", values, true) == "MN\r\n");
    CHECK(hear_of("get a\r\n", "VALUE a 0 2000000000\r\n", false) == "");
    // A question of ringmain's own.
    const std::string asks =
        packet({.opcode = 0x01, .key = "a", .value = "1", .extras = memcached::test::set_extras()});
    CHECK(responses_in(hear_of(asks, values, true)).starts_with("01 s86 vringmain: server s0 "));
}

TEST_CASE("memcached lies: what is said of another key is nobody's answer") {
    CHECK(hear_of("me a\r\n", "ME a exp=-1\r\n", false) == "ME a exp=-1\r\n");
    CHECK(hear_of("me a\r\n", "ME kind exp=-1\r\n", true) == of_other_key);
    CHECK(hear_of("me a\r\n", "EN\r\n", false) == "EN\r\n");
    // An item that was stored with flag b is written so, whoever asks; others never are.
    CHECK(hear_of("me bad\r\n", "ME YmFk exp=-1\r\n", false) == "ME YmFk exp=-1\r\n");
    CHECK(hear_of("me YmFk b\r\n", "ME YmFk exp=-1\r\n", false) == "ME YmFk exp=-1\r\n");
    CHECK(hear_of("me YmFk b\r\n", "ME bad exp=-1\r\n", false) == "ME bad exp=-1\r\n");
    CHECK(hear_of("me YmFk b\r\n", "ME other exp=-1\r\n", true) == of_other_key);

    CHECK(hear_of("mg YmFk b k v\r\n", "VA 1 kYmFk b\r\nx\r\n", false) == "VA 1 kYmFk b\r\nx\r\n");
    CHECK(hear_of("mg YmFk b k v\r\n", "VA 1 kb3RoZXI= b\r\nx\r\n", true) == of_other_key);
    CHECK(hear_of("mg YmFk b k\r\n", "HD kb3RoZXI= b\r\n", true) == of_other_key);
    CHECK(hear_of("md YmFk b k\r\n", "HD kb3RoZXI= b\r\n", true) == of_other_key);
    CHECK(hear_of("ms YmFk 1 b k\r\n1\r\n", "HD kb3RoZXI= b\r\n", true) == of_other_key);
}

TEST_CASE("memcached lies: each kind of stats has answers of its own") {
    const std::string figures = "STAT x 1\r\n" + end_line;
    for (const std::string& answer : {figures, end_line, std::string("OK\r\n")}) {
        CHECK(hear_of("stats reset\r\n", answer, true) == unfitting);
    }
    CHECK(hear_of("stats reset\r\n", "RESET\r\n", false) == "RESET\r\n");
    CHECK(hear_of("stats detail on\r\n", "RESET\r\n", true) == unfitting);
    CHECK(hear_of("stats detail on\r\n", "OK\r\n", false) == "OK\r\n");
    for (const std::string kind : {"items", "slabs", "settings", "sizes", "detail dump"}) {
        CAPTURE(kind);
        CHECK(hear_of("stats " + kind + "\r\n", "OK\r\n", true) == unfitting);
        CHECK(hear_of("stats " + kind + "\r\n", "RESET\r\n", true) == unfitting);
        CHECK(hear_of("stats " + kind + "\r\n", end_line, false) == end_line);
    }
}

TEST_CASE("memcached lies: what it says to a probe is shown as text, and not all of it") {
    config::Pool pool = memcached_pool(1);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    pool.server_retry_timeout_ms = 2000;
    World world(pool);
    Channel& client = world.client();
    world.server(0).mood = Mood::Refusing;
    CHECK(world.ask(client, "get a\r\n").starts_with("SERVER_ERROR "));
    world.pass(100);
    REQUIRE(!world.health(0).accepts_traffic());
    world.server(0).mood = Mood::Up;
    for (const auto& [said, shown] : std::vector<std::pair<std::string, std::string>>{
             {"ERROR \"\x01\xff\x1b[31m", "with 'ERROR \\\"\\x01\\xff\\x1b[31m');"},
             {"ERROR " + std::string(300, 'x'), "'ERROR " + std::string(94, 'x') + "...');"},
             {"ERROR " + std::string(300, '\xff'), "\\xff...');"},
             {"ERROR Too many open connections\x1b", "open connections\\x1b);"}}) {
        world.server(0).memcached.canned["version"] = said + "\r\n";
        world.pass(2010);
        const std::string heard = world.ask(client, "get a\r\n");
        CAPTURE(heard);
        CHECK(heard.find(shown) != std::string::npos);
        for (const char byte : {'\x01', '\xff', '\x1b'})
            CHECK(heard.find(byte) == std::string::npos);
    }
}

}  // namespace ringmain::test
