#include "ringmain/resp/join.h"
#include "tests/unit/resp/wire.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::resp {
namespace {

using test::bulk;

TEST_CASE("answers to CONFIG GET are the same in any order of the settings") {
    const std::string a = bulk("maxa") + bulk("1");
    const std::string b = bulk("maxb") + bulk("2");
    CHECK(are_same_settings("*4\r\n" + a + b, "*4\r\n" + b + a));
    CHECK(are_same_settings("%2\r\n" + a + b, "%2\r\n" + b + a));
    CHECK(are_same_settings("*0\r\n", "*0\r\n"));
    for (const std::string& other : {"*4\r\n" + a + bulk("2") + bulk("maxb"),
                                     "*4\r\n" + a + bulk("maxb") + bulk("3"),
                                     "*4\r\n" + a + a,
                                     "*2\r\n" + a,
                                     std::string("*0\r\n"),
                                     std::string("*-1\r\n"),
                                     "*3\r\n" + a + bulk("maxb"),
                                     bulk("maxa"),
                                     std::string(":4\r\n"),
                                     std::string("-ERR x\r\n")}) {
        CAPTURE(other);
        CHECK_FALSE(are_same_settings("*4\r\n" + a + b, other));
        CHECK_FALSE(are_same_settings(other, "*4\r\n" + a + b));
    }
}

}  // namespace
}  // namespace ringmain::resp
