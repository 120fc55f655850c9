#include "src/config/scan.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

// The text with every hidden byte replaced by '*'.
std::string masked(std::string_view text) {
    std::string out(text);
    for (const Span& span : scan(text).secrets) {
        for (size_t i = span.begin; i < span.end; ++i) {
            out[i] = '*';
        }
    }
    return out;
}

bool hides(std::string_view text) {
    return masked(text).find("hunter2") == std::string::npos;
}

}  // namespace

TEST_CASE("the value of a password is hidden however it is written") {
    CHECK(masked("redis_auth = \"hunter2\"\nhash = \"md5\"\n") ==
          "redis_auth = *********\nhash = \"md5\"\n");
    for (const char* text : {"redis_auth = 'hunter2'",
                             "redis_auth=\"hunter2\"",
                             "\"redis_auth\" = \"hunter2\"",
                             "\"redis\\u005fauth\" = \"hunter2\"",
                             "redis_auth = \"\"\"\nhunter2\n\"\"\"",
                             "redis_auth = '''\nx\nhunter2'''''",
                             "redis_auth = hunter2",
                             "redis_auth = \"hunter2",
                             "redis_auth \"hunter2\"",
                             "redis_auth: hunter2",
                             "redis_auth = [\n\"hunter2\"\n]",
                             "redis_auth = {\na = \"hunter2\" }",
                             "redis_auth.x = \"hunter2\"",
                             "pool.a.redis_auth = \"hunter2\"",
                             "a = { redis_auth = \"hunter2\" }",
                             "redis_atuh = \"hunter2\"",
                             "password = \"hunter2\"",
                             "# redis_auth = \"hunter2\"",
                             "a = 'it' # redis_auth = hunter2",
                             "redis_auth = \"x\\\"hunter2\"",
                             "redis_auth = \"x\" hunter2"}) {
        CAPTURE(text);
        CHECK(hides(text));
    }
}

TEST_CASE("what users are given is hidden, in whichever lines it stands") {
    for (const char* text :
         {"users:\n  - name: app\n    word: hunter2",
          "users:\n  app: hunter2",
          "users =\n  [{ name = 'app', word = 'hunter2' }]",
          "users = # who\n\n  [{ name = 'app', word = 'hunter2' }]",
          "users =\n[\n  { name = 'app', word = 'hunter2' },\n]",
          "users = [{ name = 'a', keys = ['a']] },\n  { name = 'b', word = 'hunter2' }]"}) {
        CAPTURE(text);
        CHECK(hides(text));
    }
}

TEST_CASE("what is no password is shown") {
    for (const char* text : {"hash = \"md5\" # hunter2\n",
                             "log_file = \"/var/auth/hunter2.log\"\n",
                             "redis_auth = \"x\"\nname = \"hunter2\"\n",
                             "redis_auth = \"\"\"\nx\"\"\"\nname = \"hunter2\"\n"}) {
        CAPTURE(text);
        CHECK_FALSE(hides(text));
    }
}

TEST_CASE("each byte is looked at a few times, however deep values are nested") {
    for (const std::string_view part : {"users=[",
                                        "name=[",
                                        "pw=[",
                                        "pw=['>a',",
                                        "x=[",
                                        "users=[name=[",
                                        "user=",
                                        "users:\n",
                                        "users\n=\n",
                                        "users []",
                                        "\n[",
                                        "\n[a.b.users.",
                                        "'"}) {
        std::string text = "users = [";
        while (text.size() < 300'000) {
            text += part;
        }
        CAPTURE(part);
        CHECK(scan(text).secrets.size() < 300'000);
    }
}

TEST_CASE("keys of absurd depth are found before they reach the parser") {
    std::string deep = "a";
    for (size_t i = 1; i < key_depth_max; ++i) {
        deep += " . a";
    }
    CHECK_FALSE(scan(deep + " = 1\n").too_deep);
    CHECK(scan(deep + ".a = 1\n").too_deep);
    CHECK(scan("[" + deep + ".'a']\n").too_deep);
    CHECK(scan("x = 'a' \nredis_auth = { " + deep + ".a = 1 }\n").too_deep);
    CHECK(scan("redis_auth = \"x\"\n" + deep + ".a = 1").too_deep);
    CHECK_FALSE(scan("x = \"" + deep + ".a\"\n# " + deep + ".a\n").too_deep);
    CHECK_FALSE(scan("x = '''\n" + deep + ".a\n'''\n").too_deep);
}

TEST_CASE("the brackets that are open are told, whatever stands in strings and comments") {
    const auto open = [](std::string_view text) {
        std::string out;
        for (const size_t at : open_brackets(text).open) {
            out += text[at];
        }
        return out;
    };
    CHECK(open("").empty());
    CHECK(open("[a.b]\nx = [1, 2]\ny = { z = [] }\n").empty());
    CHECK(open("x = [\n").size() == 1);
    CHECK(open("x = [ # ]\n").size() == 1);
    CHECK(open("x = [ ']', \"\\\"]\",\n'''\n]''',\n") == "[");
    CHECK(open("x = [{ y = [\n") == "[{[");
    CHECK(open("x = '''[\n").empty());
    CHECK(open("x = [\n'''\n").empty());
    CHECK(open("]}\n").empty());
    CHECK(open_brackets("x = [ 'a#', # b\n\n # c\n").content_end == 11);
    CHECK(open_brackets("x = [ # b\n").content_end == 5);
}

}  // namespace ringmain::config
