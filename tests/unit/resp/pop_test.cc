#include "ringmain/resp/pop.h"

#include "ringmain/resp/commands.h"
#include "tests/unit/resp/golden.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::resp {

namespace {

std::string wire(const std::string& line) {
    const std::vector<std::string> words = test::words_of(line);
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) {
        text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
    return text;
}

// Redis's words for the mistake, empty when there is none.
std::string read(const std::string& line, Pop& pop) {
    const std::vector<std::string> words = test::words_of(line);
    const Command* command = find_command(words[0]);
    REQUIRE(command != nullptr);
    const std::vector<std::string_view> views(words.begin(), words.end());
    std::vector<uint32_t> keys;
    REQUIRE(find_keys(*command, views, keys) == KeySearch::Found);
    return std::string(read_pop(*command, words, keys, pop));
}

Pop pop_of(const std::string& line) {
    Pop pop;
    CHECK(read(line, pop).empty());
    return pop;
}

std::string mistake_of(const std::string& line) {
    Pop pop;
    return read(line, pop);
}

ResponseFrame frame(char type, int64_t number, bool is_null = false) {
    ResponseFrame made;
    made.type = type;
    made.number = number;
    made.is_null = is_null;
    return made;
}

}  // namespace

TEST_CASE("a pop of several keys becomes questions and waits") {
    struct Case {
        std::string line;
        std::string question;  // of the second key, where keys are counted of it and the third
        std::string wait;      // of the first and the third
        int64_t wait_ms = 0;
    };

    for (const Case& one : std::vector<Case>{
             {"blpop a b c 5", "LPOP b", "BLPOP a c 0.100", 5000},
             {"BRPOP a b c 0", "RPOP b", "BRPOP a c 0.100", 0},
             {"bzpopmin a b c 0.25", "ZPOPMIN b", "BZPOPMIN a c 0.100", 250},
             {"BZPOPMAX a b c 1e1", "ZPOPMAX b", "BZPOPMAX a c 0.100", 10'000},
             {"BLMPOP 5 3 a b c LEFT", "LMPOP 2 b c LEFT", "BLMPOP 0.100 2 a c LEFT", 5000},
             {"BLMPOP 0.0001 3 a b c right count 7",
              "LMPOP 2 b c right count 7",
              "BLMPOP 0.100 2 a c right count 7",
              1},
             {"BZMPOP 0 3 a b c MAX COUNT 2",
              "ZMPOP 2 b c MAX COUNT 2",
              "BZMPOP 0.100 2 a c MAX COUNT 2",
              0},
             {"LMPOP 3 a b c LEFT COUNT 2", "LMPOP 2 b c LEFT COUNT 2", "", 0},
             {"zmpop 3 a b c min", "ZMPOP 2 b c min", "", 0},
         }) {
        CAPTURE(one.line);
        const Pop pop = pop_of(one.line);
        CHECK(pop.keys == std::vector<std::string>{"a", "b", "c"});
        CHECK(pop.wait_ms == one.wait_ms);
        CHECK(pop.waits == !one.wait.empty());
        CHECK(question_text(pop, 1, pop.counts_keys ? 2 : 1) == wire(one.question));
        if (!pop.waits) continue;
        const std::vector<std::string_view> keys = {"a", "c"};
        CHECK(wait_text(pop, keys, Duration::millis(100)) == wire(one.wait));
    }
}

TEST_CASE("a wait is never one for ever") {
    const Pop pop = pop_of("BLPOP a b 1");
    const std::vector<std::string_view> keys = {"a"};
    CHECK(wait_text(pop, keys, {}) == wire("BLPOP a 0.001"));
    CHECK(wait_text(pop, keys, {1}) == wire("BLPOP a 0.001"));
    CHECK(wait_text(pop, keys, Duration::millis(12'034)) == wire("BLPOP a 12.034"));
}

TEST_CASE("mistakes are named in redis's words and order") {
    const std::string syntax = "-ERR syntax error\r\n";
    const std::string count = "-ERR count should be greater than 0\r\n";
    const std::string no_float = "-ERR timeout is not a float or out of range\r\n";
    const std::string negative = "-ERR timeout is negative\r\n";
    for (const auto& row : std::vector<std::pair<std::string, std::string>>{
             {"LMPOP 2 a b", syntax},
             {"LMPOP 2 a b MIN", syntax},
             {"ZMPOP 2 a b LEFT", syntax},
             {"LMPOP 2 a b LEFT COUNT", syntax},
             {"LMPOP 2 a b LEFT x 1", syntax},
             {"LMPOP 2 a b LEFT COUNT 1 COUNT 2", syntax},
             {"LMPOP 2 a b LEFT COUNT 1 x", syntax},
             {"LMPOP 2 a b LEFT COUNT 0", count},
             {"LMPOP 2 a b LEFT COUNT -1", count},
             {"LMPOP 2 a b LEFT COUNT 9223372036854775808", count},
             {"ZMPOP 2 a b MAX COUNT x x", count},
             {"BLMPOP x 2 a b", syntax},
             {"BLMPOP x 2 a b LEFT", no_float},
             {"BZMPOP -1 2 a b MIN", negative},
             {"BLPOP a b x", no_float},
             {"BLPOP a b nan", no_float},
             {"BLPOP a b 1e400", negative},
             {"BLPOP a b -1e400", negative},
             {"BLPOP a b 1e400x", no_float},
             {"BLPOP a b 1e5000", no_float},
             {"BLPOP a b 1e-5000", no_float},
             {"BLPOP a b 0x1p", no_float},
             {"BLPOP a b \t1", no_float},
             {"BLPOP a b " + std::string(5120, '0'), no_float},
             {"BLPOP a b 9223372036854775.808", negative},
             {"BLPOP a b -0x0.1", negative},
             {"BLPOP a b +", no_float},
             {"BLPOP a b +-1", no_float},
             {"BRPOP a b -0.1", negative},
             {"BRPOP a b 1e18", negative},
             {"BZPOPMIN a b -inf", negative},
             {"BZPOPMIN a b inf", negative},
         }) {
        const auto& line = row.first;
        const auto& wanted = row.second;
        CAPTURE(line);
        CHECK(mistake_of(line) == wanted);
    }
    // As redis rounds it: no time, which is for ever.
    CHECK(pop_of("BLPOP a b -0.0001").wait_ms == 0);
    CHECK(pop_of("BLPOP a b +2").wait_ms == 2000);
    CHECK(pop_of("BLPOP a b 0x0.1").wait_ms == 63);
    CHECK(pop_of("BLPOP a b " + std::string(5118, '0') + "1").wait_ms == 1000);
    // Beyond a hundred years it is that.
    constexpr int64_t longest = 100LL * 365 * 24 * 3600 * 1000;
    CHECK(pop_of("BLPOP a b 9223372036854775.807").wait_ms == longest);
    CHECK(pop_of("BLPOP a b 1e-400").wait_ms == 1);
}

TEST_CASE("responses fit what was asked, or not") {
    struct Case {
        std::string line;
        ResponseFrame found;   // by a question
        ResponseFrame waited;  // by a wait
        ResponseFrame nothing;
    };

    for (const Case& one : std::vector<Case>{
             {"BLPOP a b 0", frame('$', 3), frame('*', 2), frame('$', 0, true)},
             {"BZPOPMIN a b 0", frame('*', 2), frame('*', 3), frame('*', 0)},
             {"BLMPOP 0 2 a b LEFT", frame('*', 2), frame('*', 2), frame('*', 0, true)},
             {"BZMPOP 0 2 a b MIN", frame('*', 2), frame('*', 2), frame('*', 0, true)},
             {"LMPOP 2 a b LEFT", frame('*', 2), frame('*', 2), frame('*', 0, true)},
         }) {
        CAPTURE(one.line);
        const Pop pop = pop_of(one.line);
        CHECK(fits_question(pop, one.found));
        CHECK(fits_question(pop, one.nothing));
        CHECK(fits_wait(pop, one.waited));
        CHECK(fits_wait(pop, frame('*', 0, true)));
        CHECK(fits_wait(pop, frame('_', 0, true)));
        CHECK(is_nothing(one.nothing));
        CHECK(is_nothing(frame('_', 0)));
        CHECK_FALSE(is_nothing(one.found));
        CHECK_FALSE(is_nothing(one.waited));
        for (const ResponseFrame& wrong :
             {frame('*', 1), frame('*', 4), frame(':', 1), frame('+', 0)}) {
            CHECK_FALSE(fits_question(pop, wrong));
            CHECK_FALSE(fits_wait(pop, wrong));
        }
        if (one.found.type == '*' && one.found.number != one.waited.number) {
            CHECK_FALSE(fits_question(pop, one.waited));
            CHECK_FALSE(fits_wait(pop, one.found));
        }
    }
}

TEST_CASE("what a question has found is told with its key") {
    CHECK(head_of(pop_of("BLPOP a bb 0"), 1).text == "*2\r\n$2\r\nbb\r\n");
    CHECK(head_of(pop_of("BLPOP a bb 0"), 1).skip == 0);
    CHECK(head_of(pop_of("BZPOPMAX a bb 0"), 0).text == "*3\r\n$1\r\na\r\n");
    CHECK(head_of(pop_of("BZPOPMAX a bb 0"), 0).skip == 4);
    CHECK(head_of(pop_of("LMPOP 2 a bb LEFT"), 0).text.empty());
    CHECK(head_of(pop_of("BZMPOP 0 2 a bb MIN"), 0).skip == 0);
}

}  // namespace ringmain::resp
