#include "ringmain/resp/response_parser.h"

#include "tests/guard_page.h"
#include "tests/split.h"
#include "tests/unit/resp/events.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::resp {
namespace {

// As for requests: the same however the bytes are cut, and nothing behind a piece is looked at.
std::string response_events(std::string_view bytes, Version version = Version::Resp3) {
    const ResponseParser parser(version);
    const std::string whole = test::events_of(parser, test::GuardedBytes(bytes).view());
    CAPTURE(bytes);
    test::for_each_split(bytes, [&](std::string_view head, std::string_view tail) {
        CAPTURE(head);
        REQUIRE(test::events_of(parser, head, tail) == whole);
    });
    REQUIRE(test::events_byte_by_byte(parser, bytes) == whole);
    return whole;
}

bool is_refused(std::string_view bytes) {
    return response_events(bytes).find("error: ") != std::string::npos;
}

TEST_CASE("lines, integers and bulks") {
    CHECK(response_events("+OK\r\n") == "<+0 of 5>");
    CHECK(response_events("+\r\n") == "<+0 of 3>");
    CHECK(response_events("-ERR no such key\r\n") == "<-0 of 18>");
    CHECK(response_events(":0\r\n") == "<:0 of 4>");
    CHECK(response_events(":-1\r\n:1234\r\n") == "<:-1 of 5><:1234 of 7>");
    CHECK(response_events(":9223372036854775807\r\n") == "<:9223372036854775807 of 22>");
    CHECK(response_events(":-9223372036854775808\r\n") == "<:-9223372036854775808 of 23>");
    CHECK(response_events("$0\r\n\r\n") == "<$0 of 6>");
    CHECK(response_events("$5\r\nhello\r\n+OK\r\n") == "<$5 of 11><+0 of 5>");
    CHECK(response_events("$4\r\n\r\n\r\n\r\n") == "<$4 of 10>");
}

TEST_CASE("nulls of both versions") {
    CHECK(response_events("$-1\r\n") == "<$null-1 of 5>");
    CHECK(response_events("*-1\r\n") == "<*null-1 of 5>");
    CHECK(response_events("_\r\n") == "<_null-1 of 3>");
    CHECK(response_events("$-1\r\n$-1\r\n") == "<$null-1 of 5><$null-1 of 5>");
}

TEST_CASE("aggregates of any kind are one response with their elements") {
    CHECK(response_events("*0\r\n") == "<*0 of 4>");
    CHECK(response_events("*2\r\n$1\r\na\r\n$-1\r\n") == "<*2 of 16>");
    CHECK(response_events("*3\r\n:1\r\n+x\r\n-ERR y\r\n") == "<*3 of 20>");
    CHECK(response_events("%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n+OK\r\n") == "<%2 of 20><+0 of 5>");
    CHECK(response_events("~1\r\n#t\r\n") == "<~1 of 8>");
    CHECK(response_events(">2\r\n+message\r\n$1\r\nx\r\n:1\r\n") == "<>2 of 21><:1 of 4>");
    CHECK(response_events("*1\r\n*-1\r\n") == "<*1 of 9>");
    CHECK(response_events("*2\r\n*2\r\n:1\r\n*1\r\n_\r\n%1\r\n~0\r\n,1.5\r\n") == "<*2 of 33>");
}

TEST_CASE("whether an array has strings and nulls only is known of any cut of it") {
    const auto has_only_strings = [](std::string_view bytes) {
        ResponseParser whole;
        REQUIRE(whole.feed(bytes).status == ParseStatus::Complete);
        test::for_each_split(bytes, [&](std::string_view head, std::string_view tail) {
            CAPTURE(head);
            ResponseParser parser;
            // The one before leaves nothing behind.
            REQUIRE(parser.feed("*1\r\n:1\r\n").status == ParseStatus::Complete);
            CHECK_FALSE(parser.frame().only_strings);
            parser.next();
            if (parser.feed(head).status != ParseStatus::Complete) {
                CHECK(parser.feed(tail).status == ParseStatus::Complete);
            }
            CHECK(parser.frame().only_strings == whole.frame().only_strings);
        });
        return whole.frame().only_strings;
    };
    CHECK(has_only_strings("*0\r\n"));
    CHECK(has_only_strings("*4\r\n$1\r\na\r\n$-1\r\n_\r\n$0\r\n\r\n"));
    for (const char* other : {":1\r\n",
                              "+x\r\n",
                              "-ERR\r\n",
                              "*-1\r\n",
                              "*0\r\n",
                              "*1\r\n$1\r\na\r\n",
                              "=5\r\ntxt:a\r\n",
                              "!1\r\na\r\n",
                              "#t\r\n",
                              ",1\r\n",
                              "(1\r\n",
                              "%0\r\n",
                              "|0\r\n$1\r\na\r\n"}) {
        CAPTURE(other);
        CHECK_FALSE(has_only_strings(std::string("*1\r\n") + other));
        CHECK_FALSE(has_only_strings(std::string("*2\r\n$1\r\na\r\n") + other));
        CHECK_FALSE(has_only_strings(std::string("*2\r\n") + other + "$1\r\na\r\n"));
    }
    CHECK_FALSE(has_only_strings("|1\r\n+ttl\r\n:3600\r\n*1\r\n$1\r\nx\r\n"));
    CHECK_FALSE(has_only_strings("|0\r\n*1\r\n$1\r\nx\r\n"));
}

TEST_CASE("scalars of RESP3") {
    CHECK(response_events("#t\r\n#f\r\n") == "<#0 of 4><#0 of 4>");
    for (const char* number :
         {"1", "-1.5", "1e5", "1.7976931348623157e+308", "inf", "-inf", "nan"}) {
        const std::string text = "," + std::string(number) + "\r\n";
        CHECK(response_events(text) == "<,0 of " + std::to_string(text.size()) + ">");
    }
    CHECK(response_events("(-3492890328409238509324850943850943825024385\r\n") == "<(0 of 47>");
    CHECK(response_events("=15\r\ntxt:Some string\r\n") == "<=15 of 22>");
    CHECK(response_events("!11\r\nERR unknown\r\n") == "<!11 of 18>");
}

TEST_CASE("an attribute belongs to the response behind it") {
    CHECK(response_events("|1\r\n+ttl\r\n:3600\r\n$1\r\nx\r\n") == "<$1 of 24>");
    CHECK(response_events("|1\r\n+a\r\n*1\r\n:2\r\n*1\r\n:7\r\n+OK\r\n") == "<*1 of 24><+0 of 5>");
    CHECK(response_events("|0\r\n|0\r\n_\r\n") == "<_null-1 of 11>");
    CHECK(response_events("*2\r\n|1\r\n+a\r\n:1\r\n:5\r\n:6\r\n:7\r\n") == "<*2 of 24><:7 of 4>");
    CHECK(response_events("|1\r\n+ttl\r\n:3600\r\n") == "kept 17, missing 0");
}

TEST_CASE("depth costs nothing") {
    std::string bytes;
    for (int i = 0; i < 100000; ++i)
        bytes += "*1\r\n";
    const ResponseParser parser;
    CHECK(test::events_of(parser, bytes) == "kept 400000, missing 0");
    CHECK(test::events_of(parser, bytes + ":1\r\n") == "<*1 of 400004>");
}

TEST_CASE("numbers have one spelling") {
    for (const char* bytes : {":abc\r\n",
                              ":+5\r\n",
                              ":05\r\n",
                              ":-0\r\n",
                              ":\r\n",
                              ":-\r\n",
                              ": 5\r\n",
                              ":5 \r\n",
                              ":9223372036854775808\r\n",
                              ":-9223372036854775809\r\n",
                              ":123456789012345678901\r\n",
                              "$-2\r\n",
                              "$+1\r\nx\r\n",
                              "$01\r\nx\r\n",
                              "$-01\r\n",
                              "$\r\n\r\n",
                              "$?\r\n",
                              "$1x\r\n",
                              "*-5\r\n",
                              "*?\r\n",
                              "*01\r\n:1\r\n",
                              "*\r\n",
                              "%-1\r\n",
                              "~-1\r\n",
                              ">-1\r\n",
                              "|-1\r\n",
                              "!-1\r\n",
                              "=-1\r\n",
                              "=3\r\ntxt\r\n"}) {
        CAPTURE(bytes);
        CHECK(is_refused(bytes));
    }
}

TEST_CASE("scalars that are none are refused") {
    for (const char* bytes : {"#x\r\n", "#\r\n", "#tt\r\n", "_x\r\n", ",\r\n", ",1,5\r\n"}) {
        CAPTURE(bytes);
        CHECK(is_refused(bytes));
    }
}

TEST_CASE("a script may call anything a big number, and make a line of any size") {
    CHECK(response_events("(hello\r\n") == "<(0 of 8>");
    CHECK(response_events("(\r\n") == "<(0 of 3>");
    const ResponseParser parser;
    const std::string line = "+" + std::string(2 * 1024 * 1024, 'x') + "\r\n";
    CHECK(test::events_of(parser, line + "+OK\r\n") == "<+0 of 2097155><+0 of 5>");
}

TEST_CASE("lines end in CR LF and have neither inside") {
    for (const char* bytes : {"+OK\n",
                              "+OK\rx\r\n",
                              "+O\nK\r\n",
                              "-ERR\n\r\n",
                              ":1\n",
                              ":1\rx",
                              "$1\nx\r\n",
                              "$1\r\nxy\r\n",
                              "$1\r\nx\n\r",
                              "$1\r\nx\rx",
                              "*1\n:1\r\n",
                              "_\n",
                              "#t\n"}) {
        CAPTURE(bytes);
        CHECK(is_refused(bytes));
    }
}

TEST_CASE("bytes that start no response are refused") {
    for (int byte = 0; byte < 256; ++byte) {
        const char type = static_cast<char>(byte);
        if (std::string_view("+-:$*_,#!=(%~>|").find(type) != std::string_view::npos) continue;
        CAPTURE(byte);
        CHECK(response_events(std::string(1, type) + "1\r\n") == "error: unknown type of response");
        CHECK(is_refused("*1\r\n" + std::string(1, type) + "1\r\n"));
    }
    CHECK(response_events("*1\r\n>1\r\n:1\r\n") == "error: push inside a response");
}

TEST_CASE("hostile counts neither wrap nor allocate") {
    CHECK(is_refused("*99999999999\r\n"));
    CHECK(is_refused("*2147483648\r\n"));
    CHECK(is_refused("$1073741825\r\n"));
    CHECK(response_events("*2147483647\r\n") == "kept 13, missing 0");
    CHECK(response_events("$1073741824\r\n") == "kept 13, missing 1073741826");
    CHECK(response_events("%2147483647\r\n%2147483647\r\n") == "error: too many elements");
    std::string bytes;
    for (int i = 0; i < 10; ++i)
        bytes += "*2147483647\r\n";
    CHECK(response_events(bytes) == "error: too many elements");
}

TEST_CASE("where RESP2 is spoken types of RESP3 are refused, however deep") {
    for (const std::string type : {"_\r\n",
                                   "#t\r\n",
                                   ",1.5\r\n",
                                   "(12\r\n",
                                   "=7\r\ntxt:abc\r\n",
                                   "!5\r\nERR x\r\n",
                                   "%0\r\n",
                                   "~1\r\n+a\r\n",
                                   "|1\r\n+a\r\n+b\r\n+OK\r\n"}) {
        const std::string refusal = "error: type of RESP3 in RESP2";
        CHECK(response_events(type, Version::Resp2) == refusal);
        CHECK(response_events("*2\r\n:1\r\n" + type, Version::Resp2) == refusal);
        CHECK(response_events("+OK\r\n" + type, Version::Resp2) == "<+0 of 5>" + refusal);
        CHECK_FALSE(is_refused(type));
    }
    const std::string old = "+a\r\n-b\r\n:1\r\n$1\r\nx\r\n$-1\r\n*-1\r\n*1\r\n*1\r\n-c\r\n";
    CHECK(response_events(old, Version::Resp2) == response_events(old));
    CHECK(response_events(">1\r\n+a\r\n", Version::Resp2) == "<>1 of 8>");
    CHECK(response_events("?1\r\n", Version::Resp2) == "error: unknown type of response");
}

TEST_CASE("a long error line passes") {
    const ResponseParser parser;
    const std::string line = "-ERR " + std::string(60000, 'x') + "\r\n";
    CHECK(test::events_of(parser, line + "+OK\r\n") == "<-0 of 60007><+0 of 5>");
    CHECK(test::events_byte_by_byte(parser, line) == "<-0 of 60007>");
}

TEST_CASE("the parser knows whether it stands between two responses") {
    ResponseParser parser;
    CHECK(parser.at_start());
    CHECK(parser.feed("$3\r\nab").status == ParseStatus::NeedMore);
    CHECK_FALSE(parser.at_start());
    CHECK(parser.bytes_missing() == 3);
    CHECK(parser.feed("c\r\n").status == ParseStatus::Complete);
    parser.next();
    CHECK(parser.at_start());
    CHECK(parser.feed("*1\r\n").status == ParseStatus::NeedMore);
    CHECK_FALSE(parser.at_start());
    CHECK(parser.feed("+x\r\n").status == ParseStatus::Complete);
    parser.next();
    CHECK(parser.feed("|0\r\n").status == ParseStatus::NeedMore);
    CHECK_FALSE(parser.at_start());
}

TEST_CASE("after an error every further byte of a response is an error") {
    ResponseParser parser;
    REQUIRE(parser.feed("hello").status == ParseStatus::Error);
    CHECK(parser.feed("+OK\r\n").status == ParseStatus::Error);
    CHECK_FALSE(parser.error().empty());
}

}  // namespace
}  // namespace ringmain::resp
