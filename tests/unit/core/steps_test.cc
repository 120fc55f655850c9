// Writes over several servers, step by step, and what is left when one of them fails.

#include "tests/unit/core/stage.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string looks_again = "MULTI DISCARD WATCH SISMEMBER";

// One of each kind.
std::vector<Story> stories(const Stage& stage) {
    const std::string s = stage.a[0];
    const std::string d = stage.a[1];
    const std::vector<Question> looked = {{0, false, "SISMEMBER", ":1\r\n"}};
    return {
        {{"SUNIONSTORE", d, s, stage.b[1], stage.a[2]},
         {{{0, false, "EVAL", dump("x")}, {2, false, "EVAL", dump("y")}},
          {{1, false, "EVAL", "*1\r\n:7\r\n"}}},
         ":7\r\n"},
        {{"COPY", s, d},
         {{{0, false, "EVAL", dump("x", 5000)}}, {{1, false, "EVAL", "*1\r\n:1\r\n"}}},
         ":1\r\n"},
        {{"RENAME", s, d},
         {{{0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")}},
          {{1, false, "EVAL", "*1\r\n+OK\r\n"}},
          {{0, true, "MULTI UNLINK EXEC", removed}}},
         "+OK\r\n"},
        {{"RENAMENX", s, d},
         {{{0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")}},
          {{1, false, "EVAL", "*1\r\n:1\r\n"}},
          {{0, true, "MULTI UNLINK EXEC", removed}}},
         ":1\r\n"},
        {{"SMOVE", s, d, "m"},
         {looked,
          {{0, true, looks_again, watched + ":1\r\n"}},
          {{1, false, "EVAL", ":1\r\n"}},
          {{0, true, "MULTI SREM EXEC", removed}}},
         ":1\r\n"},
        {{"SMOVE", s, d, "m"},
         {{{0, false, "SISMEMBER", ":0\r\n"}},
          {{0, false, "EXISTS", ":1\r\n"}},
          {{1, false, "SISMEMBER", ":1\r\n"}}},
         ":0\r\n"},
    };
}

}  // namespace

TEST_CASE("each command goes its steps and has redis's answer") {
    for (size_t i = 0; i < stories(Stage()).size(); ++i) {
        CAPTURE(i);
        Stage stage;
        const Story story = stories(stage)[i];
        stage.play(story, story.steps.size());
        CHECK(World::heard(*stage.client) == story.answer);
        stage.check_clean();
    }
}

TEST_CASE("a server that is lost in the middle leaves nothing behind but what the error says") {
    for (size_t i = 0; i < stories(Stage()).size(); ++i) {
        for (size_t step = 0; step < stories(Stage())[i].steps.size(); ++step) {
            CAPTURE(i);
            CAPTURE(step);
            Stage stage;
            const Story story = stories(stage)[i];
            stage.play(story, step);
            const auto& questions = story.steps[step];
            // The other one is answered.
            if (questions.size() > 1) stage.answer(questions[1]);
            Channel& channel = stage.expect(questions[0]);
            channel.inbound_end = true;
            stage.world.settle();
            const std::string text = World::heard(*stage.client);
            const std::string name = "s" + std::to_string(questions[0].server);
            CHECK(text.starts_with("-ERR ringmain: server " + name + " "));
            CHECK(text.find("closed the connection; '" + story.request[0] + "' ") !=
                  std::string::npos);
            // In the first step, and as long as SMOVE looks.
            const bool is_harmless =
                step == 0 || story.answer == ":0\r\n" || (step == 1 && story.request[0] == "SMOVE");
            CHECK((text.find("has changed nothing") != std::string::npos) == is_harmless);
            CHECK(text.ends_with("\r\n"));
            stage.check_clean();
        }
    }
}

TEST_CASE("each step has the timeout, and its late answer is nobody's") {
    for (size_t i = 0; i < stories(Stage()).size(); ++i) {
        for (size_t step = 0; step < stories(Stage())[i].steps.size(); ++step) {
            CAPTURE(i);
            CAPTURE(step);
            Stage stage;
            const Story story = stories(stage)[i];
            stage.play(story, step);
            const auto& questions = story.steps[step];
            std::vector<Channel*> channels;
            for (const Question& question : questions) {
                channels.push_back(&stage.expect(question));
            }
            stage.world.pass(380);
            CHECK(World::heard(*stage.client).empty());
            stage.world.pass(40);
            const std::string text = World::heard(*stage.client);
            CHECK(text.find("did not answer within 400 ms (timeout); '" + story.request[0] +
                            "' ") != std::string::npos);
            for (size_t j = 0; j < questions.size(); ++j) {
                if (!channels[j]->closed) channels[j]->inbound += questions[j].answer;
            }
            stage.world.settle();
            stage.check_clean();
        }
    }
}

TEST_CASE("a client that leaves ends it behind the step that is under way") {
    for (size_t i = 0; i < stories(Stage()).size(); ++i) {
        for (size_t step = 0; step < stories(Stage())[i].steps.size(); ++step) {
            CAPTURE(i);
            CAPTURE(step);
            Stage stage;
            const Story story = stories(stage)[i];
            stage.play(story, step);
            stage.world.drop(*stage.client);
            for (const Question& question : story.steps[step]) {
                Channel& channel = stage.expect(question);
                if (!channel.closed) channel.inbound += question.answer;
                stage.world.settle();
            }
            for (uint32_t server = 0; server < 3; ++server) {
                Channel* link = stage.world.link(server);
                if (link != nullptr) CHECK(link->arrived.empty());
            }
            stage.client = &stage.world.client();
            stage.check_clean();
        }
    }
}

TEST_CASE("a client that has ended its side still gets its answer") {
    for (size_t i = 0; i < stories(Stage()).size(); ++i) {
        CAPTURE(i);
        Stage stage;
        const Story story = stories(stage)[i];
        stage.begin(story.request);
        stage.client->inbound_end = true;
        stage.world.settle();
        for (const auto& questions : story.steps) {
            for (const Question& question : questions) {
                stage.answer(question);
            }
        }
        CHECK(World::heard(*stage.client) == story.answer);
        CHECK(stage.client->closed);
    }
}

TEST_CASE("what a server refuses of our words is told with its name, and what to do") {
    const std::string refusal = "-LOADING Redis is loading the dataset in memory\r\n";
    for (size_t i = 0; i < stories(Stage()).size(); ++i) {
        const size_t count = stories(Stage())[i].steps.size();
        for (size_t step = 0; step < count; ++step) {
            CAPTURE(i);
            CAPTURE(step);
            Stage stage;
            const Story story = stories(stage)[i];
            stage.play(story, step);
            const auto& questions = story.steps[step];
            if (questions.size() > 1) stage.answer(questions[1]);
            Question question = questions[0];
            const bool removes = question.names.ends_with("EXEC");
            question.answer = question.names.starts_with("MULTI DISCARD") ? watched + refusal
                              : question.names.starts_with("MULTI")
                                  ? "+OK\r\n+QUEUED\r\n-EXECABORT none\r\n"
                                  : refusal;
            stage.answer(question);
            const std::string text = World::heard(*stage.client);
            const std::string name = "s" + std::to_string(question.server);
            CHECK(text.starts_with("-ERR ringmain: server " + name + " (10.0.0.1:700"));
            CHECK(text.find(", which " + story.request[0] + " over several servers needs: -") !=
                  std::string::npos);
            const bool passes = text.find("needs: -LOADING ") != std::string::npos;
            CHECK(text.find(passes
                                ? "; ask again when it takes that; '"
                                : "; make it take that, or give the keys a common hash tag; '") !=
                  std::string::npos);
            CHECK(text.ends_with(removes ? "has written the destination, and may have removed the "
                                           "source\r\n"
                                         : "has changed nothing\r\n"));
            stage.check_clean();
        }
    }
}

TEST_CASE("the command runs where its destination lives, on names of its sources' own") {
    Stage stage;
    stage.begin({"ZUNIONSTORE",
                 stage.a[1],
                 "3",
                 stage.a[0],
                 stage.b[1],
                 stage.a[2],
                 "WEIGHTS",
                 "1",
                 "2",
                 "3"});
    stage.expect({2, false, "EVAL", ""});
    CHECK(stage.words[2] == "1");
    CHECK(stage.words[3] == stage.a[2]);
    stage.world.reply(2, no_dump);
    stage.answer({0, false, "EVAL", dump("value", 77)});
    stage.expect({1, false, "EVAL", ""});
    const Words& words = stage.words;
    REQUIRE(words.size() == 3 + 3 + 10);
    CHECK(words[2] == "1");
    const std::string name = words[3];
    CHECK(name.starts_with(stage.a[1] + ":ringmain:"));
    CHECK(words[4] == "0");  // it shall not expire meanwhile
    CHECK(words[5] == "value");
    const std::string other = words[11];
    CHECK(other.starts_with(stage.a[1] + ":ringmain:"));
    CHECK(other != name);
    CHECK(Words(words.begin() + 6, words.end()) ==
          Words{"ZUNIONSTORE", stage.a[1], "3", name, stage.b[1], other, "WEIGHTS", "1", "2", "3"});
    stage.world.reply(1, "*1\r\n:2\r\n");
    stage.world.settle();
    CHECK(World::heard(*stage.client) == ":2\r\n");
}

TEST_CASE("COPY and RENAME keep the moment at which a key expires, and none is never") {
    for (const auto& [expires_at, wanted] : std::vector<std::pair<int64_t, std::string>>{
             {-1, "0"}, {0, "1"}, {1'796'022'229'148, "1796022229148"}}) {
        Stage stage;
        stage.begin({"COPY", stage.a[0], stage.a[1], "DB", "3", "REPLACE"});
        stage.answer({0, false, "EVAL", dump("v", expires_at)});
        stage.expect({1, false, "EVAL", ""});
        CHECK(stage.words[1].find("'ABSTTL'") != std::string::npos);
        CHECK(stage.words[4] == wanted);
        CHECK(Words(stage.words.end() - 4, stage.words.end()) ==
              Words{stage.a[1], "DB", "3", "REPLACE"});
        stage.world.reply(1, "*1\r\n:0\r\n");
        stage.world.settle();
        CHECK(World::heard(*stage.client) == ":0\r\n");
    }
}

TEST_CASE("a null of the third version of the protocol is a key that is not there") {
    Stage stage(emulating_pool(3), true);
    CHECK(stage.world.ask(*stage.client, resp({"HELLO", "3"})).starts_with("%7"));
    stage.begin({"COPY", stage.a[0], stage.a[1]});
    // The server has said hello before.
    Channel& source = stage.asked({0, false, "", ""});
    CHECK(source.arrived.find("HELLO") != std::string::npos);
    source.arrived.clear();
    source.inbound += "%1\r\n" + bulk("proto") + ":3\r\n";
    stage.world.settle();
    stage.answer({0, false, "EVAL", "*2\r\n:-2\r\n_\r\n"});
    Channel& home = stage.asked({1, false, "", ""});
    home.arrived.clear();
    home.inbound += "%1\r\n" + bulk("proto") + ":3\r\n";
    stage.world.settle();
    stage.expect({1, false, "EVAL", ""});
    CHECK(stage.words[2] == "0");
    stage.world.reply(1, "*1\r\n:0\r\n", true);
    stage.world.settle();
    CHECK(World::heard(*stage.client) == ":0\r\n");
}

TEST_CASE("a source that was changed while it was carried is carried again") {
    Stage stage;
    const std::string& s = stage.a[0];
    stage.begin({"RENAME", s, stage.a[1]});
    const Question watch = {0, true, "MULTI DISCARD WATCH EVAL", watched + dump("old")};
    stage.answer(watch);
    stage.answer({1, false, "EVAL", "*1\r\n+OK\r\n"});
    stage.answer({0, true, "MULTI UNLINK EXEC", changed});
    stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("new")});
    stage.expect({1, false, "EVAL", ""});
    CHECK(stage.words[5] == "new");
    stage.world.reply(1, "*1\r\n+OK\r\n");
    stage.world.settle();
    stage.answer({0, true, "MULTI UNLINK EXEC", removed});
    CHECK(World::heard(*stage.client) == "+OK\r\n");
    CHECK(stage.world.leases(0).size() == 1);  // kept for the next one
    stage.check_clean();
}

TEST_CASE("a source that is changed all the time is an error, and so is one that goes away") {
    Stage stage;
    stage.begin({"RENAME", stage.a[0], stage.a[1]});
    SUBCASE("changed") {
        for (int i = 0; i < 16; ++i) {
            stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
            stage.answer({1, false, "EVAL", "*1\r\n+OK\r\n"});
            stage.answer({0, true, "MULTI UNLINK EXEC", changed});
        }
        CHECK(World::heard(*stage.client) ==
              "-ERR ringmain: other clients changed the source 16 times while it was copied; give "
              "both keys a common hash tag; 'RENAME' has written the destination, and may have "
              "removed the source\r\n");
    }
    SUBCASE("gone") {
        stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
        stage.answer({1, false, "EVAL", "*1\r\n+OK\r\n"});
        stage.answer({0, true, "MULTI UNLINK EXEC", changed});
        stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + no_dump});
        CHECK(World::heard(*stage.client) ==
              "-ERR ringmain: another client removed or renamed the source meanwhile; 'RENAME' has "
              "written the destination; the source is there\r\n");
    }
    stage.check_clean();
}

TEST_CASE("a RENAME that fails leaves its connection to the next one") {
    for (const bool leaves : {false, true}) {
        CAPTURE(leaves);
        Stage stage;
        const uint64_t before = stage.world.counters().server_connects.get();
        stage.begin({"RENAME", stage.a[0], stage.a[1]});
        if (leaves) stage.world.drop(*stage.client);
        const Question watch = {0, true, "MULTI DISCARD WATCH EVAL", watched + no_dump};
        stage.answer(watch);
        if (leaves) {
            stage.client = &stage.world.client();
        } else {
            stage.answer({1, false, "EVAL", "*1\r\n-ERR no such key\r\n"});
            CHECK(World::heard(*stage.client) == "-ERR no such key\r\n");
        }
        CHECK(stage.pool().counters->leases.get() == 0);
        CHECK(stage.pool().servers[0]->idle_lease_count == 0);
        CHECK(stage.answer_unwatch() == 1);
        CHECK(stage.pool().servers[0]->idle_lease_count == 1);

        stage.begin({"RENAME", stage.a[0], stage.a[1]});
        stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
        stage.answer({1, false, "EVAL", "*1\r\n+OK\r\n"});
        stage.answer({0, true, "MULTI UNLINK EXEC", removed});
        CHECK(World::heard(*stage.client) == "+OK\r\n");
        stage.check_clean();
        // The lease, and the destination's.
        CHECK(stage.world.counters().server_connects.get() == before + 2);
    }
}

TEST_CASE("a connection that does not say that it watches nothing is closed") {
    for (const char* answer : {"+QUEUED\r\n", "-ERR unknown command 'UNWATCH'\r\n"}) {
        CAPTURE(answer);
        Stage stage;
        stage.begin({"RENAME", stage.a[0], stage.a[1]});
        stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + no_dump});
        stage.answer({1, false, "EVAL", "*1\r\n-ERR no such key\r\n"});
        stage.expect({0, true, "UNWATCH", ""}).inbound += answer;
        stage.world.settle();
        CHECK(World::heard(*stage.client) == "-ERR no such key\r\n");
        CHECK(stage.world.leases(0).empty());
        stage.check_clean();
    }
}

TEST_CASE("RENAMENX overwrites nobody: a source that was changed is an error") {
    Stage stage;
    stage.begin({"RENAMENX", stage.a[0], stage.a[1]});
    stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
    SUBCASE("there is a destination") {
        stage.answer({1, false, "EVAL", "*1\r\n:0\r\n"});
        CHECK(World::heard(*stage.client) == ":0\r\n");
    }
    SUBCASE("changed") {
        stage.answer({1, false, "EVAL", "*1\r\n:1\r\n"});
        stage.answer({0, true, "MULTI UNLINK EXEC", changed});
        CHECK(World::heard(*stage.client)
                  .starts_with("-ERR ringmain: another client changed the source meanwhile; "
                               "'RENAMENX' has written"));
    }
    CHECK(stage.answer_unwatch() == 1);  // it may watch still
    stage.check_clean();
}

TEST_CASE("a server that refuses transactions is not asked to remove anything") {
    Stage stage;
    stage.begin({"RENAME", stage.a[0], stage.a[1]});
    stage.answer({0,
                  true,
                  "MULTI DISCARD WATCH EVAL",
                  "-NOPERM no\r\n-ERR DISCARD without MULTI\r\n+OK\r\n" + dump("x")});
    CHECK(World::heard(*stage.client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) refuses transactions: -NOPERM no; 'RENAME' has "
          "changed nothing\r\n");
    stage.check_clean();
}

TEST_CASE("SMOVE looks at what redis looks at, in its order") {
    const std::string wrong = "-WRONGTYPE Operation against a key\r\n";

    struct Case {
        std::vector<Question> questions;
        std::string answer;
    };

    const Question looked = {0, false, "SISMEMBER", ":1\r\n"};
    const Question again = {0, true, looks_again, watched + ":1\r\n"};
    const std::vector<Case> cases = {
        {{{0, false, "SISMEMBER", wrong}}, wrong},
        {{{0, false, "SISMEMBER", ":0\r\n"}, {0, false, "EXISTS", ":0\r\n"}}, ":0\r\n"},
        {{{0, false, "SISMEMBER", ":0\r\n"},
          {0, false, "EXISTS", ":1\r\n"},
          {1, false, "SISMEMBER", wrong}},
         wrong},
        {{{0, false, "SISMEMBER", ":0\r\n"},
          {0, false, "EXISTS", ":1\r\n"},
          {1, false, "SISMEMBER", ":0\r\n"}},
         ":0\r\n"},
        {{looked, again, {1, false, "EVAL", wrong}}, wrong},
        {{looked, again, {1, false, "EVAL", ":0\r\n"}, {0, true, "MULTI SREM EXEC", removed}},
         ":1\r\n"},
        {{looked, again, {1, false, "EVAL", "-BUSY Redis is busy\r\n"}},
         "-ERR ringmain: server s1 (10.0.0.1:7001) refuses EVAL of SET and SADD, which SMOVE over "
         "several servers needs: -BUSY Redis is busy; ask again when it takes that; 'SMOVE' has "
         "changed nothing\r\n"},
        // Another one has moved it.
        {{looked, {0, true, looks_again, watched + ":0\r\n"}}, ":0\r\n"},
        {{looked,
          again,
          {1, false, "EVAL", ":0\r\n"},
          {0, true, "MULTI SREM EXEC", "+OK\r\n+QUEUED\r\n*1\r\n:0\r\n"}},
         ":0\r\n"},
        // The source is something else by then.
        {{looked,
          again,
          {1, false, "EVAL", ":1\r\n"},
          {0, true, "MULTI SREM EXEC", "+OK\r\n+QUEUED\r\n*1\r\n" + wrong}},
         "-ERR ringmain: server s0 (10.0.0.1:7000) refuses SREM, which SMOVE over several servers "
         "needs: -WRONGTYPE Operation against a key; make it take that, or give the keys a common "
         "hash tag; 'SMOVE' has written the destination, and may have removed the source\r\n"},
    };
    for (const Case& one : cases) {
        Stage stage;
        stage.begin({"SMOVE", stage.a[0], stage.a[1], "m"});
        for (const Question& question : one.questions) {
            stage.answer(question);
        }
        CHECK(World::heard(*stage.client) == one.answer);
        stage.check_clean();
    }
}

// Each adds what is there already, which SADD does not show to who watches the set: both would
// remove it.
TEST_CASE("two clients that move a member to and fro do not lose it") {
    Stage stage;
    const std::string& s = stage.a[0];
    const std::string& d = stage.a[1];
    Channel& back = stage.world.client();
    stage.begin({"SMOVE", s, d, "m"});
    stage.answer({0, false, "SISMEMBER", ":1\r\n"});
    const Channel& lease = stage.asked({0, true, "", ""});
    const size_t watch = lease.arrived.find("WATCH\r\n");
    REQUIRE(watch != std::string::npos);
    const std::string mark =
        lease.arrived.substr(watch + 7, lease.arrived.find('*', watch) - watch - 7);
    stage.answer({0, true, looks_again, watched + ":1\r\n"});
    stage.answer({1, false, "EVAL", ":1\r\n"});
    CHECK(stage.world.ask(back, resp({"SMOVE", d, s, "m"})).empty());
    stage.answer({1, false, "SISMEMBER", ":1\r\n"});
    stage.answer({1, true, looks_again, watched + ":1\r\n"});
    // What the first watches is touched by who moves the member back.
    const Channel& adding = stage.asked({0, false, "", ""});
    CHECK(adding.arrived.find(mark) != std::string::npos);
    CHECK(adding.arrived.find("redis.pcall('SET',KEYS[2]") != std::string::npos);
    stage.answer({0, false, "EVAL", ":0\r\n"});
    stage.answer({1, true, "MULTI SREM EXEC", removed});
    CHECK(World::heard(back) == ":1\r\n");
    // So it removes nothing, and begins anew.
    SUBCASE("the member is still there") {
        stage.answer({0, true, "MULTI SREM EXEC", changed});
        stage.answer({0, true, looks_again, watched + ":1\r\n"});
        stage.answer({1, false, "EVAL", ":1\r\n"});
        stage.answer({0, true, "MULTI SREM EXEC", removed});
        CHECK(World::heard(*stage.client) == ":1\r\n");
    }
    SUBCASE("the member is gone") {
        stage.answer({0, true, "MULTI SREM EXEC", changed});
        stage.answer({0, true, looks_again, watched + ":0\r\n"});
        CHECK(World::heard(*stage.client) == ":0\r\n");
    }
    SUBCASE("a server refuses to look again") {
        stage.answer({0, true, "MULTI SREM EXEC", changed});
        stage.answer({0, true, looks_again, watched + "-WRONGTYPE no\r\n"});
        CHECK(
            World::heard(*stage.client) ==
            "-ERR ringmain: server s0 (10.0.0.1:7000) refuses SISMEMBER, which SMOVE over several "
            "servers needs: -WRONGTYPE no; make it take that, or give the keys a common hash tag; "
            "'SMOVE' has added the member to the destination; the source may have it\r\n");
    }
    SUBCASE("it goes on for ever") {
        for (int attempt = 1; attempt < 16; ++attempt) {
            stage.answer({0, true, "MULTI SREM EXEC", changed});
            stage.answer({0, true, looks_again, watched + ":1\r\n"});
            stage.answer({1, false, "EVAL", ":0\r\n"});
        }
        stage.answer({0, true, "MULTI SREM EXEC", changed});
        CHECK(World::heard(*stage.client)
                  .starts_with("-ERR ringmain: other clients changed the source 16 times "));
    }
    stage.check_clean();
}

TEST_CASE("what a client sends before and behind it keeps its order") {
    Stage stage;
    stage.world.server(0).redis.values[stage.a[0]] = "v";
    const std::string before = resp({"SET", stage.a[0], "w"});
    for (uint32_t i = 0; i < 3; ++i) {
        stage.world.server(i).mood = Mood::Mute;
    }
    CHECK(stage.world
              .ask(*stage.client,
                   before + resp({"COPY", stage.a[0], stage.a[1]}) + resp({"GET", stage.a[1]}))
              .empty());
    stage.answer({0, false, "SET", "+OK\r\n"});
    CHECK(World::heard(*stage.client) == "+OK\r\n");
    stage.answer({0, false, "EVAL", dump("w")});
    stage.answer({1, false, "EVAL", "*1\r\n:1\r\n"});
    CHECK(World::heard(*stage.client) == ":1\r\n");
    stage.answer({1, false, "GET", bulk("w")});
    CHECK(World::heard(*stage.client) == bulk("w"));
}

TEST_CASE("values that are too large together are not carried") {
    config::Pool pool = emulating_pool(3);
    pool.gather_size_max = 100;
    Stage stage(pool);
    stage.begin({"SUNIONSTORE", stage.a[1], stage.a[0], stage.a[2]});
    stage.answer({0, false, "EVAL", dump(std::string(60, 'x'))});
    stage.answer({2, false, "EVAL", dump(std::string(60, 'y'))});
    CHECK(World::heard(*stage.client) ==
          "-ERR ringmain: what the servers answer together is larger than 100 bytes "
          "(gather_size_max); 'SUNIONSTORE' has changed nothing\r\n");
    stage.check_clean();
}

TEST_CASE("values that come in many pieces go on whole") {
    Stage stage;
    std::string value;
    for (int i = 0; i < 100'000; ++i) {
        value += static_cast<char>('a' + i % 23);
    }
    stage.begin({"RENAME", stage.a[0], stage.a[1]});
    stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump(value)});
    stage.expect({1, false, "EVAL", ""});
    CHECK(stage.words[5] == value);
    stage.world.reply(1, "*1\r\n+OK\r\n");
    stage.world.settle();
    stage.answer({0, true, "MULTI UNLINK EXEC", removed});
    CHECK(World::heard(*stage.client) == "+OK\r\n");
}

TEST_CASE("when keys may have moved between two steps it stops") {
    config::Pool pool = emulating_pool(3);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    Stage stage(pool);
    stage.begin({"COPY", stage.a[0], stage.a[1]});
    stage.expect({0, false, "EVAL", ""});
    Channel& other = stage.world.client();
    CHECK(stage.world.ask(other, resp({"GET", stage.a[2]})).empty());
    stage.world.cut_off(2);
    stage.world.settle();
    stage.world.reply(0, dump("x"));
    stage.world.settle();
    CHECK(World::heard(*stage.client) ==
          "-ERR ringmain: servers came or went meanwhile; try again; 'COPY' has changed "
          "nothing\r\n");
    stage.check_clean();
}

TEST_CASE("the lease of a rename waits as long as the step on the other server") {
    config::Pool pool = emulating_pool(3);
    pool.lease_timeout_ms = 100;
    Stage stage(pool);
    stage.begin({"RENAME", stage.a[0], stage.a[1]});
    stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
    stage.world.pass(300);
    stage.answer({1, false, "EVAL", "*1\r\n+OK\r\n"});
    stage.answer({0, true, "MULTI UNLINK EXEC", removed});
    CHECK(World::heard(*stage.client) == "+OK\r\n");
    stage.check_clean();
}

TEST_CASE("a lease that is lost between two steps is told") {
    Stage stage;
    stage.begin({"RENAME", stage.a[0], stage.a[1]});
    stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});
    stage.expect({1, false, "EVAL", ""});
    stage.world.leases(0)[0]->inbound_end = true;
    stage.world.settle();
    stage.world.reply(1, "*1\r\n+OK\r\n");
    stage.world.settle();
    CHECK(World::heard(*stage.client) ==
          "-ERR ringmain: the connection that watched the source is lost; 'RENAME' has written the "
          "destination; the source is there\r\n");
    stage.check_clean();
}

TEST_CASE("what stays refused says nothing of steps") {
    Stage stage;
    const std::string& s = stage.a[0];
    const std::string& d = stage.a[1];
    for (const Words& request : std::vector<Words>{{"RPOPLPUSH", s, d},
                                                   {"LMOVE", s, d, "LEFT", "LEFT"},
                                                   {"MSETNX", s, "1", d, "2"},
                                                   {"SORT", s, "BY", "w_*", "STORE", d},
                                                   {"SORT", s, "GET", "w_*", "STORE", d}}) {
        const std::string text = stage.world.ask(*stage.client, resp(request));
        CHECK(text.starts_with("-CROSSSLOT ringmain: the keys of '" + request[0] + "' live"));
        CHECK(text.find("emulate") == std::string::npos);
    }
    CHECK(stage.world.ask(*stage.client, resp({"MULTI"})) == "+OK\r\n");
    CHECK(stage.world.ask(*stage.client, resp({"RENAME", s, d}))
              .starts_with("-CROSSSLOT ringmain: the keys of 'RENAME' live"));
    CHECK(stage.world.ask(*stage.client, resp({"EXEC"})).starts_with("-EXECABORT"));
}

TEST_CASE("a request that is too large for steps says so") {
    Stage stage;
    Words request = {"SUNIONSTORE", stage.a[1]};
    request.resize(4097, stage.a[0]);
    CHECK(stage.world.ask(*stage.client, resp(request))
              .starts_with("-ERR ringmain: 'SUNIONSTORE' with 4097 arguments and "));
    stage.check_clean();
}

TEST_CASE("PFMERGE without sources makes its destination where that lives") {
    Stage stage;
    stage.begin({"PFMERGE", stage.a[2]});
    stage.answer({2, false, "PFMERGE", "+OK\r\n"});
    CHECK(World::heard(*stage.client) == "+OK\r\n");
    config::Pool pool = redis_pool(3);
    pool.users = {{.name = "app",
                   .password = "p",
                   .password_sha256 = {},
                   .keys = {"nothing"},
                   .commands = {}}};
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", "app", "p"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"PFMERGE", "k"})).starts_with("-NOPERM"));
}

TEST_CASE("a reader may not, and nobody may with another's keys") {
    config::Pool pool = emulating_pool(3);
    pool.users = {{.name = "reader",
                   .password = "p",
                   .password_sha256 = {},
                   .access = config::Access::ReadOnly,
                   .keys = {},
                   .commands = {}},
                  {.name = "app",
                   .password = "p",
                   .password_sha256 = {},
                   .keys = {"nothing"},
                   .commands = {}}};
    Stage stage(pool);
    for (const char* name : {"reader", "app"}) {
        CHECK(stage.world.ask(*stage.client, resp({"AUTH", name, "p"})) == "+OK\r\n");
        CHECK(stage.world.ask(*stage.client, resp({"RENAME", stage.a[0], stage.a[1]}))
                  .starts_with("-NOPERM"));
    }
}

// --- WAIT ----------------------------------------------------------------------------------------

TEST_CASE("WAIT asks every server behind what was written, and answers the smallest number") {
    Stage stage;
    stage.begin({"WAIT", "2", "1000"});
    CHECK(stage.pool().counters->clients_waiting.get() == 1);
    for (uint32_t i = 0; i < 3; ++i) {
        stage.expect({i, true, "PUBLISH WAIT", ""});
        CHECK(stage.words == Words{"WAIT", "2", "1000"});
    }
    const auto answer = [&](uint32_t server, const std::string& text) {
        stage.world.leases(server)[0]->inbound += ":0\r\n" + text;
        stage.world.settle();
    };
    SUBCASE("all answer") {
        answer(2, ":3\r\n");
        answer(0, ":1\r\n");
        CHECK(World::heard(*stage.client).empty());
        answer(1, ":2\r\n");
        CHECK(World::heard(*stage.client) == ":1\r\n");
        CHECK(stage.world.leases(1).size() == 1);
    }
    SUBCASE("one is no master") {
        answer(2, ":3\r\n");
        answer(1, "-ERR WAIT cannot be used with replica instances.\r\n");
        answer(0, ":3\r\n");
        CHECK(World::heard(*stage.client) ==
              "-ERR WAIT cannot be used with replica instances.\r\n");
    }
    SUBCASE("one is lost") {
        answer(1, ":3\r\n");
        stage.world.leases(2)[0]->inbound_end = true;
        stage.world.settle();
        CHECK(World::heard(*stage.client) ==
              "-ERR ringmain: server s2 (10.0.0.1:7002) closed the connection; 'WAIT' asks all "
              "servers of the pool\r\n");
        CHECK(stage.world.leases(0).empty());  // it would have waited still
    }
    SUBCASE("one refuses PUBLISH") {
        stage.world.leases(2)[0]->inbound += "-NOPERM no\r\n:3\r\n";
        stage.world.settle();
        CHECK(World::heard(*stage.client) ==
              "-ERR ringmain: server s2 (10.0.0.1:7002) refuses PUBLISH, which WAIT needs: -NOPERM "
              "no; 'WAIT' asks all servers of the pool\r\n");
    }
    SUBCASE("nobody answers in its time, the timeout and a second") {
        stage.world.pass(1000 + 400 + 990);
        CHECK(World::heard(*stage.client).empty());
        stage.world.pass(20);
        CHECK(World::heard(*stage.client)
                  .starts_with("-ERR ringmain: server s0 (10.0.0.1:7000) has not answered when the "
                               "command's time was up; 'WAIT' asks"));
    }
    SUBCASE("the client leaves") {
        stage.world.drop(*stage.client);
        stage.world.settle();
        CHECK(stage.world.leases(0).empty());
        stage.client = &stage.world.client();
    }
    SUBCASE("the client ends its side") {
        answer(2, ":3\r\n");
        stage.client->inbound_end = true;
        stage.world.settle();
        CHECK(stage.world.leases(0)[0]->shut);
        CHECK_FALSE(stage.client->closed);
        stage.world.leases(1)[0]->inbound_end = true;  // it would have to wait
        stage.world.settle();
        CHECK(stage.world.leases(0).empty());
        CHECK(World::heard(*stage.client).empty());
        CHECK(stage.client->closed);
        stage.client = &stage.world.client();
    }
    SUBCASE("the client ends its side, and all answer") {
        stage.client->inbound_end = true;
        stage.world.settle();
        for (uint32_t i = 0; i < 3; ++i) {
            answer(i, ":3\r\n");
        }
        CHECK(World::heard(*stage.client) == ":3\r\n");
        CHECK(stage.client->closed);
        stage.client = &stage.world.client();
    }
    stage.check_clean();
}

TEST_CASE("WAIT without an end waits as long as its client") {
    Stage stage;
    stage.begin({"WAIT", "1", "0"});
    stage.world.pass(100'000);
    CHECK(World::heard(*stage.client).empty());
    stage.world.drop(*stage.client);
    stage.world.settle();
    CHECK(stage.world.leases(0).empty());
    stage.client = &stage.world.client();
    stage.check_clean();
}

TEST_CASE("WAIT for longer than a clock can tell is asked of the servers as the longest time") {
    Stage stage;
    stage.begin({"WAIT", "1", "9223372036854775807"});
    for (uint32_t i = 0; i < 3; ++i) {
        stage.expect({i, true, "PUBLISH WAIT", ""});
        CHECK(stage.words == Words{"WAIT", "1", "3153600000000"});
        stage.world.leases(i)[0]->inbound += ":0\r\n:1\r\n";
    }
    stage.world.pass(3'600'000 / 100);
    CHECK(World::heard(*stage.client) == ":1\r\n");
}

TEST_CASE("WAIT reads its numbers as redis does, and needs a connection to every server") {
    config::Pool pool = emulating_pool(3);
    pool.leases_max = 2;
    Stage stage(pool);
    const auto ask = [&](const std::string& replicas, const std::string& timeout) {
        return stage.world.ask(*stage.client, resp({"WAIT", replicas, timeout}));
    };
    CHECK(ask("x", "y") == "-ERR value is not an integer or out of range\r\n");
    CHECK(ask("1", "y") == "-ERR timeout is not an integer or out of range\r\n");
    CHECK(ask("1", "-1") == "-ERR timeout is negative\r\n");
    CHECK(ask("1", "9223372036854775808") == "-ERR timeout is not an integer or out of range\r\n");
    CHECK(ask("1", "0").find("(leases_max); 'WAIT' asks all") != std::string::npos);
    stage.check_clean();
}

}  // namespace ringmain::test
