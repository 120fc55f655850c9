#include "ringmain/config/load.h"
#include "ringmain/config/options.h"
#include "tests/unit/config/loading.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

constexpr std::string_view sample = R"(
[proxy]
workers = 3
log_file = "/tmp/a\"b\\c\u0001.log"
[stats]
listen = "127.0.0.1:22222"
slow_log_threshold = "25ms"
[admin]
listen = "/run/admin.sock 0600"
[pool.alpha]
listen = "127.0.0.1:22121"
redis_auth = "hunter2"
hash = "murmur"
hash_tag = "{}"
timeout = 0
servers = ["10.0.0.1:6379:2 cache1", "/run/a.sock:1", "[::1]:6380"]
[pool.beta]
listen = "[::1]:22122"
protocol = "memcached"
servers = ["10.0.0.2:11211"]
)";

}  // namespace

TEST_CASE("what is shown is read back as the same configuration") {
    const Config config = accepted(std::string(sample));
    const std::string shown = running_toml(config);
    const Config again = accepted(shown);
    CHECK(running_toml(again) == shown);
    CHECK(again.proxy.workers == 3);
    CHECK(again.proxy.log_file == config.proxy.log_file);
    CHECK(again.stats.listen == config.stats.listen);
    CHECK(again.stats.slow_log_threshold_ms == 25);
    CHECK(again.admin.listen == config.admin.listen);
    REQUIRE(again.pools.size() == 2);
    CHECK(again.pools[0].timeout_ms == 0);
    CHECK(again.pools[0].placement.hash == config.pools[0].placement.hash);
    CHECK(again.pools[0].placement.hash_tag == "{}");
    REQUIRE(again.pools[0].servers.size() == 3);
    for (size_t i = 0; i < 3; ++i) {
        CHECK(again.pools[0].servers[i].address == config.pools[0].servers[i].address);
        CHECK(again.pools[0].servers[i].ring_name == config.pools[0].servers[i].ring_name);
        CHECK(again.pools[0].servers[i].weight == config.pools[0].servers[i].weight);
    }
    CHECK(again.pools[1].protocol == Protocol::Memcached);
}

TEST_CASE("every option that has a value is shown, secrets masked") {
    const std::string shown = running_toml(accepted(std::string(sample)));
    CHECK(contains(shown, "\nredis_auth = \"***\"\n"));
    CHECK_FALSE(contains(shown, "hunter2"));
    for (const Section section : sections) {
        for (const Option& option : options(section)) {
            const bool has_value = !default_text(option).empty() || option.required;
            const bool is_inline = section == Section::Server || section == Section::User;
            if (is_inline || !has_value) continue;
            CHECK_MESSAGE(contains(shown, "\n" + std::string(option.name) + " = "), option.name);
        }
    }
    CHECK(contains(shown, "{ address = \"10.0.0.1:6379\", weight = 2, name = \"cache1\" },\n"));
}

}  // namespace ringmain::config
