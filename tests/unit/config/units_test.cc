#include "src/config/units.h"

#include <doctest/doctest.h>

namespace ringmain::config {

TEST_CASE("durations carry their unit") {
    CHECK(parse_duration("0ms").value() == 0);
    CHECK(parse_duration("400ms").value() == 400);
    CHECK(parse_duration("2s").value() == 2000);
    CHECK(parse_duration("1m").value() == 60'000);
    CHECK(parse_duration("1h").value() == 3'600'000);
}

TEST_CASE(
    "a duration without unit, with a fraction or of an unknown unit is refused with a remedy") {
    CHECK(parse_duration("400").error().find("\"400ms\"") != std::string::npos);
    for (const char* text : {"", "ms", "1.5s", "1 s", "-1s", "1S", "1d", "1sx", "s1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text).ok());
    }
}

TEST_CASE("a duration or size beyond 64 bits is refused, not wrapped") {
    CHECK(parse_duration("9223372036854775807ms").value() == INT64_MAX);
    CHECK_FALSE(parse_duration("9223372036854775807s").ok());
    CHECK_FALSE(parse_duration("18446744073709551616ms").ok());
    CHECK_FALSE(parse_size("18446744073709551615B").ok());
    CHECK_FALSE(parse_size("8388608TiB").ok());
    CHECK(parse_size("8388607TiB").ok());
}

TEST_CASE("sizes carry their unit") {
    CHECK(parse_size("512B").value() == 512);
    CHECK(parse_size("16KiB").value() == 16384);
    CHECK(parse_size("1MiB").value() == 1048576);
    CHECK(parse_size("1GiB").value() == 1073741824);
}

TEST_CASE("units of size that mean two things are refused with both remedies") {
    for (const char* text : {"512MB", "512mb", "512M", "512m"}) {
        CAPTURE(text);
        const auto size = parse_size(text);
        REQUIRE_FALSE(size.ok());
        CHECK(size.error().find("\"512MiB\"") != std::string::npos);
        CHECK(size.error().find("may mean two things") != std::string::npos);
    }
    CHECK(parse_size("1mib").error() ==
          "'mib' is spelled otherwise; write \"1MiB\" (1048576 bytes each), or the number of bytes "
          "without quotes");
    for (const char* text : {"", "KiB", "16", "1.5KiB", "16 KiB", "-1B", "1XiB"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text).ok());
    }
}

TEST_CASE("durations and sizes are written with the largest unit that fits") {
    CHECK(duration_text(400) == "400ms");
    CHECK(duration_text(2000) == "2s");
    CHECK(duration_text(90'000) == "90s");
    CHECK(duration_text(3'600'000) == "1h");
    CHECK(size_text(100) == "100B");
    CHECK(size_text(16384) == "16KiB");
    CHECK(size_text(int64_t{1} << 40) == "1TiB");
    CHECK(parse_size(size_text(1536)).value() == 1536);
}

TEST_CASE("a mode has four digits") {
    CHECK(mode_text(0) == "0000");
    CHECK(mode_text(07) == "0007");
    CHECK(mode_text(0660) == "0660");
    CHECK(mode_text(0777) == "0777");
}

}  // namespace ringmain::config
