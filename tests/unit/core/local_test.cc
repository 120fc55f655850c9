// What redis clients are answered here, to the letter.

#include "ringmain/resp/commands.h"
#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

struct Dialogue {
    std::vector<std::string> request;
    std::string answer;
};

void play(World& world, Channel& client, const std::vector<Dialogue>& lines) {
    for (const Dialogue& line : lines) {
        std::string shown;
        for (const std::string& argument : line.request) {
            shown += argument + " ";
        }
        CAPTURE(shown);
        CHECK(world.ask(client, resp(line.request)) == line.answer);
    }
}

const std::string hello_id_1 =
    bulk("server") + bulk("redis") + bulk("version") + bulk("7.0.15") + bulk("proto");

}  // namespace

TEST_CASE("a client of a unix socket has an address that can be parsed") {
    config::Pool pool = redis_pool(1);
    pool.listen = {};
    pool.listen.path = "/run/a.sock";
    World world(pool);
    Channel& client = world.client();
    const std::string info = world.ask(client, resp({"CLIENT", "INFO"}));
    CHECK(info.find("id=1 addr=/run/a.sock:0 laddr=/run/a.sock:0 fd=0 ") != std::string::npos);
    CHECK(client.client->peer == "/run/a.sock:0");  // which the log says
}

TEST_CASE("a name of a client is long, and not endless") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string longest(16 * 1024, 'n');
    CHECK(world.ask(client, resp({"CLIENT", "SETNAME", longest})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"CLIENT", "GETNAME"})) == bulk(longest));
    const std::string refusal = " cannot be longer than 16384 bytes, this one has 16385\r\n";
    const std::string longer = longest + "n";
    CHECK(world.ask(client, resp({"CLIENT", "SETNAME", longer})) ==
          "-ERR ringmain: Client names" + refusal);
    CHECK(world.ask(client, resp({"HELLO", "2", "SETNAME", longer})) ==
          "-ERR ringmain: Client names" + refusal);
    CHECK(world.ask(client, resp({"CLIENT", "SETINFO", "lib-ver", longer})) ==
          "-ERR ringmain: lib-ver" + refusal);
    CHECK(world.ask(client, resp({"CLIENT", "GETNAME"})) == bulk(longest));
}

TEST_CASE("commands that are answered here, and how") {
    World world(redis_pool(2));
    Channel& client = world.client();
    play(world,
         client,
         {
             {{"PING"}, "+PONG\r\n"},
             {{"ping", "hello"}, bulk("hello")},
             {{"PING", "a", "b"}, "-ERR wrong number of arguments for 'ping' command\r\n"},
             {{"ECHO", "x y"}, bulk("x y")},
             {{"ECHO"}, "-ERR wrong number of arguments for 'echo' command\r\n"},
             {{"SELECT", "0"}, "+OK\r\n"},
             {{"SELECT", "-1"}, "-ERR DB index is out of range\r\n"},
             {{"SELECT", "x"}, "-ERR value is not an integer or out of range\r\n"},
             {{"TIME"}, "*2\r\n" + bulk("1700000001") + bulk("0")},
             {{"CLIENT", "GETNAME"}, "$-1\r\n"},
             {{"CLIENT", "SETNAME", "bob"}, "+OK\r\n"},
             {{"client", "getname"}, bulk("bob")},
             {{"CLIENT", "SETNAME", "a b"},
              "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"},
             {{"CLIENT", "ID"}, ":1\r\n"},
             {{"CLIENT", "NO-EVICT", "on"}, "+OK\r\n"},
             {{"CLIENT", "NO-EVICT", "perhaps"}, "-ERR syntax error\r\n"},
             {{"CLIENT", "NO-TOUCH", "OFF"}, "+OK\r\n"},
             {{"CLIENT", "SETINFO", "lib-name", "redis-py"}, "+OK\r\n"},
             {{"CLIENT", "SETINFO", "LIB-VER", "1.0"}, "+OK\r\n"},
             {{"CLIENT", "SETINFO", "colour", "red"}, "-ERR Unrecognized option 'colour'\r\n"},
             {{"CLIENT", "SETINFO", "lib-ver", "a b"},
              "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n"},
             {{"CLIENT", "INFO"},
              bulk("id=1 addr=10.9.9.9:1234 laddr=127.0.0.1:6379 fd=0 name=bob age=0 idle=0 "
                   "flags=e db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=0 argv-mem=0 "
                   "multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=" +
                   std::to_string(sizeof(core::ClientConn) + 26) +
                   " events=r "
                   "cmd=client|info user=default redir=-1 resp=2 lib-name=redis-py lib-ver=1.0\n")},
             {{"RESET"}, "+RESET\r\n"},
             {{"CLIENT", "GETNAME"}, "$-1\r\n"},
             {{"AUTH", "x"},
              "-ERR AUTH <password> called without any password configured for the default user. "
              "Are you sure your configuration is correct?\r\n"},
             {{"AUTH", "default", "x"}, "+OK\r\n"},
             {{"AUTH", "bob", "x"},
              "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
             {{"AUTH", "a", "b", "c"}, "-ERR syntax error\r\n"},
         });
    CHECK(world.counters().fragments.get() == 0);
}

TEST_CASE("ACL WHOAMI and ACL CAT, and what CLIENT says of tracking") {
    World world(redis_pool(2));
    Channel& client = world.client();
    play(world,
         client,
         {
             {{"ACL", "WHOAMI"}, bulk("default")},
             {{"acl", "cat", "nonsense"}, "-ERR Unknown category 'nonsense'\r\n"},
             {{"ACL", "SETUSER", "bob", "on"},
              "-ERR ringmain: 'ACL SETUSER' is not supported: users of ringmain are the option "
              "users of a pool, and those of a server are set there\r\n"},
             {{"CLIENT", "GETREDIR"}, ":-1\r\n"},
             {{"CLIENT", "TRACKINGINFO"},
              "*6\r\n" + bulk("flags") + "*1\r\n" + bulk("off") + bulk("redirect") + ":-1\r\n" +
                  bulk("prefixes") + "*0\r\n"},
         });
    CHECK(world.ask(client, resp({"ACL", "CAT"})).starts_with("*21\r\n$8\r\nkeyspace\r\n"));
    CHECK(world.ask(client, resp({"ACL", "CAT", "stream"})).find("xadd") != std::string::npos);
    const std::string tracking = world.ask(client, resp({"CLIENT", "TRACKING", "ON"}));
    CHECK(
        tracking.starts_with("-ERR ringmain: 'CLIENT TRACKING' is not supported: a server tells"));
    CHECK(tracking.find("subscribe to __keyevent@0__ channels") != std::string::npos);
    CHECK(world.ask(client, resp({"CLIENT", "CACHING", "YES"}))
              .starts_with("-ERR ringmain: 'CLIENT CACHING' is not supported: "));
    CHECK(world.ask(client, resp({"CLIENT", "UNBLOCK", "1"}))
              .starts_with("-ERR ringmain: 'CLIENT UNBLOCK' is not supported: what waits has"));
    static_cast<void>(world.ask(client, resp({"HELLO", "3"})));
    play(world,
         client,
         {{{"CLIENT", "TRACKINGINFO"},
           "%3\r\n" + bulk("flags") + "~1\r\n" + bulk("off") + bulk("redirect") + ":-1\r\n" +
               bulk("prefixes") + "*0\r\n"}});
    CHECK(world.counters().fragments.get() == 0);
}

namespace {

// The lines of CLIENT LIST, by the name of each client.
std::map<std::string, std::string> clients_by_name(const std::string& reply) {
    std::map<std::string, std::string> lines;
    size_t at = reply.find("\r\n") + 2;
    for (size_t end = reply.find('\n', at); end != std::string::npos;
         at = end + 1, end = reply.find('\n', at)) {
        const std::string line = reply.substr(at, end - at);
        const size_t name = line.find(" name=");
        if (name == std::string::npos) break;
        lines[line.substr(name + 6, line.find(' ', name + 1) - name - 6)] = line;
    }
    return lines;
}

bool has(const std::string& line, const std::string& field) {
    return line.find(" " + field + " ") != std::string::npos;
}

}  // namespace

TEST_CASE("CLIENT LIST tells the clients of the pool, what they do and since when") {
    World world(redis_pool(2));
    Channel& asking = world.client();
    Channel& listener = world.client();
    Channel& writer = world.client();
    static_cast<void>(world.ask(asking, resp({"CLIENT", "SETNAME", "asking"})));
    static_cast<void>(world.ask(listener, resp({"CLIENT", "SETNAME", "listener"})));
    static_cast<void>(world.ask(listener, resp({"SUBSCRIBE", "news"}) + resp({"PSUBSCRIBE", "*"})));
    static_cast<void>(world.ask(writer, resp({"CLIENT", "SETNAME", "writer"})));
    world.pass(7'000);
    static_cast<void>(
        world.ask(writer, resp({"SELECT", "3"}) + resp({"MULTI"}) + resp({"SET", "a", "1"})));
    world.pass(2'100);

    const auto lines = clients_by_name(world.ask(asking, resp({"CLIENT", "LIST"})));
    REQUIRE(lines.size() == 3);
    CHECK(lines.at("asking").starts_with("id=1 addr=10.9.9.9:1234 laddr=127.0.0.1:6379 "));
    CHECK(has(lines.at("asking"), "age=9 idle=0 flags=N db=0"));
    CHECK(has(lines.at("asking"), "cmd=client|list user=default"));
    CHECK(has(lines.at("asking"), "qbuf=26"));
    CHECK(has(lines.at("listener"), "age=9 idle=9 flags=P db=0 sub=1 psub=1 ssub=0 multi=-1"));
    CHECK(has(lines.at("listener"), "cmd=psubscribe"));
    CHECK(has(lines.at("writer"), "age=9 idle=2 flags=x db=3 sub=0 psub=0 ssub=0 multi=1"));
    CHECK(has(lines.at("writer"), "cmd=set"));

    const auto names = [&](std::vector<std::string> words) {
        std::string text;
        for (const auto& [name, line] : clients_by_name(world.ask(asking, resp(words)))) {
            text += (text.empty() ? "" : " ") + name;
        }
        return text;
    };
    CHECK(names({"CLIENT", "LIST", "TYPE", "pubsub"}) == "listener");
    CHECK(names({"CLIENT", "LIST", "TYPE", "NORMAL"}) == "asking writer");
    CHECK(names({"CLIENT", "LIST", "TYPE", "replica"}).empty());
    CHECK(names({"CLIENT", "LIST", "ID", "3", "1", "99"}) == "asking writer");
    play(world,
         asking,
         {
             {{"CLIENT", "LIST", "TYPE", "x"}, "-ERR Unknown client type 'x'\r\n"},
             {{"CLIENT", "LIST", "ID", "x"}, "-ERR Invalid client ID\r\n"},
             {{"CLIENT", "LIST", "ID"}, "-ERR syntax error\r\n"},
             {{"CLIENT", "LIST", "ID", "7"}, bulk("")},
             {{"CLIENT", "LIST", "x"}, "-ERR syntax error\r\n"},
         });
    world.drop(writer);
    CHECK(names({"CLIENT", "LIST"}) == "asking listener");
}

TEST_CASE("CLIENT LIST is bounded, and refused where a worker does not know all clients") {
    SUBCASE("bounded") {
        config::Pool pool = redis_pool(1);
        pool.gather_size_max = 1000;
        World world(pool);
        for (int i = 0; i < 3; ++i) {
            static_cast<void>(world.client());
        }
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"CLIENT", "LIST"})) ==
              error("the answer to 'CLIENT LIST' is larger than 1000 bytes (gather_size_max); ask "
                    "for some by ID"));
    }
    SUBCASE("several workers") {
        World world(redis_pool(1), {.workers = 2});
        CHECK(world.ask(world.client(), resp({"CLIENT", "LIST"})) ==
              error("'CLIENT LIST' is not supported with several workers (workers = 2): each knows "
                    "its own clients; INFO clients counts all"));
    }
}

TEST_CASE("commands that are refused leave the connection usable") {
    World world(redis_pool(2));
    Channel& client = world.client();
    for (const std::string name : {"SAVE", "MONITOR"}) {
        CAPTURE(name);
        const std::string text = world.ask(client, resp({name}));
        CHECK(text.starts_with("-ERR ringmain: '" + name + "' is not supported: "));
    }
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    play(world,
         client,
         {
             {{"GET"}, "-ERR wrong number of arguments for 'get' command\r\n"},
             {{"ZRANK", a}, "-ERR wrong number of arguments for 'zrank' command\r\n"},
             {{"NONSENSE"}, "-ERR unknown command 'NONSENSE', with args beginning with: \r\n"},
             {{"CLIENT", "NONSENSE"}, "-ERR unknown subcommand 'NONSENSE'. Try CLIENT HELP.\r\n"},
             {{"RENAME", a, b},
              "-CROSSSLOT ringmain: the keys of 'RENAME' live on several servers; give them a "
              "common hash tag (and set hash_tag for the pool), or have it done in steps "
              "(cross_server_writes = \"emulate\")\r\n"},
             {{"RPOPLPUSH", a, b},
              "-CROSSSLOT ringmain: the keys of 'RPOPLPUSH' live on several servers; give them a "
              "common hash tag (and set hash_tag for the pool)\r\n"},
             {{"PING"}, "+PONG\r\n"},
         });
    CHECK(world.counters().fragments.get() == 0);
}

TEST_CASE("an unknown command goes to the server of its first argument, or nowhere") {
    config::Pool pool = redis_pool(2);
    SUBCASE("first key") {
        World world(pool);
        Channel& client = world.client();
        const std::string key = world.key_on(1);
        CHECK(world.ask(client, resp({"JSON.GET", key})) == "-ERR unknown command 'JSON.GET'\r\n");
        CHECK(world.server(1).redis.log == std::vector<std::string>{"JSON.GET " + key});
        // An index is of one server's keys.
        CHECK(world.ask(client, resp({"ft.search", key, "*"})) ==
              "-ERR ringmain: 'FT.SEARCH' is not supported: it asks about all keys of one server, "
              "and a pool has several\r\n");
    }
    SUBCASE("an index of all keys there are") {
        World world(redis_pool(1));
        CHECK(world.ask(world.client(), resp({"FT.SEARCH", "index", "*"})) ==
              "-ERR unknown command 'FT.SEARCH'\r\n");
    }
    SUBCASE("refuse") {
        pool.unknown_commands = config::UnknownCommands::Refuse;
        World world(pool);
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"JSON.GET", "a"})) ==
              "-ERR unknown command 'JSON.GET', with args beginning with: 'a' \r\n");
        // Those whose keys are known, too.
        CHECK(world.ask(client, resp({"MSETEX", "1", "a", "v"})) ==
              "-ERR unknown command 'MSETEX', with args beginning with: '1' 'a' 'v' \r\n");
        CHECK(world.ask(client, resp({"TS.MADD", "a", "1", "1"}))
                  .starts_with("-ERR unknown command 'TS.MADD'"));
        CHECK(world.server(0).redis.log.empty());
    }
}

TEST_CASE("an argument that later versions know is for the server to judge") {
    World world(redis_pool(1));
    for (const std::string name : {"ZRANK", "ZREVRANK"}) {
        world.server(0).redis.log.clear();
        world.ask(world.client(), resp({name, "z", "m", "WITHSCORE"}));
        CHECK(world.server(0).redis.log == std::vector<std::string>{name + " z m WITHSCORE"});
    }
}

TEST_CASE("several keys of a command that redis 7.0 lacks are looked for where they are") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    for (const std::string* key : {&a, &b}) {
        CHECK(world.ask(client, resp({"MSETEX", "1", *key, "v", "NX"})) ==
              "-ERR unknown command 'MSETEX'\r\n");
    }
    CHECK(world.server(0).redis.log == std::vector<std::string>{"MSETEX 1 " + a + " v NX"});
    CHECK(world.server(1).redis.log == std::vector<std::string>{"MSETEX 1 " + b + " v NX"});
    CHECK(world.ask(client, resp({"MSETEX", "2", a, "v", b, "v"}))
              .starts_with("-CROSSSLOT ringmain: the keys of 'MSETEX' live on several servers"));
    CHECK(world.ask(client, resp({"JSON.MGET", a, b, "$"}))
              .starts_with("-CROSSSLOT ringmain: the keys of 'JSON.MGET' live"));
}

TEST_CASE("the keys of a CROSSSLOT error are told about the pool's hash tag") {
    config::Pool pool = redis_pool(2);
    pool.placement.hash_tag = "{}";
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"RENAME", world.key_on(0), world.key_on(1)})) ==
          "-CROSSSLOT ringmain: the keys of 'RENAME' live on several servers; give them a common "
          "hash tag ({...}), or have it done in steps (cross_server_writes = \"emulate\")\r\n");
}

TEST_CASE("HELLO answers in the version that it agrees on") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string rest = bulk("mode") + bulk("standalone") + bulk("role") + bulk("master") +
                             bulk("modules") + "*0\r\n";
    play(world,
         client,
         {
             {{"HELLO"}, "*14\r\n" + hello_id_1 + ":2\r\n" + bulk("id") + ":1\r\n" + rest},
             {{"HELLO", "4"}, "-NOPROTO unsupported protocol version\r\n"},
             {{"HELLO", "x"}, "-ERR Protocol version is not an integer or out of range\r\n"},
             {{"HELLO", "3", "nonsense"}, "-ERR Syntax error in HELLO option 'nonsense'\r\n"},
             {{"HELLO", "3", "SETNAME", "a b"},
              "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"},
             {{"HELLO", "3", "AUTH", "bob", "x"},
              "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
             {{"HELLO", "3", "SETNAME", "bob"},
              "%7\r\n" + hello_id_1 + ":3\r\n" + bulk("id") + ":1\r\n" + rest},
             {{"CLIENT", "GETNAME"}, bulk("bob")},
             {{"HELLO"}, "%7\r\n" + hello_id_1 + ":3\r\n" + bulk("id") + ":1\r\n" + rest},
             {{"CLIENT", "SETNAME", ""}, "+OK\r\n"},
             {{"CLIENT", "GETNAME"}, "_\r\n"},
             {{"HELLO", "2"}, "*14\r\n" + hello_id_1 + ":2\r\n" + bulk("id") + ":1\r\n" + rest},
         });
}

TEST_CASE("a pool with a password answers nobody before AUTH") {
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "secret";
    World world(pool);
    world.server(0).redis.password = "secret";
    Channel& client = world.client();
    const std::string noauth = "-NOAUTH Authentication required.\r\n";
    play(world,
         client,
         {
             {{"GET", "a"}, noauth},
             {{"PING"}, noauth},
             {{"INFO"}, noauth},
             {{"MULTI"}, noauth},
             {{"EXEC"}, "-EXECABORT Transaction discarded because of: " + noauth.substr(1)},
             {{"JSON.GET", "a"}, noauth},
             {{"HELLO", "3"},
              "-NOAUTH HELLO must be called with the client already authenticated, otherwise the "
              "HELLO AUTH <user> <pass> option can be used to authenticate the client and "
              "select the RESP protocol version at the same time\r\n"},
             {{"AUTH", "secre"},
              "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
             {{"AUTH", "secrets"},
              "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
             {{"AUTH", "bob", "secret"},
              "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
             {{"AUTH", "default", "secret"}, "+OK\r\n"},
             {{"GET", "a"}, "$-1\r\n"},
             {{"RESET"}, "+RESET\r\n"},
             {{"GET", "a"}, noauth},
             {{"AUTH", "secret"}, "+OK\r\n"},
             {{"PING"}, "+PONG\r\n"},
         });
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"HELLO", "3", "AUTH", "default", "secret"})).starts_with("%7"));
    CHECK(world.ask(other, resp({"GET", "a"})) == "_\r\n");
    // Before AUTH, nobody may send much.
    Channel& greedy = world.client();
    CHECK(world.ask(greedy, "*11\r\n") ==
          "-ERR Protocol error: unauthenticated multibulk length\r\n");
    CHECK(greedy.closed);
}

TEST_CASE("inline requests, blank lines and empty arrays") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, "\r\n*0\r\n*-1\r\n   \r\nPING\r\n") == "+PONG\r\n");
    CHECK(world.ask(client, "SET a \"x\\x41 y\"\nget a\r\n").starts_with("+OK\r\n"));
    CHECK(world.ask(client, resp({"GET", "a"})) == bulk("xA y"));
    CHECK(world.ask(client, "GET \"a\r\n") ==
          "-ERR Protocol error: unbalanced quotes in request\r\n");
    CHECK(client.closed);
}

TEST_CASE("an inline line may have as many words as a request has arguments") {
    config::Pool pool = redis_pool(1);
    pool.request_arguments_max = 16;
    for (const bool is_open : {true, false}) {
        pool.redis_auth = is_open ? "" : "secret";
        for (const uint32_t count : {16U, 17U, 200U}) {
            CAPTURE(count);
            World world(pool);
            Channel& client = world.client();
            std::string line = "DEL";
            for (uint32_t i = 1; i < count; ++i) {
                line += " a";
            }
            const std::string fits = is_open ? ":0\r\n" : "-NOAUTH Authentication required.\r\n";
            CHECK(world.ask(client, line + "\r\n") ==
                  (count <= 16 ? fits : "-ERR Protocol error: invalid multibulk length\r\n"));
            CHECK(client.closed == (count > 16));
        }
    }
}

// Whatever stands in the table: one request, one answer, and the next request is understood.
TEST_CASE("every command of the table is answered once, whatever its arguments") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::vector<std::vector<std::string>> tails = {
        {},
        {"a"},
        {"a", "b"},
        {"a", "1", "b"},
        {"a", "b", "c", "d"},
        {"1", "a", "2", "b", "3", "c"},
        {"x", "0"},
        {"x", "-1", "a"},
        {"x", "99999999999999999999", "a"},
        {"STREAMS", "a", "b", "0", "0"},
        {"a", "b", "STORE", "c", "KEYS", "d", "GET", "*", "WITHSCORES", "BLOCK", "5"},
        std::vector<std::string>(20, "")};
    const auto check = [&](const std::vector<std::string>& name) {
        for (const std::vector<std::string>& tail : tails) {
            std::vector<std::string> request = name;
            request.insert(request.end(), tail.begin(), tail.end());
            if (client.closed || request[0] == "quit") return;
            std::string shown;
            for (const std::string& argument : request) {
                shown += argument + " ";
            }
            CAPTURE(shown);
            // In RESP2 a subscribed client may not say what follows.
            if (request[0].ends_with("subscribe")) world.ask(client, resp({"HELLO", "3"}));
            const uint64_t before = world.counters().requests.get();
            const std::string text = world.ask(client, resp(request) + resp({"ECHO", "next"}));
            const bool queues = request == std::vector<std::string>{"multi"};
            const std::string next = queues ? "+QUEUED\r\n" : bulk("next");
            CHECK(text.size() > next.size());
            CHECK(text.ends_with(next));
            CHECK(world.counters().requests.get() == before + 2);
            world.ask(client, resp({"RESET"}));
        }
    };
    for (const Command& command : resp::commands()) {
        check({std::string(command.name)});
        for (const Command& subcommand : command.subcommands) {
            check({std::string(command.name),
                   std::string(subcommand.name.substr(command.name.size() + 1))});
        }
    }
    CHECK_FALSE(client.closed);
}

TEST_CASE("CLIENT REPLY OFF leaves out every answer until ON, wherever it comes from") {
    World world(redis_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.server(1).mood = Mood::Mute;
    // What was asked before is answered, and in its place.
    CHECK(world.ask(client,
                    resp({"SET", a, "1"}) + resp({"GET", b}) + resp({"CLIENT", "REPLY", "OFF"}) +
                        resp({"PING"}) + resp({"GET", a}) + resp({"MGET", a, b}) +
                        resp({"NOSUCH"}) + resp({"CLIENT", "REPLY", "maybe"}) +
                        resp({"CLIENT", "REPLY", "SKIP"}) + resp({"INCR", a})) == "+OK\r\n");
    world.reply(1, "$-1\r\n*1\r\n$-1\r\n");
    world.settle();
    CHECK(World::heard(client) == "$-1\r\n");
    CHECK(world.ask(client, resp({"CLIENT", "REPLY", "ON"}) + resp({"GET", a})) ==
          "+OK\r\n" + bulk("2"));
}

TEST_CASE("CLIENT REPLY SKIP leaves out the next answer alone") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string skip = resp({"CLIENT", "REPLY", "SKIP"});
    // An empty request is one, too.
    for (const char* nothing : {"*0\r\n", "*-1\r\n", "\r\n", " \r\n"}) {
        CHECK(world.ask(client, skip + nothing + resp({"PING"})) == "+PONG\r\n");
    }
    CHECK(world.ask(client, skip + resp({"SET", "a", "1"}) + resp({"GET", "a"})) == bulk("1"));
    CHECK(world.ask(client, skip + resp({"PING"}) + resp({"ECHO", "x"})) == bulk("x"));
    CHECK(world.ask(client, skip + "PING\r\nPING\r\n") == "+PONG\r\n");
    CHECK(world.ask(client, skip + skip + resp({"PING"}) + resp({"GET", "a"})) == bulk("1"));
    CHECK(world.ask(client, skip + resp({"CLIENT", "REPLY", "ON"}) + resp({"PING"})) ==
          "+OK\r\n+PONG\r\n");
    // A command that must wait for the answers to others is still the next one.
    world.server(0).redis.canned["BLPOP"] = "*2\r\n" + bulk("l") + bulk("x");
    CHECK(
        world.ask(client, resp({"GET", "a"}) + skip + resp({"BLPOP", "l", "0"}) + resp({"PING"})) ==
        bulk("1") + "+PONG\r\n");
    CHECK(world.ask(client, skip + resp({"MULTI"}) + resp({"GET", "a"}) + resp({"EXEC"})) ==
          "+QUEUED\r\n*1\r\n" + bulk("1"));
    CHECK(world.ask(client, resp({"CLIENT", "REPLY", "OFF"}) + resp({"RESET"}) + resp({"PING"})) ==
          "+RESET\r\n+PONG\r\n");
    CHECK(world.ask(client, skip + resp({"RESET"}) + resp({"PING"})) == "+PONG\r\n");
    CHECK(world.ask(client,
                    skip + resp({"HELLO", "3"}) + resp({"GET", "a"}) + skip + resp({"RESET"}) +
                        resp({"GET", "b"})) == bulk("1") + "$-1\r\n");
}

TEST_CASE("a client without replies that ends, or quits, is closed") {
    for (const bool quits : {false, true}) {
        World world(redis_pool(1));
        Channel& client = world.client();
        World::say(client, resp({"CLIENT", "REPLY", "OFF"}) + resp({"SET", "a", "1"}));
        if (quits) {
            World::say(client, resp({"QUIT"}));
        } else {
            client.inbound_end = true;
        }
        world.settle();
        CHECK(World::heard(client).empty());
        CHECK(client.closed);
        CHECK(world.server(0).redis.log == std::vector<std::string>{"SET a 1"});
    }
}

}  // namespace ringmain::test
