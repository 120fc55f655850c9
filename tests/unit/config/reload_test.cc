#include "ringmain/config/reload.h"

#include "ringmain/config/load.h"
#include "tests/unit/config/loading.h"

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view running_text =
    "[proxy]\nworkers = 2\n[pool.a]\nlisten = '127.0.0.1:1'\nservers = ['h:1', 'h:2']\n"
    "[pool.b]\nlisten = '127.0.0.1:2'\nservers = ['h:1']\n";

}  // namespace

TEST_CASE("what is fixed at start stays, and is named when the file wants it otherwise") {
    const Config running = accepted(running_text);
    Config next = accepted(
        "[proxy]\nworkers = 3\nlog_level = 'debug'\nreceive_buffers = 64\n"
        "[pool.a]\nlisten = '127.0.0.1:1'\nservers = ['h:1']\n");
    CHECK(keep_fixed(running, next) == Lines{"[proxy] workers", "[proxy] receive_buffers"});
    CHECK(next.proxy.workers == 2);
    CHECK(next.proxy.receive_buffers == running.proxy.receive_buffers);
    CHECK(next.proxy.log_level == LogLevel::Debug);
    CHECK(keep_fixed(running, next).empty());
}

TEST_CASE("changes are told pool by pool, behind those of the process") {
    const Config running = accepted(running_text);
    CHECK(changes(running, running).empty());
    const Config next = accepted(
        "[proxy]\nworkers = 2\nlog_level = 'debug'\nshutdown_timeout = '9s'\n[pool.a]\nlisten = "
        "'127.0.0.1:1'\ntimeout = 7\nhash = 'md5'\nservers = ['h:1', 'h:3:2']\n"
        "[pool.c]\nlisten = '127.0.0.1:2'\nservers = ['h:1']\n");
    CHECK(changes(running, next) == Lines{"[proxy] changed: log_level, shutdown_timeout",
                                          "pool a: changed: hash, timeout, servers (2, were 2)",
                                          "pool c: added",
                                          "pool b: removed"});
}

TEST_CASE("of another protocol what follows from it is not told") {
    const Config running = accepted("[pool.a]\nlisten = '127.0.0.1:1'\nservers = ['h:1']\n");
    const Config next =
        accepted("[pool.a]\nprotocol = 'memcached'\nlisten = '127.0.0.1:1'\nservers = ['h:1']\n");
    CHECK(changes(running, next) == Lines{"pool a: changed: protocol"});
}

TEST_CASE("a password is not told") {
    const Config running = accepted(running_text);
    Config next = running;
    next.pools[0].redis_auth = "secret";
    CHECK(changes(running, next) == Lines{"pool a: changed: redis_auth"});
}

}  // namespace ringmain::config
