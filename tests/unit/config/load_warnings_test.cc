// What is accepted with a warning, and what is not worth one.

#include "ringmain/config/load.h"
#include "tests/unit/config/loading.h"

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

std::string warnings(std::string_view text) {
    const Loaded loaded = load(text, "f");
    INFO(report(loaded, text));
    CHECK(loaded.accepted());
    return render(loaded.diagnostics, "f", text);
}

std::string four_servers(std::string_view lines) {
    return "[pool.a]\nlisten = \"127.0.0.1:22121\"\n"
           "servers = [\"h:1:1 cache1\", \"h:2:1 cache2\", \"h:3:1 cache3\", \"h:4:1 cache4\"]\n" +
           std::string(lines) + "\n";
}

}  // namespace

TEST_CASE("a plain pool gives no warning, nor do several server connections") {
    CHECK(warnings(four_servers("")).empty());
    CHECK(warnings(four_servers("server_connections = 4")).empty());
    CHECK(warnings(four_servers("auto_eject_hosts = false")).empty());
}

TEST_CASE("a pattern of keys is none") {
    for (const std::string key : {"shop:*", "~shop:", "*"}) {
        const std::string out = warnings(four_servers(
            "users = [{ name = \"u\", password = \"x\", keys = [\"a:\", \"" + key + "\"] }]"));
        CAPTURE(out);
        CHECK(contains(out, "f:4:1: warning: user 'u': '" + key + "' is no pattern but the "));
    }
    CHECK(warnings(four_servers("users = [{ name = \"u\", password = \"x\", keys = [\"a*b\"] }]"))
              .empty());
}

TEST_CASE("crc32 with ketama names the one server that gets every key") {
    const std::string out = warnings(four_servers("hash = \"crc32\""));
    CHECK(contains(out, "f:4:1: warning: hash 'crc32' gives 15-bit values"));
    CHECK(contains(out, "every key maps to server 'cache"));
    CHECK(warnings(four_servers("hash = \"crc32\"\ndistribution = \"modula\"")).empty());
    CHECK(warnings(four_servers("hash = \"crc32a\"")).empty());
}

TEST_CASE("crc32 with ketama and one server is as good as any hash") {
    CHECK(warnings("[pool.a]\nlisten='127.0.0.1:1'\nservers=['h:1']\nhash='crc32'").empty());
}

TEST_CASE("crc16 with ketama is warned about") {
    CHECK(contains(warnings(four_servers("hash = \"crc16\"")), "spreads short keys badly"));
}

TEST_CASE("a server without a point on the ring is named") {
    const std::string out = warnings(
        "[pool.omega]\nlisten='/tmp/gamma 0666'\nhash='hsieh'\nprotocol='memcached'\n"
        "servers=['127.0.0.1:11214:100000', '127.0.0.1:11215:1']");
    CHECK(contains(out, "server '127.0.0.1:11215' has weight 1, too little beside the others"));
    CHECK_FALSE(contains(out, "server '127.0.0.1:11214' has"));
}

TEST_CASE("ejection is warned about where it cannot do what it is meant to do") {
    CHECK(
        warnings(four_servers("auto_eject_hosts = true\nserver_failure_limit = 3\nslow_start = 1"))
            .empty());
    CHECK(contains(warnings(four_servers("auto_eject_hosts = true\ntimeout = 0")),
                   "is never ejected"));
    CHECK(warnings(four_servers("auto_eject_hosts = true\nserver_failure_limit = 3\n"
                                "timeout = 0\nlate_connection_timeout = '5s'"))
              .empty());
    CHECK(contains(warnings(four_servers("slow_start = '10s'")),
                   "slow_start has no effect without auto_eject_hosts"));
    CHECK(contains(warnings(four_servers("eject_on_loading = true")),
                   "eject_on_loading has no effect without auto_eject_hosts"));
    CHECK(
        contains(warnings(four_servers("late_connection_timeout = 100")), "shorter than timeout"));
}

TEST_CASE("a slow log that nobody can see is warned about") {
    const std::string pool = four_servers("");
    for (const std::string option : {"slow_log_threshold", "slow_log_size"}) {
        CAPTURE(option);
        const std::string stats = pool + "[stats]\n" + option + " = 5\n";
        CHECK(contains(warnings(stats),
                       option + " has no effect without [admin] listen, where the slow log is"));
        CHECK(warnings(stats + "[admin]\nlisten = '127.0.0.1:22223'\n").empty());
    }
    CHECK(warnings(pool + "[stats]\nslow_log_size = 5\nslow_log_threshold = 0\n").empty());
}

TEST_CASE("settings that are hardly meant are warned about") {
    CHECK(contains(warnings(four_servers("distribution = \"random\"")), "drawn anew"));
    CHECK(contains(warnings(four_servers("timeout = 0")), "for ever"));
    CHECK(
        contains(warnings("[pool.a]\nlisten='127.0.0.1:1'\nservers=['h:1']\nauto_eject_hosts=true"),
                 "no name"));
    CHECK(contains(warnings("[pool.a]\nlisten='127.0.0.1:1'\nservers=['h:1:1 x', 'h:1:1 y']"),
                   "servers 'x' and 'y' have the same address 'h:1'"));
    CHECK(contains(warnings("[pool.a]\nlisten='0.0.0.0:1'\nservers=['h:1']"), "no password"));
    std::string many = "'h:1:1 s0'";
    for (int i = 1; i < 999; ++i) {
        many += ", 'h:1:1 s" + std::to_string(i) + "'";
    }
    const std::string told =
        warnings("[pool.a]\nlisten='127.0.0.1:1'\nservers=[" + many + "]\ndistribution='modula'");
    CHECK(contains(told,
                   "warning: servers 's0' and 's1' have the same address 'h:1'; 's0' and 's2' have "
                   "the same address 'h:1'; 's0' and 's3' have the same address 'h:1'; and so have "
                   "995 more: it gets the keys of both\n"));
    CHECK(told.find("warning") == told.rfind("warning"));
    CHECK(warnings("[pool.a]\nlisten='0.0.0.0:1'\nservers=['h:1']\nredis_auth='x'").empty());
}

TEST_CASE("warnings end nothing: all of the file is read, and those not shown are counted") {
    const std::string text = pools_with_warnings(150) + "[admin]\nlisten = '127.0.0.1:24900'\n";
    const Loaded loaded = load(text, "f");
    REQUIRE(loaded.accepted());
    CHECK(loaded.config.pools.size() == 150);
    CHECK(loaded.config.admin.listen.port == 24'900);
    CHECK(loaded.diagnostics.size() == 100);
    CHECK(loaded.warnings_left_out == 50);
    CHECK(contains(report(loaded, text),
                   "\nf: accepted, 150 pools, 150 servers, 150 warnings, 50 of them not shown\n"));
}

TEST_CASE("neither do they end the servers and users of a pool") {
    std::string users;
    std::string servers;
    for (int i = 0; i < 150; ++i) {
        const std::string number = std::to_string(i);
        users += "{ name = 'u" + number + "', password = 'x', keys = ['a*'] },";
        servers +=
            "'h:" + std::to_string(i + 1) + ":" + (i == 0 ? "1000000" : "1") + " s" + number + "',";
    }
    const std::string text =
        pools_with_warnings(99) + "[pool.many]\nlisten = '127.0.0.1:1'\nusers = [" + users +
        "]\nservers = [" + servers + "]\n[pool.last]\n" + "listen = '127.0.0.1:2'\nusers = [" +
        users + "]\nservers = [" + servers + "]\n";
    const Loaded loaded = load(text, "f");
    REQUIRE(loaded.accepted());
    REQUIRE(loaded.config.pools.size() == 101);
    CHECK(loaded.config.pools.back().servers.size() == 150);
    CHECK(loaded.config.pools.back().users.size() == 150);
}

}  // namespace ringmain::config
