#include "ringmain/resp/glob.h"

#include <string>
#include <string_view>

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

TEST_CASE("brackets are one byte of a class") {
    CHECK(glob_matches("[gs]et", "set"));
    CHECK(glob_matches("[A-g]et", "get"));
    CHECK(glob_matches("[z-a]et", "get"));
    CHECK(glob_matches("[^x]et", "get"));
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
