// The answers in here are those of memcached 1.6.18 to the same bytes, recorded on a live server;
// where we differ the test says so.

#include "tests/unit/memcached/story.h"

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

using test::bad_format;
using test::story_of;
using test::text;
using test::too_long_key;
using test::unknown_end;

constexpr const char* bad_token = "CLIENT_ERROR bad token in command line format";
constexpr const char* bad_flag = "CLIENT_ERROR invalid or duplicate flag";
constexpr const char* bad_key = "CLIENT_ERROR error decoding key";
constexpr const char* opaque_too_long = "CLIENT_ERROR opaque token too long";

TEST_CASE("mg, md, ma and me have a key and flags") {
    CHECK(story_of("mg k\r\n") == "mg(k)");
    CHECK(story_of("mg k s v c t Oopaque k T30 N0 R-1\r\n") == "mg(k)");
    CHECK(story_of("md k I T30 q\r\n") == "md(k) quiet");
    CHECK(story_of("ma k N90 J13 D30 MD v t\r\n") == "ma(k)");
    CHECK(story_of("me k\r\n") == "me(k)");
    CHECK(story_of("me k q\r\n") == "me(k)");
    CHECK(story_of("  mg  k  v  q \r\n") == "mg(k) quiet");
}

TEST_CASE("mn has nothing") {
    CHECK(story_of("mn\r\nmn foo\r\nmn q\r\n") == "mn() | mn() | mn()");
    CHECK(story_of("mx\r\nmnx\r\nm\r\nmN\r\n") == "ERROR | ERROR | ERROR | ERROR");
}

TEST_CASE("a meta command without a key is an error") {
    CHECK(story_of("mg\r\nmg \r\nmd\r\nma\r\n") == "ERROR | ERROR | ERROR | ERROR");
    CHECK(story_of("me\r\n") == bad_format);
}

TEST_CASE("keys are as long as those of classic commands, and as clean") {
    for (const char* word : {"mg ", "md ", "ma ", "me "}) {
        CAPTURE(word);
        CHECK(story_of(word + too_long_key + "\r\n") == bad_format);
        CHECK(story_of(word + too_long_key + " q\r\n") == bad_format);
        CHECK(story_of(word + text("a\rb\r\n")) == bad_format);
        CHECK(story_of(word + text("a O\rx\r\n")) == bad_format);
        CHECK(story_of(word + text("a\tb\r\n")) != bad_format);
    }
}

TEST_CASE("ms is followed by its data") {
    CHECK(story_of("ms k 2\r\nhi\r\n") == "ms(k)=hi");
    CHECK(story_of("ms k 2 c k O1 T30 F5 C0 I ME q\r\nhi\r\n") == "ms(k)=hi quiet");
    CHECK(story_of("ms k 0\r\n\r\n") == "ms(k)=");
    CHECK(story_of("ms k 02 \r\nhi\r\n") == "ms(k)=hi");
    CHECK(story_of("ms k +2\r\nhi\r\n") == "ms(k)=hi");
}

TEST_CASE("an ms without a length leaves the data without an owner") {
    for (const char* length : {"v", "S2", "abc", "-1", "2147483646", "18446744073709551623"}) {
        CAPTURE(length);
        CHECK(story_of("ms k " + text(length) + "\r\nversion\r\n") == unknown_end);
        // q does not silence errors.
        CHECK(story_of("ms k " + text(length) + " q\r\nversion\r\n") == unknown_end);
    }
}

TEST_CASE("the data of a refused ms is swallowed") {
    const auto answer = [](std::string_view flags) {
        return story_of("ms k 2 " + text(flags) + "\r\nmn\r\nversion\r\n");
    };
    CHECK(answer("k k") == "CLIENT_ERROR duplicate flag | version()");
    CHECK(answer("q q") == "CLIENT_ERROR duplicate flag | version()");
    CHECK(answer("\xFF") == "CLIENT_ERROR duplicate flag | version()");
    CHECK(answer("Tx") == text(bad_token) + " | version()");
    CHECK(answer("q Tx") == text(bad_token) + " | version()");
    CHECK(answer("T") == text(bad_token) + " | version()");
    CHECK(answer("Cx") == text(bad_token) + " | version()");
    CHECK(answer("C") == text(bad_token) + " | version()");
    CHECK(answer("Fx") == text(bad_format) + " | version()");
    CHECK(answer("F-1") == text(bad_format) + " | version()");
    CHECK(answer("M") == "CLIENT_ERROR incorrect length for M token | version()");
    CHECK(answer("MSS") == "CLIENT_ERROR incorrect length for M token | version()");
    CHECK(answer("b") == text(bad_key) + " | version()");
    CHECK(answer("O" + std::string(32, '1')) == text(opaque_too_long) + " | version()");
    CHECK(answer("O" + std::string(31, '1')) == "ms(k)=mn | version()");
    // memcached cuts these flags to 32 bits.
    CHECK(answer("F4294967296") == text(bad_format) + " | version()");
    // memcached runs the data of these two as a command.
    CHECK(answer("c f h k l s t u v I O1 P1 L1 F1 MS D1 J1") ==
          "CLIENT_ERROR options flags too long | version()");
    CHECK(story_of("ms " + too_long_key + " 2\r\nmn\r\nversion\r\n") ==
          text(bad_format) + " | version()");
}

TEST_CASE("an ms has the bad chunks and the limit of a set, and answers in spite of q") {
    CHECK(story_of("ms k 2 q\r\nhiX\r\nmn\r\n") == "CLIENT_ERROR bad data chunk | ERROR | mn()");
    const RequestLimits limits = {.value_size_max = 2};
    CHECK(story_of("ms k 3 q\r\nabc\r\nmn\r\n", limits) ==
          "SERVER_ERROR object too large for cache | mn()");
}

TEST_CASE("flag arguments are numbers in range") {
    CHECK(story_of("mg k Tx\r\n") == bad_token);
    CHECK(story_of("mg k T\r\n") == bad_token);
    CHECK(story_of("mg k N\r\n") == bad_token);
    // memcached 1.6.18 has no such flag, later ones have: the server says what it is.
    CHECK(story_of("mg k E\r\nmg k Ex\r\n") == "mg(k) | mg(k)");
    CHECK(story_of("ms k 2 E\r\nhi\r\nmd k Ex\r\n") == "ms(k)=hi | md(k)");
    CHECK(story_of("mg k T9223372036854775808\r\n") == bad_token);
    CHECK(story_of("mg k Dx\r\n") == "CLIENT_ERROR invalid numeric delta value");
    CHECK(story_of("mg k Jx\r\n") == "CLIENT_ERROR invalid numeric initial value");
    CHECK(story_of("mg k v v\r\n") == "CLIENT_ERROR duplicate flag");
    CHECK(story_of("mg k O" + std::string(32, '1') + "\r\n") == opaque_too_long);
    CHECK(story_of("md k Tx\r\nmd k k k\r\n") == text(bad_flag) + " | " + bad_flag);
    CHECK(story_of("md k O" + std::string(32, '1') + "\r\n") == opaque_too_long);
    CHECK(story_of("ma k D18446744073709551615\r\n") == "ma(k)");
    CHECK(story_of("ma k D18446744073709551616\r\n") == bad_flag);
    CHECK(story_of("ma k D-1\r\nma k M\r\nma k Jx\r\n") ==
          text(bad_flag) + " | " + bad_flag + " | " + bad_flag);
}

// memcached 1.6.18 refuses some of these itself; a later one may know them.
TEST_CASE("what a letter means is the server's business") {
    CHECK(story_of("mg k x\r\nmg k S1\r\nmd k x\r\nma k MX\r\n") ==
          "mg(k) | mg(k) | md(k) | ma(k)");
    CHECK(story_of("ms k 2 x\r\nhi\r\n") == "ms(k)=hi");
    CHECK(story_of("me k O1 k x y z\r\n") == "me(k)");
}

// Later servers do not read such a line, and run the data of ms.
TEST_CASE("a flag that is no letter is nobody's") {
    for (const char flag : {'!', '-', '1', '@', '[', '_', '`', '{', '~', '\t', '\x7E'}) {
        CAPTURE(flag);
        for (const char* rest : {"", "x", "1"}) {
            const std::string word = std::string(1, flag) + rest;
            const bool is_length = flag == '1';  // of a key with a blank in it
            CHECK(story_of("ms k 9 " + word + "\r\nflush_all\r\nmn\r\n") ==
                  (is_length ? unknown_end : "CLIENT_ERROR invalid flag | mn()"));
            CHECK(story_of("mg k v " + word + "\r\n") == "CLIENT_ERROR invalid flag");
            CHECK(story_of("md k " + word + " q\r\n") == bad_flag);
            CHECK(story_of("ma k " + word + "\r\n") == bad_flag);
        }
    }
}

TEST_CASE("there are at most 19 words") {
    const std::string seventeen = " c f h k l s t u v I O1 P1 L1 C1 F1 MS D1";
    CHECK(story_of("mg k" + seventeen + "\r\n") == "mg(k)");
    CHECK(story_of("mg k" + seventeen + " J1\r\n") == "CLIENT_ERROR options flags are too long");
    CHECK(story_of("md k" + seventeen + " J1\r\n") == "CLIENT_ERROR options flags too long");
    CHECK(story_of("mg k" + seventeen + " J1 R1 T1 N1 W x y z 1 2 3 4\r\n") ==
          "CLIENT_ERROR options flags are too long");
}

TEST_CASE("a key that would end a response's line is not asked to be written out") {
    // "x\r\nEN\r\nHD", "a\nb", "a\rb"
    for (const std::string key : {"eA0KRU4NCkhE", "YQpi", "YQ1i"}) {
        for (const std::string command : {"mg", "ma"}) {
            const std::string refused =
                "CLIENT_ERROR ringmain: a response cannot hold this key: leave out the flag k";
            CHECK(story_of(command + " " + key + " b N30 k\r\n") == refused);
            CHECK(story_of(command + " " + key + " k b\r\n") == refused);
            CHECK(story_of(command + " " + key + " b O1\r\n") == command + "(" + key + ") base64");
        }
        CHECK(story_of("me " + key + " b\r\n") ==
              "CLIENT_ERROR ringmain: a response cannot hold this key: ask the server");
        // These write out what was asked for.
        CHECK(story_of("md " + key + " b k\r\n") == "md(" + key + ") base64");
        CHECK(story_of("ms " + key + " 2 b k\r\nhi\r\n") == "ms(" + key + ")=hi base64");
    }
    CHECK(story_of("mg YSBi b k\r\n") == "mg(YSBi) base64");  // "a b"
}

TEST_CASE("a key may be base64") {
    CHECK(story_of("mg Zm9v b\r\n") == "mg(Zm9v) base64");
    CHECK(story_of("mg Zm9vYg== b k\r\n") == "mg(Zm9vYg==) base64");
    CHECK(story_of("mg Zm9vYh== b k\r\n") == "mg(Zm9vYh==) base64");
    CHECK(story_of("mg Zm9vYmE= b k\r\n") == "mg(Zm9vYmE=) base64");
    CHECK(story_of("mg Zm9v bb\r\n") == "mg(Zm9v) base64");
    CHECK(story_of("ms Zm9v 2 b k\r\nhi\r\n") == "ms(Zm9v)=hi base64");
    CHECK(story_of("me Zm9v b\r\nme Zm9v x b\r\n") == "me(Zm9v) base64 | me(Zm9v)");
    for (const char* key :
         {"Z", "Zm9", "Zm9v=Yg", "Zm9vYg=", "====", "Z===", "Zm-_", "Zm9vYmE=Zm9v"}) {
        CAPTURE(key);
        CHECK(story_of("mg " + text(key) + " b\r\n") == bad_key);
        CHECK(story_of("md " + text(key) + " b\r\n") == bad_flag);
        CHECK(story_of("me " + text(key) + " b\r\n") == bad_format);
        CHECK(story_of("ms " + text(key) + " 2 b\r\nhi\r\n") == bad_key);
    }
}

}  // namespace
}  // namespace ringmain::memcached
