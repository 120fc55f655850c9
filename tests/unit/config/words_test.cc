#include "src/config/words.h"

#include <array>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::config {

TEST_CASE("the edit distance counts inserted, removed, changed and swapped characters") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("timeout", "timeout") == 0);
    CHECK(edit_distance("timeot", "timeout") == 1);
    CHECK(edit_distance("tiemout", "timeout") == 1);
    CHECK(edit_distance("x", "timeout") == 7);
    CHECK(edit_distance("abc", "") == 3);
}

TEST_CASE("the nearest word is found when it is near enough") {
    constexpr std::array<std::string_view, 4> words = {
        "timeout", "listen", "auto_eject_hosts", "hash"};
    CHECK(nearest("tiemout", words) == "timeout");
    CHECK(nearest("Listen", words) == "listen");
    CHECK(nearest("auto-eject-hosts", words) == "auto_eject_hosts");
    CHECK(nearest("auto_eject", words) == "auto_eject_hosts");
    CHECK(nearest("hsah", words) == "hash");
    CHECK(nearest("servers", words).empty());
    CHECK(nearest("", words).empty());
    CHECK(nearest(std::string(10000, 'a'), words).empty());
    CHECK(did_you_mean("hahs", words) == "; did you mean 'hash'?");
    CHECK(did_you_mean("zzz", words).empty());
}

TEST_CASE("quoted text cannot speak to the terminal and has an end") {
    CHECK(quoted("abc") == "'abc'");
    CHECK(quoted("a\x1b[31mb\n\r") ==
          "'a?[31mb?"
          "?'");
    CHECK(quoted("gr\xc3\xbc\xc3\x9f") == "'gr\xc3\xbc\xc3\x9f'");
    CHECK(quoted("\xff\xc2") ==
          "'?"
          "?'");
    CHECK(quoted("\xc2\x9b") ==
          "'?"
          "?'");
    CHECK(config::quoted(std::string(1000, 'a')).size() < 80);
}

TEST_CASE("a text in TOML has no control character, and its quotes and backslashes are escaped") {
    CHECK(toml_text("") == "\"\"");
    CHECK(toml_text("a\"b\\c") == "\"a\\\"b\\\\c\"");
    CHECK(toml_text(std::string_view("\0\n\x1f\x7f", 4)) == R"("\u0000\u000a\u001f\u007f")");
    CHECK(toml_text("gr\xc3\xbc\xc3\x9f \x80") == "\"gr\xc3\xbc\xc3\x9f \x80\"");
}

TEST_CASE("lines are as wide as they may be, and a long word stays whole") {
    const auto wrapped = [](std::string_view text) {
        std::string out;
        append_wrapped({.first = "1: ", .margin = "   ", .width = 10}, text, out);
        return out;
    };
    CHECK(wrapped("").empty());
    CHECK(wrapped("abc def") == "1: abc def\n");
    CHECK(wrapped("abc defg") == "1: abc\n   defg\n");
    CHECK(wrapped("abcdefgh i jk") == "1: abcdefgh\n   i jk\n");
}

TEST_CASE("keys that may hold a password are known, misspelt ones too") {
    for (const char* key : {"redis_auth",
                            "redis_atuh",
                            "redisauth",
                            "auth",
                            "PASSWORD",
                            "secret",
                            "paword",
                            "Pssword",
                            "REDIS_ATH"}) {
        CAPTURE(key);
        CHECK(names_a_secret(key));
    }
    for (const char* key : {"redis_db", "timeout", "listen", "hash_tag", "keyword", ""}) {
        CAPTURE(key);
        CHECK_FALSE(names_a_secret(key));
    }
}

}  // namespace ringmain::config
