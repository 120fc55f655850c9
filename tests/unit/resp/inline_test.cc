#include "ringmain/resp/inline.h"

#include "ringmain/resp/request_parser.h"
#include "tests/guard_page.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::resp {
namespace {

// The arguments of `line`, which must be balanced, joined by '|'. The array is read back by the
// parser.
std::string arguments_of(std::string_view line) {
    const test::GuardedBytes guarded(line);
    std::string array = "left over";
    const std::optional<uint32_t> count = inline_to_array(guarded.view(), array);
    REQUIRE(count.has_value());
    if (*count == 0) {
        CHECK(array.empty());
        return "";
    }
    const RequestLimits limits;
    RequestParser parser(limits);
    const Fed fed = parser.feed(array);
    REQUIRE(fed.status == ParseStatus::Complete);
    REQUIRE(fed.consumed == array.size());
    const RequestFrame& frame = parser.frame();
    REQUIRE(frame.argument_count == *count);
    REQUIRE(*count <= RequestFrame::arguments_kept);
    std::string text;
    for (uint32_t i = 0; i < *count; ++i) {
        if (i > 0) text += '|';
        text += array.substr(frame.arguments[i].offset, frame.arguments[i].size);
    }
    return text;
}

bool is_balanced(std::string_view line) {
    std::string array;
    return inline_to_array(line, array).has_value();
}

TEST_CASE("a line becomes the array that redis would make of it") {
    std::string array;
    CHECK(inline_to_array("GET k\r\n", array) == 2);
    CHECK(array == "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    CHECK(inline_to_array("PING \"\"\n", array) == 2);
    CHECK(array == "*2\r\n$4\r\nPING\r\n$0\r\n\r\n");
}

TEST_CASE("blanks separate and are dropped at both ends") {
    CHECK(arguments_of("  SET \t k\v \f v  \r\n") == "SET|k\v|v");
    CHECK(arguments_of("PING a\r\r\n") == "PING|a");
    CHECK(arguments_of("PING\v\fx\r\n") == "PING\v\fx");
    CHECK(arguments_of("PING") == "PING");
    CHECK(arguments_of("").empty());
    CHECK(arguments_of("\r\n").empty());
    CHECK(arguments_of(" \t\r\n").empty());
}

TEST_CASE("double quotes know escapes") {
    CHECK(arguments_of("PING \"\\x41\\n\\z\"\r\n") == "PING|A\nz");
    CHECK(arguments_of("PING \"\\a\\b\\r\\t\"") == "PING|\a\b\r\t");
    CHECK(arguments_of("PING \"\\\"\\\\\"") == "PING|\"\\");
    CHECK(arguments_of("PING \"\\xfF\"") == "PING|\xff");
    CHECK(arguments_of("PING \"\\x4\"") == "PING|x4");
    CHECK(arguments_of("PING \"\\xZZ\"") == "PING|xZZ");
    CHECK(arguments_of("PING a\\nb") == "PING|a\\nb");
    CHECK(arguments_of("\"PING\" 'b c'") == "PING|b c");
    CHECK(arguments_of("PING a\"b c\"") == "PING|ab c");
    CHECK(arguments_of("PING \"\\r\\n*1\"") == "PING|\r\n*1");
}

TEST_CASE("single quotes know one escape") {
    CHECK(arguments_of("PING 'a\\'b'") == "PING|a'b");
    CHECK(arguments_of("PING 'a\\nb'") == "PING|a\\nb");
    CHECK(arguments_of("PING 'a\"b'") == "PING|a\"b");
}

TEST_CASE("quotes that are not balanced are an error") {
    for (const char* line : {"set \"\"\"k\"\"\" v\r\n",
                             "PING \"ab",
                             "PING 'ab",
                             "PING \"ab\"c",
                             "PING 'ab'c",
                             "PING a\"b",
                             "PING \"",
                             "PING '",
                             "PING \"ab\\",
                             "PING \"ab\\\"",
                             "PING 'ab\\'",
                             "PING \"\\x4",
                             "PING 'a''b'"}) {
        CAPTURE(line);
        CHECK_FALSE(is_balanced(line));
    }
}

TEST_CASE("bytes that mean nothing to the line are kept") {
    CHECK(arguments_of(std::string_view("PI\0NG \xff\x01", 8)) ==
          std::string_view("PI\0NG|\xff\x01", 8));
    CHECK(arguments_of("GET \"x\\x4\"") == "GET|xx4");
    CHECK(arguments_of("GET \"abc\\\\\"") == "GET|abc\\");
}

TEST_CASE("the longest line is rewritten") {
    std::string line;
    for (int i = 0; i < 32 * 1024; ++i)
        line += "x ";
    std::string array;
    CHECK(inline_to_array(line, array) == 32 * 1024);
    CHECK(array.starts_with("*32768\r\n$1\r\nx\r\n"));
    CHECK(array.size() == 8 + 32 * 1024 * 7);
}

}  // namespace
}  // namespace ringmain::resp
