#include "ringmain/resp/request_parser.h"

#include "ringmain/base/prng.h"
#include "tests/guard_page.h"
#include "tests/split.h"
#include "tests/unit/resp/events.h"
#include "tests/unit/resp/wire.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::resp {
namespace {

using test::request;

const RequestLimits default_limits;

// The events of `bytes`, having checked that they are the same however the bytes are cut, and that
// nothing behind a piece is looked at.
std::string events(std::string_view bytes,
                   const RequestLimits& limits = default_limits,
                   bool authenticated = true) {
    RequestParser parser(limits);
    parser.set_authenticated(authenticated);
    const std::string whole = test::events_of(parser, test::GuardedBytes(bytes).view());
    CAPTURE(bytes);
    test::for_each_split(bytes, [&](std::string_view head, std::string_view tail) {
        CAPTURE(head);
        REQUIRE(test::events_of(parser, head, tail) == whole);
    });
    REQUIRE(test::events_byte_by_byte(parser, bytes) == whole);
    return whole;
}

const std::string ping = "*1\r\n$4\r\nPING\r\n";

TEST_CASE("an array of bulks is one request with its arguments") {
    CHECK(events("*2\r\n$3\r\nGET\r\n$10\r\nkey:000001\r\n") == "<2 GET key:000001>");
    CHECK(events(ping) == "<1 PING>");
    CHECK(events("*1\r\n$0\r\n\r\n") == "<1 >");
    CHECK(events("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") == "<2 GET k>");
}

TEST_CASE("pipelined requests follow each other") {
    CHECK(events(ping + request({"SET", "k", ""}) + ping) == "<1 PING><3 SET k ><1 PING>");
}

TEST_CASE("a request keeps the places of its first eight arguments") {
    CHECK(events(request({"a", "b", "c", "d", "e", "f", "g", "h"})) == "<8 a b c d e f g h>");
    CHECK(events(request({"a", "b", "c", "d", "e", "f", "g", "h", "i"})) == "<9 a b c d e f g h>");
    CHECK(events(request(std::vector<std::string>(12, "xy")) + ping) ==
          "<12 xy xy xy xy xy xy xy xy><1 PING>");
}

TEST_CASE("a body is skipped by its length, whatever is in it") {
    const std::string lookalike = "\r\n*1\r\n$8\r\nFLUSHALL\r\n";
    CHECK(events(request({"SET", "k", lookalike}) + ping) == "<3 SET k " + lookalike + "><1 PING>");
    CHECK(events(request({"SET", "k", std::string("\0\r\n\n\r", 5)})) ==
          "<3 SET k " + std::string("\0\r\n\n\r", 5) + ">");
}

TEST_CASE("bodies of every size are cut out exactly") {
    const RequestParser parser(default_limits);
    for (const int size : {9,
                           10,
                           99,
                           100,
                           101,
                           999,
                           1000,
                           4095,
                           4096,
                           9999,
                           10000,
                           16383,
                           16384,
                           65535,
                           65536,
                           99999,
                           100000,
                           1234567}) {
        const std::string value(static_cast<size_t>(size), 'v');
        const std::string bytes = request({"SET", "k", value}) + ping;
        const std::string expected = "<3 SET k " + value + "><1 PING>";
        CHECK(test::events_of(parser, bytes) == expected);
        for (const size_t cut : {size_t{5},
                                 size_t{20},
                                 size_t{23},
                                 size_t{26},
                                 size_t{29},
                                 size_t{31},
                                 bytes.size() - 15,
                                 bytes.size() - 14}) {
            CHECK(test::events_of(parser,
                                  std::string_view(bytes).substr(0, cut),
                                  std::string_view(bytes).substr(cut)) == expected);
        }
    }
}

TEST_CASE("requests that ask for nothing are told apart from others") {
    CHECK(events("*0\r\n" + ping) == "<nothing><1 PING>");
    CHECK(events("*-1\r\n" + ping) == "<nothing><1 PING>");
    CHECK(events("*-10\r\n" + ping) == "<nothing><1 PING>");
    CHECK(events("*-9223372036854775808\r\n" + ping) == "<nothing><1 PING>");
    CHECK(events("\r\n" + ping) == "<nothing><1 PING>");
    CHECK(events("\n" + ping) == "<nothing><1 PING>");
    CHECK(events(" \t\v\f\r\r\n" + ping) == "<nothing><1 PING>");
}

TEST_CASE("a count that is no canonical number within the limits is refused") {
    const std::string expected = "error: invalid multibulk length";
    for (const char* count : {"4294967297",
                              "18446744073709551617",
                              "4294967298",
                              "2147483648",
                              "3000000000",
                              "9223372036854775807",
                              "9223372036854775808",
                              "-9223372036854775809",
                              "02",
                              "00",
                              "-0",
                              "-01",
                              "+1",
                              " 1",
                              "1 ",
                              "0x1",
                              "1.0",
                              "",
                              "-",
                              "--1",
                              "1-",
                              "a"}) {
        CAPTURE(count);
        CHECK(events("*" + std::string(count) + "\r\n" + ping) == expected);
    }
    CHECK(events("*" + std::string(400, '9') + "\r\n") == expected);
    CHECK(events("*\r" + ping) == expected);
    CHECK(events(std::string("*\0\r\n", 4)) == expected);
}

TEST_CASE("a large count is believed, and nothing but its header kept") {
    CHECK(events("*2147483647\r\n") == "kept 13, missing 0");
}

TEST_CASE("a length that is no canonical number within the limits is refused") {
    const std::string expected = "error: invalid bulk length";
    for (const char* length : {"4294967299",
                               "18446744073709551619",
                               "2000000000",
                               "4294967295",
                               "536870913",
                               "-1",
                               "-10",
                               "-0",
                               "03",
                               "01",
                               "00",
                               "+3",
                               " 3",
                               "3 ",
                               "0x3",
                               "3.0",
                               "",
                               "-",
                               "x"}) {
        CAPTURE(length);
        CHECK(events("*1\r\n$" + std::string(length) + "\r\nGET\r\n" + ping) == expected);
    }
    CHECK(events("*2\r\n$3\r\nGET\r\n$536870912\r\n") == "kept 25, missing 536870914");
    CHECK(events("*1\r\n$1048577\r\n") == "discarding, missing 1048579");  // no name is so long
}

TEST_CASE("a line that ends in LF or CR alone is refused") {
    CHECK(events("*2\n$3\nGET\n$1\nk\n") == "error: invalid multibulk length");
    CHECK(events("*1\r\n$4\nPING\n") == "error: invalid bulk length");
    CHECK(events("*1\r$4\rPING\r") == "error: invalid multibulk length");
    CHECK(events("*1\r\r\n$4\r\nPING\r\n") == "error: invalid multibulk length");
    CHECK(events("*1\r\n$4\r\r\nPING\r\n") == "error: invalid bulk length");
}

TEST_CASE("what is not a bulk is named, but never with a control byte") {
    const std::string begin = "*3\r\n$3\r\nSET\r\n$3\r\nhcx\r\n";
    CHECK(events(begin + "fooz\r\n") == "error: expected '$', got 'f'");
    CHECK(events(begin + ":3\r\n") == "error: expected '$', got ':'");
    CHECK(events("*1\r\n*1\r\n*1\r\n") == "error: expected '$', got '*'");
    CHECK(events("*1\r\n\r\n") == "error: expected '$', got ' '");
    CHECK(events("*1\r\n\x01\r\n") == "error: expected '$', got ' '");
    CHECK(events("*1\r\n\xff\r\n") == "error: expected '$', got ' '");
}

TEST_CASE("a bulk longer than declared ends the connection before the rest can run") {
    const std::string expected = "error: invalid line end after bulk";
    CHECK(events("*2\r\n$3\r\nGET\r\n$3\r\nhcxyz\r\n" + ping) == expected);
    CHECK(events("*1\r\n$4\r\nPINGx\r\n") == expected);
    CHECK(events("*1\r\n$4\r\nPING\rx") == expected);
    CHECK(events("*1\r\n$4\r\nPING\n\n") == expected);
    CHECK(events("*1\r\n$0\r\nx\r\n") == expected);
}

TEST_CASE("requests before an error are completed, those behind it are not") {
    CHECK(events(ping + ping + "*1\r\n$zz\r\n" + ping) ==
          "<1 PING><1 PING>error: invalid bulk length");
}

TEST_CASE("after an error every further byte is an error") {
    RequestParser parser(default_limits);
    REQUIRE(parser.feed("*x").status == ParseStatus::Error);
    CHECK(parser.feed(ping).status == ParseStatus::Error);
    CHECK(parser.feed("").status == ParseStatus::Error);
    CHECK(parser.error() == "invalid multibulk length");
}

TEST_CASE("an endless header line ends where redis ends it") {
    const RequestParser parser(default_limits);
    const std::string digits(70000, '1');
    CHECK(test::events_of(parser, "*" + digits) == "error: too big mbulk count string");
    CHECK(test::events_of(parser, "*1\r\n$" + digits) == "error: too big bulk count string");
    CHECK(test::events_byte_by_byte(parser, "*" + digits) == "error: too big mbulk count string");
    CHECK(test::events_of(parser, "*" + digits.substr(0, 65536) + "\r\n") ==
          "error: invalid multibulk length");
}

TEST_CASE("anything else is an inline line") {
    CHECK(events("PING\r\n" + ping) == "<inline PING\r\n><1 PING>");
    CHECK(events("GET k\nGET \"x y\"\r\n") == "<inline GET k\n><inline GET \"x y\"\r\n>");
    CHECK(events("$5\r\nhello\r\n") == "<inline $5\r\n><inline hello\r\n>");
    CHECK(events(" +GET\r\n") == "<inline  +GET\r\n>");
    CHECK(events("PIN") == "kept 3, missing 0");
}

TEST_CASE("a line with a NUL byte has no end, as in redis") {
    using namespace std::string_view_literals;
    RequestLimits limits;
    limits.inline_size_max = 20;
    CHECK(events("GET a\0b\r\n"sv, limits) == "kept 9, missing 0");
    CHECK(events("\0\r\n\r\nPING\r\n"sv, limits) == "kept 11, missing 0");
    CHECK(events("PING\r\nGET a\0\r\n0123456789012"sv, limits) ==
          "<inline PING\r\n>error: too big inline request");
    CHECK(events(std::string("PING\n\0", 6) + ping, limits) == "<inline PING\n>kept 15, missing 0");
}

TEST_CASE("an inline line has a limit") {
    RequestLimits limits;
    limits.inline_size_max = 10;
    CHECK(events("0123456789\n", limits) == "<inline 0123456789\n>");
    CHECK(events("012345678\r\n", limits) == "<inline 012345678\r\n>");
    CHECK(events("0123456789", limits) == "kept 10, missing 0");
    CHECK(events("0123456789a\n", limits) == "error: too big inline request");
    CHECK(events("0123456789a", limits) == "error: too big inline request");
    CHECK(events("ab\n0123456789a", limits) == "<inline ab\n>error: too big inline request");

    const RequestParser parser(default_limits);
    CHECK(test::events_of(parser, std::string(16 << 20, 'A')) == "error: too big inline request");
    CHECK(test::events_of(parser, std::string(65536, 'A') + "\r\n").starts_with("error"));
    CHECK(test::events_of(parser, std::string(65535, 'A') + "\r\n").starts_with("<inline"));
}

TEST_CASE("a browser is turned away without a word") {
    CHECK(events("POST / HTTP/1.1\r\n" + ping) == "error: ");
    CHECK(events("host: localhost\r\n") == "error: ");
    CHECK(events("  Post\r\n") == "error: ");
    CHECK(events("POSTS x\r\n") == "<inline POSTS x\r\n>");
    CHECK(events("POS T\r\n") == "<inline POS T\r\n>");
    CHECK(events("GET POST\r\n") == "<inline GET POST\r\n>");
    CHECK(events("host:x y\r\n") == "<inline host:x y\r\n>");
}

TEST_CASE("before AUTH the limits are low") {
    const RequestLimits& limits = default_limits;
    CHECK(events("*10\r\n", limits, false) == "kept 5, missing 0");
    CHECK(events("*11\r\n", limits, false) == "error: unauthenticated multibulk length");
    CHECK(events("*2147483648\r\n", limits, false) == "error: invalid multibulk length");
    CHECK(events("*1\r\n$16384\r\n", limits, false) == "kept 12, missing 16386");
    CHECK(events("*1\r\n$16385\r\n", limits, false) == "error: unauthenticated bulk length");
    CHECK(events("*1\r\n$536870913\r\n", limits, false) == "error: invalid bulk length");
    CHECK(events(request({"AUTH", "secret"}), limits, false) == "<2 AUTH secret>");
}

TEST_CASE("the configured limits hold for requests in one piece, too") {
    RequestLimits limits;
    limits.arguments_max = 2;
    limits.bulk_size_max = 5;
    CHECK(events(request({"abcde", "xyz"}), limits) == "<2 abcde xyz>");
    CHECK(events(request({"abcdef"}), limits) == "error: invalid bulk length");
    CHECK(events(request({"a", "b", "c"}), limits) == "error: invalid multibulk length");
}

TEST_CASE("an oversized request is counted to its end and the connection stays usable") {
    RequestLimits limits;
    limits.request_size_max = 40;
    const std::string fits = request({"SET", "k", "0123456789012"});
    REQUIRE(fits.size() == 40);
    CHECK(events(fits, limits) == "<3 SET k 0123456789012>");
    CHECK(events(request({"SET", "k", "01234567890123"}) + ping, limits) ==
          "<oversized 3><1 PING>");
    CHECK(events(request({"SET", std::string(100, 'k'), "v"}) + ping, limits) ==
          "<oversized 3><1 PING>");
    CHECK(events(request(std::vector<std::string>(20, "")) + ping, limits) ==
          "<oversized 20><1 PING>");
    // Strict to the end.
    CHECK(events("*2\r\n$50\r\n" + std::string(50, 'x') + "\r\n:", limits) ==
          "error: expected '$', got ':'");
}

TEST_CASE("an oversized request is known from its header on") {
    RequestLimits limits;
    limits.request_size_max = 1000;
    RequestParser parser(limits);
    CHECK(parser.feed("*2\r\n$3\r\nGET\r\n$2000\r").status == ParseStatus::NeedMore);
    CHECK_FALSE(parser.discarding());
    CHECK(parser.feed("\nxxx").status == ParseStatus::NeedMore);
    CHECK(parser.discarding());
    CHECK(parser.bytes_missing() == 1999);
    const Fed fed = parser.feed(std::string(1997, 'x') + "\r\n" + ping);
    CHECK(fed.status == ParseStatus::Complete);
    CHECK(fed.consumed == 1999);
    CHECK(parser.frame().oversized);
    parser.next();
    CHECK_FALSE(parser.discarding());
    CHECK(parser.feed(ping).status == ParseStatus::Complete);
    CHECK_FALSE(parser.frame().oversized);
}

TEST_CASE("a request beyond 4 GiB does not wrap its size") {
    const RequestLimits limits;
    RequestParser parser(limits);
    REQUIRE(parser.feed("*10\r\n").status == ParseStatus::NeedMore);
    const std::string piece(16 << 20, 'x');
    for (int argument = 0; argument < 9; ++argument) {
        REQUIRE(parser.feed("$536870912\r\n").status == ParseStatus::NeedMore);
        for (int i = 0; i < 32; ++i)
            REQUIRE(parser.feed(piece).status == ParseStatus::NeedMore);
        REQUIRE(parser.feed("\r\n").status == ParseStatus::NeedMore);
    }
    CHECK(parser.discarding());
    CHECK(parser.feed("$1\r\nx\r\n").status == ParseStatus::Complete);
    CHECK(parser.frame().oversized);
    CHECK(parser.frame().size == UINT32_MAX);
}

TEST_CASE("the missing bytes of a bulk are known") {
    RequestParser parser(default_limits);
    CHECK(parser.bytes_missing() == 0);
    CHECK(parser.feed("*1\r\n$10\r").status == ParseStatus::NeedMore);
    CHECK(parser.bytes_missing() == 0);
    CHECK(parser.feed("\n").status == ParseStatus::NeedMore);
    CHECK(parser.bytes_missing() == 12);
    CHECK(parser.feed("0123").status == ParseStatus::NeedMore);
    CHECK(parser.bytes_missing() == 8);
    CHECK(parser.feed("456789\r").status == ParseStatus::NeedMore);
    CHECK(parser.bytes_missing() == 1);
    CHECK(parser.feed("\n").status == ParseStatus::Complete);
}

TEST_CASE("an empty piece changes nothing") {
    RequestParser parser(default_limits);
    const Fed fed = parser.feed("");
    CHECK(fed.status == ParseStatus::NeedMore);
    CHECK(fed.consumed == 0);
    CHECK(parser.feed(ping).status == ParseStatus::Complete);
}

TEST_CASE("random streams of requests do not depend on random cuts") {
    constexpr uint64_t seed = 7921;
    CAPTURE(seed);
    Prng prng(seed);
    const RequestParser parser(default_limits);
    for (int round = 0; round < 300; ++round) {
        std::string stream;
        const uint64_t requests = 1 + prng.below(8);
        for (uint64_t i = 0; i < requests; ++i) {
            std::vector<std::string> arguments(1 + prng.below(12));
            for (std::string& argument : arguments)
                argument.assign(prng.below(130), '$');
            stream += request(arguments);
        }
        // A byte that is wrong, now and then.
        if (prng.below(3) == 0) {
            stream[prng.below(stream.size())] = "*$\r\n0189-x"[prng.below(10)];
        }
        const std::string whole = test::events_of(parser, test::GuardedBytes(stream).view());
        CAPTURE(stream);
        REQUIRE(test::events_byte_by_byte(parser, stream) == whole);
        RequestParser cut_parser = parser;
        test::Events<RequestParser> cut(cut_parser);
        for (std::string_view rest = stream; !rest.empty();) {
            const size_t size = 1 + prng.below(rest.size());
            cut.feed(test::GuardedBytes(rest.substr(0, size)).view());
            rest.remove_prefix(size);
        }
        REQUIRE(cut.text() == whole);
    }
}

}  // namespace
}  // namespace ringmain::resp
