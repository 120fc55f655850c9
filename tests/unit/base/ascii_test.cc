#include "ringmain/base/ascii.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain {
namespace {

TEST_CASE("a number of memcached's: digits, leading zeros too, up to 2^64 - 1") {
    CHECK(ascii::parse_uint64("0") == 0U);
    CHECK(ascii::parse_uint64("007") == 7U);
    CHECK(ascii::parse_uint64("9999999999999999999") == 9'999'999'999'999'999'999U);
    CHECK(ascii::parse_uint64("18446744073709551615") == UINT64_MAX);
    CHECK(ascii::parse_uint64("000000000000000000018446744073709551615") == UINT64_MAX);
    for (const std::string_view wrong : {"",
                                         "-1",
                                         "+1",
                                         " 1",
                                         "1 ",
                                         "1a",
                                         "18446744073709551616",
                                         "18446744073709551620",
                                         "99999999999999999999",
                                         "1844674407370955161x",
                                         "184467440737095516150"}) {
        CAPTURE(wrong);
        CHECK_FALSE(ascii::parse_uint64(wrong).has_value());
    }
}

TEST_CASE("a number of redis's has one spelling") {
    CHECK(ascii::parse_int64("-9223372036854775808") == INT64_MIN);
    CHECK(ascii::parse_int64("9223372036854775807") == INT64_MAX);
    CHECK(ascii::parse_int64("0") == 0);
    for (const std::string_view wrong :
         {"", "-", "-0", "07", "+7", " 7", "7 ", "9223372036854775808", "-9223372036854775809"}) {
        CAPTURE(wrong);
        CHECK_FALSE(ascii::parse_int64(wrong).has_value());
    }
}

TEST_CASE("a number with a point is the whole text") {
    CHECK(ascii::parse_double("-1.5") == -1.5);
    CHECK(ascii::parse_double("1e3") == 1000.0);
    CHECK(ascii::parse_double("inf") == std::numeric_limits<double>::infinity());
    for (const std::string_view wrong : {"", "-", "+1", " 1", "1 ", "1.5x", "1e999"}) {
        CAPTURE(wrong);
        CHECK_FALSE(ascii::parse_double(wrong).has_value());
    }
}

TEST_CASE("words that are known beforehand") {
    const std::string line = "VALUE key 0 3";
    CHECK(ascii::begins_with(line, "VALUE "));
    CHECK_FALSE(ascii::begins_with(line, "VALUF "));
    CHECK_FALSE(ascii::begins_with(std::string_view(line).substr(0, 5), "VALUE "));
    CHECK(ascii::is(std::string_view(line).substr(0, 5), "VALUE"));
    CHECK_FALSE(ascii::is(std::string_view(line).substr(0, 4), "VALUE"));
    CHECK_FALSE(ascii::is(line, "VALUE"));
}

}  // namespace
}  // namespace ringmain
