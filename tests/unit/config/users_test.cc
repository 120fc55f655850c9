// The users of a pool: what is taken, what is refused and in which words.

#include "ringmain/config/load.h"
#include "ringmain/config/options.h"
#include "ringmain/config/reload.h"
#include "tests/unit/config/loading.h"

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

std::string pool_with_users(std::string_view users) {
    return "[pool.a]\nlisten = '127.0.0.1:1'\nservers = ['h:1']\n" + std::string(users) + "\n";
}

Config parsed_users(std::string_view users) {
    return accepted(pool_with_users(users));
}

std::string refused_users(std::string_view users) {
    return refused(pool_with_users(users));
}

const std::string digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

}  // namespace

TEST_CASE("users are tables in a list, in either of TOML's spellings") {
    const std::string last =
        "{ name = 'ops', password_sha256 = '" + digest + "', access = 'read-only' }";
    const Config config = parsed_users(
        "users = [{ name = 'app', password = 's', keys = ['a:', 'b:'], "
        "commands = ['-@dangerous', '+KEYS', '-client|list'] }, " +
        last + "]");
    const std::vector<User>& users = config.pools[0].users;
    REQUIRE(users.size() == 2);
    CHECK(users[0].name == "app");
    CHECK(users[0].password == "s");
    CHECK(users[0].access == Access::ReadWrite);
    CHECK(users[0].keys == std::vector<std::string>{"a:", "b:"});
    CHECK(users[0].commands.size() == 3);
    CHECK(users[1].access == Access::ReadOnly);
    CHECK(users[1].password_sha256 == digest);
    CHECK(parsed_users(
              "[[pool.a.users]]\nname = 'app'\npassword = 's'\n[[pool.a.users]]\nname = 'b'\n"
              "password = 't'")
              .pools[0]
              .users.size() == 2);
}

TEST_CASE("what is wrong with a user is told") {
    const auto user = [](std::string_view inside) {
        return refused_users("users = [{ " + std::string(inside) + " }]");
    };
    CHECK(contains(refused_users("users = 3"),
                   "'users' must be a list of tables, as in users = [{ name"));
    CHECK(contains(refused_users("users = ['app']"),
                   "a user is a table { name, password, access, keys"));
    CHECK(contains(user("password = 'x'"), "a user has no 'name'"));
    CHECK(
        contains(user("name = 'a b', password = 'x'"), "contains a blank or a control character"));
    CHECK(
        contains(user("name = 'default', password = 'x'"), "'default' is who presents redis_auth"));
    CHECK(contains(user("name = 'a'"), "user 'a' needs one of password and password_sha256"));
    CHECK(contains(user("name = 'a', password = 'x', password_sha256 = '" + digest + "'"),
                   "needs one of password and password_sha256, and has both"));
    CHECK(contains(user("name = 'a', password_sha256 = 'abc'"),
                   "'password_sha256' of user 'a' is not 64 hexadecimal digits, as `printf"));
    CHECK(contains(user("name = 'a', password = ''"), "'password' is empty"));
    CHECK(contains(user("name = 'a', password = 'x', access = 'write'"),
                   "'access' cannot be this; possible are read-write and read-only"));
    CHECK(contains(user("name = 'a', password = 'x', key = ['k']"),
                   "unknown key 'key' in a user; did you mean 'keys'?"));
    CHECK(contains(user("name = 'a', password = 'x', keys = 'k'"),
                   "'keys' must be a list of texts, as in [\"shop:\"], not text in quotes"));
    CHECK(contains(user("name = 'a', password = 'x', keys = ['']"),
                   "'keys' holds texts of 1 to 512 bytes, as in [\"shop:\"]"));
    CHECK(contains(user("name = 'a', password = 'x', keys = [3]"), "'keys' holds texts"));
    CHECK(contains(user("name = 'a', password = 'x', keys = []"),
                   "'keys' is empty, which would be no restriction; leave it out for that, or say "
                   "what may be used, as in keys = [\"shop:\"]"));
    CHECK(contains(user("name = 'a', password = 'x', commands = []"),
                   "'commands' is empty, which would be no restriction"));
    CHECK(contains(refused_users("users = []"),
                   "'users' is empty: it would keep nobody out; leave it out for that"));
    CHECK(contains(refused_users("redis_auth = 'x'\nusers = []"), "'users' is empty"));
    for (const std::string_view rule : {"get", "+", "+@", "+@nonsense", "+nonsense", "-get|x"}) {
        CHECK(contains(
            user("name = 'a', password = 'x', commands = ['+get', '" + std::string(rule) + "']"),
            "'" + std::string(rule) + "' is no rule: write \"+get\""));
    }
    CHECK(contains(
        refused_users("users = [{ name = 'a', password = 'x' }, { name = 'a', password = 'y' }]"),
        "two users of [pool.a] have the name 'a'; rename one"));
    CHECK(
        contains(refused_users("protocol = 'memcached'\nusers = [{ name = 'a', password = 'x' }]"),
                 "'users' is for redis pools"));
}

TEST_CASE("a user's password is shown nowhere") {
    const std::string users = "users = [{ name = 'app', password = 'hunter2' }]";
    const std::string shown = running_toml(parsed_users(users));
    CHECK(contains(shown, R"({ name = "app", password = "***", access = "read-write" })"));
    CHECK_FALSE(contains(shown, "hunter2"));
    for (const std::string_view wrong :
         {"users = [{ name = 'a', password = 'hunter2', nonsense = 1 }]",
          "users = [{ name = 'a', password = 'hunter2' ]",
          "users = [{ name = 'a', password = hunter2 }]",
          "users = [{ password = 'hunter2' }]",
          "users = [{ name = 'a', password = ['hunter2'] }]"}) {
        CHECK_FALSE(contains(refused_users(wrong), "hunter2"));
    }
}

TEST_CASE("a password is not shown where it stands in a wrong place") {
    for (const std::string_view wrong :
         {"users = { app = 'hunter2' }",
          "users = ['app:hunter2']",
          "users = ['app:pw_hunter2']",
          "users = [\n  'app:hunter2',\n]",
          "users = [['app', 'hunter2']]",
          "users = [\n  { name = 'a',\n  'hunter2' },\n]",
          "users = 'app:hunter2'",
          "users = hunter2",
          "users.app = 'hunter2'",
          "x = '''\nusers = { app = 'hunter2' }",
          "[pool.a.users]\napp = 'hunter2'",
          "[pool.a.users]\napp = hunter2",
          "[[pool.a.users]]\nname = 'a'\nkey = 'hunter2'",
          "[[pool.a.users]]\nname = 'a'\npassword = 'x'\naccess = 'hunter2'",
          "[[pool.a.users]]\nname = 'a'\npassword = 'x'\naccess = hunter2",
          "[[pool.a.users]]\nname = 'a'\npassword = 'x'\ncommands = ['~*', '+@all', '>hunter2']",
          "[[pool.a.users]]\nname = 'a'\npassword = 'x'\ncommands = ['#hunter2']",
          "[[pool.a.users]]\nname = 'a'\npassword = 'x'\ncommands = ['on >hunter2 ~*']",
          "user = 'a on >hunter2 ~*'",
          "Users = { app = 'hunter2' }",
          "usrs = { app = 'hunter2' }",
          "usrs = 'app:hunter2'",
          "user = { app = 'hunter2' }",
          "user = [{ name = 'app', word = 'hunter2' }]",
          "user.app = 'hunter2'",
          "users: [{ name = 'app', word = 'hunter2' }]",
          "users: [{ name: 'app', word: 'hunter2' }]",
          "\"users\": [{ \"name\": \"app\", \"word\": \"hunter2\" }]",
          "users [{ name = 'app', word = 'hunter2' }]",
          "users { app = 'hunter2' }",
          "users += [{ name = 'app', word = 'hunter2' }]",
          "users = [{ users = 'hunter2' }]",
          "[[pool.a.usrs]]\nname = 'a'\nword = 'hunter2'",
          "[users]\napp = 'hunter2'",
          "acl = 'hunter2'",
          "pw = 'hunter2'",
          "pwd = 'hunter2'",
          "token = 'hunter2'",
          "credentials = 'a:hunter2'",
          "sha256 = 'hunter2'"}) {
        const std::string told = refused_users(wrong);
        CAPTURE(told);
        CHECK_FALSE(contains(told, "hunter2"));
    }
}

TEST_CASE("a password of redis's ACL is not told where a rule or a name is meant") {
    for (const std::string_view acl : {">hunter2",
                                       "on <hunter2 +@all",
                                       "+@all #hunter2",
                                       "on !hunter2",
                                       "on\\t>hunter2",
                                       "+get,>hunter2"}) {
        const std::string text = "\"" + std::string(acl) + "\"";
        const std::string rule =
            refused_users("users = [{ name = 'a', password = 'x', commands = [" + text + "] }]");
        CAPTURE(rule);
        CHECK(
            contains(rule, "a password is no rule (it is 'password' of the user): write \"+get\""));
        CHECK_FALSE(contains(rule, "hunter2"));
        const std::string name = refused_users("users = [{ name = " + text + " }]");
        CAPTURE(name);
        CHECK(contains(name, "the user needs one of password and password_sha256"));
        CHECK_FALSE(contains(name, "hunter2"));
    }
    CHECK(contains(refused_users("users = [{ name = 'app on >hunter2', password = 'x' }]"),
                   "a password is no part of the user's name (it is 'password' of the user); "
                   "write the name alone, as in name = \"app\""));
}

TEST_CASE("what is no password of a user is shown") {
    for (const std::string_view wrong :
         {"[[pool.a.users]]\nname = 'a shown'\npassword = 'x'",
          "[[pool.a.users]]\nname = 'a'\npassword = 'x'\ncommands = ['+get', 'shown']",
          "users = [\n  { name = 'a shown', password = 'x' },\n]",
          "users = [{ name = 'a', password = 'x' }]\nnonsense = 'shown'",
          "[[pool.a.users]]\nname = 'a'\npassword = 'x'\n[pool.b]\nnonsense = 'shown'",
          "user = 'shown'",
          "servers = [{ address = 'h:1', user = 'a shown' }]",
          "users:\n  - name: app\n[pool.b]\nnonsense = 'shown'",
          "users =\n[pool.b]\nnonsense = 'shown'",
          "[pool.users]\nnonsense = 'shown'"}) {
        const std::string told = refused_users(wrong);
        CAPTURE(told);
        CHECK(contains(told, "shown"));
    }
}

TEST_CASE("a change of users is told without their passwords") {
    const Config running = parsed_users("users = [{ name = 'a', password = 'hunter2' }]");
    const Config next = parsed_users("users = [{ name = 'a', password = 'hunter3' }]");
    CHECK(changes(running, next) == std::vector<std::string>{"pool a: changed: users"});
    CHECK(changes(running, running).empty());
}

}  // namespace ringmain::config
