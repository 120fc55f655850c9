#include "ringmain/config/migrate.h"

#include "ringmain/config/load.h"
#include "tests/unit/config/loading.h"

#include <string>
#include <utility>

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

std::string migrated(std::string_view yaml) {
    const Migrated result = migrate(yaml, "nutcracker.yml");
    INFO(render(result.diagnostics, "nutcracker.yml", yaml));
    REQUIRE(result.accepted());
    return result.toml;
}

Config loaded(std::string_view yaml) {
    const std::string toml = migrated(yaml);
    Loaded result = load(toml, "f");
    INFO(report(result, toml));
    REQUIRE(result.accepted());
    return std::move(result.config);
}

std::string not_migrated(std::string_view yaml) {
    const Migrated result = migrate(yaml, "n.yml");
    CHECK_FALSE(result.accepted());
    CHECK(result.toml.empty());
    return render(result.diagnostics, "n.yml", yaml);
}

std::string yaml_with(std::string_view lines) {
    return "alpha:\n  listen: 127.0.0.1:22121\n" + std::string(lines) +
           "  servers:\n   - 127.0.0.1:6379:1 one\n";
}

constexpr std::string_view readme = R"(alpha:
  listen: 127.0.0.1:22121
  hash: fnv1a_64
  distribution: ketama
  auto_eject_hosts: true
  redis: true
  server_retry_timeout: 2000
  server_failure_limit: 1
  servers:
   - 127.0.0.1:6379:1

beta:
  listen: 127.0.0.1:22122
  hash: fnv1a_64
  hash_tag: "{}"
  distribution: ketama
  auto_eject_hosts: false
  timeout: 400
  redis: true
  servers:
   - 127.0.0.1:6380:1 server1
   - 127.0.0.1:6381:2 server2
   - 127.0.0.1:6382:1 server3

gamma:
  listen: /tmp/gamma 0666
  hash: hsieh
  distribution: modula
  preconnect: true
  backlog: 1024
  tcpkeepalive: true
  client_connections: 50
  server_connections: 3
  servers:
   - 10.0.0.1:11211:100
   - 10.0.0.2:11211:1
   - /run/memcached/a.sock:1
)";

}  // namespace

TEST_CASE("what ringmain has less of is cut, with a comment; what it cannot have is told") {
    const std::string toml = migrated(yaml_with("  server_connections: 1000\n"));
    CHECK(contains(toml,
                   "# twemproxy has 1000 here; each worker has at most 512.\n"
                   "server_connections = 512\n"));
    const std::string most =
        migrated(yaml_with("  timeout: 2147483647\n  server_failure_limit: 10000000\n"));
    CHECK(contains(most,
                   "# twemproxy has 2147483647 here; the most is 2145600000.\n"
                   "timeout = 2145600000\n"));
    CHECK(contains(most, "server_failure_limit = 1000000\n"));
    CHECK(contains(most, "\nconnect_timeout = 3600000\n"));
    CHECK(contains(not_migrated("my pool:\n  listen: 127.0.0.1:1\n  servers:\n   - h:1:1\n"),
                   "the pool's name 'my pool' contains a blank or a control character; rename it, "
                   "to 'my_pool' for example"));
    CHECK(contains(not_migrated("a:\n  listen: 7001\n  servers:\n   - h:1:1\n"),
                   "listen: '7001' is a port without a host; write 127.0.0.1:7001, or 0.0.0.0:7001 "
                   "for every interface"));
}

TEST_CASE("what twemproxy's own example says is kept") {
    const Config config = loaded(readme);
    REQUIRE(config.pools.size() == 3);
    const Pool& alpha = config.pools[0];
    CHECK(alpha.name == "alpha");
    CHECK(alpha.protocol == Protocol::Redis);
    CHECK(alpha.timeout_ms == 0);
    CHECK(alpha.backlog == 512);
    CHECK(alpha.auto_eject_hosts);
    CHECK(alpha.server_retry_timeout_ms == 2000);
    CHECK(alpha.server_failure_limit == 1);
    CHECK_FALSE(alpha.preconnect);
    CHECK_FALSE(alpha.tcp_keepalive);
    CHECK(alpha.client_connections == 0);

    const Pool& beta = config.pools[1];
    CHECK(beta.timeout_ms == 400);
    CHECK(beta.placement.hash_tag == "{}");
    CHECK(beta.servers[1].name == "server2");
    CHECK(beta.servers[1].weight == 2);
    CHECK(beta.server_failure_limit == 2);
    CHECK(beta.server_retry_timeout_ms == 30000);

    const Pool& gamma = config.pools[2];
    CHECK(gamma.protocol == Protocol::Memcached);
    CHECK(gamma.listen.path == "/tmp/gamma");
    CHECK(gamma.listen.mode == 0666);
    CHECK(gamma.placement.hash == placement::HashKind::Hsieh);
    CHECK(gamma.placement.distribution == placement::DistributionKind::Modula);
    CHECK(gamma.preconnect);
    CHECK(gamma.backlog == 1024);
    CHECK(gamma.tcp_keepalive);
    CHECK(gamma.server_connections == 3);
}

TEST_CASE("every key stays on its server") {
    const Config config = loaded(readme);
    // twemproxy's names on the continuum, in its order.
    const std::vector<placement::Node> nodes = {{.name = "10.0.0.1", .weight = 100},
                                                {.name = "10.0.0.2", .weight = 1},
                                                {.name = "/run/memcached/a.sock:", .weight = 1}};
    const placement::Placement before({.hash = placement::HashKind::Hsieh,
                                       .distribution = placement::DistributionKind::Modula,
                                       .hash_tag = {}},
                                      nodes);
    const placement::Placement after(config.pools[2].placement, config.pools[2].nodes());
    Prng prng(0);
    for (int i = 0; i < 1000; ++i) {
        const std::string key = "key:" + std::to_string(i);
        CHECK(nodes[before.server_of(key, prng)].name ==
              config.pools[2].servers[after.server_of(key, prng)].ring_name);
    }
}

TEST_CASE("names on the ring are kept where our own rule would give another") {
    const Config config = loaded(
        "a:\n  listen: 127.0.0.1:1\n  servers:\n"
        "  - ::1:6379:1\n  - 127.0.0.1:06380:1\n  - '[::2]:6379:1'\n  - ::3:11211:1\n");
    std::vector<std::string> names;
    for (const Server& server : config.pools.front().servers) {
        names.push_back(server.ring_name + " at " + server.address.text());
    }
    CHECK(names == std::vector<std::string>{"::3 at [::3]:11211",
                                            "::1:6379 at [::1]:6379",
                                            "[::2]:6379 at [::2]:6379",
                                            "127.0.0.1:06380 at 127.0.0.1:6380"});
}

TEST_CASE("defaults are written out, and what changes has a comment") {
    const std::string toml = migrated(readme);
    for (const char* line : {"\ntimeout = 0\n",
                             "\nbacklog = 512\n",
                             "\npreconnect = false\n",
                             "\ntcpkeepalive = false\n",
                             "\nauto_eject_hosts = false\n",
                             "\nserver_retry_timeout = 30000\n",
                             "\nserver_failure_limit = 2\n",
                             "\nhash = \"fnv1a_64\"\n",
                             "\ndistribution = \"ketama\"\n",
                             "\nclient_connections = 0\n",
                             "\nprotocol = \"memcached\"\n",
                             "\nserver_connections = 1\n"}) {
        CAPTURE(line);
        CHECK(contains(toml, line));
    }
    CHECK(contains(toml, "# twemproxy waits for ever"));
    CHECK(contains(toml, "client_connections: 50"));
    CHECK(contains(toml, "#[stats]"));
}

TEST_CASE("passwords and databases come over") {
    const Config config =
        loaded(yaml_with("  redis: true\n  redis_auth: 'p\"a\\ss'\n  redis_db: 3\n"));
    CHECK(config.pools.front().redis_auth == "p\"a\\ss");
    CHECK(config.pools.front().redis_db == 3);
    CHECK(loaded(yaml_with("  redis: true\n  redis_auth: 12345\n")).pools.front().redis_auth ==
          "12345");
    CHECK(contains(migrated(yaml_with("  redis_db: 3\n")), "# redis_db: 3 is left out"));
}

TEST_CASE("oddities that twemproxy takes are taken, with a comment") {
    CHECK(contains(migrated(yaml_with("  reuseport: true\n")), "# reuseport is gone"));
    CHECK(loaded(yaml_with("  server_failure_limit: 0\n")).pools.front().server_failure_limit == 1);
    CHECK(loaded(yaml_with("  backlog: 0\n")).pools.front().backlog == 1);
    CHECK(loaded(yaml_with("  timeout: 0\n")).pools.front().timeout_ms == 0);
    // Connecting has all of the time with twemproxy, and never less than ringmain's own.
    for (const auto& [ms, connect_ms] : {std::pair{400, 1500}, {1500, 1500}, {5000, 5000}}) {
        CAPTURE(ms);
        const Config config = loaded(yaml_with("  timeout: " + std::to_string(ms) + "\n"));
        CHECK(config.pools.front().timeout_ms == ms);
        CHECK(config.pools.front().connect_timeout_ms == connect_ms);
    }
    const auto with_mode = [](const std::string& mode) {
        return "a:\n  listen: /tmp/a " + mode + "\n  servers:\n  - h:1:1\n";
    };
    for (const char* mode : {"0888", "abc", "0x660", "000", "-0"}) {
        CAPTURE(mode);
        CHECK(contains(migrated(with_mode(mode)), "listen = \"/tmp/a\""));
        CHECK(contains(migrated(with_mode(mode)), "as no mode at all"));
    }
    for (const char* mode : {"0660x", "+0660", "00006608"}) {
        CAPTURE(mode);
        CHECK(contains(migrated(with_mode(mode)), "listen = \"/tmp/a 0660\""));
        CHECK(contains(migrated(with_mode(mode)), "as 0660."));
    }
    for (const char* mode : {"01777", "-1", "7777777777777777777777777"}) {
        CAPTURE(mode);
        const Migrated refused = migrate(with_mode(mode), "n.yml");
        REQUIRE(refused.diagnostics.size() == 1);
        CHECK(contains(refused.diagnostics[0].message, "is not"));
    }
    CHECK(loaded("a:\n  listen: ::1:42500\n  servers:\n  - h:1:1\n").pools.front().listen.host ==
          "::1");
    CHECK(loaded("a.b:\n  listen: h:1\n  servers: ['h:2:1']\n").pools.front().name == "a.b");
}

TEST_CASE("every pool comes over, however many of them are warned about") {
    std::string yaml;
    for (int i = 0; i < 150; ++i) {
        const std::string number = std::to_string(i);
        yaml += "p" + number + ":\n  listen: 127.0.0.1:" + std::to_string(24'000 + i) +
                "\n  redis: true\n  servers:\n   - 127.0.0.1:6379:1 a\n";
    }
    CHECK(loaded(yaml).pools.size() == 150);
}

TEST_CASE("who is told to rename a server is told that its keys move") {
    const std::string moves = "; its name is its place on the ring: another one moves its keys\n";
    const auto with_name = [](const std::string& name) {
        return not_migrated("a:\n  listen: h:1\n  servers:\n   - \"h:2:1 " + name + "\"\n");
    };
    CHECK(contains(with_name("a\\tb"), "rename it, to 'a_b' for example" + moves));
    CHECK(contains(with_name(std::string(256, 'n')),
                   "has 256 bytes, at most 255 are possible; give it a shorter one" + moves));
}

TEST_CASE("errors have the line of the YAML file") {
    CHECK(
        contains(not_migrated(yaml_with("  tiemout: 400\n")),
                 "n.yml:3:3: error: twemproxy has no directive 'tiemout'; did you mean 'timeout'?\n"
                 "    3 |   tiemout: 400\n"));
    CHECK(contains(not_migrated(yaml_with("  timeout: 4294967297\n")),
                   "n.yml:3:12: error: 'timeout'"));
    CHECK(contains(not_migrated(yaml_with("  timeout: 1s\n")), "must be a number"));
    CHECK(contains(not_migrated(yaml_with("  timeout: -1\n")), "must be a number"));
    CHECK(contains(not_migrated(yaml_with("  redis: yes\n")), "must be true or false"));
    CHECK(contains(not_migrated(yaml_with("  hash: md4\n")), "'md5'"));
    CHECK(contains(not_migrated(yaml_with("  hash_tag: \"{\"\n")), "exactly two characters"));
    CHECK(contains(not_migrated(yaml_with("  hash_tag: \"\"\n")), "exactly two characters"));
    CHECK(contains(not_migrated(yaml_with("  hash: md5\n  hash: md5\n")),
                   "n.yml:4:3: error: 'hash' is set twice"));
    CHECK(contains(not_migrated(yaml_with("  server_connections: 0\n")), "1 to 512"));
    CHECK(contains(not_migrated(yaml_with("  redis_auth: x\n")), "lacks 'redis: true'"));
    CHECK(contains(not_migrated(yaml_with("  hash: [md5]\n")), "not a list"));
    CHECK(contains(not_migrated("a:\n  listen: h:1\n  servers: h:1:1\n"), "must be a list"));
    CHECK(
        contains(not_migrated("a:\n  listen: h:1\n"), "n.yml:1:1: error: pool 'a' has no servers"));
    CHECK(contains(not_migrated("a:\n  servers:\n  - h:1:1\n"), "'listen' is missing"));
    CHECK(contains(not_migrated("a:\n  listen: h:1\n  servers: []\n"), "has no servers"));
    CHECK(contains(
        not_migrated(
            "a:\n  listen: h:0\n  servers:\n  - h:1:0\n  - h:0:1\n  - h:1:1 a\n  - h:2:1 a\n"),
        "n.yml:7:5: error: two servers have the name 'a'"));
    CHECK(contains(
        not_migrated(
            "a:\n  listen: h:1\n  servers: ['h:1:1']\nb:\n  listen: h:1\n  servers: ['h:1:1']\n"),
        "n.yml:5:11: error: pools 'a' and 'b' both listen on 'h:1'"));
    CHECK(contains(
        not_migrated(
            "a:\n  listen: h:1\n  servers: ['h:1:1']\na:\n  listen: h:2\n  servers: ['h:1:1']\n"),
        "two pools have the name 'a'"));
    for (const char* server :
         {"h:1", "h", ":6379:1", "h:1:x", "h:1:1 two words", "h:1:2000000000", "h:4294973675:1"}) {
        CAPTURE(server);
        CHECK(contains(
            not_migrated("a:\n  listen: h:1\n  servers:\n  - '" + std::string(server) + "'\n"),
            "n.yml:4:5: error: servers: "));
    }
}

TEST_CASE("what is not twemproxy's YAML is refused") {
    CHECK(contains(not_migrated(""), "no pools"));
    CHECK(contains(not_migrated("- a\n"), "map of pools"));
    CHECK(contains(not_migrated("a: b\n"), "the pool's directives"));
    CHECK(contains(not_migrated("a:\n  b:\n    c: d\n"), "no deeper nesting"));
    CHECK(contains(not_migrated("a: &x\n  listen: *x\n"), "knows no aliases (*); write out"));
    CHECK(contains(not_migrated(yaml_with("") + "---\n" + yaml_with("")), "second YAML document"));
    CHECK(contains(not_migrated("a:\n\tlisten: x\n"), "n.yml:2:1: error: this is not YAML"));
    CHECK(contains(not_migrated("a: [[[[[[\n"), "pool's directives"));
    CHECK_FALSE(not_migrated(std::string("a:\n  \0", 6)).empty());
    CHECK_FALSE(not_migrated("\xff\xfe\xff").empty());
    CHECK(contains(not_migrated(std::string(9 * 1024 * 1024, ' ')), "larger than 8 MiB"));
}

TEST_CASE("what stands behind the place where reading stopped is not called missing") {
    const std::string tag =
        not_migrated("a:\n  listen: h:1\n  hash_tag: {}\n  servers: ['h:1:1']\n");
    CHECK(contains(tag,
                   "n.yml:3:13: error: text that begins with '{' stands in quotes, as in "
                   "hash_tag: \"{}\"\n"));
    const std::string tab = not_migrated("a:\n\tlisten: h:1\n  servers: ['h:1:1']\n");
    CHECK(contains(tab, "YAML is indented with blanks, not with tabs"));
    const std::string colons =
        not_migrated("a:\n  listen: h:1\n  hash_tag: ::\n  servers: ['h:1:1']\n");
    CHECK(contains(colons, "n.yml:3:14: error: this is not YAML"));
    for (const std::string& text : {tag, tab, colons}) {
        CAPTURE(text);
        CHECK_FALSE(contains(text, "missing"));
        CHECK_FALSE(contains(text, "no servers"));
        CHECK_FALSE(contains(text, "exactly two"));
    }
    // What is wrong in front of it is still told.
    CHECK(contains(not_migrated("a:\n  hash: md4\n  hash_tag: {}\nb: c\n"), "'md5'"));
    CHECK(contains(not_migrated("a:\n  servers: ['h:1:1']\nb: c\n"),
                   "'listen' is missing in pool 'a'"));
}

TEST_CASE("bytes that are not UTF-8 have their place") {
    const std::string out = not_migrated("a:\n  listen: h:1\n  # \xc3\xa9 caf\xe9\n");
    CHECK(contains(out, "n.yml:3:10: error: this is not YAML"));
    CHECK(contains(out, "the file must be UTF-8"));
}

TEST_CASE("a password stands in no message") {
    for (const char* lines : {"  redis_auth: hunter2\n",
                              "  redis: true\n  redis_auth: [hunter2]\n",
                              "  redis: true\n  redis_auth: hunter2\n  redis_auth: hunter2\n",
                              "  redis_auth: \"hunter2\n",
                              "  redis_auht: hunter2\n"}) {
        CAPTURE(lines);
        CHECK_FALSE(contains(not_migrated(yaml_with(lines)), "hunter2"));
    }
}

TEST_CASE("a password in an address stands in no message") {
    for (const char* server : {"redis://:hunter2@10.0.0.1:6379",
                               "redis://:hunter2@10.0.0.1:6379:1 a",
                               "redis://u:hunter2@10.0.0.1",
                               "u:hunter2@10.0.0.1:6379:1"}) {
        for (const std::string& text :
             {"a:\n  listen: h:1\n  servers:\n   - " + std::string(server) + "\n",
              "a:\n  servers: ['h:1:1']\n  listen: " + std::string(server) + "\n"}) {
            const std::string out = not_migrated(text);
            CAPTURE(out);
            CHECK_FALSE(contains(out, "hunter2"));
            CHECK(contains(out, "in front; write host:port, or /path; the password"));
        }
    }
}

TEST_CASE("a name in the YAML file cannot break out of the TOML file") {
    CHECK_FALSE(contains(migrate(yaml_with(""), "x\n[evil]\n").toml, "\n[evil]"));
    CHECK(contains(not_migrated("\"a\\n[evil\":\n  listen: h:1\n  servers: ['h:1:1']\n"),
                   "control character"));
    CHECK(loaded("'a\"]b':\n  listen: h:1\n  servers: ['h:2:1 x\"y']\n").pools.front().name ==
          "a\"]b");
}

TEST_CASE("what is wrong between pools is told of the pool") {
    const std::string pool_b = "b:\n  listen: 127.0.0.1:22121\n  servers:\n   - h:1:1\n";
    const std::string out =
        not_migrated("a:\n  listen: 0.0.0.0:22121\n  servers:\n   - h:1:1\n" + pool_b +
                     "c:\n  listen: 127.0.0.1:22122\n  servers:\n   - 127.0.0.1:22122:1\n");
    CAPTURE(out);
    CHECK(contains(out, "n.yml:5:1: error: [pool.b] and [pool.a] both listen on "));
    CHECK(contains(out, "\n    5 | b:\n      | ^\n"));
    CHECK(contains(out, "n.yml:9:1: error: "));
    CHECK_FALSE(contains(out, "n.yml:1:1"));
}

}  // namespace ringmain::config
