#include "ringmain/config/errors.h"

#include <set>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

using Kind = ErrorRow::Kind;

bool is_told(Kind kind, std::string_view text, std::string_view line) {
    return fits({.kind = kind, .text = text, .cause = {}, .remedy = {}}, line);
}

}  // namespace

TEST_CASE("a row tells of the lines that its text stands for, and of no others") {
    CHECK(is_told(Kind::Line, "-ERR syntax error", "-ERR syntax error"));
    CHECK_FALSE(is_told(Kind::Line, "-ERR syntax error", "-ERR syntax errors"));
    CHECK_FALSE(is_told(Kind::Line, "-ERR syntax error", "-ERR ringmain: -ERR syntax error"));
    CHECK(is_told(Kind::Line, "-ERR '{}' and {}", "-ERR 'a' and b"));
    CHECK(is_told(Kind::Line, "-ERR '{}' and {}", "-ERR '' and "));
    CHECK_FALSE(is_told(Kind::Line, "-ERR '{}' and {}", "-ERR 'a'"));
    CHECK(is_told(Kind::Line, "{} a {} b", "x a  b a y b"));
    CHECK_FALSE(is_told(Kind::Line, "{} a {} b", "x a y b z"));

    CHECK(is_told(Kind::Own, "out of {}", "-ERR ringmain: out of memory"));
    CHECK(is_told(Kind::Own, "out of {}", "SERVER_ERROR ringmain: out of memory"));
    CHECK_FALSE(is_told(Kind::Own, "out of {}", "-ERR out of memory"));
    // Of a command in steps it also says what is done.
    CHECK(is_told(Kind::Own, "it failed", "-ERR ringmain: it failed; 'COPY' has changed nothing"));
    CHECK_FALSE(is_told(Kind::Own, "it failed", "-ERR ringmain: it failed; 'COPY' did"));

    CHECK(is_told(Kind::Server, "is out", "-ERR ringmain: server s1 (10.0.0.1:7000) is out"));
    CHECK_FALSE(is_told(Kind::Server, "is out", "-ERR ringmain: s1 (10.0.0.1:7000) is out"));
    CHECK_FALSE(is_told(Kind::Section, "a", "a"));
}

TEST_CASE("every row has a text of its own, a cause and a remedy") {
    std::set<std::string_view> texts;
    for (const ErrorRow& row : error_table()) {
        CAPTURE(row.text);
        CHECK_FALSE(row.text.empty());
        CHECK_FALSE(row.cause.empty());
        CHECK((row.kind == Kind::Section || !row.remedy.empty()));
        CHECK(texts.insert(row.text).second);
    }
    CHECK(texts.size() > 100);
}

TEST_CASE("the page has a section's lines, then of each error the text, the cause and the remedy") {
    const std::string page = errors_help();
    CHECK(page.find("\n# Limits\n# -ERR ringmain: ...\n# SERVER_ERROR ringmain: ...\n") !=
          std::string::npos);
    CHECK(page.find("\nrequest is larger than ... bytes (request_size_max)\n"
                    "    why     it does not fit\n"
                    "    what    raise request_size_max\n") != std::string::npos);
}

}  // namespace ringmain::config
