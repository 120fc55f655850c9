// The answers in here are those of memcached 1.6.18 to the same bytes, recorded on a live server;
// where we differ the test says so.

#include "tests/unit/memcached/story.h"

#include <cstring>
#include <string>
#include <vector>

#include "src/memcached/numbers.h"
#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

using test::bad_format;
using test::story_of;
using test::text;
using test::too_long_key;
using test::unknown_end;

const std::string longest_key(250, 'k');

constexpr const char* bad_exptime = "CLIENT_ERROR invalid exptime argument";
constexpr const char* bad_delta = "CLIENT_ERROR invalid numeric delta argument";

TEST_CASE("a get has keys, parted by any number of blanks") {
    CHECK(story_of("get k\r\n") == "get(k)");
    CHECK(story_of(" get  a   b \r\n") == "get(a,b)");
    CHECK(story_of("gets a b c\r\n") == "gets(a,b,c)");
    CHECK(story_of("gat 0 a b\r\n") == "gat(a,b)@0");
    CHECK(story_of("gats -1 a\r\n") == "gats(a)@-1");
    CHECK(story_of("get " + longest_key + "\r\n") == "get(" + longest_key + ")");
    CHECK(story_of("get \x80\xFF\r\n") == "get(\x80\xFF)");
}

TEST_CASE("a get counts all of its keys and keeps the first ones") {
    RequestLimits limits;
    RequestParser parser(limits);
    CHECK(parser.feed("get a b c d e f g h i j\r\n").status == ParseStatus::Complete);
    CHECK(parser.frame().key_count == 10);
    CHECK(parser.frame().keys[7].offset == 18);
}

// Of up to nine letters of these, behind a line's beginning of any place among eight bytes.
TEST_CASE("keys and blanks are told apart wherever they lie") {
    const std::string letters = {' ', 'k', '\t'};
    for (size_t number = 0; number < 19'683; ++number) {
        std::string rest;
        for (size_t left = number, i = 0; i < 9; ++i, left /= 3)
            rest += letters[left % 3];
        std::string keys;
        bool is_canonical = rest.back() != ' ';
        uint32_t count = 0;
        for (size_t i = 0; i < rest.size(); ++i) {
            if (rest[i] == ' ') {
                is_canonical = is_canonical && i > 0 && rest[i - 1] != ' ';
                continue;
            }
            if (i == 0 || rest[i - 1] == ' ') {
                keys += count > 0 ? "," : "";
                count += 1;
            }
            keys += rest[i];
        }
        const std::string line = (number % 2 == 0 ? "get " : "gats 0 ") + rest + "\r\n";
        RequestLimits limits;
        RequestParser parser(limits);
        const bool is_right = parser.feed(line).status == ParseStatus::Complete &&
                              parser.frame().key_count == count &&
                              (count == 0 || parser.frame().is_canonical == is_canonical);
        const std::string told = number % 2 == 0 ? "get(" + keys + ")" : "gats(" + keys + ")@0";
        if (!is_right || (number % 64 < 2 && count > 0 && story_of(line) != told)) {
            CAPTURE(line);
            CHECK(is_right);
            CHECK(story_of(line) == told);
        }
    }
}

// The second line goes the long way round: only the first is written as usual.
TEST_CASE("a storage line is read the same way however it is spaced") {
    const std::vector<std::string> numbers = {
        "0",
        "01",
        "3",
        "999999999",
        "1000000000",
        "2147483648",
        "4294967296",
        "+1",
        "-1",
        "1a",
        "\x7F",
        "",
    };
    const auto canonical_of = [](const std::string& line) {
        RequestLimits limits;
        RequestParser parser(limits);
        const bool is_read = parser.feed(line).status == ParseStatus::Complete;
        return is_read && parser.frame().is_canonical;
    };
    for (const std::string& flags : numbers) {
        for (const std::string& exptime : numbers) {
            for (const std::string& length : numbers) {
                const std::string rest = flags + " " + exptime + " " + length;
                const std::string data = "\r\nabc\r\nget z\r\n";
                const std::string usual = story_of("set k " + rest + data);
                const bool is_same = usual == story_of("set  k " + rest + data);
                const bool is_set = usual == "set(k)=abc | get(z)" && rest.find("  ") == rest.npos;
                const bool is_canonical = is_set && is_canonical_number(flags) &&
                                          is_canonical_time(exptime) && length == "3";
                const bool is_told = canonical_of("set k " + rest + data) == is_canonical;
                if (is_same && (!is_set || is_told)) continue;
                CAPTURE(rest);
                CHECK(usual == story_of("set  k " + rest + data));
                CHECK((!is_set || is_told));
            }
        }
    }
    CHECK(story_of("set k 0 0 3\r\nabc\r\n") == "set(k)=abc");
    CHECK(canonical_of("set k 0 0 3\r\nabc\r\n"));
    CHECK(canonical_of("append " + longest_key + " 4294967295 -1 3\r\nabc\r\n"));
    CHECK_FALSE(canonical_of("set k 0 0 3 \r\nabc\r\n"));
    CHECK_FALSE(canonical_of("set k 0 0 3\nabc\r\n"));
    CHECK(story_of("set " + too_long_key + " 0 0 3\r\nabc\r\n") == bad_format);
}

TEST_CASE("a get without a key is an error") {
    CHECK(story_of("get\r\n") == "ERROR");
    CHECK(story_of("get    \r\n") == "ERROR");
    CHECK(story_of("gat\r\n") == "ERROR");
    CHECK(story_of("gat 0\r\n") == "END");
    CHECK(story_of("gat x\r\n") == bad_exptime);
    CHECK(story_of("gat k1 k2\r\n") == bad_exptime);
    CHECK(story_of("gat 9223372036854775808 k\r\n") == bad_exptime);
}

TEST_CASE("one key that is too long refuses the whole get") {
    CHECK(story_of("get " + too_long_key + "\r\nget b\r\n") == text(bad_format) + " | get(b)");
    CHECK(story_of("get a " + too_long_key + " b\r\n") == bad_format);
    CHECK(story_of("gat 0 " + too_long_key + "\r\n") == bad_format);
}

TEST_CASE("a line feed ends a line wherever it stands, so that no key carries a second command") {
    CHECK(story_of("get a\nversion\r\n") == "get(a) | version()");
    CHECK(story_of("delete a\nflush_all\r\n") == "delete(a) | flush_all()");
    CHECK(story_of("get a b\nflush_all\r\n") == "get(a,b) | flush_all()");
    CHECK(story_of("set k 0 0 3\nabc\r\n") == "set(k)=abc");
}

TEST_CASE("a control character is a part of a key as any letter is") {
    for (const char byte : {'\t', '\v', '\x01', '\x1F', '\x7F'}) {
        const std::string key = std::string("a") + byte + "b";
        CAPTURE(static_cast<int>(byte));
        CHECK(story_of("get " + key + "\r\n") == "get(" + key + ")");
        CHECK(story_of("get x " + key + " y\r\n") == "get(x," + key + ",y)");
        CHECK(story_of("get  " + key + "\r\n") == "get(" + key + ")");
        CHECK(story_of("set " + key + " 0 0 2\r\nhi\r\n") == "set(" + key + ")=hi");
    }
}

TEST_CASE("what may end a line is refused in a key") {
    for (const char byte : {'\0', '\r'}) {
        const std::string key = std::string("a") + byte + "b";
        CAPTURE(static_cast<int>(byte));
        CHECK(story_of("get " + key + "\r\n") == bad_format);
        CHECK(story_of("get x y " + key + "\r\n") == bad_format);
        CHECK(story_of("incr " + key + " 1\r\n") == bad_format);
        CHECK(story_of("touch " + key + " 1\r\n") == bad_format);
        CHECK(story_of("delete " + key + "\r\n") == bad_format);
        CHECK(story_of("set " + key + " 0 0 2\r\nhi\r\n") == bad_format);
    }
    CHECK(story_of("get a\r\r\n") == bad_format);
    CHECK(story_of("\tget a\r\n") == "ERROR");
    CHECK(story_of("get\ta\r\n") == "ERROR");
}

TEST_CASE("an unknown word is an error and the connection lives on") {
    CHECK(story_of("\r\nget a\r\n") == "ERROR | get(a)");
    CHECK(story_of("\n") == "ERROR");
    CHECK(story_of(" \n") == "ERROR");
    CHECK(story_of("a\r\n") == "ERROR");
    CHECK(story_of("foo bar\r\n") == "ERROR");
    CHECK(story_of("GET a\r\n") == "ERROR");
    CHECK(story_of("Get a\r\n") == "ERROR");
    CHECK(story_of("gatx 0 k\r\n") == "ERROR");
    CHECK(story_of("quitx\r\n") == "ERROR");
    CHECK(story_of("bget k\r\n") == "ERROR");
    CHECK(story_of("misbehave\r\n") == "ERROR");
}

TEST_CASE("of slabs wrong words are answered as memcached does") {
    for (const char* line : {"slabs",
                             "slabs x",
                             "slabs x 1 2",
                             "slabs reassign",
                             "slabs reassign 1",
                             "slabs reassign 1 2 3",
                             "slabs automove"}) {
        CAPTURE(line);
        CHECK(story_of(text(line) + "\r\n") == "ERROR");
    }
    for (const char* line : {"slabs reassign x 1", "slabs reassign 1 x", "slabs automove x"}) {
        CAPTURE(line);
        CHECK(story_of(text(line) + "\r\n") == "CLIENT_ERROR bad command line format");
    }
    for (const char* line : {"slabs reassign 1 2",
                             "slabs reassign -1 99",
                             "slabs automove 1",
                             "slabs automove 1 0.8"}) {
        CAPTURE(line);
        CHECK(story_of(text(line) + "\r\n").starts_with("CLIENT_ERROR ringmain: 'slabs' is not"));
    }
}

TEST_CASE("of commands that are refused those are silent which memcached silences") {
    for (const char* line : {"cache_memlimit 64 noreply",
                             "cache_memlimit noreply",
                             "slabs automove 1 noreply",
                             "slabs automove 0 0.8 noreply",
                             "slabs automove x noreply",
                             "slabs automove noreply",
                             "lru mode segmented noreply",
                             "lru tune 20 40 0.2 2.0 noreply",
                             "lru temp_ttl 5 noreply",
                             "lru foo noreply",
                             "lru noreply",
                             "extstore free_memchunks 1 100 noreply",
                             "watch fetchers noreply"}) {
        CAPTURE(line);
        CHECK(story_of(text(line) + "\r\nget k\r\n") == story_of("lru noreply\r\nget k\r\n"));
        CHECK(story_of(text(line) + "\r\n").find("ERROR") == std::string::npos);
    }
    for (const char* line : {"lru_crawler disable noreply",
                             "slabs reassign 1 2 noreply",
                             "slabs automove",
                             "slabs noreply",
                             "cache_memlimit 64 1 noreply",
                             "shutdown noreply",
                             "refresh_certs noreply",
                             "lru noreply 1",
                             "foo noreply"}) {
        CAPTURE(line);
        CHECK(story_of(text(line) + "\r\n").find("ERROR") != std::string::npos);
    }
}

TEST_CASE("commands that concern one server are refused by name") {
    for (const char* word : {"watch",
                             "lru_crawler",
                             "lru",
                             "cache_memlimit",
                             "extstore",
                             "refresh_certs",
                             "shutdown"}) {
        CAPTURE(word);
        const std::string story = story_of(text(word) + " x\r\n");
        CHECK(story.starts_with("CLIENT_ERROR ringmain: '" + text(word) + "' is not supported: "));
    }
}

TEST_CASE("a storage command is followed by its data") {
    CHECK(story_of("set k 0 0 1\r\nx\r\n") == "set(k)=x");
    CHECK(story_of("add k 1 2 3\r\nabc\r\n") == "add(k)=abc");
    CHECK(story_of("replace k 0 0 0\r\n\r\n") == "replace(k)=");
    CHECK(story_of("append k 0 0 2\r\n\r\n\r\n") == "append(k)=\r\n");
    CHECK(story_of("prepend k 0 0 5\r\nEND\r\n\r\n") == "prepend(k)=END\r\n");
    CHECK(story_of("cas k 0 0 1 18446744073709551615\r\nx\r\n") == "cas(k)=x");
    CHECK(story_of(" set  k  0  0  1 \r\nx\r\n") == "set(k)=x");
    CHECK(story_of("set k 4294967295 -2147483649 1\r\nx\r\n") == "set(k)=x");
    CHECK(story_of("set k 0 9223372036854775807 1\r\nx\r\n") == "set(k)=x");
    CHECK(story_of("set k +1 +1 +1\r\nx\r\n") == "set(k)=x");
    CHECK(story_of("set k 01 00 01\r\nx\r\n") == "set(k)=x");
    CHECK(story_of("set k 0 0 1000\r\n0123") == "...");
}

TEST_CASE("noreply stands last; other words in its place are ignored") {
    CHECK(story_of("set k 0 0 1 noreply\r\nx\r\n") == "set(k)=x noreply");
    CHECK(story_of("set k 0 0 1 foo\r\nx\r\n") == "set(k)=x");
    CHECK(story_of("cas k 0 0 1 1 noreply\r\nx\r\n") == "cas(k)=x noreply");
}

// memcached runs what stands behind these lines as commands, or cuts the value elsewhere and runs
// its end. `0 0 9` is what is left of a key that is empty, `a 1` and `a b` are keys with a blank.
TEST_CASE("a storage line of whose data nobody knows where it ends is the connection's end") {
    for (const char* line : {"set",
                             "set k",
                             "set k 0 0",
                             "set k 0 0 noreply",
                             "set  0 0 9",
                             "set  0 0 9 noreply",
                             "cas k 0 0 9",
                             "cas  0 0 9 7",
                             "cas  0 0 9 7 noreply",
                             "set a 1 0 0 9",
                             "set a b 0 0 9",
                             "set a 1 0 0 9 noreply",
                             "set a 1 2 0 0 9",
                             "cas a 1 0 0 9 7",
                             "cas a 1 0 0 9 7 noreply",
                             "set a 0 0 9 foo bar",
                             "append k 0 0 9 1 2 3 4 5 6 7 8",
                             "ms",
                             "ms k",
                             "ms  9",
                             "ms  9 T0",
                             "ms a 1 9",
                             "ms a b 9",
                             "ms a 1 9 T0",
                             "ms a 1 2 9 c"}) {
        CAPTURE(line);
        for (const char* value : {"flush_all", "\r\nflush_all\r\n", "x\r\nflush_all\r\n"}) {
            CAPTURE(value);
            CHECK(story_of(text(line) + "\r\n" + value + "\r\nget a\r\n") == unknown_end);
        }
    }
    const std::string inner = "set a 0 0 11 0 0\r\nset b 0 0 17\r\nset evil 0 0 1\r\nX\r\n";
    CHECK(story_of(inner) == unknown_end);
    CHECK(story_of("set a\nb 0 0 9\r\nflush_all\r\n") == unknown_end);
    CHECK(story_of("set a 0 0 1 foo\r\nx\r\n") == "set(a)=x");
}

TEST_CASE("a length that cannot be right leaves the data without an owner") {
    const std::string rest = "\r\nflush_all\r\n";
    // Of more than 32 bits memcached takes the lower ones.
    for (const std::string& length : {std::string("-1"),
                                      std::string("abc"),
                                      std::string("1x"),
                                      std::string("2147483646"),
                                      std::string("2147483647"),
                                      std::string("2147483648"),
                                      std::string("4294967295"),
                                      std::string("4294967296"),
                                      std::string("4294967305"),
                                      std::string("+4294967305"),
                                      std::string("4294967305\t"),
                                      std::string("\t4294967305"),
                                      std::string("18446744073709551625"),
                                      std::string(400, '9')}) {
        CAPTURE(length);
        const std::string line = "set k 0 0 " + length;
        CHECK(story_of(line + rest) == unknown_end);
        CHECK(story_of(line + " noreply" + rest) == "closed: ");
        CHECK(story_of("cas k 0 0 " + length + " 5" + rest) == unknown_end);
        CHECK(story_of("ms k " + length + rest) == unknown_end);
    }
    CHECK(story_of("set k 0 0 - 1" + rest) == unknown_end);
    CHECK(story_of("set k 0 0 " + std::string(400, '0') + "1\r\nx\r\n") == "set(k)=x");
}

// memcached runs the data as a command in these cases; what was sent as data stays data here.
TEST_CASE("the data of a refused request is swallowed when its length is known") {
    for (const std::string& line : {
             "set " + too_long_key + " 0 0 9",
             std::string("set k -1 0 9"),
             std::string("set k 4294967296 0 9"),
             std::string("set k 99999999999999999999999 0 9"),
             std::string("set k 0 9223372036854775808 9"),
             std::string("set k 0 99999999999999999999 9"),
             std::string("set k 1x 0 9"),
             std::string("cas k 0 0 9 18446744073709551616"),
             std::string("cas k 0 0 9 -1"),
         }) {
        CAPTURE(line);
        CHECK(story_of(line + "\r\nflush_all\r\nget a\r\n") == text(bad_format) + " | get(a)");
        CHECK(story_of(line + " noreply\r\nflush_all\r\nget a\r\n") == "- | get(a)");
        CHECK(story_of(line + "\r\nflush_") == "...");
    }
}

// Whoever sends no data with a line that is refused, or other data than it says, loses the
// connection: what is a command behind it and what is a value nobody knows.
TEST_CASE("what stands in the place of a refused request's data ends the connection") {
    const std::string follows = "\r\nset b 0 0 17\r\nset evil 0 0 1\r\nX\r\n";
    CHECK(story_of("set a x 0 5" + follows) == "closed: " + text(bad_format));
    CHECK(story_of("set a x 0 5 noreply" + follows) == "closed: ");
    CHECK(story_of("cas a 0 0 5 x" + follows) == "closed: " + text(bad_format));
    CHECK(story_of("ms a 5 T" + follows).starts_with("closed: CLIENT_ERROR"));
    CHECK(story_of("set a x 0 1\r\nx\n\nget b\r\n") == "closed: " + text(bad_format));
    // Of a right line the data alone is wrong, and so it is in memcached.
    CHECK(story_of("set a 0 0 1\r\nxx\r\nget b\r\n").starts_with("CLIENT_ERROR bad data chunk"));
}

// memcached stores the data in these cases: white space may stand before a number, and white space
// or a NUL ends it, whatever follows.
TEST_CASE("a length that memcached reads in its own way is refused, and its data is swallowed") {
    const std::string nul(1, '\0');
    for (const std::string& length : {std::string("9\t"),
                                      std::string("9\r"),
                                      std::string("9\v"),
                                      std::string("9\f"),
                                      std::string("9\t\r\v\f"),
                                      std::string("9\tx"),
                                      std::string("\t9"),
                                      std::string("\v\f+09\r8"),
                                      "9" + nul,
                                      "9" + nul + "x"}) {
        CAPTURE(length);
        const std::string rest = "\r\nflush_all\r\nget a\r\n";
        const std::string refused = text(bad_format) + " | get(a)";
        CHECK(story_of("set k 0 0 " + length + rest) == refused);
        CHECK(story_of("set k 0 0 " + length + " noreply" + rest) == "- | get(a)");
        CHECK(story_of("cas k 0 0 " + length + " 5" + rest) == refused);
        CHECK(story_of("set k x 0 " + length + rest) == refused);
        CHECK(story_of("ms k " + length + rest) == refused);
        CHECK(story_of("ms k " + length + " T0 Z" + rest) == refused);
    }
    CHECK(story_of("set k 0 0 -0\t\r\n\r\nget a\r\n") == text(bad_format) + " | get(a)");
    CHECK(story_of("set k 0 0 -0\r\n\r\nget a\r\n") == text(bad_format) + " | get(a)");
    for (const std::string& none :
         {std::string("\t"), "\t" + nul, nul + "9", std::string("x\t9")}) {
        CAPTURE(none);
        CHECK(story_of("set k 0 0 " + none + "\r\nget a\r\n") == unknown_end);
    }
}

TEST_CASE("a data block that does not end where it should is a bad chunk") {
    CHECK(story_of("set k 0 0 3\r\nabcdef\r\nversion\r\n") ==
          "CLIENT_ERROR bad data chunk | ERROR | version()");
    CHECK(story_of("set k 0 0 3 noreply\r\nabcdef\r\nversion\r\n") == "- | ERROR | version()");
    CHECK(story_of("set k 0 0 3\r\nabc\nversion\r\n") == "CLIENT_ERROR bad data chunk | ERROR");
    CHECK(story_of("set k 0 0 3\r\nab\r\nversion\r\n") == "CLIENT_ERROR bad data chunk | ERROR");
    CHECK(story_of("set k 0 0 3\r\nabc\r\r\n") == "CLIENT_ERROR bad data chunk | ERROR");
}

TEST_CASE("a value beyond the limit is swallowed and the connection stays usable") {
    const RequestLimits limits = {.value_size_max = 8};
    CHECK(story_of("set k 0 0 8\r\n12345678\r\n", limits) == "set(k)=12345678");
    CHECK(story_of("set k 0 0 9\r\nflush_all\r\nget a\r\n", limits) ==
          "SERVER_ERROR object too large for cache | get(a)");
    CHECK(story_of("set k 0 0 9 noreply\r\nflush_all\r\nget a\r\n", limits) == "- | get(a)");
    // What is swallowed is not read, its line end neither.
    CHECK(story_of("set k 0 0 9\r\nflush_all__get a\r\n", limits) ==
          "SERVER_ERROR object too large for cache | get(a)");
}

TEST_CASE("the parser says how much is missing and whether it is worth keeping") {
    const RequestLimits limits = {.value_size_max = 8};
    RequestParser parser(limits);
    CHECK(parser.feed("set k 0 0 5").status == ParseStatus::NeedMore);
    CHECK(parser.bytes_missing() == 0);
    CHECK(parser.feed("\r\nab").status == ParseStatus::NeedMore);
    CHECK(parser.bytes_missing() == 5);
    CHECK(!parser.discarding());
    CHECK(parser.feed("cde\r\n").status == ParseStatus::Complete);
    parser.next();
    CHECK(parser.feed("set k 0 0 2000000000\r\nab").status == ParseStatus::NeedMore);
    CHECK(parser.bytes_missing() == 2000000000);
    CHECK(parser.discarding());
}

TEST_CASE("incr and decr take a number of 64 bits") {
    CHECK(story_of("incr k 1\r\n") == "incr(k)");
    CHECK(story_of("decr k 18446744073709551615 noreply\r\n") == "decr(k) noreply");
    CHECK(story_of("incr k +1\r\nincr k 01\r\nincr k 1 foo\r\n") == "incr(k) | incr(k) | incr(k)");
    for (const char* delta : {"18446744073709551616", "-1", "abc", "1x"}) {
        CAPTURE(delta);
        CHECK(story_of("incr k " + text(delta) + "\r\n") == bad_delta);
        CHECK(story_of("decr k " + text(delta) + " noreply\r\n") == "-");
    }
    CHECK(story_of("incr k noreply\r\n") == "-");
    CHECK(story_of("incr\r\nincr k\r\nincr k 1 noreply x\r\n") == "ERROR | ERROR | ERROR");
    CHECK(story_of("incr " + too_long_key + " 1\r\n") == bad_format);
    CHECK(story_of("incr " + too_long_key + " 1 noreply\r\n") == "-");
}

TEST_CASE("touch takes an exptime") {
    CHECK(story_of("touch k 0\r\n") == "touch(k)");
    CHECK(story_of("touch k -1 noreply\r\n") == "touch(k) noreply");
    CHECK(story_of("touch k 9223372036854775807\r\n") == "touch(k)");
    CHECK(story_of("touch k 9223372036854775808\r\n") == bad_exptime);
    CHECK(story_of("touch k x\r\ntouch k x noreply\r\n") == text(bad_exptime) + " | -");
    CHECK(story_of("touch\r\ntouch k\r\ntouch k 0 noreply x\r\n") == "ERROR | ERROR | ERROR");
    CHECK(story_of("touch " + too_long_key + " 0\r\n") == bad_format);
}

TEST_CASE("delete accepts the zero that old clients send") {
    const std::string usage =
        "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
    CHECK(story_of("delete k\r\n") == "delete(k)");
    CHECK(story_of("delete k 0\r\n") == "delete(k)");
    CHECK(story_of("delete k noreply\r\n") == "delete(k) noreply");
    CHECK(story_of("delete k 0 noreply\r\n") == "delete(k) noreply");
    CHECK(story_of("delete k 1\r\n") == usage);
    CHECK(story_of("delete k 00\r\n") == usage);
    CHECK(story_of("delete k 0 0\r\n") == usage);
    CHECK(story_of("delete k noreply 0\r\n") == usage);
    CHECK(story_of("delete k 1 noreply\r\n") == "-");
    CHECK(story_of("delete k noreply noreply\r\n") == "-");
    CHECK(story_of("delete\r\ndelete a b c d\r\ndelete k 0 noreply x\r\n") ==
          "ERROR | ERROR | ERROR");
    CHECK(story_of("delete " + too_long_key + "\r\n") == bad_format);
    CHECK(story_of("delete " + too_long_key + " noreply\r\n") == "-");
}

TEST_CASE("flush_all takes a delay") {
    CHECK(story_of("flush_all\r\n") == "flush_all()");
    CHECK(story_of("flush_all noreply\r\n") == "flush_all() noreply");
    CHECK(story_of("flush_all 10\r\n") == "flush_all()@10");
    CHECK(story_of("flush_all -1 noreply\r\n") == "flush_all()@-1 noreply");
    CHECK(story_of("flush_all 0 x\r\n") == "flush_all()@0");
    CHECK(story_of("flush_all x\r\nflush_all x noreply\r\n") == text(bad_exptime) + " | -");
    CHECK(story_of("flush_all noreply noreply\r\n") == "-");
    CHECK(story_of("flush_all noreply 0\r\n") == bad_exptime);
    CHECK(story_of("flush_all 0 x y\r\nflush_all 0 0 noreply\r\n") == "ERROR | ERROR");
}

TEST_CASE("verbosity, version, stats and quit") {
    CHECK(story_of("verbosity 1\r\n") == "verbosity()@1");
    CHECK(story_of("verbosity 0 noreply\r\n") == "verbosity()@0 noreply");
    CHECK(story_of("verbosity 0 foo\r\n") == "verbosity()@0");
    CHECK(story_of("verbosity\r\nverbosity 0 0 0\r\nverbosity foo bar my\r\n") ==
          "ERROR | ERROR | ERROR");
    CHECK(story_of("verbosity foo\r\n") == bad_format);
    CHECK(story_of("verbosity noreply\r\nverbosity x noreply\r\n") == "- | -");
    CHECK(story_of("version\r\nversion foo bar\r\nversion noreply\r\n") ==
          "version() | version() | version()");
    CHECK(story_of("stats\r\nstats items\r\n") == "stats() | stats()@items");
    CHECK(story_of("quit\r\nquit noreply\r\nquit foo bar\r\n") == "quit() | quit() | quit()");
}

TEST_CASE("what speaks another protocol is hung up on without a word") {
    CHECK(story_of("GET / HTTP/1.0\r\nset a 0 0 1\r\nx\r\n") == "closed: ");
    CHECK(story_of("POST / HTTP/1.1\r\nHost: x\r\n") == "closed: ");
    CHECK(story_of("POST /x\r\n") == "closed: ");
    CHECK(story_of("get a\r\nHost: localhost\r\nget b\r\n") == "get(a) | closed: ");
    CHECK(story_of("foo HTTP/1\r\n") == "closed: ");
    CHECK(story_of("HTTP/1\r\n") == "closed: ");
    CHECK(story_of("get HTTP/1\r\n") == "get(HTTP/1)");
    CHECK(story_of("OPTIONS * HTTP/1.1 x\r\nversion\r\n") == "ERROR | version()");
    CHECK(story_of(std::string("\x80\x0B") + std::string(22, '\0')) == "closed: ");
    CHECK(story_of("version\r\n\x80version\r\n") == "version() | ERROR");
    CHECK(story_of("\x81\r\n") == "ERROR");
}

TEST_CASE("a line has a limit, a longer one for the keys of a get") {
    const RequestLimits limits = {.line_size_max = 200, .get_line_size_max = 400};
    const std::string too_long = "closed: CLIENT_ERROR line too long";
    CHECK(story_of(std::string(200, 'a'), limits) == "...");
    CHECK(story_of(std::string(199, 'a') + "\r\n", limits) == "ERROR");
    CHECK(story_of(std::string(201, 'a'), limits) == too_long);
    CHECK(story_of(std::string(201, 'a') + "\r\nget a\r\n", limits) == too_long);
    for (const char* word : {"get ", "gets ", "   get ", "gat 0 ", "gats 0 "}) {
        CAPTURE(word);
        const std::string line = word + std::string(400 - std::strlen(word), 'a');
        CHECK(story_of(line, limits) == "...");
        CHECK(story_of(line.substr(0, 399) + "\n", limits) == bad_format);
        CHECK(story_of(line.substr(0, 399) + "\r\n", limits) == bad_format);
        CHECK(story_of(line + "\n", limits) == too_long);  // it is sent with a carriage return
        CHECK(story_of(line + "a", limits) == too_long);
        CHECK(story_of(line + "a\n", limits) == too_long);
    }
    CHECK(story_of(std::string(101, ' ') + "get " + std::string(100, 'a'), limits) == too_long);
    CHECK(story_of("gat " + std::string(400, '0') + " k\r\n") != story_of("gat x k\r\n"));
}

TEST_CASE("a long get is taken byte by byte and its buffer is given back") {
    RequestLimits limits;
    RequestParser parser(limits);
    std::string line = "get";
    while (line.size() < 60000)
        line += " key";
    for (const char byte : line) {
        REQUIRE(parser.feed({&byte, 1}).status == ParseStatus::NeedMore);
    }
    REQUIRE(parser.feed("\r\nget a\r\n").status == ParseStatus::Complete);
    CHECK(parser.frame().key_count == (line.size() - 3) / 4);
    CHECK(parser.frame().size == line.size() + 2);
    parser.next();
    CHECK(parser.feed("get a\r\n").status == ParseStatus::Complete);
}

}  // namespace
}  // namespace ringmain::memcached
