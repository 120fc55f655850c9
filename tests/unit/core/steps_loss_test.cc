// Servers that go, and answers that nobody expects, while a command is done in steps.

#include "tests/unit/core/hog.h"
#include "tests/unit/core/stage.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool ejecting_pool() {
    config::Pool pool = emulating_pool(3);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    return pool;
}

// The server is ejected, or removed by a reload.
void take_out(Stage& stage, uint32_t server, bool ejected) {
    if (ejected) {
        Channel& other = stage.world.client();
        CHECK(stage.world.ask(other, resp({"GET", stage.a[server]})).empty());
        stage.world.cut_off(server);
    } else {
        config::Pool pool = ejecting_pool();
        pool.servers.erase(pool.servers.begin() + server);
        stage.world.adopt({pool});
    }
    stage.world.settle();
}

void say(Stage& stage, Channel& channel, const std::string& text) {
    channel.inbound += text;
    stage.world.settle();
}

// What happened to the connections of steps is nothing to the client's transactions.
void check_transaction(Stage& stage) {
    for (uint32_t i = 0; i < 3; ++i) {
        stage.world.server(i).mood = Mood::Up;
    }
    CHECK(stage.world.ask(*stage.client,
                          resp({"MULTI"}) + resp({"SET", stage.a[2], "v"}) + resp({"EXEC"})) ==
          "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}

}  // namespace

enum class End : uint8_t { Removed, Changed, Lost, ClientLeaves };

TEST_CASE("a source's server that goes while RENAME removes there answers all the same") {
    for (const bool ejected : {false, true}) {
        for (const End end : {End::Removed, End::Changed, End::Lost, End::ClientLeaves}) {
            CAPTURE(ejected);
            CAPTURE(static_cast<int>(end));
            Stage stage(ejecting_pool());
            stage.begin({"RENAME", stage.a[0], stage.a[1]});
            stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
            stage.answer({1, false, "EVAL", "*1\r\n+OK\r\n"});
            Channel& lease = stage.expect({0, true, "MULTI UNLINK EXEC", ""});
            take_out(stage, 0, ejected);
            CHECK(World::heard(*stage.client).empty());
            std::string answer;
            if (end == End::ClientLeaves) stage.world.drop(*stage.client);
            if (end == End::Lost) {
                answer =
                    "-ERR ringmain: server s0 (10.0.0.1:7000) closed the connection; 'RENAME' has "
                    "written the destination, and may have removed the source\r\n";
                lease.inbound_end = true;
                stage.world.settle();
            } else if (end == End::Changed) {
                answer =
                    "-ERR ringmain: servers came or went meanwhile; try again; 'RENAME' has "
                    "written the destination; the source is there\r\n";
                say(stage, lease, changed);
            } else {
                if (end == End::Removed) answer = "+OK\r\n";
                say(stage, lease, removed);
            }
            CHECK(World::heard(*stage.client) == answer);
            if (end == End::ClientLeaves) stage.client = &stage.world.client();
            CHECK(lease.closed);
            stage.check_clean();
            check_transaction(stage);
        }
    }
}

TEST_CASE("so it does while RENAME reads there, and nothing is changed") {
    for (const bool ejected : {false, true}) {
        CAPTURE(ejected);
        Stage stage(ejecting_pool());
        stage.begin({"RENAME", stage.a[0], stage.a[1]});
        Channel& lease = stage.expect({0, true, "MULTI DISCARD WATCH EVAL", ""});
        take_out(stage, 0, ejected);
        CHECK(World::heard(*stage.client).empty());
        say(stage, lease, watched + dump("x"));
        CHECK(World::heard(*stage.client) ==
              "-ERR ringmain: servers came or went meanwhile; try again; 'RENAME' has changed "
              "nothing\r\n");
        CHECK(lease.closed);
        stage.check_clean();
        check_transaction(stage);
    }
}

TEST_CASE("a source's server that goes while RENAME writes takes the lease with it") {
    for (const bool ejected : {false, true}) {
        CAPTURE(ejected);
        Stage stage(ejecting_pool());
        stage.begin({"RENAME", stage.a[0], stage.a[1]});
        stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
        Channel& destination = stage.expect({1, false, "EVAL", ""});
        Channel* lease = stage.world.leases(0)[0];
        take_out(stage, 0, ejected);
        CHECK(lease->closed);
        say(stage, destination, "*1\r\n+OK\r\n");
        CHECK(World::heard(*stage.client) ==
              "-ERR ringmain: the connection that watched the source is lost; 'RENAME' has written "
              "the destination; the source is there\r\n");
        stage.check_clean();
        check_transaction(stage);
    }
}

// What is left over of the steps is given up on a server that is out, not asked there.
TEST_CASE("of two servers that go in the same moment neither is asked anything more") {
    Stage stage(ejecting_pool());
    stage.begin({"RENAME", stage.a[1], stage.a[0]});
    stage.world.server(0).mood = Mood::Vanished;
    stage.answer({1, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
    Channel* lease = stage.world.leases(1)[0];
    // Another worker has seen it.
    for (const uint32_t server : {0U, 1U}) {
        const Instant now = stage.world.proxy().now();
        CHECK(stage.world.health(server).on_failure({.began = now, .now = now, .reason = "broke"},
                                                    {.eject = true, .failure_limit = 1}) ==
              core::Health::Verdict::Ejected);
    }
    stage.world.loop().process().shared.announce_change();
    stage.world.settle();
    CHECK(lease->closed);
    CHECK(lease->arrived.empty());
    CHECK(World::heard(*stage.client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) is ejected: broke; 'RENAME' may have "
          "written the destination; the sources are as they were\r\n");
    stage.check_clean();
}

TEST_CASE("of a step that was not asked nothing is said") {
    Stage stage(ejecting_pool());
    stage.begin({"SMOVE", stage.a[0], stage.a[1], "m"});
    Channel& source = stage.expect({0, false, "SISMEMBER", ""});
    take_out(stage, 2, true);
    say(stage, source, ":1\r\n");
    CHECK(World::heard(*stage.client) ==
          "-ERR ringmain: servers came or went meanwhile; try again; 'SMOVE' has changed "
          "nothing\r\n");
    stage.check_clean();
}

TEST_CASE("WAIT ends with a server that goes") {
    for (const bool ejected : {false, true}) {
        CAPTURE(ejected);
        Stage stage(ejecting_pool());
        stage.begin({"WAIT", "1", "0"});
        for (uint32_t i = 0; i < 3; ++i) {
            stage.expect({i, true, "PUBLISH WAIT", ""});
        }
        take_out(stage, 0, ejected);
        CHECK(World::heard(*stage.client)
                  .starts_with("-ERR ringmain: server s0 (10.0.0.1:7000) is "));
        CHECK(pool_counters(stage.world).clients_waiting.get() == 0);
        CHECK(stage.world.leases(0).empty());
        CHECK(stage.world.leases(1).empty());
        stage.check_clean();
        check_transaction(stage);
    }
}

TEST_CASE("WAIT ends with an answer that may not be kept") {
    config::Pool pool = emulating_pool(3);
    pool.gather_size_max = 100;
    const std::string half = ":0\r\n:1";
    for (const bool fits : {false, true}) {
        CAPTURE(fits);
        Stage stage(pool);
        stage.begin({"WAIT", "1", "0"});
        for (uint32_t i = 0; i < 3; ++i) {
            stage.expect({i, true, "PUBLISH WAIT", ""});
        }
        Channel& lease = *stage.world.leases(1)[0];
        if (fits) {
            const Hog hog(stage.world.loop().blocks(), 5);
            say(stage, lease, half);
        } else {
            say(stage, lease, ":0\r\n$200000\r\n" + std::string(1000, 'x'));
        }
        CHECK(World::heard(*stage.client) ==
              std::string(fits ? "-ERR ringmain: the response does not fit into buffer memory; see "
                                 "buffer_memory"
                               : "-ERR ringmain: what the servers answer together is larger than "
                                 "100 bytes (gather_size_max)") +
                  "; 'WAIT' asks all servers of the pool\r\n");
        CHECK(lease.closed);
        CHECK(stage.world.leases(0).empty());
        stage.check_clean();
    }
}

TEST_CASE("what is late in the tick in which a WAIT ends is late in that tick") {
    Stage stage;
    Channel& other = stage.world.client();
    stage.begin({"WAIT", "1", "1000"});
    CHECK(stage.world.ask(other, resp({"BLPOP", stage.a[2], "1"})).empty());
    stage.world.pass(2390);
    CHECK(World::heard(*stage.client).empty());
    CHECK(World::heard(other).empty());
    stage.world.pass(10);
    CHECK(World::heard(*stage.client).find("when the command's time was up") != std::string::npos);
    CHECK(World::heard(other).find("when the command's time was up") != std::string::npos);
    stage.check_clean();
}

TEST_CASE("a server that answers steps and transactions with LOADING is ejected for it") {
    const std::string loading = "-LOADING Redis is loading the dataset in memory\r\n";
    const std::string aborted = "-EXECABORT Transaction discarded\r\n";
    config::Pool pool = ejecting_pool();
    pool.server_failure_limit = 2;
    pool.eject_on_loading = true;
    for (const char* what : {"SMOVE", "RENAME", "WATCH", "EXEC"}) {
        CAPTURE(what);
        Stage stage(pool);
        const std::string name = what;
        const std::string& key = stage.a[0];
        const std::string transaction = resp({"MULTI"}) + resp({"SET", key, "v"}) + resp({"EXEC"});
        // Whether it takes transactions is known then.
        CHECK(stage.world.ask(*stage.client, transaction) == "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
        stage.world.server(0).mood = Mood::Mute;
        for (int i = 0; i < 2; ++i) {
            CHECK(stage.world.health(0).accepts_traffic());
            stage.world.pass(10);
            if (name == "SMOVE") {
                CHECK(stage.world.ask(*stage.client, resp({name, key, stage.a[1], "m"})).empty());
                stage.answer({0, false, "SISMEMBER", loading});
            } else if (name == "RENAME") {
                CHECK(stage.world.ask(*stage.client, resp({name, key, stage.a[1]})).empty());
                stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + loading});
                // Which it answers while it loads.
                CHECK(stage.answer_unwatch() == 1);
            } else if (name == "WATCH") {
                stage.client = &stage.world.client();  // the other one has lost its keys
                CHECK(stage.world.ask(*stage.client, resp({name, key})).empty());
                const Question question = {0, true, "MULTI DISCARD WATCH", ""};
                say(stage, stage.expect(question), "+OK\r\n+OK\r\n" + loading);
            } else {
                static_cast<void>(stage.world.ask(*stage.client, transaction));
                say(stage,
                    stage.expect({0, false, "MULTI SET EXEC", ""}),
                    "+OK\r\n" + loading + aborted);
            }
            CHECK_FALSE(World::heard(*stage.client).empty());
        }
        CHECK_FALSE(stage.world.health(0).accepts_traffic());
    }
}

TEST_CASE("each step that is refused says of which commands it is") {
    const std::string denied = "-NOPERM this user has no permissions to run the 'eval' command\r\n";
    const std::string begin = "-ERR ringmain: server s0 (10.0.0.1:7000) refuses ";
    const std::string end =
        " over several servers needs: -NOPERM this user has no permissions to run the 'eval' "
        "command; make it take that, or give the keys a common hash tag; ";
    Stage stage;
    SUBCASE("to read the second of the sources") {
        stage.begin({"SUNIONSTORE", stage.a[1], stage.a[2], stage.a[0]});
        stage.answer({2, false, "EVAL", dump("x")});
        stage.answer({0, false, "EVAL", denied});
        CHECK(World::heard(*stage.client) == begin +
                                                 "EVAL of PEXPIRETIME and DUMP, which SUNIONSTORE" +
                                                 end + "'SUNIONSTORE' has changed nothing\r\n");
    }
    SUBCASE("to write, with the destination written already") {
        stage.begin({"RENAME", stage.a[1], stage.a[0]});
        stage.answer({1, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
        stage.answer({0, false, "EVAL", "*1\r\n+OK\r\n"});
        stage.answer({1, true, "MULTI UNLINK EXEC", changed});
        stage.answer({1, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
        stage.answer({0, false, "EVAL", denied});
        CHECK(World::heard(*stage.client) ==
              begin + "EVAL of RESTORE and RENAME, which RENAME" + end +
                  "'RENAME' has written the destination; the source is there\r\n");
    }
    SUBCASE("to add a member") {
        stage.begin({"SMOVE", stage.a[1], stage.a[0], "m"});
        stage.answer({1, false, "SISMEMBER", ":1\r\n"});
        stage.answer({1, true, "MULTI DISCARD WATCH SISMEMBER", watched + ":1\r\n"});
        stage.answer({0, false, "EVAL", denied});
        CHECK(World::heard(*stage.client) == begin + "EVAL of SET and SADD, which SMOVE" + end +
                                                 "'SMOVE' has changed nothing\r\n");
    }
    SUBCASE("to remove, of what was run") {
        stage.begin({"RENAME", stage.a[0], stage.a[1]});
        stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
        stage.answer({1, false, "EVAL", "*1\r\n+OK\r\n"});
        stage.answer({0, true, "MULTI UNLINK EXEC", "+OK\r\n+QUEUED\r\n*1\r\n" + denied});
        CHECK(World::heard(*stage.client) ==
              begin + "UNLINK, which RENAME" + end +
                  "'RENAME' has written the destination, and may have removed the source\r\n");
    }
    stage.check_clean();
}

TEST_CASE("an error of the client's own command is told as redis says it") {
    Stage stage;
    stage.begin({"SUNIONSTORE", stage.a[1], stage.a[0], stage.b[1]});
    stage.answer({0, false, "EVAL", dump("x")});
    SUBCASE("") {
        stage.answer({1, false, "EVAL", "*1\r\n-WRONGTYPE no\r\n"});
        CHECK(World::heard(*stage.client) == "-WRONGTYPE no\r\n");
    }
    SUBCASE("and what has another shape is no answer") {
        stage.answer({1, false, "EVAL", ":1\r\n"});
        CHECK(World::heard(*stage.client) ==
              "-ERR ringmain: the servers' answers do not fit the request; 'SUNIONSTORE' may have "
              "written the destination; the sources are as they were\r\n");
    }
    stage.check_clean();
}

// Whatever is no yes removes nothing, and what is no answer is not passed on as one.
TEST_CASE("what a step cannot answer ends the command, and says what is done") {
    struct Case {
        std::string name;
        std::vector<Question> before;
        Question last;  // what stands before the wrong answer
        std::string done;
    };

    const Question looked = {0, false, "SISMEMBER", ":1\r\n"};
    const Question again = {0, true, "MULTI DISCARD WATCH SISMEMBER", watched + ":1\r\n"};
    const Question fetched = {0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")};
    const Question renamed = {1, false, "EVAL", "*1\r\n+OK\r\n"};
    const Question no_member = {0, false, "SISMEMBER", ":0\r\n"};
    const std::string nothing = "has changed nothing";
    const std::string removing = "has written the destination, and may have removed the source";
    const std::string writing = "may have written the destination; the sources are as they were";
    const std::vector<Case> cases = {
        {"SMOVE", {}, {0, false, "SISMEMBER", ""}, nothing},
        {"SMOVE", {looked}, {0, true, "MULTI DISCARD WATCH SISMEMBER", watched}, nothing},
        {"SMOVE", {no_member}, {0, false, "EXISTS", ""}, nothing},
        {"SMOVE",
         {no_member, {0, false, "EXISTS", ":1\r\n"}},
         {1, false, "SISMEMBER", ""},
         nothing},
        {"SMOVE",
         {looked, again},
         {1, false, "EVAL", ""},
         "may have added the member to the destination; the source has it"},
        {"SMOVE",
         {looked, again, {1, false, "EVAL", ":1\r\n"}},
         {0, true, "MULTI SREM EXEC", "+OK\r\n+QUEUED\r\n"},
         removing},
        {"SMOVE",
         {looked, again, {1, false, "EVAL", ":1\r\n"}},
         {0, true, "MULTI SREM EXEC", "+OK\r\n+QUEUED\r\n*1\r\n"},
         removing},
        {"RENAME", {}, {0, true, "MULTI DISCARD WATCH EVAL", watched}, nothing},
        {"RENAME", {fetched}, {1, false, "EVAL", ""}, writing},
        {"RENAME", {fetched}, {1, false, "EVAL", "*1\r\n"}, writing},
        {"RENAMENX", {fetched}, {1, false, "EVAL", "*1\r\n"}, writing},
        {"RENAME",
         {fetched, renamed},
         {0, true, "MULTI UNLINK EXEC", "+OK\r\n+QUEUED\r\n"},
         removing},
        {"RENAME",
         {fetched, renamed},
         {0, true, "MULTI UNLINK EXEC", "+OK\r\n+QUEUED\r\n*1\r\n"},
         removing},
    };
    for (const Case& one : cases) {
        for (const char* wrong : {"+YES\r\n",
                                  "+QUEUED\r\n",
                                  "$2\r\n:1\r\n",
                                  "*0\r\n",
                                  ":5\r\n",
                                  "*1\r\n*1\r\n:1\r\n"}) {
            CAPTURE(one.name);
            CAPTURE(one.last.names);
            CAPTURE(wrong);
            Stage stage;
            Words request = {one.name, stage.a[0], stage.a[1]};
            if (one.name == "SMOVE") request.push_back("m");
            stage.begin(request);
            for (const Question& question : one.before) {
                stage.answer(question);
            }
            Question last = one.last;
            last.answer += wrong;
            stage.answer(last);
            CHECK(World::heard(*stage.client) ==
                  "-ERR ringmain: the servers' answers do not fit the request; '" + one.name +
                      "' " + one.done + "\r\n");
            stage.check_clean();
        }
    }
}

TEST_CASE("a reload that changes the database ends steps and transactions") {
    Stage stage;
    Channel& other = stage.world.client();
    CHECK(stage.world.ask(other, resp({"MULTI"}) + resp({"SET", stage.a[0], "v"})) ==
          "+OK\r\n+QUEUED\r\n");
    stage.begin({"SMOVE", stage.a[0], stage.a[1], "m"});
    Channel& source = stage.expect({0, false, "SISMEMBER", ""});
    config::Pool pool = emulating_pool(3);
    SUBCASE("") {
        pool.redis_db = 1;
    }
    SUBCASE("or has other connections") {
        pool.server_connections = 2;
    }
    stage.world.adopt({pool});
    stage.world.settle();
    say(stage, source, ":1\r\n");
    CHECK(World::heard(*stage.client) ==
          "-ERR ringmain: servers came or went meanwhile; try again; 'SMOVE' has changed "
          "nothing\r\n");
    CHECK(stage.world.ask(other, resp({"EXEC"})).starts_with("-EXECABORT"));
    stage.check_clean();
}

TEST_CASE("a server that is configured no more refuses a step, and is not looked for") {
    Stage stage;
    stage.begin({"COPY", stage.a[2], stage.a[0]});
    Channel& source = stage.expect({2, false, "EVAL", ""});
    config::Pool pool = emulating_pool(3);
    pool.servers.pop_back();
    stage.world.adopt({pool});
    stage.world.settle();
    say(stage, source, "-NOPERM this user has no permissions to run the 'eval' command\r\n");
    CHECK(
        World::heard(*stage.client) ==
        "-ERR ringmain: servers came or went meanwhile; try again; 'COPY' has changed nothing\r\n");
}

TEST_CASE("what is read from many servers has room for all of them, or is not begun") {
    constexpr uint32_t server_count = 100;
    World world(emulating_pool(server_count));
    Words request = {"SUNIONSTORE"};
    for (uint32_t i = 0; i < server_count; ++i) {
        request.push_back(world.key_on(i));
    }
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"PING"})) == "+PONG\r\n");
    {
        const Hog hog(world.loop().blocks(), world.loop().blocks().capacity() / 16 + 20);
        CHECK(world.ask(client, resp(request)) ==
              "-ERR ringmain: out of buffer memory; see buffer_memory; 'SUNIONSTORE' has changed "
              "nothing\r\n");
    }
    CHECK(world.proxy().is_idle());
}

}  // namespace ringmain::test
