#include "ringmain/resp/glob.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

namespace ringmain::resp {

TEST_CASE("a pattern without special bytes is compared in any letter case") {
    CHECK(glob_matches("get", "GET"));
    CHECK(glob_matches("", ""));
    CHECK_FALSE(glob_matches("get", "getx"));
    CHECK_FALSE(glob_matches("getx", "get"));
    CHECK_FALSE(glob_matches("", "get"));
}

TEST_CASE("a star is anything, a question mark one byte") {
    CHECK(glob_matches("*", ""));
    CHECK(glob_matches("***", "get"));
    CHECK(glob_matches("client*", "client|id"));
    CHECK(glob_matches("*id", "client|id"));
    CHECK(glob_matches("c*t|*d", "client|id"));
    CHECK(glob_matches("*a*b", "aabb"));
    CHECK(glob_matches("g?t", "get"));
    CHECK_FALSE(glob_matches("g?t", "gt"));
    CHECK_FALSE(glob_matches("*x", "get"));
    CHECK_FALSE(glob_matches("get?", "get"));
    CHECK_FALSE(glob_matches("*?", ""));
}

TEST_CASE("what takes too many steps is not found out") {
    const auto find = [](std::string_view pattern, std::string_view text, uint64_t steps) {
        const std::optional<bool> found =
            glob_matches_within(pattern, text, Letters::AsTheyAre, steps);
        return std::pair(found, steps);
    };
    const std::optional<bool> unknown;
    CHECK(find("get", "get", 10) == std::pair(std::optional(true), uint64_t{7}));
    CHECK(find("get", "got", 10) == std::pair(std::optional(false), uint64_t{8}));
    CHECK(find("get", "get", 3).first == std::optional(true));
    CHECK(find("get", "get", 2).first == unknown);
    // All of a class is looked at.
    CHECK(find("[abcdef]x", "gx", 10) == std::pair(std::optional(false), uint64_t{2}));
    const std::string text(50'000, 'a');
    const std::string pattern = "*" + std::string(1000, 'a') + "b";
    CHECK(find(pattern, text, 1'000'000).first == unknown);
    CHECK(find(pattern, text, 100'000'000).first == std::optional(false));
    CHECK(find("*b", text, 200'000).first == std::optional(false));
    CHECK(find("", "", 0).first == std::optional(true));
}

TEST_CASE("brackets are one byte of a class") {
    CHECK(glob_matches("[gs]et", "set"));
    CHECK(glob_matches("[A-g]et", "get"));
    CHECK(glob_matches("[z-a]et", "get"));
    CHECK(glob_matches("[^x]et", "get"));
    CHECK(glob_matches("[\\g]et", "get"));
    CHECK_FALSE(glob_matches("[\\G]et", "get"));
    CHECK(glob_matches("\\Get", "get"));
    CHECK(glob_matches("[\\]]et", "]et"));
    CHECK(glob_matches("*[td]", "client|id"));
    CHECK_FALSE(glob_matches("[^g]et", "get"));
    CHECK_FALSE(glob_matches("[]et", "get"));
    CHECK_FALSE(glob_matches("[a-f]et", "get"));
}

TEST_CASE("a class without an end goes up to the pattern's end") {
    CHECK(glob_matches("ge[t", "get"));
    CHECK(glob_matches("ge[at", "get"));
    CHECK_FALSE(glob_matches("ge[", "get"));
}

TEST_CASE("a backslash takes the byte behind it as it is") {
    CHECK(glob_matches("\\*", "*"));
    CHECK_FALSE(glob_matches("\\*", "a"));
    CHECK(glob_matches("a\\", "a\\"));
}

TEST_CASE("many stars do not take long") {
    std::string pattern;
    for (int i = 0; i < 100; ++i) {
        pattern += "*a";
    }
    CHECK_FALSE(glob_matches(pattern + "b", std::string(4000, 'a')));
}

TEST_CASE("letters may be compared as they are") {
    const auto matches = [](std::string_view pattern, std::string_view text) {
        return glob_matches(pattern, text, Letters::AsTheyAre);
    };
    CHECK(matches("News:*", "News:a"));
    CHECK_FALSE(matches("News:*", "news:a"));
    CHECK(matches("[N-n]ews", "News"));
    CHECK_FALSE(matches("[n-z]ews", "News"));
    CHECK_FALSE(matches("\\N", "n"));
}

}  // namespace ringmain::resp
