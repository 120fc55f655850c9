#include "ringmain/resp/multi_key.h"

#include "ringmain/resp/arguments.h"
#include "ringmain/resp/request_parser.h"
#include "tests/unit/resp/chains.h"
#include "tests/unit/resp/wire.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::resp {
namespace {

using test::request;

// The numbers of the keys of `owner`.
std::vector<uint32_t> keys_of(const std::vector<uint16_t>& owners, uint16_t owner) {
    std::vector<uint32_t> keys;
    for (uint32_t i = 0; i < owners.size(); ++i) {
        if (owners[i] == owner) keys.push_back(i);
    }
    return keys;
}

// The fragment of `owner`, from a frame whose slices have `piece_size`.
std::string fragment(const std::vector<std::string>& arguments,
                     const std::vector<uint16_t>& owners,
                     uint16_t owner,
                     uint32_t step,
                     size_t piece_size) {
    const std::string bytes = request(arguments);
    test::Arena arena(bytes.size() + 8);
    const RequestLimits limits;
    RequestParser parser(limits);
    REQUIRE(parser.feed(bytes).status == ParseStatus::Complete);
    Chain chain(arena.pool);
    test::append_in_pieces(chain, arena.pool, bytes, piece_size);
    const Bytes frame_bytes(chain);
    std::vector<ByteRange> ranges;
    find_arguments(parser.frame(), frame_bytes, ranges);
    Chain target(arena.pool);
    const Split split = {
        .name = arguments[0], .bytes = &frame_bytes, .arguments = ranges, .step = step};
    REQUIRE(write_fragment(split, keys_of(owners, owner), target, nullptr));
    return target.to_string();
}

TEST_CASE("a fragment holds its owner's keys in order, with headers of its own") {
    const std::vector<std::string> mget = {"MGET", "a", "bb", "", "d", "a"};
    const std::vector<uint16_t> owners = {0, 1, 1, 0, 2};
    for (size_t piece_size = 1; piece_size < 60; ++piece_size) {
        CAPTURE(piece_size);
        CHECK(fragment(mget, owners, 0, 1, piece_size) == request({"MGET", "a", "d"}));
        CHECK(fragment(mget, owners, 1, 1, piece_size) == request({"MGET", "bb", ""}));
        CHECK(fragment(mget, owners, 2, 1, piece_size) == request({"MGET", "a"}));
    }
}

TEST_CASE("a key takes its value along") {
    const std::string large(10000, 'v');
    const std::vector<std::string> mset = {"mset", "a", "1", "b", large, "c", "", "d", "\r\n"};
    const std::vector<uint16_t> owners = {1, 0, 0, 1};
    for (const size_t piece_size : {size_t{7}, size_t{100}, size_t{5000}, size_t{16384}}) {
        CAPTURE(piece_size);
        CHECK(fragment(mset, owners, 0, 2, piece_size) == request({"mset", "b", large, "c", ""}));
        CHECK(fragment(mset, owners, 1, 2, piece_size) == request({"mset", "a", "1", "d", "\r\n"}));
    }
}

TEST_CASE("a fragment that finds the arena exhausted says so") {
    test::Arena arena(1);
    const std::string bytes = request({"MGET", "a"});
    const RequestLimits limits;
    RequestParser parser(limits);
    REQUIRE(parser.feed(bytes).status == ParseStatus::Complete);
    Chain chain(arena.pool);
    REQUIRE(chain.append_copy(bytes, nullptr));
    const Bytes frame_bytes(chain);
    std::vector<ByteRange> ranges;
    find_arguments(parser.frame(), frame_bytes, ranges);
    const std::vector<uint32_t> keys = {0};
    Chain target(arena.pool);
    const Split split = {.name = "MGET", .bytes = &frame_bytes, .arguments = ranges, .step = 1};
    CHECK_FALSE(write_fragment(split, keys, target, nullptr));
}

class Responses {
  public:
    explicit Responses(const std::vector<std::string>& texts, size_t piece_size = block_size)
        : arena_(4096) {
        chains_.reserve(texts.size());
        for (const std::string& text : texts) {
            Chain& chain = chains_.emplace_back(arena_.pool);
            test::append_in_pieces(chain, arena_.pool, text, piece_size);
            pointers_.push_back(&chain);
        }
    }

    [[nodiscard]] std::span<const Chain* const> span() const { return pointers_; }

    // Empty when the shape is wrong.
    std::string joined(const std::vector<uint16_t>& owners, Version version = Version::Resp2) {
        Chain target(arena_.pool);
        const Join join = {.owners = owners, .responses = pointers_, .version = version};
        const JoinStatus status = join_arrays(join, sources_, target, nullptr);
        CHECK(status != JoinStatus::NoMemory);
        if (status == JoinStatus::WrongShape) CHECK(target.empty());
        return target.to_string();
    }

  private:
    test::Arena arena_;
    std::vector<Chain> chains_;
    std::vector<const Chain*> pointers_;
    std::vector<JoinSource> sources_;
};

TEST_CASE("arrays are joined in the order of the keys") {
    const std::string first = "*2\r\n$1\r\nA\r\n$-1\r\n";
    const std::string second = "*3\r\n$5\r\nB\r\nBB\r\n*2\r\n:1\r\n*1\r\n+x\r\n$0\r\n\r\n";
    for (size_t piece_size = 1; piece_size < 50; ++piece_size) {
        CAPTURE(piece_size);
        Responses responses({first, second}, piece_size);
        CHECK(responses.joined({1, 0, 1, 1, 0}) ==
              "*5\r\n$5\r\nB\r\nBB\r\n$1\r\nA\r\n*2\r\n:1\r\n*1\r\n+x\r\n$0\r\n\r\n$-1\r\n");
    }
}

TEST_CASE("elements that stand side by side are joined as others are") {
    std::string texts[2] = {"*30\r\n", "*30\r\n"};
    std::string expected = "*60\r\n";
    std::vector<uint16_t> owners;
    for (size_t i = 0; i < 60; ++i) {
        owners.push_back(i < 20 || i >= 50 ? 0 : 1);
        std::string element;
        write_bulk(element, std::string(i * 7, 'x'));
        if (i % 8 == 3) element = "$-1\r\n";
        if (i % 8 == 6) element = "*1\r\n:7\r\n";
        texts[owners.back()] += element;
        expected += element;
    }
    for (const size_t piece_size : {size_t{3}, size_t{100}, size_t{2500}, size_t{block_size}}) {
        CAPTURE(piece_size);
        CHECK(Responses({texts[0], texts[1]}, piece_size).joined(owners) == expected);
    }
}

TEST_CASE("nulls are written in the client's version") {
    CHECK(Responses({"*2\r\n$-1\r\n_\r\n"}).joined({0, 0}) == "*2\r\n$-1\r\n$-1\r\n");
    CHECK(Responses({"*2\r\n$-1\r\n_\r\n"}).joined({0, 0}, Version::Resp3) == "*2\r\n_\r\n_\r\n");
}

TEST_CASE("large elements are shared, not copied") {
    const std::string large(12000, 'x');
    std::string text;
    write_array_header(text, 1);
    write_bulk(text, large);
    CHECK(Responses({text, "*1\r\n$1\r\ny\r\n"}).joined({1, 0}) ==
          "*2\r\n$1\r\ny\r\n" + text.substr(4));
}

TEST_CASE("a fragment's response of the wrong shape is not joined") {
    const std::vector<uint16_t> owners = {0, 1, 0};
    const std::string good = "*1\r\n$1\r\na\r\n";
    REQUIRE_FALSE(Responses({"*2\r\n:1\r\n:2\r\n", good}).joined(owners).empty());
    for (const char* wrong : {"*1\r\n:1\r\n",
                              "*3\r\n:1\r\n:2\r\n:3\r\n",
                              "*0\r\n",
                              "*-1\r\n",
                              "-ERR x\r\n",
                              "$2\r\nab\r\n",
                              "_\r\n",
                              "~2\r\n:1\r\n:2\r\n"}) {
        CAPTURE(wrong);
        CHECK(Responses({wrong, good}).joined(owners).empty());
        CHECK(Responses({wrong, good}, 1).joined(owners).empty());
    }
}

TEST_CASE("a join that finds the arena exhausted says so") {
    test::Arena arena(2);
    Chain response(arena.pool);
    REQUIRE(response.append_copy("*1\r\n$1\r\na\r\n", nullptr));
    Chain other(arena.pool);
    REQUIRE(other.append_copy("x", nullptr));
    const std::vector<const Chain*> responses = {&response};
    const std::vector<uint16_t> owners = {0};
    std::vector<JoinSource> sources;
    Chain target(arena.pool);
    const Join join = {.owners = owners, .responses = responses, .version = Version::Resp2};
    CHECK(join_arrays(join, sources, target, nullptr) == JoinStatus::NoMemory);
}

TEST_CASE("integers are summed, and only integers") {
    CHECK(sum_integers(Responses({":2\r\n", ":0\r\n", ":5\r\n"}).span()) == 7);
    CHECK(sum_integers(Responses({":12\r\n", ":30\r\n"}, 1).span()) == 42);
    for (const char* wrong :
         {"+1\r\n", "$1\r\n1\r\n", "-ERR\r\n", ":1\r\n:1\r\n", ":1\r", "_\r\n"}) {
        CAPTURE(wrong);
        CHECK_FALSE(sum_integers(Responses({":2\r\n", wrong}).span()).has_value());
    }
    CHECK_FALSE(sum_integers(Responses({":9223372036854775807\r\n", ":1\r\n"}).span()).has_value());
}

TEST_CASE("all fragments must have succeeded") {
    CHECK(all_ok(Responses({"+OK\r\n", "+OK\r\n"}).span()));
    CHECK(all_ok(Responses({"+OK\r\n"}, 2).span()));
    for (const char* wrong : {"-ERR x\r\n", "+OKAY\r\n", "+NO\r\n", ":1\r\n", "+OK\r"}) {
        CAPTURE(wrong);
        CHECK_FALSE(all_ok(Responses({"+OK\r\n", wrong}).span()));
    }
}

}  // namespace
}  // namespace ringmain::resp
