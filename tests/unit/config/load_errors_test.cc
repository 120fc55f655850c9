// What is refused, where, and in which words.

#include "ringmain/config/load.h"
#include "tests/unit/config/loading.h"

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

// A pool that is right but for the given lines.
std::string pool_with(std::string_view lines) {
    return "[pool.a]\nlisten = \"127.0.0.1:22121\"\nservers = [\"127.0.0.1:6379:1 one\"]\n" +
           std::string(lines) + "\n";
}

}  // namespace

TEST_CASE("a misspelt key is named, placed and corrected") {
    const std::string out = refused(pool_with("tiemout = 400"));
    CHECK(contains(out,
                   "f:4:1: error: unknown key 'tiemout' in [pool.a]; did you mean 'timeout'?\n"));
    CHECK(contains(out, "    4 | tiemout = 400\n      | ^^^^^^^\n"));
    CHECK(contains(out, "f: 1 error: not accepted\n"));
}

TEST_CASE("all errors are told at once, in the order of the file") {
    const std::string out = refused(R"(
[proxy]
worker = 3
[pool.a]
listen = "127.0.0.1:99999"
hash = "murmer"
timeout = 99999999999999
servers = ["h:0:1", "h:1:0", "::1:6379:1"]
[pool.b]
)");
    const char* expected[] = {
        "f:3:1: error: unknown key 'worker' in [proxy]; did you mean 'workers'?",
        "f:5:10: error: listen: '99999' is not a port; ports are 1 to 65535",
        "f:6:8: error: 'hash' cannot be 'murmer'; did you mean 'murmur'?",
        "f:7:11: error: 'timeout' is out of range: 99999999999999",
        "f:8:12: error: servers: '0' is not a port",
        "f:8:21: error: servers: '0' is not a weight",
        "f:8:30: error: servers: '::1:6379:1' is ambiguous",
        "f:9:7: error: 'listen' is missing in [pool.b]",
        "f:9:7: error: 'servers' is missing in [pool.b]"};
    size_t at = 0;
    for (const char* line : expected) {
        CAPTURE(out);
        CAPTURE(line);
        const size_t found = out.find(line, at);
        REQUIRE(found != std::string::npos);
        at = found;
    }
    CHECK(contains(out, "f: 9 errors: not accepted"));
}

TEST_CASE("wrong types are told with what is wanted and what is there") {
    CHECK(contains(refused(pool_with("backlog = \"512\"")),
                   "'backlog' must be a whole number, not text"));
    CHECK(contains(refused(pool_with("backlog = \"512\"")), "leave the quotes out"));
    CHECK(contains(refused(pool_with("preconnect = \"true\"")), "leave the quotes out"));
    CHECK(contains(refused(pool_with("preconnect = 1")), "must be true or false, not a number"));
    CHECK(contains(refused(pool_with("timeout = 1.5")), "not a number with a fraction"));
    CHECK(contains(refused(pool_with("timeout = [1]")), "not a list"));
    CHECK(contains(refused(pool_with("hash = { a = 1 }")), "not a table"));
    CHECK(contains(refused(pool_with("hash_tag = 1979-05-27")), "not a date"));
    CHECK(contains(refused("proxy = 1\n" + pool_with("")), "'proxy' is a section; write [proxy]"));
    CHECK(contains(refused("pool = [1]"), "'pool' is a section; write [pool.NAME]"));
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers='h:1'"), "'servers' must be a list"));
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers=[1]"), "a server is text"));
}

TEST_CASE("values out of range are told with their limits") {
    CHECK(contains(refused(pool_with("timeout = -1")), "possible is 0 to 596h"));
    CHECK(
        contains(refused(pool_with("timeout = \"597h\"")), "out of range: 597h; possible is 0 to"));
    CHECK(contains(refused(pool_with("server_connections = 0")), "1 to 512"));
    CHECK(contains(refused(pool_with("redis_db = -1")), "out of range"));
    CHECK(contains(refused("[proxy]\nworkers = 0\n" + pool_with("")), "1 to 256, or \"auto\""));
    CHECK(contains(refused("[proxy]\nring_entries = 1000\n" + pool_with("")), "such as 1024"));
    CHECK(contains(
        refused("[proxy]\nreceive_buffers = 32768\nbuffer_memory = \"512MiB\"\n" + pool_with("")),
        "more than half of buffer_memory (512MiB)"));
    CHECK(contains(refused("[proxy]\ncpu_affinity = \"4-2\"\n" + pool_with("")), "'4-2'"));
    CHECK(contains(refused("[proxy]\ncpu_affinity = \"1,0-3\"\n" + pool_with("")), "CPU 1 stands"));
}

TEST_CASE("a number beyond 64 bits is told, not wrapped") {
    CHECK(contains(refused(pool_with("timeout = 99999999999999999999")), "too large"));
}

TEST_CASE("hash_tag is exactly two characters") {
    for (const char* text : {"\"{\"", "\"\"", "\"{}{\"", "\"\xc3\xbc\""}) {
        CAPTURE(text);
        CHECK(contains(refused(pool_with(std::string("hash_tag = ") + text)),
                       "exactly two characters"));
    }
}

TEST_CASE("redis options do not go with memcached") {
    for (const char* line : {"redis_auth = \"x\"",
                             "redis_db = 0",
                             "unknown_commands = \"refuse\"",
                             "key_size_max = 100"}) {
        CAPTURE(line);
        CHECK(contains(refused(pool_with(std::string("protocol = \"memcached\"\n") + line)),
                       "is for redis pools"));
    }
}

TEST_CASE("duplicates are refused") {
    CHECK(contains(refused(pool_with("timeout = 1\ntimeout = 2")), "defined twice"));
    CHECK(contains(refused(pool_with("") + pool_with("")), "defined twice"));
    CHECK(contains(refused(pool_with("") + "[pool.b]\nlisten='127.0.0.1:22121'\nservers=['h:1']"),
                   "[pool.b] and [pool.a] both listen on '127.0.0.1:22121'"));
    CHECK(contains(refused("[stats]\nlisten = '127.0.0.1:22121'\n" + pool_with("")),
                   "[pool.a] and [stats] both listen"));
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers=['h:1:1 x', 'h:2:1 x']"),
                   "two servers have the name 'x' in [pool.a]"));
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers=['h:1', 'h:1:2']"), "'h:1'"));
}

TEST_CASE("two spellings of one place to listen are duplicates") {
    const auto both = [](const std::string& a, const std::string& b) {
        return "[pool.a]\nlisten='" + a + "'\nservers=['h:1']\n[pool.b]\nlisten='" + b +
               "'\nservers=['h:1']\n";
    };
    const char* same[][2] = {{"127.0.0.1:1", "0.0.0.0:1"},
                             {"0.0.0.0:1", "127.0.0.1:1"},
                             {"[::1]:1", "[0::1]:1"},
                             {"[::]:1", "[fe80::1%eth0]:1"},
                             {"[::]:1", "127.0.0.1:1"},
                             {"0.0.0.0:1", "[::]:1"},
                             {"[::]:1", "localhost:1"},
                             {"localhost:1", "0.0.0.0:1"},
                             {"[::ffff:10.0.0.1]:1", "10.0.0.1:1"},
                             {"localhost:1", "127.0.0.1:1"},
                             {"[::1]:1", "LocalHost:1"},
                             {"Name:1", "name:1"},
                             {"/tmp/a.sock", "/tmp//./a.sock 0600"}};
    for (const auto& pair : same) {
        const std::string out = refused(both(pair[0], pair[1]));
        CAPTURE(out);
        CHECK(contains(out, "f:5:8: error: [pool.b] and [pool.a] both listen on "));
    }
    CHECK(contains(refused(both("127.0.0.1:1", "0.0.0.0:1")),
                   "both listen on '0.0.0.0:1', which is also at '127.0.0.1:1'; give one"));
    const char* other[][2] = {{"127.0.0.1:1", "127.0.0.1:2"},
                              {"0.0.0.0:1", "127.0.0.1:2"},
                              {"0.0.0.0:1", "[::1]:1"},
                              {"127.0.0.1:1", "127.0.0.2:1"},
                              {"0.0.0.0:1", "name:1"},
                              {"[fe80::1%a]:1", "[fe80::1%b]:1"},
                              {"/tmp/a.sock", "/tmp/x/../a.sock"}};
    for (const auto& pair : other) {
        CAPTURE(pair[0]);
        CAPTURE(pair[1]);
        CHECK(load(both(pair[0], pair[1]), "f").accepted());
    }
}

TEST_CASE("a pool is no server of its own") {
    const std::string_view refusal =
        "server 'x' is where [pool.a] listens: its requests would come back to it";
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers=['h:2:1 y', 'h:1:1 x']"), refusal));
    CHECK(contains(refused("[pool.a]\nlisten='/a.sock 0600'\nservers=['/a.sock:1 x']"), refusal));
    CHECK(contains(refused("[pool.a]\nlisten='//a.sock'\nservers=['/./a.sock:1 x']"), refusal));
    CHECK(load("[pool.a]\nlisten='h:1'\nservers=['h:2:1 x']\n"
               "[pool.b]\nlisten='h:3'\nservers=['h:1:1 x']",
               "f")
              .accepted());
}

TEST_CASE("pools that are each other's servers are refused, with the servers that lead on") {
    const std::string a = "[pool.a]\nlisten='h:1'\nservers=['h:8:1 x', 'h:2:1 y']\n";
    const std::string b = "[pool.b]\nlisten='h:2'\nservers=['h:3:1 z']\n";
    const std::string c = "[pool.c]\nlisten='h:3'\nservers=['h:9', 'h:8', 'h:1']\n";
    CHECK(load(a + b, "f").accepted());
    CHECK(load(b + c, "f").accepted());
    const std::string two = "[pool.b]\nlisten='h:2'\nservers=['h:1:1 z']\n";
    CHECK(contains(refused(a + two),
                   "f:6:10: error: requests would go round in a circle: [pool.a] has server 'y' "
                   "where [pool.b] listens, [pool.b] has server 'z' where [pool.a] listens; give "
                   "one of them the server's own address\n"));
    const std::string three = refused(c + b + a);
    CAPTURE(three);
    CHECK(contains(three,
                   "f:6:10: error: requests would go round in a circle: [pool.c] has server 'h:1' "
                   "where [pool.a] listens, [pool.a] has server 'y' where [pool.b] listens, "
                   "[pool.b] has server 'z' where [pool.c] listens; "));
    CHECK(contains(three, "f: 1 error: not accepted"));
}

TEST_CASE("each circle of pools is told once, and a long one is cut") {
    const auto pool = [](int number, const std::string& servers) {
        const std::string name = std::to_string(number);
        return "[pool.p" + name + "]\nlisten='h:" + name + "'\nservers=[" + servers + "]\n";
    };
    const std::string two = pool(1, "'h:2', 'h:4'") + pool(2, "'h:1'") + pool(3, "'h:1'") +
                            pool(4, "'h:5', 'h:8'") + pool(5, "'h:6'") + pool(6, "'h:4'");
    CHECK(contains(refused(two), "f: 2 errors: not accepted"));
    std::string circle;
    for (int i = 1; i <= 1000; ++i) {
        circle += pool(i, "'h:" + std::to_string(i % 1000 + 1) + "'");
    }
    const std::string out = refused(circle);
    CHECK(contains(out, "where [pool.p9] listens, ... (1000 pools in all); give one of them"));
    CHECK(contains(out, "f: 1 error: not accepted"));
    CHECK(contains(refused("[pool.a]\nlisten='/run//a'\nservers=['127.0.0.1:1']\n"
                           "[pool.b]\nlisten='0.0.0.0:1'\nservers=['/run/./a:1']\n"),
                   "in a circle"));
}

TEST_CASE("a pool is no server of its own, however both are written") {
    const auto pool = [](const std::string& listen, const std::string& server) {
        return "[pool.a]\nlisten='" + listen + "'\nservers=['" + server + ":1 x']";
    };
    const char* same[][2] = {{"0.0.0.0:1", "127.0.0.1:1"},
                             {"0.0.0.0:1", "127.8.0.1:1"},
                             {"0.0.0.0:1", "0.0.0.0:1"},
                             {"0.0.0.0:1", "localhost:1"},
                             {"0.0.0.0:1", "[::ffff:127.0.0.1]:1"},
                             {"[::]:1", "[::1]:1"},
                             {"[::]:1", "[0::0]:1"},
                             {"[::]:1", "LocalHost:1"},
                             {"[::]:1", "127.0.0.1:1"},
                             {"[::]:1", "0.0.0.0:1"},
                             {"127.0.0.1:1", "localhost:1"},
                             {"127.0.0.1:1", "0.0.0.0:1"},
                             {"[::1]:1", "localhost:1"},
                             {"[::1]:1", "[::]:1"},
                             {"localhost:1", "127.0.0.1:1"},
                             {"localhost:1", "[::1]:1"},
                             {"localhost:1", "0.0.0.0:1"}};
    for (const auto& pair : same) {
        const std::string out = refused(pool(pair[0], pair[1]));
        CAPTURE(out);
        CAPTURE(pair[0]);
        CAPTURE(pair[1]);
        CHECK(contains(out, "server 'x' is where [pool.a] listens"));
    }
    // Where a wildcard listens, a server may listen on an address of its own, or be elsewhere.
    const char* other[][2] = {{"0.0.0.0:1", "10.0.0.5:1"},
                              {"0.0.0.0:1", "127.0.0.1:2"},
                              {"0.0.0.0:1", "[::1]:1"},
                              {"0.0.0.0:1", "name:1"},
                              {"[::]:1", "[2001:db8::1]:1"},
                              {"[::]:1", "10.0.0.5:1"},
                              {"10.0.0.5:1", "0.0.0.0:1"},
                              {"127.0.0.1:1", "127.0.0.2:1"},
                              {"/a.sock", "/b.sock"}};
    for (const auto& pair : other) {
        CAPTURE(pair[0]);
        CAPTURE(pair[1]);
        CHECK(load(pool(pair[0], pair[1]), "f").accepted());
    }
}

TEST_CASE("weights are bounded, one by one and together") {
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers=['h:1:2000000000']"), "1 to 1000000"));
    for (const char* distribution : {"ketama", "modula"}) {
        CAPTURE(distribution);
        std::string many =
            "[pool.a]\nlisten='l:1'\ndistribution='" + std::string(distribution) + "'\nservers=[";
        for (int i = 0; i < 2147; ++i) {
            many += "'h:" + std::to_string(i + 1) + ":1000000',";
        }
        CHECK(load(many + "'h:9999:483647']", "f").accepted());
        CHECK(contains(refused(many + "'h:9999:483648']"),
                       "add up to 2147483648, at most 2147483647"));
    }
}

TEST_CASE("what is empty or missing is told") {
    CHECK(contains(refused(""), "f:1:1: error: no pool"));
    CHECK(contains(refused("# nothing\n"), "no pool"));
    CHECK(contains(refused("[pool]\n"), "no pool"));
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers=[]"), "'servers' is empty"));
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers=[{}]"), "'address' is missing"));
    CHECK(contains(refused("[pool.a]\nlisten=''\nservers=['h:1']"), "the address is empty"));
    CHECK(contains(refused(pool_with("redis_auth = ''")), "'redis_auth' is empty"));
    CHECK(contains(refused("[pool.'']\nlisten='h:1'\nservers=['h:1']"), "name is empty"));
    CHECK(contains(refused("[pool.'a b']\nlisten='h:1'\nservers=['h:1']"), "contains a blank"));
}

TEST_CASE("keys in the wrong place are told the right one") {
    CHECK(contains(refused(pool_with("workers = 2")), "it belongs in [proxy]"));
    CHECK(
        contains(refused("[proxy]\nhash = 'md5'\n" + pool_with("")), "it belongs in [pool.NAME]"));
    CHECK(contains(refused("[pool]\nlisten = 'h:1'\n"), "write [pool.NAME] above it"));
    CHECK(contains(refused("[alpha]\nlisten='h:1'\nservers=['h:1']"),
                   "a pool is written [pool.alpha]"));
    CHECK(contains(refused("[pols.a]\nlisten='h:1'\n" + pool_with("")), "unknown section 'pols'"));
    CHECK(contains(refused("[proxi]\n" + pool_with("")), "did you mean 'proxy'?"));
    CHECK(contains(refused("workers = 1\n" + pool_with("")), "every option stands in a section"));
    CHECK(contains(refused(pool_with("redis = true")), "protocol = \"redis\""));
    CHECK(contains(refused("[pool.a]\nlisten='h:1'\nservers=[{ adress = 'h:1' }]"),
                   "did you mean 'address'?"));
}

TEST_CASE("text without quotes gets them in the message") {
    const std::string out = refused("[pool.a]\nlisten = 127.0.0.1:22121\nservers = ['h:0']\n");
    CHECK(contains(out,
                   "f:2:10: error: this value must be true, false, a number, or text in quotes; "
                   "write listen = \"127.0.0.1:22121\""));
    CHECK(contains(out, "    2 | listen = 127.0.0.1:22121\n      |          ^^^^^^^^^^^^^^^\n"));
    // Reading goes on behind it, and does not claim that listen is missing.
    CHECK(contains(out, "'0' is not a port"));
    CHECK_FALSE(contains(out, "missing"));
}

TEST_CASE("what takes no text gets no quotes") {
    for (const char* value : {"yes", "True", "on", "1s"}) {
        for (const char* key : {"auto_eject_hosts", "tcpkeepalive"}) {
            const std::string line = std::string(key) + " = " + value;
            CAPTURE(line);
            const std::string out = refused(pool_with(line + " # x"));
            CHECK(contains(out,
                           "f:4:" + std::to_string(line.find('=') + 3) + ": error: '" +
                               std::string(key) + "' must be true or false"));
            CHECK_FALSE(contains(out, "\"" + std::string(value) + "\""));
            CHECK_FALSE(contains(out, "quotes"));
        }
    }
    CHECK(contains(refused(pool_with("preconnect = Yes")), "write preconnect = true\n"));
    CHECK(contains(refused(pool_with("preconnect = OFF")), "write preconnect = false\n"));
    CHECK(contains(refused(pool_with("preconnect = never")), "must be true or false\n"));
    CHECK(contains(refused("[pool.a]\nbacklog = 1k\n"),
                   "f:2:11: error: 'backlog' must be a whole number, 1 to 2147483647\n"));
    CHECK(contains(refused("pool.a.redis_db = one\n"),
                   "'redis_db' must be a whole number, 0 to 2147483647\n"));
    CHECK(contains(refused("[proxy]\nworkers = many\n"),
                   "'workers' must be a whole number, 1 to 256, or \"auto\"\n"));
    CHECK(contains(refused("[proxy]\nworkers = auto\n"), "write workers = \"auto\"\n"));
    CHECK(contains(refused("[proxy]\nbuffer_memory = 1GiB\n"), "write buffer_memory = \"1GiB\""));
    CHECK(contains(refused("[pool.a]\nservers = h:1\n"), "write servers = [\"h:1\"]\n"));
    CHECK(contains(refused("[pool.a]\nusers = app\n"), "'users' must be a list of tables"));
    CHECK(contains(refused("[pool.a]\nno_option = x\n"), "write no_option = \"x\"\n"));
}

TEST_CASE("the commonest slips of a list, a quote or an address are told in plain words") {
    CHECK(contains(refused("[pool.a]\nservers = [10.0.0.1:6379:1 a]\n"),
                   "f:2:11: error: each text of a list stands in quotes, as in servers = "));
    CHECK(contains(refused("[pool.a]\nservers = ['h:1'\n"),
                   "end-of-file: a quote, a bracket or a brace is not closed"));
    CHECK(contains(refused("[pool.a]\nhash = \"md5\ntimeout = 5\n"),
                   "a text ends on its line: perhaps its closing quote is missing"));
    for (const char* text : {"timeout='400ms\n", "timeout = '400ms\r\nhash = 'md5'\r\n"}) {
        CHECK(contains(refused("[pool.a]\n" + std::string(text)),
                       "a text ends on its line: perhaps its closing quote is missing"));
    }
    CHECK_FALSE(contains(refused("[pool.a]\n# a\x01\n"), "closing quote"));
    for (const char* entry : {"{\n address = 'h:1' }",
                              "{ address = 'h:1',\n }",
                              "{ address = 'h:1',\r\n weight = 2 }",
                              "{ address = 'h:1', # x\n weight = 2 }",
                              "{ address = 'h:1', }"}) {
        const std::string out = refused("[pool.a]\nservers = [\n" + std::string(entry) + ",\n]\n");
        CAPTURE(out);
        CHECK(
            contains(out, "; a table in braces stands on one line, with no comma before the '}'"));
        CHECK(contains(out, "f: 1 error"));
    }
    for (const char* entry :
         {"{ name = 'a', password = 'hunter2',\n }", "{ name = 'a', password = 'hunter2', }"}) {
        const std::string out = refused("[pool.a]\nusers = [\n" + std::string(entry) + ",\n]\n");
        CAPTURE(out);
        CHECK(
            contains(out, "; a table in braces stands on one line, with no comma before the '}'"));
        CHECK_FALSE(contains(out, "hunter2"));
    }
    for (const char* entry :
         {"{ name = 'a' password = 'hunter2' }", "{ password = 'hunter2' name = 'a' }"}) {
        const std::string out = refused("[pool.a]\nusers = [\n" + std::string(entry) + ",\n]\n");
        CAPTURE(out);
        CHECK(contains(out,
                       "',' is missing, or the '}' of the table; a password is text in quotes\n"));
        CHECK_FALSE(contains(out, "hunter2"));
    }
    CHECK(contains(refused("[pool.a]\nservers = [\n{ address = 'h:1' weight = 2 },\n]\n"),
                   "f:3:19: error: ',' is missing, or the '}' of the table: "));
    CHECK(contains(refused("[pool.a]\nhash = \xe2\x80\x9cmd5\xe2\x80\x9d\n"),
                   "write hash = \"md5\"\n"));
    CHECK(contains(refused(pool_with("redis_auth = \"caf\xe9\"")), "these bytes are not UTF-8"));
    CHECK(contains(refused("[pool.a]\nlisten='*:1'\nservers=['h:1']\n"),
                   "every interface is 0.0.0.0, or [::] with IPv6 as well"));
    CHECK(contains(refused("[pool.a]\nlisten='unix:/run/a'\nservers=['redis://h:1']\n"),
                   "has nothing in front; write '/run/a'"));
    CHECK(contains(refused("[pool.a]\nlisten='h:2'\nservers=['redis://h:1']\n"),
                   "servers: an address has no scheme in front; write host:port"));
}

TEST_CASE("a password in an address is not shown") {
    const std::string url = "redis://:topsecret@10.0.0.1:6379";
    const std::string begin = "[pool.a]\nlisten = 'h:2'\n";
    for (const std::string& text : {begin + "servers = ['" + url + "']\n",
                                    begin + "servers = [{ address = '" + url + "' }]\n",
                                    begin + "servers = [\n  'h:1',\n  '" + url + "',\n]\n",
                                    begin + "servers = ['user:topsecret@10.0.0.1:1']\n",
                                    begin + "servers = '" + url + "'\n",
                                    begin + "servers = [" + url + "]\n",
                                    begin + "servers = " + url + "\n",
                                    "[pool.a]\nservers = ['h:1']\nlisten = '" + url + "'\n",
                                    "[pool.a]\nservers = ['h:1']\nlisten = " + url + "\n",
                                    "[admin]\nlisten = '" + url + "'\n"}) {
        const std::string out = refused(text);
        CAPTURE(out);
        CHECK_FALSE(contains(out, "topsecret"));
    }
    CHECK(contains(refused(begin + "servers = ['" + url + "']\n"),
                   "f:3:12: error: servers: an address has no scheme in front; write host:port, or "
                   "/path; the password of a pool's servers is redis_auth, that of one server "
                   "password\n    3 | servers = ['redis://***\n"));
}

TEST_CASE("the log is not the pid file") {
    CHECK(contains(refused("[proxy]\nlog_file='/a'\npid_file='/a'\n"),
                   "f:3:10: error: 'pid_file' and 'log_file' are the same file; give one of them "
                   "another path"));
}

TEST_CASE("a table whose name stands in quotes is defined once") {
    const std::string twice = " is defined twice: a name may stand in a table once";
    const std::string plain = "[pool.a]\n";
    CHECK(contains(refused(plain + plain), "f:2:1: error: table 'pool.a'" + twice));
    for (const char* name : {"pool.\"a\"", "pool.'a'", "'pool'.\"a\""}) {
        const std::string header = "[" + std::string(name) + "]\n";
        CAPTURE(header);
        CHECK(contains(refused(header + header), "f:2:1: error: this table" + twice));
        CHECK(contains(refused(plain + header), "f:2:1: error: this table" + twice));
    }
}

TEST_CASE("values that hold too many others are told as that") {
    for (const char* bracket : {"[", "{ a = "}) {
        for (const int count : {17, 400}) {
            std::string text = "[pool.a]\nservers = ";
            for (int i = 0; i < count; ++i) {
                text += bracket;
            }
            CHECK(contains(refused(text + "\n"),
                           "error: a value holds lists or tables in each other, more than 16 of "
                           "them; no option has more than a list of tables\n"));
        }
    }
}

TEST_CASE("several broken lines are all told, with what follows") {
    const std::string out = refused(
        "[pool.a\nlisten = 'h:1'\n[pool.b]\ntimeout = 2s\nhash = 'md5'\nbacklog 5\nlisten = 3\n");
    CHECK(contains(out, "f:1:"));
    CHECK(contains(out, "timeout = \"2s\""));
    CHECK(contains(out, "f:6:9: error: expected '='"));
    CHECK(contains(out, "f:7:10: error: 'listen' must be text"));
}

TEST_CASE("broken lines next to each other are all told") {
    const std::string out = refused(
        "[pool.a]\nlisten = 127.0.0.1:1\nhash = md5\nbacklog 5\ntimeout =\nprotocol = redis\n");
    CHECK(contains(out, "f:2:10: error: this value"));
    CHECK(contains(out, "f:3:8: error: this value"));
    CHECK(contains(out, "f:4:9: error: expected '='"));
    CHECK(contains(out, "f:5:"));
    CHECK(contains(out, "f:6:12: error: this value"));
}

TEST_CASE("a list that is not closed is one error") {
    for (const char* end : {"\n", ",\n", " # [\n", ", # it's \"one\n"}) {
        for (const char* next : {"timeout = 400\nhash_tag = '{}'\n\n[pool.b]\nlisten = 'h:3'\n",
                                 "[pool.b]\nlisten = 'h:3'\nservers = [\n 'h:4',\n]\nhash='md5'\n",
                                 "  [ pool . b ] # [\n hash='md5'\n",
                                 "'timeout' = 400\nfoo.bar = [\n  'a'\n]\n"}) {
            const std::string text =
                "[pool.a]\nlisten = 'h:1'\nhash = 'md5'\nservers = [ # [\n"
                "  ']]\",#:1 a',\n  { address = 'h:2' }" +
                std::string(end) + next;
            CAPTURE(text);
            const std::string out = refused(text);
            CAPTURE(out);
            CHECK(contains(out, next[0] == ' ' ? "f:7:3: error: the" : "f:7:1: error: the"));
            CHECK(contains(out, "the ']' of the list above, which begins in line 4, is missing\n"));
            CHECK_FALSE(contains(out, "expected"));
            CHECK_FALSE(contains(out, "defined twice"));
        }
    }
    CHECK(contains(refused("[pool.a]\nlisten = 'h:1'\nservers = [\n 'h:1:1 a',\n\n# x\ntimeout = "
                           "400\n\n# x\nhash = 'md5'\n[proxy]\nworkers = 1\n"),
                   "f: 1 error: not accepted"));
}

TEST_CASE("behind a list that is not closed all is read") {
    const std::string out = refused(
        "[pool.a]\nservers = [\n  'h:1',\n  'h:2'\ntimeout = 2s\n[pool.b]\nbacklog = true\n"
        "servers = [\n  'h:0',\ntiemout = 3\n");
    CAPTURE(out);
    CHECK(contains(out, "f:5:1: error: the ']' of the list above, which begins in line 2, is"));
    CHECK(contains(out, "f:5:11: error: this value must be"));
    CHECK(contains(out, "f:7:11: error: 'backlog' must be"));
    CHECK(contains(out, "f:9:3: error: servers: '0' is not a port"));
    CHECK(contains(out, "f:10:1: error: the ']' of the list above, which begins in line 8, is"));
    CHECK(contains(out, "f:10:1: error: unknown key 'tiemout'"));
    CHECK(contains(out, "f: 6 errors"));
}

TEST_CASE("a list in a list that is not closed is one error") {
    const std::string head =
        "[pool.a]\nlisten = 'h:1'\nusers = [\n  { name = 'x', password = 'y', keys = [\n    "
        "'a:',\n";
    for (const char* rest : {"    access = 'read-only' },\n]\nservers = ['h:1']\n",
                             "timeout = 400\nhash = 'md5'\n[pool.b]\nhash = 'md5'\n"}) {
        const std::string out = refused(head + rest);
        CAPTURE(out);
        CHECK(contains(out, "the ']' of the list above, which begins in line 4, is missing"));
        CHECK(contains(out, "f: 1 error: not accepted"));
    }
}

TEST_CASE("a list that is closed does not lack its ']'") {
    for (const char* text : {"servers = [\n  h:1,\n  'h:2'\n]\n",
                             "servers = [\n  true_one,\n  'h:2'\n]\n",
                             "servers = ['h:1', timeout = 400\nhash = 'md5'\n",
                             "servers = ['h:1'] x\nkeys = [a]\n",
                             "servers = [\n  { address = 'h:1',\n    weight = 1,\n    name = 'a'\n"
                             "  },\n]\ntimeout = 400\n",
                             "users = [\n  'a',\n  'b'\n  'c=d'\n]\n",
                             "hash = '''\n[\ntimeout = 400\n''' x\n"}) {
        const std::string out = refused("[pool.a]\n" + std::string(text));
        CAPTURE(out);
        CHECK_FALSE(contains(out, "of the list above, which"));
    }
    const std::string both = refused("[pool.a]\nservers = ['h:1' 'h:2']\nusers = [{} {}]\n");
    CHECK(contains(both, "f:2:"));
    CHECK(contains(both, "f:3:"));
}

TEST_CASE("a comma that is missing between servers is one error") {
    const std::string out =
        refused("[pool.a]\nlisten = 'h:1'\nservers = [\n  'h:1'\n  'h:2'\n]\ntimeot = 1\n");
    CHECK(contains(out, "f:5:3: error: ',' is missing"));
    CHECK(contains(out, "unknown key 'timeot'"));
    CHECK(contains(out, "f: 2 errors"));
}

TEST_CASE("a YAML file is recognised") {
    CHECK(contains(refused("alpha:\n  listen: 127.0.0.1:22121\n"), "ringmain migrate"));
}

TEST_CASE("bytes that are no text are refused") {
    CHECK(contains(refused(std::string("[pool.a]\nx\0y", 12)), "f:2:2: error: a NUL byte"));
    CHECK(contains(refused("\xff\xfe"), "not UTF-8"));
    CHECK(contains(refused(pool_with("hash = \"a\\u0000\"")), "cannot be 'a?'"));
    CHECK(contains(refused(std::string(9 * 1024 * 1024, '#')), "larger than 8 MiB"));
}

TEST_CASE("a header that is none is refused, whatever it begins with") {
    for (const char* text :
         {"[`a]\n", "[=]", "[\xc3\xbc]", "[#]", "[.a]", "[]", "[[]]", "[a.]", "[a.=]"}) {
        CAPTURE(text);
        CHECK(contains(refused(text), "f:1:"));
    }
}

TEST_CASE("a tower of tables costs neither stack nor time") {
    std::string dotted = "a";
    for (int i = 0; i < 100'000; ++i) {
        dotted += ".a";
    }
    CHECK(contains(refused(dotted + " = 1\n"), "more than 16 parts"));
    CHECK(contains(refused("[" + dotted + "]\n"), "more than 16 parts"));
    CHECK_FALSE(refused("x = " + std::string(100'000, '[')).empty());
    std::string braces;
    for (int i = 0; i < 100'000; ++i) {
        braces += "{a=";
    }
    CHECK_FALSE(refused("x = " + braces).empty());
}

TEST_CASE("the number of findings has a limit") {
    std::string text;
    for (int i = 0; i < 100'000; ++i) {
        text += "key_" + std::to_string(i) + " = 1\n";
    }
    const Loaded loaded = load(text, "f");
    CHECK_FALSE(loaded.accepted());
    CHECK(loaded.diagnostics.size() == 100);
    CHECK(contains(report(loaded, text), "\nf: 100 errors or more: not accepted\n"));
}

TEST_CASE("errors are told behind however many warnings, and warnings among many errors") {
    const std::string text = pools_with_warnings(100) + "[pool.bad]\nlisten = 'nonsense'\n";
    const std::string out = refused(text);
    CHECK(contains(out, "error: listen: "));
    CHECK(contains(out, "error: 'servers' is missing in [pool.bad]"));
    CHECK(contains(out, "\nf: 2 errors, 100 warnings: not accepted\n"));
}

TEST_CASE("of one value with very many mistakes no more are told than of many values") {
    std::string rules;
    for (int i = 0; i < 1'000'000; ++i) {
        rules += "'?',";
    }
    const std::string text =
        pool_with("users = [{ name = 'u', password = 'x', commands = [" + rules + "] }]");
    const Loaded loaded = load(text, "f");
    CHECK_FALSE(loaded.accepted());
    CHECK(loaded.diagnostics.size() == 100);
    CHECK(contains(report(loaded, text), "\nf: 100 errors or more: not accepted\n"));
}

TEST_CASE("there are as many pools as were ever tried, and the remedy for more is told") {
    const auto pools = [](int count) {
        std::string text;
        for (int i = 0; i < count; ++i) {
            const std::string number = std::to_string(i + 1);
            text += "[pool.p" + number + "]\nlisten='127.0.0.1:" + number + "'\nservers=['h:1']\n";
        }
        return text;
    };
    CHECK(accepted(pools(4096)).pools.size() == 4096);
    CHECK(contains(refused(pools(4097)),
                   "there are more than 4096 pools; let a second ringmain serve the rest\n"));
}

TEST_CASE("a password stands in no diagnostic") {
    for (const char* line : {"redis_auth = \"hunter2",
                             "redis_auth = hunter2",
                             "redis_auth = \"hunter2\" x",
                             "redis_auth = [\"hunter2\"]",
                             "redis_auth = { a = \"hunter2\" }",
                             "redis_atuh = \"hunter2\"",
                             "password = \"hunter2\"",
                             "redis_auth: hunter2",
                             "redis_auth = 'hunter2'\nredis_auth = 'hunter2'",
                             "protocol = 'memcached'\nredis_auth = 'hunter2'",
                             "redis_auth = \"\"\"\nhunter2\n\"\"\" x",
                             "redis_auth = \"\"\"\nhunter2"}) {
        CAPTURE(line);
        const std::string out = refused(pool_with(line));
        CAPTURE(out);
        CHECK_FALSE(contains(out, "hunter2"));
    }
    CHECK_FALSE(contains(refused(pool_with("redis_auth = 98765432109876543210")), "98765"));
    CHECK_FALSE(
        contains(refused(pool_with("redis_auth = '" + std::string(20'000, 'h') + "'")), "hhh"));
}

TEST_CASE("what must not reach a terminal is not in a message either") {
    const std::string named = refused(
        "[pool.\"a\\u001b]0;x\\u0007\\nfake.toml:1:1: error: y\"]\nlisten = '127.0.0.1:1'\n"
        "servers = ['h:1']\nno_such_option = 1\n");
    CHECK(named.find('\x1b') == std::string::npos);
    CHECK(named.find('\a') == std::string::npos);
    CHECK(named.find("\nfake.toml") == std::string::npos);
    CHECK(contains(named, "[pool.'a?]0;x??fake.toml:1:1: error: y']"));
    const std::string broken = refused(
        "[pool.a]\nlisten = '127.0.0.1:1'\nservers = ['h:1']\nhash = a\x80"
        "b\n");
    CHECK(contains(broken, "this value must be true, false, a number, or text in quotes"));
    CHECK_FALSE(contains(broken, "; write hash"));
}

}  // namespace ringmain::config
