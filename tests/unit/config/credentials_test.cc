// Users and passwords that servers are given: what is taken, what is refused, what is shown.

#include "ringmain/config/load.h"
#include "ringmain/config/options.h"
#include "ringmain/config/reload.h"
#include "tests/unit/config/loading.h"

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

std::string plain_pool(std::string_view lines) {
    return "[pool.a]\nlisten = '127.0.0.1:1'\n" + std::string(lines) + "\n";
}

Config parsed_pool(std::string_view lines) {
    return accepted(plain_pool(lines));
}

std::string refused_pool(std::string_view lines) {
    return refused(plain_pool(lines));
}

constexpr std::string_view mixed =
    "redis_auth = 'hunter1'\nredis_user = 'us'\nservers = [\n"
    "  'h:1:1 s0',\n"
    "  { address = 'h:2', name = 's1', user = 'one', password = 'hunter2' },\n"
    "  { address = 'h:3', name = 's2', password = 'hunter3' },\n"
    "  { address = 'h:4', name = 's3', user = 'default' },\n"
    "]";

}  // namespace

TEST_CASE("a server has its own user and password, or those of its pool, one by one") {
    const Config config = parsed_pool(mixed);
    const Pool& pool = config.pools[0];
    const auto told = [&pool](size_t i) { return pool.credentials_of(pool.servers[i]); };
    CHECK(told(0) == Credentials{.user = "us", .password = "hunter1"});
    CHECK(told(1) == Credentials{.user = "one", .password = "hunter2"});
    CHECK(told(2) == Credentials{.user = "us", .password = "hunter3"});
    CHECK(told(3) == Credentials{.user = "default", .password = "hunter1"});
    const Config plain = parsed_pool("servers = ['h:1']");
    CHECK(plain.pools[0].credentials_of(plain.pools[0].servers[0]) == Credentials{});
    CHECK(parsed_pool("redis_user = 'us'\nservers = [{ address = 'h:1', password = 'x' }]")
              .pools[0]
              .redis_auth.empty());
}

TEST_CASE("what is wrong with the credentials of servers is told") {
    CHECK(contains(refused_pool("servers = [{ address = 'h:1', user = 'one', name = 's0' }]"),
                   "server 's0' has a user and no password: give it one, or set redis_auth"));
    CHECK(
        contains(refused_pool("redis_user = 'us'\nservers = ['h:1', { address = 'h:2', password = "
                              "'x' }]"),
                 "'redis_user' needs a password: set redis_auth, or give each server one"));
    CHECK(contains(refused_pool("redis_user = 'u s'\nredis_auth = 'x'\nservers = ['h:1']"),
                   "redis_user 'u s' contains a blank"));
    CHECK(contains(refused_pool("servers = [{ address = 'h:1', user = 'u s', password = 'x' }]"),
                   "the server's user 'u s' contains a blank"));
    CHECK(contains(refused_pool("servers = [{ address = 'h:1', password = '' }]"),
                   "'password' is empty"));
    CHECK(contains(refused_pool("servers = [{ address = 'h:1', redis_auth = 'x' }]"),
                   "unknown key 'redis_auth' in a server; the password of a server is password"));
    CHECK(contains(refused_pool("servers = [{ address = 'h:1', usr = 'x' }]"),
                   "did you mean 'user'?"));
    CHECK(contains(refused_pool("user = 'us'\nservers = ['h:1']"),
                   "who ringmain is to the servers is redis_user"));
    const std::string memcached = "protocol = 'memcached'\n";
    CHECK(contains(
        refused_pool(memcached + "servers = [{ address = 'h:1', name = 's0', password = 'x' }]"),
        "server 's0' has a user or a password, which is for redis pools"));
    CHECK(contains(refused_pool(memcached + "redis_user = 'us'\nservers = ['h:1']"),
                   "'redis_user' is for redis pools"));
}

TEST_CASE("passwords of servers are shown nowhere") {
    const std::string shown = running_toml(parsed_pool(mixed));
    CHECK(contains(shown, R"(redis_user = "us")"));
    CHECK(contains(
        shown, R"({ address = "h:2", weight = 1, name = "s1", user = "one", password = "***" })"));
    CHECK_FALSE(contains(shown, "hunter"));
    for (const std::string_view server : {"{ address = 'h:1', password = 'hunter2', nonsense = 1 }",
                                          "{ address = 'h:1', password = 'hunter2' ",
                                          "{ address = 'h:1', password = hunter2 }",
                                          "{ address = 'h:1', password = ['hunter2'] }",
                                          "{ password = 'hunter2' }",
                                          "{ address = 'h:x', password = 'hunter2' }",
                                          "{ address = 'h:1', passwd = 'hunter2' }"}) {
        CHECK_FALSE(contains(refused_pool("servers = [" + std::string(server) + "]"), "hunter2"));
    }
}

TEST_CASE("a change of credentials is told without them") {
    const Config running = parsed_pool(mixed);
    const auto with = [](std::string_view from, std::string_view to) {
        std::string text(mixed);
        text.replace(text.find(from), from.size(), to);
        return parsed_pool(text);
    };
    using Lines = std::vector<std::string>;
    CHECK(changes(running, running).empty());
    CHECK(changes(running, with("hunter3", "other")) ==
          Lines{"pool a: changed: user or password of servers"});
    CHECK(changes(running, with("user = 'one'", "user = 'two'")) ==
          Lines{"pool a: changed: user or password of servers"});
    CHECK(changes(running, with("'us'", "'we'")) == Lines{"pool a: changed: redis_user"});
    CHECK(changes(running, with("hunter1", "other")) == Lines{"pool a: changed: redis_auth"});
}

}  // namespace ringmain::config
