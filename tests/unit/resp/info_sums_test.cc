#include "ringmain/resp/info_sums.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::resp {

namespace {

constexpr std::array<std::string_view, 2> prefixes = {"cmdstat_", "errorstat_"};

}  // namespace

TEST_CASE("a figure is added up when each server has it") {
    const std::vector<std::string_view> texts = {
        "# Memory\r\nused_memory:10\r\nmaxmemory:-1\r\nx:1\r\npolicy:a\r\n\r\n# "
        "CPU\r\nsys:0.125\r\n",
        "used_memory:5\r\nmaxmemory:7\r\nx:y\r\npolicy:b\r\nsys:1e2",
        "used_memory:1\r\nmaxmemory:0\r\nx:3\r\npolicy:a\r\nsys:0\r\nonly:1\r\n",
    };
    const std::vector<std::string_view> names = {
        "used_memory", "maxmemory", "x", "policy", "sys", "only", "nowhere", "", "# Memory"};
    const InfoSums sums(texts, names, {});
    CHECK(sums.sum("used_memory") == 16);
    CHECK(sums.smallest("used_memory") == 1);
    CHECK(sums.largest("used_memory") == 10);
    CHECK(sums.smallest("maxmemory") == -1);
    CHECK(sums.decimal_sum("sys", 3) == "100.125");
    CHECK(sums.values("policy") == "a,b");
    for (const char* name : {"x", "only", "nowhere", "", "# Memory", "not asked for"}) {
        CAPTURE(name);
        CHECK_FALSE(sums.sum(name).has_value());
        CHECK_FALSE(sums.smallest(name).has_value());
        CHECK_FALSE(sums.largest(name).has_value());
        CHECK(sums.decimal_sum(name, 2).empty());
    }
    CHECK(sums.values("only").empty());

    const InfoSums none({}, names, {});
    CHECK_FALSE(none.sum("used_memory").has_value());
    CHECK(none.values("policy").empty());
}

TEST_CASE("lines of a kind are added up by name and field") {
    const std::vector<std::string_view> texts = {
        "cmdstat_set:calls=1,usec=7,usec_per_call=7.00,rejected_calls=0,failed_calls=1\r\n"
        "cmdstat_get:calls=0,usec=0,usec_per_call=0.00\r\nother:1\r\n",
        "cmdstat_set:calls=3,usec=2,usec_per_call=0.67,rejected_calls=5,failed_calls=0\r\n"
        "cmdstat_broken:calls=x,=1,,y\r\n",
    };
    std::string out;
    InfoSums(texts, {}, prefixes).add_up("cmdstat_", out);
    CHECK(out ==
          "cmdstat_get:calls=0,usec=0,usec_per_call=0.00\r\n"
          "cmdstat_set:calls=4,usec=9,usec_per_call=2.25,rejected_calls=5,failed_calls=1\r\n");
    out.clear();
    InfoSums(texts, {}, prefixes).add_up("errorstat_", out);
    CHECK(out.empty());
}

TEST_CASE("of what a server says twice the first counts") {
    const std::vector<std::string_view> texts = {
        "a:1\r\na:2\r\ncmdstat_x:calls=1\r\ncmdstat_x:calls=5\r\n",
        "b:1\r\ncmdstat_x:calls=2\r\ncmdstat_x:calls=5\r\na:3\r\na:x\r\n",
    };
    const std::vector<std::string_view> names = {"a", "b"};
    const InfoSums sums(texts, names, prefixes);
    CHECK(sums.sum("a") == 4);
    CHECK_FALSE(sums.sum("b").has_value());  // which the first lacks
    std::string out;
    sums.add_up("cmdstat_", out);
    CHECK(out == "cmdstat_x:calls=3\r\n");
}

// --- what no server would say --------------------------------------------------------------------

TEST_CASE("numbers that do not fit are no figure") {
    const std::string most = std::to_string(INT64_MAX);
    const std::string text = "a:" + most + "\r\nb:1e300\r\nc:inf\r\nd:nan\r\ne:-1e300\r\n";
    const std::vector<std::string_view> texts = {text, text};
    const std::vector<std::string_view> names = {"a", "b", "c", "d", "e"};
    const InfoSums sums(texts, names, {});
    CHECK_FALSE(sums.sum("a").has_value());
    CHECK(sums.largest("a") == INT64_MAX);
    for (const char* name : {"b", "c", "d", "e"}) {
        CAPTURE(name);
        CHECK(sums.decimal_sum(name, 6).empty());
    }
    const std::string line = "cmdstat_x:calls=" + most + ",usec=" + most + ",usec_per_call=1\r\n";
    const std::vector<std::string_view> lines = {line, line};
    std::string out;
    InfoSums(lines, {}, prefixes).add_up("cmdstat_", out);
    CHECK(out == "cmdstat_x:calls=" + most + ",usec=" + most + ",usec_per_call=1.00\r\n");
}

TEST_CASE("a line has a few fields, however many there are") {
    std::string line = "cmdstat_x:calls=1";
    for (int i = 0; i < 200'000; ++i)
        line += ",f" + std::to_string(i) + "=1";
    const std::vector<std::string_view> texts = {line};
    std::string out;
    InfoSums(texts, {}, prefixes).add_up("cmdstat_", out);
    CHECK(out.starts_with("cmdstat_x:calls=1,f0=1,"));
    CHECK(out.size() < 200);
}

}  // namespace ringmain::resp
