// What a user of a pool may do, and what it is told otherwise.

#include "ringmain/core/user.h"

#include "ringmain/core/limits.h"
#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string noauth = "-NOAUTH Authentication required.\r\n";
const std::string wrong_password =
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const std::string no_key =
    "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
const std::string no_channel =
    "-NOPERM this user has no permissions to access one of the channels used as arguments\r\n";
const std::string no_unknown =
    "-NOPERM this user has no permissions to run commands that ringmain does not know\r\n";

std::string no_command(std::string_view name) {
    return "-NOPERM this user has no permissions to run the '" + std::string(name) +
           "' command\r\n";
}

std::string beyond(std::string_view name) {
    return "-NOPERM ringmain: '" + std::string(name) +
           "' looks beyond the keys of this user (keys in users)\r\n";
}

config::User user(std::string name) {
    config::User options;
    options.name = std::move(name);
    options.password = "pw-" + options.name;
    return options;
}

config::Pool pool_with(std::vector<config::User> users, uint32_t servers = 1) {
    config::Pool pool = redis_pool(servers);
    pool.users = std::move(users);
    return pool;
}

// A client that is this user.
Channel& client_as(World& world, const std::string& name) {
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", name, "pw-" + name})) == "+OK\r\n");
    return client;
}

bool may_run(const config::User& options, std::string_view name) {
    const Command* row = resp::find_by_full_name(name);
    REQUIRE(row != nullptr);
    const Command* container = resp::find_command(name.substr(0, name.find('|')));
    return core::User(options).may_run(*container, *row);
}

}  // namespace

TEST_CASE("with users, nobody is served before a name and its password") {
    config::User digested = user("hash");
    digested.password.clear();
    digested.password_sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    World world(pool_with({user("app"), digested}));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == noauth);
    CHECK(world.ask(client, resp({"AUTH", "app", "pw-ap"})) == wrong_password);
    CHECK(world.ask(client, resp({"AUTH", "bob", "pw-app"})) == wrong_password);
    CHECK(world.ask(client, resp({"AUTH", "default", ""})) == wrong_password);
    CHECK(world.ask(client, resp({"AUTH", "pw-app"})).starts_with("-ERR AUTH <password> called"));
    CHECK(world.ask(client, resp({"GET", "a"})) == noauth);
    CHECK(world.ask(client, resp({"AUTH", "app", "pw-app"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(world.ask(client, resp({"CLIENT", "INFO"})).find(" user=app ") != std::string::npos);
    CHECK(world.ask(client, resp({"ACL", "WHOAMI"})) == bulk("app"));
    CHECK(world.ask(client, resp({"AUTH", "hash", "secret"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"RESET"})) == "+RESET\r\n");
    CHECK(world.ask(client, resp({"GET", "a"})) == noauth);
    CHECK(world.ask(client, resp({"HELLO", "3", "AUTH", "app", "x"})) == wrong_password);
    CHECK(world.ask(client, resp({"HELLO", "3", "AUTH", "app", "pw-app"})).starts_with("%7"));
    CHECK(world.ask(client, resp({"GET", "a"})) == "_\r\n");
}

TEST_CASE("who presents redis_auth may do everything, beside users") {
    config::User reader = user("reader");
    reader.access = config::Access::ReadOnly;
    config::Pool pool = pool_with({reader});
    pool.redis_auth = "secret";
    World world(pool);
    world.server(0).redis.password = "secret";
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", "secret"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"AUTH", "reader", "pw-reader"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"SET", "a", "2"})) == no_command("set"));
    CHECK(world.ask(client, resp({"AUTH", "reader", "wrong"})) == wrong_password);
    CHECK(world.ask(client, resp({"SET", "a", "2"})) == no_command("set"));  // stays who it was
    CHECK(world.ask(client, resp({"AUTH", "default", "secret"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"SET", "a", "3"})) == "+OK\r\n");
}

TEST_CASE("who only reads may not write, with a script neither") {
    config::User reader = user("r");
    reader.access = config::Access::ReadOnly;
    for (const std::string_view name : {"get",
                                        "mget",
                                        "keys",
                                        "subscribe",
                                        "eval_ro",
                                        "evalsha_ro",
                                        "fcall_ro",
                                        "function|list",
                                        "function|stats",
                                        "function|help",
                                        "function|dump",
                                        "script|exists",
                                        "script|help",
                                        "ping",
                                        "auth",
                                        "multi",
                                        "xread",
                                        "sort_ro"}) {
        CAPTURE(name);
        CHECK(may_run(reader, name));
    }
    for (const std::string_view name : {"set",
                                        "del",
                                        "eval",
                                        "evalsha",
                                        "fcall",
                                        "script|load",
                                        "script|flush",
                                        "function|load",
                                        "function|restore",
                                        "function|delete",
                                        "function|flush",
                                        "flushall",
                                        "getdel",
                                        "getex",
                                        "sort",
                                        "xreadgroup",
                                        "pfmerge",
                                        "blpop",
                                        "expire",
                                        "geosearchstore"}) {
        CAPTURE(name);
        CHECK_FALSE(may_run(reader, name));
    }
    CHECK_FALSE(core::User(reader).may_run_unknown());
}

TEST_CASE("the last rule that fits a command decides") {
    config::User options = user("u");
    CHECK(may_run(options, "flushall"));
    CHECK(core::User(options).may_run_unknown());
    options.commands = {"-@dangerous", "+keys"};
    CHECK_FALSE(may_run(options, "flushall"));
    CHECK(may_run(options, "keys"));
    CHECK(may_run(options, "get"));
    CHECK_FALSE(core::User(options).may_run_unknown());
    options.commands = {"+@read", "-mget", "+client|id"};
    CHECK(may_run(options, "get"));
    CHECK_FALSE(may_run(options, "mget"));
    CHECK_FALSE(may_run(options, "set"));
    CHECK(may_run(options, "client|id"));
    CHECK_FALSE(may_run(options, "client|getname"));
    CHECK(may_run(options, "hello"));  // before AUTH it is anybody's
    options.commands = {"+client", "-client|info"};
    CHECK(may_run(options, "client|id"));
    CHECK_FALSE(may_run(options, "client|info"));
    options.commands = {"-@all", "+get"};
    CHECK(may_run(options, "get"));
    CHECK_FALSE(may_run(options, "ping"));
    options.commands = {"+@all", "-@write"};
    CHECK(may_run(options, "get"));
    CHECK_FALSE(may_run(options, "set"));
}

// Nobody but the server sees what they run.
TEST_CASE("who may not run all commands runs scripts where a rule means these") {
    const std::vector<std::string_view> scripting = {"eval",
                                                     "evalsha",
                                                     "eval_ro",
                                                     "fcall",
                                                     "fcall_ro",
                                                     "function|load",
                                                     "function|restore",
                                                     "script|load"};
    const auto check_all = [&scripting](const config::User& options, bool may) {
        for (const std::string_view name : scripting) {
            CAPTURE(name);
            CHECK(may_run(options, name) == may);
        }
    };
    config::User options = user("u");
    check_all(options, true);
    for (const auto& rules : std::vector<std::vector<std::string>>{
             {"-@dangerous", "+keys"},
             {"-flushall"},
             {"+@all", "-flushall"},
             {"+@read", "+@write", "+@slow"},
             {"-@scripting", "+@slow"},
             {"+@scripting", "-@all", "+@slow"},
             {"-@dangerous", "+@all", "-flushall"},
             {"-flushall", "-flushdb", "+flushall"},
             {"+flushall", "-flushall"},
             {"-@dangerous", "+flushall"},
         }) {
        CAPTURE(rules[0]);
        options.commands = rules;
        check_all(options, false);
    }
    for (const auto& rules : std::vector<std::vector<std::string>>{
             {"+@all"},
             {"-@all", "+@all"},
             {"-@dangerous", "+@all"},
             {"+get", "-eval", "+@all"},
             {"-flushall", "+flushall"},
             {"-@dangerous", "-keys", "+keys", "+@dangerous"},
         }) {
        CAPTURE(rules[0]);
        options.commands = rules;
        check_all(options, true);
        CHECK(may_run(options, "flushall"));
    }
    options.commands = {"-flushall", "+@scripting"};
    check_all(options, true);
    options.commands = {"+@read", "+@scripting", "+@slow", "-eval"};
    CHECK_FALSE(may_run(options, "eval"));
    CHECK(may_run(options, "fcall"));
    options.commands = {"+@read", "+eval"};
    CHECK(may_run(options, "eval"));
    CHECK_FALSE(may_run(options, "evalsha"));
    // What is about scripts runs none.
    options.commands = {"-flushall"};
    for (const std::string_view name : {"function|list", "function|delete", "script|exists"}) {
        CHECK(may_run(options, name));
    }
    options.commands = {"-@scripting"};
    CHECK_FALSE(may_run(options, "function|list"));
}

TEST_CASE("keys must begin as the user's keys do, wherever they stand") {
    config::User options = user("shop");
    options.keys = {"shop:", "{shop}"};
    World world(pool_with({options}, 3));
    Channel& client = client_as(world, "shop");
    CHECK(world.ask(client, resp({"SET", "shop:1", "x"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"GET", "{shop}1"})) == "$-1\r\n");
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"GET", "sho"},
                                               {"GET", ""},
                                               {"GET", "Shop:1"},
                                               {"MGET", "shop:1", "shop:2", "other"},
                                               {"MSET", "shop:1", "1", "other", "shop:2"},
                                               {"DEL", "shop:1", "other"},
                                               {"RENAME", "{shop}1", "other"},
                                               {"SUNION", "shop:1", "other"},
                                               {"ZUNION", "2", "shop:1", "other"},
                                               {"XREAD", "STREAMS", "shop:1", "other", "0", "0"},
                                               {"SORT", "{shop}1", "STORE", "other"},
                                               {"OBJECT", "ENCODING", "other"}}) {
        CAPTURE(words[0]);
        CHECK(world.ask(client, resp(words)) == no_key);
    }
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"SORT", "{shop}1", "BY", "w_*"},
                                               {"SORT", "{shop}1", "get", "#", "get", "w_*->f"},
                                               {"SORT",
                                                "{shop}1",
                                                std::string("by\0x", 4),
                                                "nosort",
                                                std::string("GET\0x", 5),
                                                "secret:*"},
                                               {"EVAL", "return 1", "1", "shop:1"},
                                               {"KEYS", "shop:*"},
                                               {"SCAN", "0"},
                                               {"DBSIZE"},
                                               {"RANDOMKEY"},
                                               {"FLUSHALL"},
                                               {"SWAPDB", "0", "1"},
                                               {"PSUBSCRIBE", "shop:*"}}) {
        CAPTURE(words[0]);
        CHECK(world.ask(client, resp(words)) == beyond(words[0]));
    }
    CHECK(world.ask(client, resp({"SLOWLOG", "GET"})) == beyond("SLOWLOG GET"));
    CHECK(world.ask(client, resp({"CLIENT", "LIST"})) == beyond("CLIENT LIST"));
    CHECK(world.ask(client, resp({"PUBSUB", "CHANNELS"})) == beyond("PUBSUB CHANNELS"));
    CHECK(world.ask(client, resp({"SUBSCRIBE", "shop:news", "news"})) == no_channel);
    CHECK(world.ask(client, resp({"PUBLISH", "news", "shop:1"})) == no_channel);
    CHECK(world.ask(client, resp({"JSON.GET", "shop:1"})) == no_unknown);
    CHECK(world.ask(client, resp({"PING"})) == "+PONG\r\n");
    for (const std::string container : {"OBJECT", "FUNCTION", "SCRIPT", "PUBSUB", "CLIENT"}) {
        CAPTURE(container);
        for (uint32_t i = 0; i < world.pool().servers.size(); ++i) {
            world.server(i).redis.canned[container] = "*1\r\n+HELP\r\n";
        }
        CHECK(world.ask(client, resp({container, "help"})) == "*1\r\n+HELP\r\n");
    }
    CHECK(world.ask(client, resp({"MGET", "shop:1", "shop:2"})) == "*2\r\n$1\r\nx\r\n$-1\r\n");
    // A value may be anything.
    CHECK(world.ask(client, resp({"SET", "shop:1", "other"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"SORT", "{shop}1", "BY", "nosort", "GET", "#"})) != no_key);
}

TEST_CASE("what a user may not run does not run in its transaction") {
    config::User options = user("u");
    options.commands = {"-del"};
    World world(pool_with({options}));
    Channel& client = client_as(world, "u");
    CHECK(world.ask(client, resp({"MULTI"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+QUEUED\r\n");
    CHECK(world.ask(client, resp({"DEL", "a"})) == no_command("del"));
    CHECK(world.ask(client, resp({"EXEC"})).starts_with("-EXECABORT"));
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("who may not run EXEC has no transaction any more, as with redis") {
    config::User options = user("u");
    options.commands = {"-exec"};
    World world(pool_with({options}));
    Channel& client = client_as(world, "u");
    const std::string refused =
        "-EXECABORT Transaction discarded because of: " + no_command("exec").substr(1);
    CHECK(world.ask(client, resp({"EXEC"})) == refused);
    CHECK(world.ask(client, resp({"MULTI"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+QUEUED\r\n");
    CHECK(world.ask(client, resp({"EXEC"})) == refused);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("after a reload a user has its new rules, and one that is gone is asked again") {
    World world(pool_with({user("stays"), user("goes")}));
    Channel& stays = client_as(world, "stays");
    Channel& goes = client_as(world, "goes");
    CHECK(world.ask(stays, resp({"SET", "a", "1"})) == "+OK\r\n");
    config::User changed = user("stays");
    changed.access = config::Access::ReadOnly;
    world.adopt({pool_with({changed})});
    CHECK(world.ask(stays, resp({"SET", "a", "1"})) == no_command("set"));
    CHECK(world.ask(stays, resp({"GET", "a"})) == bulk("1"));
    CHECK(world.ask(goes, resp({"GET", "a"})) == noauth);
    world.adopt({redis_pool(1)});
    CHECK(world.ask(goes, resp({"SET", "a", "2"})) == "+OK\r\n");
    CHECK(world.ask(stays, resp({"SET", "a", "3"})) == "+OK\r\n");
}

TEST_CASE("after a reload with users and without redis_auth nobody is in without a name") {
    const std::string echo = resp({"ECHO", "1"});  // which no server hears of
    for (const bool had_password : {false, true}) {
        CAPTURE(had_password);
        config::Pool before = redis_pool(1);
        if (had_password) before.redis_auth = "secret";
        World world(before);
        Channel& idle = world.client();
        Channel& listens = world.client();
        for (Channel* client : {&idle, &listens}) {
            if (had_password) CHECK(world.ask(*client, resp({"AUTH", "secret"})) == "+OK\r\n");
        }
        CHECK(world.ask(idle, echo) == bulk("1"));
        CHECK(world.ask(listens, resp({"MULTI"})) == "+OK\r\n");
        config::Pool changed = before;
        changed.redis_auth = "other";
        changed.users = {user("u")};
        world.adopt({changed});  // as redis has it: a changed password is for who comes
        CHECK(world.ask(idle, echo) == bulk("1"));
        changed.redis_auth.clear();
        world.adopt({changed});
        CHECK(world.ask(idle, echo) == noauth);
        CHECK(listens.closed);
        CHECK(world.ask(idle, resp({"AUTH", "u", "pw-u"})) == "+OK\r\n");
        CHECK(world.ask(idle, echo) == bulk("1"));
    }
}

TEST_CASE(
    "after a reload nobody hears or runs what was allowed to a user that is gone or changed") {
    config::User changed = user("changed");
    changed.keys = {"shop:"};
    for (const bool is_gone : {false, true}) {
        CAPTURE(is_gone);
        World world(pool_with({user("stays"), user("changed")}));
        Channel& stays = client_as(world, "stays");
        Channel& listens = client_as(world, "changed");
        Channel& queues = client_as(world, "changed");
        Channel& idle = client_as(world, "changed");
        const std::string subscribe = resp({"SUBSCRIBE", "secret"});
        CHECK(world.ask(stays, subscribe).starts_with("*3\r\n$9\r\nsubscribe"));
        CHECK(world.ask(listens, subscribe).starts_with("*3\r\n$9\r\nsubscribe"));
        CHECK(world.ask(queues, resp({"MULTI"}) + resp({"SET", "a", "1"})) == "+OK\r\n+QUEUED\r\n");
        world.adopt({is_gone ? pool_with({user("stays")}) : pool_with({user("stays"), changed})});
        CHECK(listens.closed);
        CHECK(queues.closed);
        CHECK_FALSE(stays.closed);
        CHECK_FALSE(idle.closed);
    }
}

TEST_CASE("after a reload a client that was stopped hears and runs nothing more of that either") {
    config::User changed = user("changed");
    changed.keys = {"shop:"};
    for (const bool is_gone : {false, true}) {
        CAPTURE(is_gone);
        config::Pool pool = pool_with({user("stays"), user("changed")});
        pool.output_pause_size = 64 * 1024;
        World world(pool);
        Channel& stays = client_as(world, "stays");
        Channel& listens = client_as(world, "changed");
        Channel& queues = client_as(world, "changed");
        CHECK(world.ask(listens, resp({"SUBSCRIBE", "news"})) != "");
        listens.reads = false;
        const std::string before(128 * 1024, 'b');
        CHECK(world.ask(stays, resp({"PUBLISH", "news", before})) == ":1\r\n");
        CHECK(world.ask(listens, resp({"PING"})) == "");  // answered behind that
        CHECK(listens.client->paused);
        CHECK(world.ask(listens, resp({"PING"})) == "");
        CHECK(world.ask(queues, resp({"MULTI"}) + resp({"SET", "a", "1"})) == "+OK\r\n+QUEUED\r\n");
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(queues, resp({"EXEC"}) + resp({"SET", "a", "2"})) == "");

        pool.users = {user("stays")};
        if (!is_gone) pool.users.push_back(changed);
        world.adopt({pool});
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(queues.closed);
        CHECK(world.server(0).redis.values.empty());
        CHECK(world.ask(stays, resp({"PUBLISH", "news", "after"})) != "");
        listens.reads = true;
        world.settle();
        CHECK(World::heard(listens) == "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n" + bulk(before) +
                                           "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        CHECK(listens.closed);
    }
}

TEST_CASE("who subscribes while a reload takes away its user is not subscribed afterwards") {
    World world(pool_with({user("stays"), user("goes")}));
    Channel& stays = client_as(world, "stays");
    Channel& joins = client_as(world, "goes");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(joins, resp({"SUBSCRIBE", "news"})) == "");
    world.adopt({pool_with({user("stays")})});
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(world.ask(stays, resp({"PUBLISH", "news", "x"})) == ":0\r\n");
    CHECK(joins.closed);
}

TEST_CASE("after a reload the large request of a user that is gone or changed is not run") {
    config::User changed = user("changed");
    changed.access = config::Access::ReadOnly;
    const std::string all = resp({"SET", "a", std::string(8 * core::stream_window, 'a')});
    for (const bool is_gone : {false, true}) {
        for (const bool is_stopped : {false, true}) {
            CAPTURE(is_gone);
            CAPTURE(is_stopped);
            config::Pool pool = pool_with({user("stays"), user("changed")});
            pool.stream_threshold = 64 * 1024;
            World world(pool);
            Channel& stays = client_as(world, "stays");
            Channel& sends = client_as(world, "changed");
            for (Channel* client : {&stays, &sends}) {
                CHECK(world.ask(*client, all.substr(0, 50'000)) == "");
            }
            const std::vector<Channel*> streams = world.leases(0);
            REQUIRE(streams.size() == 2);
            for (Channel* stream : streams) {
                stream->reads = !is_stopped;
            }
            if (is_stopped) {
                World::say(sends, all.substr(50'000));
                world.settle();
                CHECK(sends.client->paused);
            }
            pool.users = {user("stays")};
            if (!is_gone) pool.users.push_back(changed);
            world.adopt({pool});
            world.settle();
            CHECK(sends.closed);
            CHECK(world.leases(0).size() == 1);
            world.leases(0).front()->reads = true;
            CHECK(world.ask(stays, all.substr(50'000)) == "+OK\r\n");
            CHECK(world.server(0).redis.log.size() == 1);
        }
    }
}

TEST_CASE("a reload that changes a user's password, or what is asked anew, closes nobody") {
    World world(pool_with({user("u")}, 2));
    Channel& pops = client_as(world, "u");
    world.server(0).redis.canned["LMPOP"] = "*-1\r\n";
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(pops, resp({"LMPOP", "2", world.key_on(0), world.key_on(1), "LEFT"})) == "");
    world.pass(500);
    CHECK(World::heard(pops).find("did not answer within") != std::string::npos);
    world.server(1).mood = Mood::Up;
    Channel& chooses = client_as(world, "u");
    Channel& watches = client_as(world, "u");
    Channel& listens = client_as(world, "u");
    CHECK(world.ask(chooses, resp({"SELECT", "1"})) == "+OK\r\n");
    CHECK(world.ask(watches, resp({"WATCH", "a"})) == "+OK\r\n");
    CHECK(world.ask(listens, resp({"SUBSCRIBE", "news"})) != "");
    config::User changed = user("u");
    changed.password = "another";
    world.adopt({pool_with({changed}, 2)});
    CHECK_FALSE(listens.closed);
    CHECK_FALSE(watches.closed);
    changed.keys = {"shop:"};
    world.adopt({pool_with({changed}, 2)});
    CHECK(listens.closed);
    CHECK(watches.closed);
    CHECK_FALSE(pops.closed);
    CHECK(world.ask(chooses, resp({"GET", "a"})) == no_key);
    CHECK(world.ask(chooses, resp({"GET", "shop:1"})) == "$-1\r\n");
}

TEST_CASE("who waits as a user that is gone hears nothing in the place of what he waits for") {
    World world(pool_with({user("stays"), user("goes")}));
    Channel& waits = client_as(world, "goes");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(waits, resp({"BLPOP", "l", "0"}) + resp({"GET", "a", "b"})).empty());
    world.adopt({pool_with({user("stays")})});
    world.settle();
    CHECK(World::heard(waits).empty());
    CHECK(waits.closed);
}

TEST_CASE("a pop that asks servers in turns asks none as a user that is gone or may do less") {
    config::User less = user("u");
    less.keys = {"shop:"};
    for (const config::User& after : {user("other"), less}) {
        CAPTURE(after.name);
        for (const bool waits : {false, true}) {
            CAPTURE(waits);
            World world(pool_with({user("u")}, 2));
            Channel& pops = client_as(world, "u");
            const std::vector<std::string> keys = {world.key_on(0), world.key_on(1)};
            for (const uint32_t server : {0U, 1U}) {
                world.server(server).redis.canned["LMPOP"] = "*-1\r\n";
                world.server(server).redis.canned["LPOP"] = "$-1\r\n";
            }
            world.server(0).mood = Mood::Mute;
            CHECK(world
                      .ask(pops,
                           waits ? resp({"BLPOP", keys[0], keys[1], "0"})
                                 : resp({"LMPOP", "2", keys[0], keys[1], "LEFT"}))
                      .empty());
            world.adopt({pool_with({after}, 2)});
            world.settle();
            world.server(0).mood = Mood::Up;
            world.settle();
            CHECK(World::heard(pops).empty());
            CHECK(pops.closed);
            CHECK(world.server(1).redis.log.empty());
            CHECK(world.proxy().is_idle());
        }
    }
}

TEST_CASE("of a name that is too long its beginning is compared with the user's prefixes") {
    config::User app = user("app");
    app.keys = {"k"};
    World world(pool_with({app}), {.blocks = 2048});
    Channel& client = client_as(world, "app");
    const std::string name(3'000'000, 'k');
    for (const std::string command : {"GET", "SUBSCRIBE"}) {
        CHECK(world.ask(client, resp({command, name})) ==
              "-ERR ringmain: key of 3000000 bytes is larger than key_size_max (65536)\r\n");
        CHECK(world.ask(client, resp({command, "x" + name})) ==
              (command == "GET" ? no_key : no_channel));
    }
    CHECK(world.proxy().scratch().text.capacity() < 200'000);
}

}  // namespace ringmain::test
