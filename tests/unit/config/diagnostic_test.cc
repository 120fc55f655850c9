#include "ringmain/config/diagnostic.h"

#include <array>

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

std::string shown(std::string_view text, const Place& place) {
    const std::array one = {Diagnostic{.place = place, .message = "wrong"}};
    return render(one, "f.toml", text);
}

}  // namespace

TEST_CASE("a diagnostic shows its place, its line and a caret line") {
    CHECK(shown("[pool.a]\ntimeot = 4\n", {.line = 2, .column = 1, .length = 6}) ==
          "f.toml:2:1: error: wrong\n"
          "    2 | timeot = 4\n"
          "      | ^^^^^^\n");
}

TEST_CASE("a warning says that it is one") {
    const std::array one = {Diagnostic{.severity = Severity::Warning, .message = "odd"}};
    CHECK(render(one, "f", "x = 1") == "f:1:1: warning: odd\n    1 | x = 1\n      | ^\n");
}

TEST_CASE("columns count characters, and the caret stands below the right one") {
    const std::string text = "a = \"gr\xc3\xbc\xc3\x9f\" x";
    CHECK(shown(text, {.line = 1, .column = 12, .length = 1}) ==
          "f.toml:1:12: error: wrong\n    1 | " + text + "\n      | " + std::string(11, ' ') +
              "^\n");
}

TEST_CASE("control characters of a line do not reach the terminal") {
    const std::string out = shown("a\tb\x1b[31m\xff\r\n", {.line = 1, .column = 4, .length = 1});
    CHECK(out == "f.toml:1:4: error: wrong\n    1 | a b?[31m?\n      |    ^\n");
}

TEST_CASE("of a long line the part around the place is shown") {
    const std::string text(100'000, 'x');
    const std::string out = shown(text, {.line = 1, .column = 50'000, .length = 500});
    CHECK(out.size() < 500);
    CHECK(out.find("... xxx") != std::string::npos);
    CHECK(out.find("xxx ...") != std::string::npos);
}

TEST_CASE("a password is not shown, and the caret stays within the line") {
    for (const uint32_t column : {1U, 14U, 20U, 500U}) {
        const std::string out =
            shown("redis_auth = \"hunter2\" x", {.line = 1, .column = column, .length = 30});
        CAPTURE(out);
        CHECK(out.find("hunter2") == std::string::npos);
        CHECK(out.find("redis_auth = ***") != std::string::npos);
    }
    CHECK(shown("redis_auth = '''\nhunter2\n'''", {.line = 2}).find("hunter2") ==
          std::string::npos);
}

TEST_CASE("a password of a user is not shown where a quote is missing") {
    for (const char* line : {R"(users = [{ name = "app, password = "s3cr3t" }])",
                             R"(users = [{ name = "app, Password="s3cr3t" }])",
                             R"(users = [{ name = "app, "password" = "s3cr3t" }])",
                             R"(users = [{ name = "app, password "s3cr3t" }])",
                             R"(users = [{ name = "app, password"s3cr3t" }])",
                             R"(users = [{ name = "app, password: "s3cr3t" }])",
                             R"(users = [{ name = "app, password_sha256 = "s3cr3t" }])",
                             R"(x = "y, password = "s3cr3t", z = 1, redis_auth = "t" x = "z")",
                             R"(x = "y, REDIS_AUTH = 's3cr3t')"}) {
        const std::string out = shown(line, {.line = 1, .column = 1});
        CAPTURE(out);
        CHECK(out.find("s3cr3t") == std::string::npos);
        CHECK(out.find("***") != std::string::npos);
        // Further up a text may have begun that does not end.
        const std::string below = std::string("a = \"\"\"\n") + line;
        CHECK(shown(below, {.line = 2, .column = 1}).find("s3cr3t") == std::string::npos);
    }
}

TEST_CASE("of a URL with a password the part behind the scheme or the user is not shown") {
    for (const char* line : {"servers = ['redis://:s3cr3t@10.0.0.1:6379']",
                             "servers = ['redis://s3cr3t@10.0.0.1:6379']",
                             "servers = ['h:1', 'redis://u:s3 cr3t s3cr3t@10.0.0.1:6379']",
                             "servers = [redis://:s3cr3t@10.0.0.1:6379]",
                             "servers = ['user:s3cr3t@10.0.0.1:6379']",
                             "a:s3cr3t@10.0.0.1:6379",
                             "servers = ['h:1:1 me@c1', 'u:s3cr3t@10.0.0.2:6379']",
                             "servers = ['user:s3c s3cr3t@10.0.0.2:6379']",
                             "servers = ['s3cr3t@10.0.0.2:6379:1 a']",
                             "servers = [s3cr3t@10.0.0.2:6379]",
                             "  - s3cr3t@10.0.0.2:6379",
                             "servers = ['s:s3cr3t@h:1'], redis_auth = 'b'"}) {
        const std::string out = shown(line, {.line = 1, .column = 13, .length = 30});
        CAPTURE(out);
        CHECK(out.find("s3cr3t") == std::string::npos);
        CHECK(out.find("***") != std::string::npos);
    }
    for (const std::string line :
         {"servers = ['redis://10.0.0.1:6379', 'h:1:1 a@b']", "commands = ['+@read']", "a@b"}) {
        const bool is_whole = line.find("://") == std::string::npos;
        CHECK((shown(line, {}).find(line + "\n") != std::string::npos) == is_whole);
    }
}

TEST_CASE("a server that is called after a password is shown") {
    const std::string line = R"(servers = ["auth-1.example:1 a", "pass:2", 'secret'])";
    CHECK(shown(line, {.line = 1, .column = 1}).find(line + "\n") != std::string::npos);
}

TEST_CASE("a place outside the text has no excerpt") {
    CHECK(shown("x", {.line = 7}) == "f.toml:7:1: error: wrong\n");
    CHECK(shown("", {}) == "f.toml:1:1: error: wrong\n");
}

TEST_CASE("errors and warnings are counted") {
    const std::array some = {Diagnostic{}, Diagnostic{.severity = Severity::Warning}, Diagnostic{}};
    CHECK(count_text(some, 0) == "2 errors, 1 warning");
    CHECK(count_text(std::span(some).first(1), 0) == "1 error");
    CHECK(count_text(some, 7) == "2 errors, 8 warnings, 7 of them not shown");
    CHECK(count_text({}, 0).empty());
}

}  // namespace ringmain::config
