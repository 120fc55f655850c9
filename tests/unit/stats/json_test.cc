#include "ringmain/stats/json.h"

#include "sample.h"
#include <doctest/doctest.h>

namespace ringmain::stats {

using test::contains;
using test::sample;

TEST_CASE("the process part reads as twemproxy writes it, to the byte") {
    Snapshot now = sample();
    now.pools.clear();
    CHECK(to_json(now, JsonScope::Pools) ==
          "{\"service\":\"ringmain\", \"source\":\"host1\", \"version\":\"0.9.9\", "
          "\"uptime\":90, \"timestamp\":1800000100, \"total_connections\":123, "
          "\"curr_connections\":15}\n");
}

TEST_CASE("a pool begins with twemproxy's fields in its order, and so does a server") {
    Snapshot now = sample();
    PoolValues& pool = now.pools[0].values;
    pool = {};
    pool.client_eof = 1;
    pool.client_err = 2;
    pool.client_connections = 3;
    pool.server_ejects = 4;
    pool.forward_error = 5;
    pool.fragments = 6;
    ServerSnapshot& server = now.pools[0].servers[0];
    server.values = {};
    server.values.eof = 11;
    server.values.err = 12;
    server.values.timedout = 13;
    server.values.connections = 14;
    server.values.requests = 15;
    server.values.request_bytes = 16;
    server.values.responses = 17;
    server.values.response_bytes = 18;
    server.values.in_queue = 19;
    server.values.in_queue_bytes = 20;
    server.values.out_queue = 21;
    server.values.out_queue_bytes = 22;

    const std::string text = to_json(now, JsonScope::Pools);
    CHECK(contains(text,
                   ", \"alpha\": {\"client_eof\":1, \"client_err\":2, \"client_connections\":3, "
                   "\"server_ejects\":4, \"forward_error\":5, \"fragments\":6, "));
    CHECK(contains(text,
                   ", \"cache1\": {\"server_eof\":11, \"server_err\":12, \"server_timedout\":13, "
                   "\"server_connections\":14, \"server_ejected_at\":1800000090250000, "
                   "\"requests\":15, \"request_bytes\":16, \"responses\":17, "
                   "\"response_bytes\":18, \"in_queue\":19, \"in_queue_bytes\":20, "
                   "\"out_queue\":21, \"out_queue_bytes\":22, "));
    CHECK(contains(text, "\"10.0.0.2\": {\"server_eof\":0, "));
    CHECK(text.ends_with("}}}\n"));
    CHECK(text.find('\n') == text.size() - 1);
}

TEST_CASE("state, reason and latency stand behind twemproxy's fields") {
    const std::string text = to_json(sample(), JsonScope::Pools);
    CHECK(contains(text, "\"state\":\"ejected\""));
    CHECK(contains(text, "\"state_reason\":\"3 failures in a row\""));
    CHECK(contains(text, "\"state_since\":1800000090"));
    CHECK(contains(text, "\"latency_p50_us\":304"));
    CHECK(contains(text, "\"latency_p99_us\":3072"));
    CHECK(contains(text, "\"oldest_request_us\":1375000"));
    CHECK(contains(to_json(sample(), JsonScope::Everything),
                   "\"cpu_us\":2250000, \"ready_us\":125000, \"waiting_us\":7500000"));
}

TEST_CASE("every figure is shown in /stats.json, those of the workers nowhere else") {
    const Snapshot now = sample();
    const std::string everything = to_json(now, JsonScope::Everything);
    const std::string pools = to_json(now, JsonScope::Pools);
    test::for_each_figure(now, [&](const std::string& name, uint64_t value) {
        CAPTURE(name);
        CHECK(contains(everything, ":" + std::to_string(value)));
        CHECK(contains(pools, ":" + std::to_string(value)) == !name.starts_with("worker"));
    });
}

TEST_CASE("names are escaped, and bytes that are no UTF-8 replaced") {
    Snapshot now = sample();
    now.pools[0].name = "a\"b\\c\n\x7F\xC3\xA9\xFF\xC3";
    const std::string text = to_json(now, JsonScope::Pools);
    CHECK(contains(text, "\"a\\\"b\\\\c\\u000a\\u007f\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\": {"));
}

TEST_CASE("characters of three and four bytes stay, and what only looks like them is replaced") {
    Snapshot now = sample();
    const auto is_written = [&now](std::string_view name, const std::string& wanted) {
        now.pools[0].name = name;
        return contains(to_json(now, JsonScope::Pools), '"' + wanted + "\": {");
    };
    for (const std::string_view character : {"\xE0\xA0\x80",
                                             "\xE2\x82\xAC",
                                             "\xED\x9F\xBF",
                                             "\xEF\xBF\xBF",
                                             "\xF0\x90\x80\x80",
                                             "\xF0\x9F\x98\x80",
                                             "\xF4\x8F\xBF\xBF"}) {
        CHECK(is_written(character, std::string(character)));
        for (size_t cut = 1; cut < character.size(); ++cut) {
            std::string wanted;
            for (size_t i = 0; i < cut; ++i) {
                wanted += "\xEF\xBF\xBD";
            }
            CHECK(is_written(character.substr(0, cut), wanted));
            CHECK(is_written(std::string(character.substr(0, cut)) + "a", wanted + "a"));
        }
    }
    for (const std::string_view text : {"\xE0\x9F\xBF",      // two bytes would do
                                        "\xED\xA0\x80",      // a surrogate
                                        "\xF0\x8F\xBF\xBF",  // three bytes would do
                                        "\xF4\x90\x80\x80",  // beyond the last character
                                        "\xF5\x80\x80\x80",
                                        "\xC1\xBF",
                                        "\x80\xBF"}) {
        CAPTURE(text);
        std::string wanted;
        for (size_t i = 0; i < text.size(); ++i) {
            wanted += "\xEF\xBF\xBD";
        }
        CHECK(is_written(text, wanted));
    }
}

TEST_CASE("a name that is a field's gets its address, so that no key is there twice") {
    Snapshot now = sample();
    now.pools[0].name = "service";
    now.pools[0].servers[0].name = "client_eof";
    const std::string text = to_json(now, JsonScope::Pools);
    CHECK(contains(text, "\"service (127.0.0.1:22121)\": {"));
    CHECK(contains(text, "\"client_eof (10.0.0.1:6379)\": {"));
    CHECK_FALSE(contains(text, "\"service\": {"));

    now.pools[0].name = "workers";
    CHECK(contains(to_json(now, JsonScope::Pools), "\"workers\": {"));
    CHECK(contains(to_json(now, JsonScope::Everything), "\"workers (127.0.0.1:22121)\": {"));
}

}  // namespace ringmain::stats
