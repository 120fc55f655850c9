#include "src/config/words.h"

#include <array>

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
