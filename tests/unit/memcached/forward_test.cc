#include "ringmain/memcached/forward.h"

#include "tests/unit/memcached/arena.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

using test::Arena;

const RequestLimits default_limits;

RequestFrame request_of(std::string_view bytes) {
    RequestParser parser(default_limits);
    const Fed fed = parser.feed(bytes);
    REQUIRE(fed.status == ParseStatus::Complete);
    REQUIRE(fed.consumed == bytes.size());
    return parser.frame();
}

std::string written(std::string_view bytes, size_t piece_size) {
    Arena arena(128);
    const RequestFrame frame = request_of(bytes);
    REQUIRE(frame.verb != Verb::Invalid);
    const Chain source = arena.spread(bytes, piece_size);
    Chain target(arena.pool);
    REQUIRE(write_request(frame, Bytes(source), target));
    return target.to_string();
}

// What a server sees, from bytes in one block and from bytes in many.
std::string written(std::string_view bytes) {
    const std::string text = written(bytes, block_size);
    CHECK(written(bytes, 1) == text);
    CHECK(written(bytes, 7) == text);
    // It means the same when it is read again, and is written as it is.
    const RequestFrame first = request_of(bytes);
    const RequestFrame again = request_of(text);
    CHECK(again.verb == first.verb);
    CHECK(again.key_count == first.key_count);
    CHECK(again.data.size == first.data.size);
    CHECK(again.base64_key == first.base64_key);
    CHECK(!again.noreply);
    CHECK(!again.quiet);
    CHECK(written(text, block_size) == text);
    return text;
}

TEST_CASE("a get takes further keys") {
    Arena arena(4);
    Chain target(arena.pool);
    const std::string get = "gets  a\n";
    const Chain source = arena.spread(get, block_size);
    REQUIRE(write_request(request_of(get), Bytes(source), target));
    CHECK(extend_get("b", target));
    CHECK(extend_get("b", target));
    const std::string longest(key_size_max, 'k');
    CHECK(extend_get(longest, target));
    CHECK(target.to_string() == "gets a b b " + longest + "\r\n");
    CHECK(target.is_contiguous());
}

TEST_CASE("a get whose line end lies in two blocks is left alone") {
    for (const uint32_t in_front : {0U, 1U, 2U, 3U}) {
        CAPTURE(in_front);
        Arena arena(4);
        Chain target(arena.pool);
        const std::string filler(block_size - 7 - 1 + in_front, 'x');
        REQUIRE(target.append_copy(filler, nullptr));
        REQUIRE(target.append_copy("get a\r\n", nullptr));
        // Of the line end 2 bytes, 1 byte or none lie in the first block.
        const bool extended = extend_get("b", target);
        CHECK(extended == (in_front <= 1));
        CHECK(target.to_string() == filler + (extended ? "get a b\r\n" : "get a\r\n"));
    }
}

TEST_CASE("a request is written with single blanks and a CR LF") {
    CHECK(written("get a\r\n") == "get a\r\n");
    CHECK(written("  get  a   b \n") == "get a b\r\n");
    CHECK(written("get a\n") == "get a\r\n");
    CHECK(written(" gat  5 a  b\r\n") == "gat 5 a b\r\n");
    CHECK(written("set  k 0 0 3\r\nabc\r\n") == "set k 0 0 3\r\nabc\r\n");
    CHECK(written("set k 0 0 3\nabc\r\n") == "set k 0 0 3\r\nabc\r\n");
    CHECK(written("cas k 1 -1 0 42\r\n\r\n") == "cas k 1 -1 0 42\r\n\r\n");
    CHECK(written("incr k 1\n") == "incr k 1\r\n");
    CHECK(written("stats  items\r\n") == "stats items\r\n");
    CHECK(written("mg  k  v  s\r\n") == "mg k v s\r\n");
    CHECK(written("me  k b2\r\n") == "me k b2\r\n");
}

TEST_CASE("noreply and q are left out, and words that nobody reads") {
    CHECK(written("set k 0 0 3 noreply\r\nabc\r\n") == "set k 0 0 3\r\nabc\r\n");
    CHECK(written("set k 0 0 3 foo\r\nabc\r\n") == "set k 0 0 3\r\nabc\r\n");
    CHECK(written("cas k 0 0 3 7 noreply\r\nabc\r\n") == "cas k 0 0 3 7\r\nabc\r\n");
    CHECK(written("incr k 1 noreply\r\n") == "incr k 1\r\n");
    CHECK(written("touch k 1 foo\r\n") == "touch k 1\r\n");
    CHECK(written("delete k 0\r\n") == "delete k\r\n");
    CHECK(written("delete k 0 noreply\r\n") == "delete k\r\n");
    CHECK(written("delete k noreply\r\n") == "delete k\r\n");
    CHECK(written("flush_all noreply\r\n") == "flush_all\r\n");
    CHECK(written("flush_all 10 noreply\r\n") == "flush_all 10\r\n");
    CHECK(written("verbosity 1 noreply\r\n") == "verbosity 1\r\n");
    CHECK(written("version foo bar\r\n") == "version\r\n");
    CHECK(written("mn q\r\n") == "mn\r\n");
    CHECK(written("mg k q v\r\n") == "mg k v\r\n");
    CHECK(written("mg q q\r\n") == "mg q\r\n");
    CHECK(written("ms q 2 q k\r\nhi\r\n") == "ms q 2 k\r\nhi\r\n");
    CHECK(written("mg Zm9v b q k\r\n") == "mg Zm9v b k\r\n");
    CHECK(written("me k q\r\n") == "me k q\r\n");
}

TEST_CASE("a number is written as it was understood") {
    CHECK(written("set k 00 +0 +03\r\nabc\r\n") == "set k 0 0 3\r\nabc\r\n");
    CHECK(written("set k 0 +5 3\r\nabc\r\n") == "set k 0 5 3\r\nabc\r\n");
    CHECK(written("set 007 007 -1 3\r\nabc\r\n") == "set 007 7 -1 3\r\nabc\r\n");
    CHECK(written("add k 0 -10 3\r\nabc\r\n") == "add k 0 -10 3\r\nabc\r\n");
    CHECK(written("cas k 0 -007 3 +0042\r\nabc\r\n") == "cas k 0 -1 3 42\r\nabc\r\n");
    CHECK(written("cas k 0 -00 3 042\r\nabc\r\n") == "cas k 0 0 3 42\r\nabc\r\n");
    CHECK(written("incr 01 +01\r\n") == "incr 01 1\r\n");
    CHECK(written("decr k 000\r\n") == "decr k 0\r\n");
    CHECK(written("touch k -0\r\n") == "touch k 0\r\n");
    CHECK(written("gat 00 00 01\r\n") == "gat 0 00 01\r\n");
    CHECK(written("gats -1 00\r\n") == "gats -1 00\r\n");
    CHECK(written("flush_all +010\r\n") == "flush_all 10\r\n");
    CHECK(written("verbosity 01\r\n") == "verbosity 1\r\n");
    // A time has 32 bits at the server.
    CHECK(written("set k 0 2147483647 1\r\na\r\n") == "set k 0 2147483647 1\r\na\r\n");
    CHECK(written("set k 0 2147483648 1\r\na\r\n") == "set k 0 2147483647 1\r\na\r\n");
    CHECK(written("cas k 0 9223372036854775807 1 9223372036854775807\r\na\r\n") ==
          "cas k 0 2147483647 1 9223372036854775807\r\na\r\n");
    CHECK(written("set k 4294967295 -9223372036854775808 1\r\na\r\n") ==
          "set k 4294967295 -1 1\r\na\r\n");
    CHECK(written("touch k 4294967303\r\n") == "touch k 2147483647\r\n");
    CHECK(written("incr k 4294967303\r\n") == "incr k 4294967303\r\n");
    CHECK(written("gat 4294967303 4294967303\r\n") == "gat 2147483647 4294967303\r\n");
    CHECK(written("flush_all 4294967303\r\n") == "flush_all 2147483647\r\n");
    CHECK(written("ms k 03\r\nabc\r\n") == "ms k 3\r\nabc\r\n");
    CHECK(written("ms 03 +3 T+03\r\nabc\r\n") == "ms 03 3 T+03\r\nabc\r\n");
}

// Servers from 1.6.40 on take the last word for "noreply", the key included.
TEST_CASE("a key that is called noreply is no option of its delete") {
    CHECK(written("delete noreply\r\n") == "delete noreply 0\r\n");
    CHECK(written("delete noreply 0\r\n") == "delete noreply 0\r\n");
    CHECK(written("delete noreply noreply\r\n") == "delete noreply 0\r\n");
    CHECK(written("delete noreply 0 noreply\r\n") == "delete noreply 0\r\n");
    CHECK(written("delete noreply1\r\n") == "delete noreply1\r\n");
    CHECK(written("touch noreply 1 noreply\r\n") == "touch noreply 1\r\n");
    CHECK(written("get noreply\r\n") == "get noreply\r\n");
}

TEST_CASE("a large value is shared, not copied") {
    Arena arena(8);
    const std::string bytes = "set k 0 0 9000 noreply\r\n" + std::string(9000, 'x') + "\r\n";
    const RequestFrame frame = request_of(bytes);
    const Chain source = arena.spread(bytes, block_size);
    const uint32_t before = arena.pool.in_use();
    Chain target(arena.pool);
    REQUIRE(write_request(frame, Bytes(source), target));
    CHECK(arena.pool.in_use() == before + 1);  // for the line
    CHECK(target.to_string() == "set k 0 0 9000\r\n" + std::string(9000, 'x') + "\r\n");
}

TEST_CASE("an exhausted arena is reported") {
    Arena arena(1);
    const std::string_view bytes = "get  a\r\n";
    const RequestFrame frame = request_of(bytes);
    const Chain source = arena.spread(bytes, block_size);
    Chain target(arena.pool);
    CHECK(!write_request(frame, Bytes(source), target));
}

TEST_CASE("all keys are found, also those that the frame does not keep") {
    Arena arena(64);
    for (const std::string_view bytes : {"get a bb\r\n",
                                         "get a b c d e f g h i jj\r\n",
                                         " gets a b c d e f g h i  jj \r\n",
                                         "gat 0 a b c d e f g h i jj\r\n"}) {
        const RequestFrame frame = request_of(bytes);
        for (const size_t piece_size : {size_t{1}, size_t{block_size}}) {
            const Chain source = arena.spread(bytes, piece_size);
            std::string scratch;
            std::vector<ByteRange> keys = {{1, 2}};
            keys_of(frame, Bytes(source), scratch, keys);
            REQUIRE(keys.size() == frame.key_count);
            CHECK(bytes.substr(keys[0].offset, keys[0].size) == "a");
            CHECK(keys.back().size == 2);
        }
    }
}

TEST_CASE("a base64 key is placed as the key that it stands for") {
    Arena arena(64);
    const auto placed = [&](std::string_view bytes, size_t piece_size) {
        const Chain source = arena.spread(bytes, piece_size);
        std::string scratch;
        return std::string(placed_key(request_of(bytes), Bytes(source), scratch));
    };
    for (const size_t piece_size : {size_t{1}, size_t{block_size}}) {
        CHECK(placed("mg Zm9v\r\n", piece_size) == "Zm9v");
        CHECK(placed("mg Zm9v b\r\n", piece_size) == "foo");
        CHECK(placed("mg Zm9vYg== b\r\n", piece_size) == "foob");
        CHECK(placed("mg Zm9vYh== b\r\n", piece_size) == "foob");
        CHECK(placed("mg Zm9vYmE= b\r\n", piece_size) == "fooba");
        CHECK(placed("ms 44OG44K544OI 2 b\r\nhi\r\n", piece_size) ==
              "\xE3\x83\x86\xE3\x82\xB9\xE3\x83\x88");
        CHECK(placed("mg AP8+ b\r\n", piece_size) == std::string_view("\0\xFF>", 3));
        CHECK(placed("set Zm9v 0 0 1\r\nx\r\n", piece_size) == "Zm9v");
        CHECK(placed("gat 0 key\r\n", piece_size) == "key");
    }
    const std::string longest = "mg " + std::string(248, 'A') + " b\r\n";
    CHECK(placed(longest, block_size) == std::string(186, '\0'));
}

TEST_CASE("a fragment asks for its own keys only") {
    Arena arena(64);
    const std::string_view bytes = "gats  7 a bb  a ccc\r\n";
    const RequestFrame frame = request_of(bytes);
    const Chain source = arena.spread(bytes, 3);
    std::string scratch;
    std::vector<ByteRange> keys;
    keys_of(frame, Bytes(source), scratch, keys);
    const auto fragment = [&](const std::vector<ByteRange>& own) {
        Chain target(arena.pool);
        REQUIRE(write_fragment(frame, Bytes(source), own, target));
        return target.to_string();
    };
    CHECK(fragment({keys[0], keys[2], keys[3]}) == "gats 7 a a ccc\r\n");
    CHECK(fragment({keys[1]}) == "gats 7 bb\r\n");
}

TEST_CASE("keys that stand side by side are taken over in pieces of any size") {
    Arena arena(2048);
    std::string bytes = "get  first";
    for (int i = 0; i < 200; ++i)
        bytes += (i % 9 == 8 ? "  " : " ") + std::string(static_cast<size_t>(i + 1), 'k');
    bytes += "\r\n";
    const RequestFrame frame = request_of(bytes);
    for (const size_t piece_size : {size_t{11}, size_t{700}, size_t{block_size}}) {
        const Chain source = arena.spread(bytes, piece_size);
        std::string scratch;
        std::vector<ByteRange> keys;
        keys_of(frame, Bytes(source), scratch, keys);
        for (const size_t left_out : {size_t{1}, size_t{2}, size_t{50}, size_t{1000}}) {
            std::vector<ByteRange> own;
            std::string expected = "get";
            for (size_t i = 0; i < keys.size(); ++i) {
                if (i % left_out == 1) continue;
                own.push_back(keys[i]);
                expected += " " + bytes.substr(keys[i].offset, keys[i].size);
            }
            Chain target(arena.pool);
            REQUIRE(write_fragment(frame, Bytes(source), own, target));
            CHECK(target.to_string() == expected + "\r\n");
        }
    }
}

TEST_CASE("a fragment of many long keys is whole") {
    Arena arena(16);
    std::string bytes = "get";
    for (int i = 0; i < 100; ++i)
        bytes += " " + std::string(250, 'k');
    bytes += "\r\n";
    const RequestFrame frame = request_of(bytes);
    const Chain source = arena.spread(bytes, block_size);
    std::string scratch;
    std::vector<ByteRange> keys;
    keys_of(frame, Bytes(source), scratch, keys);
    Chain target(arena.pool);
    REQUIRE(write_fragment(frame, Bytes(source), keys, target));
    CHECK(target.to_string() == bytes);
}

TEST_CASE("keys that are named are found in a get's, in their order") {
    using Keys = std::vector<std::string_view>;
    Arena arena(1024);
    const auto finds = [&](std::string_view text, const Keys& named) {
        size_t found = 0;
        for (const size_t piece_size : {size_t{1}, size_t{7}, size_t{block_size}}) {
            const Chain keys = arena.spread(text, piece_size);
            std::string scratch;
            uint32_t at = 0;
            found = find_ahead(Bytes(keys), named, scratch, at);
            CHECK((at == text.size() || found == named.size()));
            // One after the other it is the same.
            at = 0;
            CHECK(found ==
                  static_cast<size_t>(std::ranges::count_if(named, [&](std::string_view key) {
                      return find_ahead(Bytes(keys), {&key, 1}, scratch, at) == 1;
                  })));
        }
        return found;
    };
    CHECK(finds("a bc d", {}) == 0);
    CHECK(finds("a bc d", {"a", "bc", "d"}) == 3);
    CHECK(finds("a  bc   d ", {"a", "d"}) == 2);
    CHECK(finds("a bc d", {"d"}) == 1);
    CHECK(finds("a bc a", {"a", "a"}) == 2);
    CHECK(finds("a bc d", {"d", "bc", "a"}) == 1);
    CHECK(finds("a bc d", {"bc", "a", "d"}) == 1);
    CHECK(finds("a bc d", {"a", "b"}) == 1);
    CHECK(finds("a bc d", {"bcd"}) == 0);
    CHECK(finds("a bc d", {"c"}) == 0);
    CHECK(finds("", {"a"}) == 0);
    CHECK(finds(" ", {"a"}) == 0);
    const std::string longest(key_size_max, 'k');
    CHECK(finds(longest + "l " + longest + " b", {longest, "b"}) == 2);
}

}  // namespace
}  // namespace ringmain::memcached
