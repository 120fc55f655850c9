#include "ringmain/base/printable.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain {

TEST_CASE("text is printed as it is") {
    for (const std::string text : {"",
                                   "a b~",
                                   "gr\xc3\xbc\xc3\x9f",
                                   "\xc2\xa0",
                                   "\xe2\x82\xac",
                                   "\xe2\x80\xa7",
                                   "\xe2\x80\xaf",
                                   "\xe0\xa0\x80",
                                   "\xf0\x9f\x98\x80"}) {
        CHECK(printable(text) == text);
    }
}

TEST_CASE("what does something to a terminal or to a line is not printed") {
    CHECK(printable("a\nb\x1b[2J\x7f\t") == "a?b?[2J??");
    CHECK(printable("a\xc2\x9b"
                    "31m") == "a??31m");
    CHECK(printable("\xe0\x82\x9b\xf0\x80\x82\x9b") == "???????");
    CHECK(printable("\xe2\x80\xa8x\xe2\x80\xae") == "???x???");
    CHECK(printable("\xe2\x81\xa6x\xe2\x81\xa9") == "???x???");
}

TEST_CASE("what is not UTF-8 is not printed") {
    CHECK(printable("\x9b"
                    "31m\xff\xc0\x80") == "?31m???");
    CHECK(printable("a\xe2\x82") == "a??");
    CHECK(printable("\xc3(") == "?(");
    CHECK(printable("\xed\xa0\x80\xf4\x90\x80\x80") == "???????");
}

TEST_CASE("escaped bytes are all there") {
    CHECK(escaped("a b~") == "a b~");
    CHECK(escaped("\"\\\r\n") == "\\\"\\\\\\r\\n");
    CHECK(escaped(std::string_view("\0\t\x7f\xff", 4)) == "\\x00\\x09\\x7f\\xff");
}

}  // namespace ringmain
