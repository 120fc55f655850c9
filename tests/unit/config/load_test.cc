// What an accepted configuration becomes.

#include "ringmain/config/load.h"

#include "tests/unit/config/loading.h"

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

constexpr std::string_view least = R"(
[pool.a]
listen = "127.0.0.1:22121"
servers = ["127.0.0.1:6379"]
)";

}  // namespace

TEST_CASE("the least configuration has the defaults of the structs") {
    const Config config = accepted(least);
    CHECK(config.file == "test.toml");
    CHECK(config.proxy.workers == 1);
    CHECK(config.stats.listen.empty());
    CHECK(config.admin.listen.empty());
    REQUIRE(config.pools.size() == 1);
    const Pool& pool = config.pools.front();
    CHECK(pool.name == "a");
    CHECK(pool.listen.text() == "127.0.0.1:22121");
    CHECK(pool.protocol == Protocol::Redis);
    CHECK(pool.timeout_ms == 400);
    CHECK(pool.placement.hash == placement::HashKind::Fnv1a_64);
    CHECK(pool.placement.distribution == placement::DistributionKind::Ketama);
    CHECK(pool.tcp_keepalive);
    REQUIRE(pool.servers.size() == 1);
    CHECK(pool.servers.front().ring_name == "127.0.0.1:6379");
}

TEST_CASE("every option reaches its field") {
    const Config config = accepted(R"(
[proxy]
workers = 4
cpu_affinity = "0,2-4"
buffer_memory = "1GiB"
io_backend = "epoll"
ring_entries = 512
receive_buffers = 128
client_connections = 5000
log_level = "debug"
log_file = "/var/log/r.log"
pid_file = "/run/r.pid"
shutdown_timeout = "30s"
[stats]
listen = "127.0.0.1:22222"
interval = 5000
[admin]
listen = "/run/admin.sock 0600"
[pool.alpha]
listen = "[::1]:22121"
protocol = "redis"
hash = "md5"
distribution = "modula"
hash_tag = "$$"
timeout = "2s"
connect_timeout = 250
backlog = 77
client_connections = 0
tcpkeepalive = false
preconnect = false
server_connections = 3
unknown_commands = "refuse"
channels = "everywhere"
auto_eject_hosts = true
server_retry_timeout = "1m"
server_failure_limit = 9
redis_auth = "a b\r\n\u0000"
redis_db = 5
request_size_max = "1MiB"
key_size_max = 1024
requests_in_flight_max = 10
output_pause_size = "64KiB"
client_output_limit = "8MiB"
client_output_timeout = "5s"
servers = [{ address = "/run/redis/a.sock", weight = 3, name = "one" }]
)");
    CHECK(config.proxy.workers == 4);
    CHECK(config.proxy.cpu_affinity == "0,2-4");
    CHECK(config.proxy.buffer_memory == 1073741824);
    CHECK(config.proxy.io_backend == IoBackend::Epoll);
    CHECK(config.proxy.ring_entries == 512);
    CHECK(config.proxy.receive_buffers == 128);
    CHECK(config.proxy.client_connections == 5000);
    CHECK(config.proxy.log_level == LogLevel::Debug);
    CHECK(config.proxy.log_file == "/var/log/r.log");
    CHECK(config.proxy.pid_file == "/run/r.pid");
    CHECK(config.proxy.shutdown_timeout_ms == 30'000);
    CHECK(config.stats.listen.port == 22222);
    CHECK(config.stats.interval_ms == 5000);
    CHECK(config.admin.listen.path == "/run/admin.sock");
    CHECK(config.admin.listen.mode == 0600);
    const Pool& pool = config.pools.front();
    CHECK(pool.listen.host == "::1");
    CHECK(pool.placement.hash == placement::HashKind::Md5);
    CHECK(pool.placement.distribution == placement::DistributionKind::Modula);
    CHECK(pool.placement.hash_tag == "$$");
    CHECK(pool.timeout_ms == 2000);
    CHECK(pool.connect_timeout_ms == 250);
    CHECK(pool.backlog == 77);
    CHECK(pool.client_connections == 0);
    CHECK_FALSE(pool.tcp_keepalive);
    CHECK_FALSE(pool.preconnect);
    CHECK(pool.server_connections == 3);
    CHECK(pool.unknown_commands == UnknownCommands::Refuse);
    CHECK(pool.channels == Channels::Everywhere);
    CHECK(pool.auto_eject_hosts);
    CHECK(pool.server_retry_timeout_ms == 60'000);
    CHECK(pool.server_failure_limit == 9);
    CHECK(pool.redis_auth == std::string_view("a b\r\n\0", 6));
    CHECK(pool.redis_db == 5);
    CHECK(pool.request_size_max == 1048576);
    CHECK(pool.key_size_max == 1024);
    CHECK(pool.requests_in_flight_max == 10);
    CHECK(pool.output_pause_size == 65536);
    CHECK(pool.client_output_limit == 8'388'608);
    CHECK(pool.client_output_timeout_ms == 5'000);
    REQUIRE(pool.servers.size() == 1);
    CHECK(pool.servers.front().address.is_path());
    CHECK(pool.servers.front().weight == 3);
    CHECK(pool.servers.front().ring_name == "one");
}

TEST_CASE("servers stand in the order of placement, not of the file") {
    const Config config = accepted(R"(
[pool.a]
listen = "127.0.0.1:1"
servers = ["h:1:1 node-10", "h:2:1 node-2", "h:3:1 node-1", "h:4:1 b"]
)");
    const std::vector<Server>& servers = config.pools.front().servers;
    REQUIRE(servers.size() == 4);
    CHECK(servers[0].ring_name == "b");
    CHECK(servers[1].ring_name == "node-1");
    CHECK(servers[2].ring_name == "node-2");
    CHECK(servers[3].ring_name == "node-10");
    CHECK(config.pools.front().nodes()[1].name == "node-1");
}

TEST_CASE("ring names are twemproxy's") {
    const Config config = accepted(R"(
[pool.a]
listen = "127.0.0.1:1"
servers = ["10.0.0.1:11211:1", "10.0.0.1:6379:5", "/run/a.sock:1", "[::1]:6379:1", "h:11211:1 own"]
)");
    std::vector<std::string> names;
    for (const Server& server : config.pools.front().servers) {
        names.push_back(server.ring_name);
    }
    CHECK(names ==
          std::vector<std::string>{"own", "10.0.0.1", "::1:6379", "/run/a.sock:", "10.0.0.1:6379"});
}

TEST_CASE("servers may be written as an array of tables") {
    const Config config = accepted(R"(
[pool.a]
listen = "127.0.0.1:1"
[[pool.a.servers]]
address = "h:1"
[[pool.a.servers]]
address = "h:2"
weight = 2
)");
    CHECK(config.pools.front().servers.size() == 2);
}

TEST_CASE("pools keep the order of the file") {
    const Config config = accepted(R"(
pool.zeta = { listen = "127.0.0.1:1", servers = ["h:1"] }
pool.alpha = { listen = "127.0.0.1:2", servers = ["h:1"] }
)");
    CHECK(config.pools[0].name == "zeta");
    CHECK(config.pools[1].name == "alpha");
}

TEST_CASE("workers auto is what the caller says") {
    const std::string text = "[proxy]\nworkers = \"auto\"" + std::string(least);
    CHECK(accepted(text, 6).proxy.workers == 6);
    CHECK(accepted(text, 0).proxy.workers == 1);
    CHECK(accepted(text, 100'000).proxy.workers == 256);
}

TEST_CASE("a memcached pool has memcached's key size") {
    const Config config =
        accepted("[pool.a]\nprotocol='memcached'\nlisten='127.0.0.1:1'\nservers=['h:1']\n");
    CHECK(config.pools.front().key_size_max == 250);
}

TEST_CASE("a byte order mark and DOS line ends do no harm") {
    CHECK(accepted("\xef\xbb\xbf[pool.a]\r\nlisten='127.0.0.1:1'\r\nservers=['h:1']\r\n")
              .pools.size() == 1);
}

TEST_CASE("the verdict counts pools and servers") {
    CHECK(report(load(least, "f.toml"), least) == "f.toml: accepted, 1 pool, 1 server\n");
}

}  // namespace ringmain::config
