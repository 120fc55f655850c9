#include "ringmain/resp/arguments.h"

#include "ringmain/resp/writer.h"
#include "tests/unit/resp/chains.h"
#include "tests/unit/resp/wire.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::resp {
namespace {

using test::request;

RequestFrame frame_of(const std::string& bytes) {
    const RequestLimits limits;
    RequestParser parser(limits);
    REQUIRE(parser.feed(bytes).status == ParseStatus::Complete);
    return parser.frame();
}

std::vector<std::string> texts(const std::string& bytes, const std::vector<ByteRange>& ranges) {
    std::vector<std::string> out;
    for (const ByteRange& range : ranges)
        out.push_back(bytes.substr(range.offset, range.size));
    return out;
}

const std::vector<std::string> many = {"EVAL",
                                       "return 1",
                                       "",
                                       "k\r\n",
                                       std::string(120, 'x'),
                                       "b",
                                       "c",
                                       "d",
                                       "e",
                                       std::string(5000, 'y'),
                                       "",
                                       "$1\r\n",
                                       "f"};

TEST_CASE("few arguments are taken from the frame") {
    const std::string bytes = request({"GET", "k"});
    test::Arena arena(2);
    Chain chain(arena.pool);
    REQUIRE(chain.append_copy(bytes, nullptr));
    std::vector<ByteRange> ranges(3);
    find_arguments(frame_of(bytes), Bytes(chain), ranges);
    CHECK(texts(bytes, ranges) == std::vector<std::string>{"GET", "k"});
}

TEST_CASE("many arguments are found in one piece") {
    const std::string bytes = request(many);
    test::Arena arena(2);
    Chain chain(arena.pool);
    REQUIRE(chain.append_copy(bytes, nullptr));
    REQUIRE(chain.is_contiguous());
    std::vector<ByteRange> ranges;
    find_arguments(frame_of(bytes), Bytes(chain), ranges);
    CHECK(texts(bytes, ranges) == many);
}

TEST_CASE("many arguments are found wherever the blocks end") {
    const std::string bytes = request(many);
    const RequestFrame frame = frame_of(bytes);
    test::Arena arena(bytes.size() + 1);
    for (size_t piece_size = 1; piece_size < 200; ++piece_size) {
        CAPTURE(piece_size);
        Chain chain(arena.pool);
        test::append_in_pieces(chain, arena.pool, bytes, piece_size);
        std::vector<ByteRange> ranges;
        find_arguments(frame, Bytes(chain), ranges);
        REQUIRE(texts(bytes, ranges) == many);
    }
}

}  // namespace
}  // namespace ringmain::resp
