// Commands that are done in steps when memory runs out between two of them: at each, and for all
// that may still fit. The client is told what has happened, and nothing is left.

#include "tests/unit/core/hog.h"
#include "tests/unit/core/stage.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

struct Tale {
    Words request;  // "A" and "B": keys of two servers
    std::vector<Question> steps;
    // What is said when the answer of each is not there for want of memory; and when it is, and
    // nothing more can be asked, if that is something else.
    std::vector<std::string> states;
    std::string state_behind_writing;
    std::string answer;
};

const std::string unchanged = "has changed nothing";

const std::vector<Tale> tales = {
    {{"RENAME", "A", "B"},
     {{0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")},
      {1, false, "EVAL", "*1\r\n+OK\r\n"},
      {0, true, "MULTI UNLINK EXEC", removed}},
     {unchanged,
      "may have written the destination; the sources are as they were",
      "has written the destination, and may have removed the source"},
     "has written the destination; the source is there",
     ok},
    {{"SMOVE", "A", "B", "m"},
     {{0, false, "SISMEMBER", ":1\r\n"},
      {0, true, "MULTI DISCARD WATCH SISMEMBER", watched + ":1\r\n"},
      {1, false, "EVAL", ":1\r\n"},
      {0, true, "MULTI SREM EXEC", removed}},
     {unchanged,
      unchanged,
      "may have added the member to the destination; the source has it",
      "has written the destination, and may have removed the source"},
     "",
     ":1\r\n"},
    {{"SUNIONSTORE", "B", "A"},
     {{0, false, "EVAL", dump("x")}, {1, false, "EVAL", "*1\r\n:1\r\n"}},
     {unchanged, "may have written the destination; the sources are as they were"},
     "",
     ":1\r\n"}};

std::vector<Channel*> leases(Stage& stage) {
    std::vector<Channel*> all = stage.world.leases(0);
    const std::vector<Channel*> others = stage.world.leases(1);
    all.insert(all.end(), others.begin(), others.end());
    return all;
}

// Whether a step has asked its server: each asks by one of these.
bool is_asked(Stage& stage, const Question& question) {
    std::vector<Channel*> channels = stage.world.leases(question.server);
    if (!question.leased) channels = stage.world.links(question.server);
    for (Channel* channel : channels) {
        if (channel->arrived.find("EVAL") != std::string::npos ||
            channel->arrived.find("SISMEMBER") != std::string::npos ||
            channel->arrived.find("EXEC") != std::string::npos) {
            return true;
        }
    }
    return false;
}

// Memory is short while the answer of that step comes. True when that ended the command.
bool ends_short(const Tale& tale, size_t step, uint32_t left) {
    Stage stage;
    Words request = tale.request;
    for (std::string& word : request) {
        if (word == "A") word = stage.a[0];
        if (word == "B") word = stage.a[1];
    }
    stage.begin(request);
    for (size_t i = 0; i < step; ++i) {
        stage.answer(tale.steps[i]);
    }
    {
        const Hog hog(stage.world.loop().blocks(), left);
        stage.answer(tale.steps[step]);
    }
    stage.world.settle();
    size_t next = step + 1;
    while (next < tale.steps.size() && !stage.client->closed && is_asked(stage, tale.steps[next])) {
        stage.answer(tale.steps[next]);
        next += 1;
    }
    const std::string heard = World::heard(*stage.client);
    const bool ended = next < tale.steps.size() || heard != tale.answer;
    if (ended && !stage.client->closed) {
        CAPTURE(heard);
        CHECK(heard.starts_with("-ERR ringmain: "));
        CHECK(heard.find("buffer_memory") != std::string::npos);
        // What was to be asked next was not: of that nothing is done.
        const std::string begin = "; '" + request[0] + "' ";
        const bool is_behind =
            step == 1 && heard.ends_with(begin + tale.state_behind_writing + "\r\n");
        CHECK((is_behind || heard.ends_with(begin + tale.states[step] + "\r\n")));
    }
    if (stage.client->closed) stage.client = &stage.world.client();
    stage.check_clean();
    for (Channel* lease : leases(stage)) {
        CHECK(lease->arrived.empty());
    }
    return ended;
}

}  // namespace

TEST_CASE("a command in steps that memory runs out for says what it has done") {
    for (const Tale& tale : tales) {
        CAPTURE(tale.request[0]);
        for (size_t step = 0; step < tale.steps.size(); ++step) {
            CAPTURE(step);
            uint32_t short_of = 0;
            for (uint32_t left = 0; left < 60; left += left < 4 ? 1 : 3) {
                CAPTURE(left);
                if (ends_short(tale, step, left)) short_of += 1;
            }
            // But for the last answer, behind which nothing is asked.
            if (step + 1 < tale.steps.size()) CHECK(short_of > 0);
        }
    }
}

}  // namespace ringmain::test
