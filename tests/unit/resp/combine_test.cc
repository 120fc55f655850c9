#include "ringmain/resp/combine.h"

#include "tests/unit/resp/wire.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::resp {

namespace {

using test::bulk;

using Words = std::vector<std::string>;

std::string bulks(const Words& words, char type = '*') {
    std::string out(Header(type, words.size()).view());
    for (const std::string& word : words) {
        out += bulk(word);
    }
    return out;
}

struct Asked {
    Gathering gathering;
    Words words;
    std::vector<std::string> parts;
    Version version = Version::Resp2;
    uint64_t elements_max = 100;
};

CombineStatus run(const Asked& asked, std::string& out) {
    const std::vector<std::string_view> parts(asked.parts.begin(), asked.parts.end());
    return combine({.gathering = asked.gathering,
                    .words = asked.words,
                    .parts = parts,
                    .version = asked.version,
                    .elements_max = asked.elements_max},
                   out);
}

std::string done(const Asked& asked) {
    std::string out;
    CHECK(run(asked, out) == CombineStatus::Done);
    return out;
}

CombineStatus status(const Asked& asked) {
    std::string out;
    const CombineStatus result = run(asked, out);
    CHECK(out.empty());
    return result;
}

const std::string wrong_type =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

}  // namespace

TEST_CASE("sets are united, intersected and subtracted in both versions") {
    const std::string abc = bulks({"a", "b", "c"});
    const std::string bd = bulks({"b", "d"});
    CHECK(done({Gathering::Union, {"SUNION"}, {abc, bd}}) == bulks({"a", "b", "c", "d"}));
    CHECK(done({Gathering::Inter, {"SINTER"}, {abc, bd}}) == bulks({"b"}));
    CHECK(done({Gathering::Diff, {"SDIFF"}, {abc, bd, bulks({"c"})}}) == bulks({"a"}));
    CHECK(done({Gathering::Inter, {"SINTER"}, {abc, bulks({})}}) == bulks({}));
    CHECK(done({Gathering::Union,
                {"SUNION"},
                {bulks({"a"}, '~'), bulks({"b"}, '~')},
                Version::Resp3}) == bulks({"a", "b"}, '~'));
}

TEST_CASE("SINTERCARD reads its options before it looks at a key") {
    const auto card = [](Words options, std::vector<std::string> parts) {
        Words words = {"SINTERCARD", "2", "x", "y"};
        words.insert(words.end(), options.begin(), options.end());
        return done({Gathering::InterCard, words, std::move(parts)});
    };
    const std::vector<std::string> parts = {bulks({"a", "b", "c"}), bulks({"c", "b"})};
    CHECK(card({}, parts) == ":2\r\n");
    CHECK(card({"LIMIT", "1"}, parts) == ":1\r\n");
    CHECK(card({"limit", "0"}, parts) == ":2\r\n");
    // To the server a word ends at a NUL.
    CHECK(card({std::string("LIMIT\0x", 7), "1"}, parts) == ":1\r\n");
    CHECK(card({"LIMIT", "9"}, parts) == ":2\r\n");
    CHECK(card({}, {parts[0], wrong_type}) == wrong_type);
    CHECK(card({"LIMIT", "-1"}, {parts[0], wrong_type}) == "-ERR LIMIT can't be negative\r\n");
    CHECK(card({"LIMIT"}, {parts[0], wrong_type}) == "-ERR syntax error\r\n");
    CHECK(card({"LIMIT", "1", "x"}, {parts[0], wrong_type}) == "-ERR syntax error\r\n");
}

TEST_CASE("sorted sets look at keys before they read their options") {
    const std::string one = bulks({"a", "1", "b", "2.5"});
    const auto zunion = [&](Words options, std::string second) {
        Words words = {"ZUNION", "2", "x", "y"};
        words.insert(words.end(), options.begin(), options.end());
        return done({Gathering::Zunion, words, {one, std::move(second)}});
    };
    CHECK(zunion({}, bulks({"c", "0"})) == bulks({"c", "a", "b"}));
    CHECK(zunion({"WITHSCORES"}, bulks({"a", "0.1"})) ==
          bulks({"a", "1.1000000000000001", "b", "2.5"}));
    CHECK(zunion({"WEIGHTS", "2", "-1", "WITHSCORES"}, bulks({"a", "3"})) ==
          bulks({"a", "-1", "b", "5"}));
    CHECK(zunion({"AGGREGATE", "max", "WITHSCORES"}, bulks({"a", "inf"})) ==
          bulks({"b", "2.5", "a", "inf"}));
    CHECK(zunion({"NONSENSE"}, wrong_type) == wrong_type);
    CHECK(zunion({"NONSENSE"}, bulks({})) == "-ERR syntax error\r\n");
    CHECK(zunion({"WEIGHTS", "1"}, bulks({})) == "-ERR syntax error\r\n");
    CHECK(zunion({"WEIGHTS", "1", "x"}, bulks({})) == "-ERR weight value is not a float\r\n");
    CHECK(zunion({"WEIGHTS", "1", "nan"}, bulks({})) == "-ERR weight value is not a float\r\n");
    CHECK(zunion({"WEIGHTS", "1", " 1"}, bulks({})) == "-ERR weight value is not a float\r\n");
    CHECK(zunion({"AGGREGATE", "avg"}, bulks({})) == "-ERR syntax error\r\n");
}

TEST_CASE("doubles are added up the smallest source first, and infinities make zero") {
    // (0.3 + 0.2) + 0.1 and (0.1 + 0.2) + 0.3 differ in the last digit.
    const std::string large = bulks({"m", "0.3", "x", "1", "y", "2"});
    const std::string middle = bulks({"m", "0.2", "x", "1"});
    const std::string small = bulks({"m", "0.1"});
    const std::string sums = bulks({"m", "0.60000000000000009"});
    const Words words = {"ZINTER", "3", "a", "b", "c", "WITHSCORES"};
    CHECK(done({Gathering::Zinter, words, {large, middle, small}}) == sums);
    CHECK(done({Gathering::Zinter, words, {small, large, middle}}) == sums);
    // Of equal size: in the order of the keys.
    const Words two = {"ZUNION", "3", "a", "b", "c", "WITHSCORES"};
    const std::string plus = bulks({"m", "inf"});
    const std::string minus = bulks({"m", "-inf"});
    CHECK(done({Gathering::Zunion, two, {plus, minus, plus}}) == bulks({"m", "inf"}));
    CHECK(done({Gathering::Zunion, two, {plus, plus, minus}}) == bulks({"m", "0"}));
}

TEST_CASE("the scores of RESP3 are doubles in pairs") {
    const std::string part = "*1\r\n*2\r\n" + bulk("a") + ",0.5\r\n";
    CHECK(done({Gathering::Zunion,
                {"ZUNION", "2", "x", "y", "WITHSCORES"},
                {part, "*1\r\n*2\r\n" + bulk("b") + ",-inf\r\n"},
                Version::Resp3}) ==
          "*2\r\n*2\r\n" + bulk("b") + ",-inf\r\n*2\r\n" + bulk("a") + ",0.5\r\n");
    CHECK(done({Gathering::Zdiff, {"ZDIFF", "2", "x", "y"}, {part, "*0\r\n"}, Version::Resp3}) ==
          bulks({"a"}));
    CHECK(done({Gathering::ZinterCard,
                {"ZINTERCARD", "2", "x", "y", "LIMIT", "5"},
                {part, part},
                Version::Resp3}) == ":1\r\n");
}

TEST_CASE("LCS gives the string, its length or its places") {
    const auto lcs = [](Words options) {
        Words words = {"LCS", "a", "b"};
        words.insert(words.end(), options.begin(), options.end());
        return done({Gathering::Lcs, words, {bulk("ohmytext"), bulk("mynewtext")}});
    };
    CHECK(lcs({}) == bulk("mytext"));
    CHECK(lcs({"LEN"}) == ":6\r\n");
    const std::string ranges =
        "*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n";
    CHECK(lcs({"IDX"}) == "*4\r\n" + bulk("matches") + "*2\r\n" + ranges + bulk("len") + ":6\r\n");
    CHECK(lcs({"IDX", "MINMATCHLEN", "4", "WITHMATCHLEN"}) ==
          "*4\r\n" + bulk("matches") + "*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n" +
              bulk("len") + ":6\r\n");
    CHECK(lcs({"IDX", "LEN"}) ==
          "-ERR If you want both the length and indexes, please just use IDX.\r\n");
    CHECK(lcs({"MINMATCHLEN", "x"}) == "-ERR value is not an integer or out of range\r\n");
    CHECK(lcs({"MINMATCHLEN"}) == "-ERR syntax error\r\n");
    CHECK(done({Gathering::Lcs, {"LCS", "a", "b"}, {"$-1\r\n", bulk("x")}}) == bulk(""));
    CHECK(done({Gathering::Lcs, {"LCS", "a", "b", "?"}, {"$-1\r\n", wrong_type}}) ==
          "-ERR The specified keys must contain string values\r\n");
}

TEST_CASE("PFCOUNT takes the largest registers of sparse and dense values") {
    const std::string head = std::string("HYLL") + '\0' + std::string(11, '\0');
    std::string sparse_head = head;
    sparse_head[4] = 1;
    const std::string empty = bulk(sparse_head + "\x7f\xff");
    // Three registers of value 1 (10000010), and the rest zeroes.
    const std::string three = bulk(sparse_head + "\x82\x7f\xfc");
    std::string dense(12288, '\0');
    dense[0] = 0x02;  // register 0 is 2
    const auto count = [](std::vector<std::string> parts) {
        return done({Gathering::PfCount, {"PFCOUNT", "a", "b"}, std::move(parts)});
    };
    CHECK(count({empty, "$-1\r\n"}) == ":0\r\n");
    CHECK(count({three, empty}) == ":3\r\n");
    CHECK(count({empty, bulk(head + dense)}) == ":1\r\n");
    CHECK(count({three, bulk(head + dense)}) == ":3\r\n");
    const std::string invalid = "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n";
    CHECK(count({bulk("x"), wrong_type}) == invalid);
    CHECK(count({wrong_type, bulk("x")}) == wrong_type);
    CHECK(count({empty, bulk(head + dense.substr(1))}) == invalid);
    std::string odd = head;
    odd[4] = 2;
    CHECK(count({empty, bulk(odd + dense)}) == invalid);
    const std::string corrupted = "-INVALIDOBJ Corrupted HLL object detected\r\n";
    CHECK(count({empty, bulk(sparse_head + "\x82")}) == corrupted);
    CHECK(count({empty, bulk(sparse_head + "\x7f")}) == corrupted);
    CHECK(count({empty, bulk(sparse_head + "\x7f\xff\x83")}) == corrupted);
}

TEST_CASE("what is too much is said, and what has another shape is noticed") {
    const std::string three = bulks({"a", "b", "c"});
    CHECK(status({Gathering::Union, {"SUNION"}, {three, three}, Version::Resp2, 5}) ==
          CombineStatus::TooMany);
    CHECK(status({Gathering::Zunion,
                  {"ZUNION", "2", "a", "b"},
                  {bulks({"a", "1"}), bulks({"b", "1"})},
                  Version::Resp2,
                  3}) == CombineStatus::TooMany);
    const std::string large = bulk(std::string(3000, 'x'));
    CHECK(status({Gathering::Lcs, {"LCS", "a", "b"}, {large, large}}) == CombineStatus::TooLong);
    for (const std::string& wrong : {std::string("*1\r\n:1\r\n"), std::string("*1\r\n$-1\r\n")}) {
        CHECK(status({Gathering::Union, {"SUNION"}, {three, wrong}}) == CombineStatus::WrongShape);
    }
    for (const std::string& wrong : {bulks({"a"}), bulks({"a", "x"}), bulks({"a", ""})}) {
        CHECK(status({Gathering::Zunion, {"ZUNION", "2", "a", "b"}, {bulks({}), wrong}}) ==
              CombineStatus::WrongShape);
    }
}

}  // namespace ringmain::resp
