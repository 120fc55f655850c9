#include "ringmain/memcached/forward.h"
#include "tests/unit/memcached/arena.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

using test::Arena;

struct Join {
    std::vector<std::string_view> keys;
    std::vector<uint16_t> owners;
    std::vector<std::string> responses;
};

constexpr const char* failed = "failed";

std::string joined(const Join& join, size_t piece_size) {
    Arena arena(2048);
    std::vector<Chain> chains;
    for (const std::string& response : join.responses) {
        chains.push_back(arena.spread(response, piece_size));
    }
    std::vector<const Chain*> pointers;
    for (const Chain& chain : chains)
        pointers.push_back(&chain);
    OpenBlock open(arena.pool);
    Chain target(arena.pool);
    if (!join_values(join.keys, join.owners, pointers, target, &open)) return failed;
    return target.to_string();
}

// The same, however the responses lie in their blocks.
std::string joined(const Join& join) {
    const std::string text = joined(join, block_size);
    for (const size_t piece_size : {1U, 2U, 5U, 13U}) {
        CAPTURE(piece_size);
        CHECK(joined(join, piece_size) == text);
    }
    return text;
}

std::string value(const std::string& key, const std::string& data, const std::string& cas = "") {
    return "VALUE " + key + " 0 " + std::to_string(data.size()) + (cas.empty() ? "" : " " + cas) +
           "\r\n" + data + "\r\n";
}

const std::string end = "END\r\n";

// However long the numbers are, and in the other spellings that memcached would read.
TEST_CASE("values with unusual lines are joined as they come") {
    for (const std::string line : {"4294967295 1",
                                   "999999999 1",
                                   "0 1 9999999999999999999",
                                   "0 1 18446744073709551615",
                                   "0 0000000001",
                                   "000000000000 1"}) {
        CAPTURE(line);
        const std::string one = "VALUE a " + line + "\r\n1\r\n";
        CHECK(joined({.keys = {"a", "aa", "b"},
                      .owners = {0, 0, 1},
                      .responses = {one + end, value("b", "2") + end}}) ==
              one + value("b", "2") + end);
    }
}

TEST_CASE("values come in the order of the keys") {
    CHECK(joined({.keys = {"a", "b", "c"},
                  .owners = {0, 1, 0},
                  .responses = {value("a", "1") + value("c", "3") + end, value("b", "2") + end}}) ==
          value("a", "1") + value("b", "2") + value("c", "3") + end);
}

TEST_CASE("misses are absent") {
    CHECK(joined({.keys = {"a", "b", "c", "d"},
                  .owners = {0, 1, 0, 1},
                  .responses = {value("c", "3") + end, end}}) == value("c", "3") + end);
    CHECK(joined({.keys = {"a", "b"}, .owners = {0, 1}, .responses = {end, end}}) == end);
}

TEST_CASE("a key that is asked for twice is answered twice") {
    CHECK(joined({.keys = {"a", "b", "a"},
                  .owners = {0, 1, 0},
                  .responses = {value("a", "1") + value("a", "1") + end, value("b", "2") + end}}) ==
          value("a", "1") + value("b", "2") + value("a", "1") + end);
    // It expired between the two.
    CHECK(joined({.keys = {"a", "a"}, .owners = {0, 0}, .responses = {value("a", "1") + end}}) ==
          value("a", "1") + end);
}

TEST_CASE("a cas is kept") {
    CHECK(joined({.keys = {"a", "b"},
                  .owners = {1, 0},
                  .responses = {value("b", "2", "18446744073709551615") + end,
                                value("a", "", "7") + end}}) ==
          value("a", "", "7") + value("b", "2", "18446744073709551615") + end);
}

TEST_CASE("data that looks like the protocol is data") {
    const std::string a = value("a", "END\r\n");
    const std::string b = value("b", value("c", "x") + end);
    CHECK(joined({.keys = {"a", "b", "c"}, .owners = {0, 0, 0}, .responses = {a + b + end}}) ==
          a + b + end);
}

TEST_CASE("a key that is the beginning of another is not taken for it") {
    CHECK(joined({.keys = {"a", "ab"}, .owners = {0, 0}, .responses = {value("ab", "1") + end}}) ==
          value("ab", "1") + end);
    CHECK(joined({.keys = {"ab", "a"}, .owners = {0, 0}, .responses = {value("a", "1") + end}}) ==
          value("a", "1") + end);
}

TEST_CASE("values that stand side by side are joined as others are, in one block or over several") {
    std::vector<std::string> names;
    for (int i = 0; i < 60; ++i)
        names.push_back(std::to_string(i) + "-of-sixty");
    for (const size_t size : {0U, 1U, 20U, 300U}) {
        CAPTURE(size);
        Join join = {.keys = {}, .owners = {}, .responses = {"", "", ""}};
        std::string expected;
        for (size_t i = 0; i < names.size(); ++i) {
            join.keys.emplace_back(names[i]);
            join.owners.push_back(i < 20 || i > 50 ? 0 : static_cast<uint16_t>(1 + i % 7 % 2));
            if (i % 11 == 5) continue;  // a miss
            const std::string one = value(names[i], std::string(size, 'v'));
            expected += one;
            join.responses[join.owners.back()] += one;
        }
        for (std::string& response : join.responses)
            response += end;
        for (const size_t piece_size : {size_t{block_size}, size_t{97}, size_t{1000}})
            CHECK(joined(join, piece_size) == expected + end);
    }
}

TEST_CASE("of values that stand side by side a large piece is shared") {
    Arena arena(4);
    std::string response;
    std::vector<std::string_view> keys;
    for (int i = 0; i < 30; ++i) {
        keys.emplace_back("k");
        response += value("k", std::string(100, 'x'));
    }
    const Chain source = arena.spread(response + end, block_size);
    const Chain* response_of = &source;
    const std::vector<uint16_t> owners(keys.size(), 0);
    OpenBlock open(arena.pool);
    Chain target(arena.pool);
    REQUIRE(join_values(keys, owners, {&response_of, 1}, target, &open));
    CHECK(target.to_string() == response + end);
    CHECK(target.front().block == source.front().block);
    CHECK(target.front().size == response.size());
}

TEST_CASE("large values are shared") {
    const std::string a = value("a", std::string(50000, 'x'));
    const std::string b = value("b", std::string(3000, 'y'));
    const Join join = {.keys = {"a", "b"}, .owners = {0, 1}, .responses = {a + end, b + end}};
    CHECK(joined(join, block_size) == a + b + end);
    CHECK(joined(join, 1000) == a + b + end);
}

TEST_CASE("a value that was not asked for fails the join") {
    CHECK(joined({.keys = {"a"}, .owners = {0}, .responses = {value("b", "1") + end}}) == failed);
    CHECK(joined({.keys = {"a"},
                  .owners = {0},
                  .responses = {value("a", "1") + value("a", "1") + end}}) == failed);
    // Asked of the other server.
    CHECK(
        joined({.keys = {"a", "b"}, .owners = {0, 1}, .responses = {value("b", "1") + end, end}}) ==
        failed);
    // In the wrong order.
    CHECK(joined({.keys = {"a", "b"},
                  .owners = {0, 0},
                  .responses = {value("b", "1") + value("a", "1") + end}}) == failed);
}

TEST_CASE("what is not a list of values fails the join") {
    for (const char* response :
         {"",
          "END",
          "END\r\nEND\r\n",
          "STORED\r\n",
          "VALUE a 0 1\r\nx\r\n",
          "VALUE a 0 1",
          "VALUE a",
          "VALUE a \r\n",
          "VALUE a 0 9\r\nx\r\nEND\r\n",
          "VALUE a 0 x\r\nx\r\nEND\r\n",
          "VALUE a 0 4294967297\r\nx\r\nEND\r\n",
          "VALUE a 0 1\nx\r\nEND\r\n",
          "VALUE a 00000000000000000000000000000000000000000000000000000000000000000 1\r\n"}) {
        CAPTURE(response);
        CHECK(joined({.keys = {"a"}, .owners = {0}, .responses = {response}}) == failed);
    }
}

TEST_CASE("there may be more fragments than fit the stack") {
    Join join;
    std::string expected;
    std::vector<std::string> keys;
    for (int i = 0; i < 100; ++i)
        keys.push_back("key" + std::to_string(i));
    for (size_t i = 0; i < keys.size(); ++i) {
        join.keys.emplace_back(keys[i]);
        join.owners.push_back(static_cast<uint16_t>(i));
        join.responses.push_back(value(keys[i], "x") + end);
        expected += value(keys[i], "x");
    }
    CHECK(joined(join, block_size) == expected + end);
}

TEST_CASE("an exhausted arena fails the join") {
    Arena arena(1);
    const Chain source = arena.spread(value("a", "1") + end, block_size);
    const std::string_view key = "a";
    const uint16_t owner = 0;
    const Chain* response = &source;
    OpenBlock open(arena.pool);
    Chain target(arena.pool);
    CHECK(!join_values({&key, 1}, {&owner, 1}, {&response, 1}, target, &open));
}

}  // namespace
}  // namespace ringmain::memcached
