#include "ringmain/buffer/chain.h"

#include "ringmain/base/prng.h"
#include "ringmain/buffer/bytes.h"
#include "tests/unit/buffer/arena.h"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain {
namespace {

using test::Arena;
using test::filled_block;

TEST_CASE("a copy grows into the room behind the last slice") {
    Arena arena(4);
    {
        Chain chain(arena.pool);
        CHECK(chain.append_copy("hello ", nullptr));
        CHECK(chain.append_copy("world", nullptr));
        CHECK(chain.to_string() == "hello world");
        CHECK(chain.is_contiguous());
        CHECK(arena.pool.in_use() == 1);
    }
    CHECK(arena.pool.in_use() == 0);
}

TEST_CASE("what was copied to the end can be taken back") {
    Arena arena(4);
    {
        Chain chain(arena.pool);
        CHECK(!chain.take_back(1));
        CHECK(chain.append_copy("get a\r\n", nullptr));
        CHECK(!chain.take_back(7));  // never all of a slice
        CHECK(chain.take_back(2));
        CHECK(chain.size() == 5);
        CHECK(chain.append_copy(" b\r\n", nullptr));
        CHECK(chain.to_string() == "get a b\r\n");
        CHECK(chain.is_contiguous());
        // Two bytes at the beginning of the next block.
        CHECK(chain.append_copy(std::string(block_size - chain.size() + 2, 'x'), nullptr));
        CHECK(!chain.take_back(2));
        CHECK(chain.take_back(1));
        CHECK(chain.size() == block_size + 1);
    }
    CHECK(arena.pool.in_use() == 0);
}

TEST_CASE("what others wrote behind is not taken back") {
    Arena arena(4);
    OpenBlock open(arena.pool);
    Chain first(arena.pool);
    Chain second(arena.pool);
    CHECK(first.append_copy("aaa", &open));
    CHECK(second.append_copy("bbb", &open));
    CHECK(!first.take_back(1));
    CHECK(second.take_back(1));
    CHECK(first.append_copy("a", &open));
    CHECK(first.to_string() == "aaaa");
    CHECK(second.to_string() == "bb");
}

TEST_CASE("two chains in one open block do not write over each other") {
    Arena arena(4);
    OpenBlock open(arena.pool);
    Chain first(arena.pool);
    Chain second(arena.pool);
    for (int i = 0; i < 3; ++i) {
        CHECK(first.append_copy("aaa", &open));
        CHECK(second.append_copy("bb", &open));
    }
    CHECK(first.to_string() == "aaaaaaaaa");
    CHECK(second.to_string() == "bbbbbb");
    CHECK(arena.pool.in_use() == 1);
    open.close();
    first.clear();
    CHECK(arena.pool.in_use() == 1);
    second.clear();
    CHECK(arena.pool.in_use() == 0);
}

TEST_CASE("large slices are shared, small ones copied") {
    Arena arena(8);
    const std::string large(copy_max, 'L');
    Block* block = filled_block(arena.pool, large + "small");
    Chain chain(arena.pool);
    CHECK(chain.append({block, copy_max, 5}, nullptr));
    CHECK(block->references == 1);
    CHECK(chain.append({block, 0, copy_max}, nullptr));
    CHECK(block->references == 2);
    CHECK(chain.to_string() == "small" + large);
    arena.pool.release(block);
    chain.clear();
    CHECK(arena.pool.in_use() == 0);
}

TEST_CASE("an exhausted arena is an answer, not a crash") {
    Arena arena(2);
    Chain chain(arena.pool);
    CHECK(chain.append_copy(std::string(2 * block_size, 'x'), nullptr));
    CHECK_FALSE(chain.append_copy("y", nullptr));
    chain.clear();
    CHECK(arena.pool.in_use() == 0);
}

TEST_CASE("a large frame that arrives in small pieces does not pin a block per piece") {
    Arena arena(64);
    Chain chain(arena.pool);
    const std::string piece(3000, 'p');
    for (int i = 0; i < 200; ++i) {
        Block* block = filled_block(arena.pool, piece);
        CHECK(chain.append_growing({block, 0, 3000}));
        arena.pool.release(block);
    }
    CHECK(chain.size() == 600000);
    // The first 64 KiB may be shared piece by piece; the rest is packed.
    CHECK(arena.pool.in_use() <= 22 + 600000 / block_size);
    chain.clear();
}

TEST_CASE("blocks beyond the warm ones that nobody needed for a while are trimmed once") {
    Arena arena(16, 4);
    std::vector<Block*> blocks;
    for (int i = 0; i < 16; ++i)
        blocks.push_back(arena.pool.take());
    CHECK(arena.pool.take() == nullptr);
    for (Block* block : blocks)
        arena.pool.release(block);
    CHECK(arena.pool.begin_trim() == 0);  // needed a moment ago
    CHECK(arena.pool.has_spare());
    const uint32_t count = arena.pool.begin_trim();
    CHECK(count == 12);
    for (uint32_t i = 0; i < count; ++i)
        CHECK(!arena.pool.trim().empty());
    CHECK(arena.pool.begin_trim() == 0);
    blocks.clear();
    for (int i = 0; i < 16; ++i) {
        Block* block = arena.pool.take();
        REQUIRE(block != nullptr);
        blocks.push_back(block);
    }
    for (Block* block : blocks)
        arena.pool.release(block);
}

TEST_CASE("a view is in place inside a slice and copied across slices") {
    Arena arena(4);
    Chain chain(arena.pool);
    Block* one = filled_block(arena.pool, "abcdef");
    Block* two = filled_block(arena.pool, "ghijkl");
    CHECK(chain.append_shared({one, 0, 6}));
    CHECK(chain.append_shared({two, 0, 6}));
    std::string scratch;
    CHECK(chain.view({1, 3}, scratch).data() == one->data + 1);
    for (uint32_t from = 0; from <= 12; ++from) {
        for (uint32_t count = 0; from + count <= 12; ++count) {
            CHECK(chain.view({from, count}, scratch) ==
                  std::string_view("abcdefghijkl").substr(from, count));
        }
    }
    arena.pool.release(one);
    arena.pool.release(two);
}

// Random operations against a std::string that does the same.
TEST_CASE("views in ascending order go on where the one before began") {
    Arena arena(8);
    Chain chain(arena.pool);
    const std::string text = "abcdefghijklmnopqrst";
    for (size_t at = 0; at < text.size(); at += 4) {
        Block* block = filled_block(arena.pool, text.substr(at, 4));
        CHECK(chain.append_shared({block, 0, 4}));
        arena.pool.release(block);
    }
    std::string scratch;
    ChainPlace place;
    for (uint32_t from = 0; from < 20; ++from) {
        CHECK(chain.view({from, 1}, scratch, place) == std::string_view(text).substr(from, 1));
        CHECK(place.begin == from / 4 * 4);
        CHECK(place.node->block->data[0] == text[from / 4 * 4]);
    }
    // In any order, and over several slices.
    for (uint32_t first = 0; first < 20; ++first) {
        for (uint32_t second = 0; second < 20; ++second) {
            place = {};
            for (const uint32_t from : {first, second}) {
                const uint32_t count = std::min(9U, 20 - from);
                CHECK(chain.view({from, count}, scratch, place) ==
                      std::string_view(text).substr(from, count));
                CHECK(chain.view({from, 0}, scratch, place).empty());
            }
        }
    }
    // What no longer has a node, and a place behind the end.
    CHECK(chain.view({20, 0}, scratch, place).empty());
    CHECK(chain.view({3, 2}, scratch, place) == "de");
}

TEST_CASE("what is packed takes few blocks, however it comes") {
    struct Piece {
        uint32_t size;
        bool is_shared;  // of a block that has more, of others
        uint32_t blocks_max;
    };

    for (const Piece& piece : {Piece{10, false, 8},
                               Piece{100, true, 8},
                               Piece{3000, true, 90},
                               Piece{block_size - 1, true, 400}}) {
        const uint32_t piece_size = piece.size;
        CAPTURE(piece_size);
        Arena arena(512);
        Chain waiting(arena.pool);
        std::string model;
        for (int i = 0; i < 400; ++i) {
            const std::string bytes(piece.size, static_cast<char>('a' + i % 26));
            model += bytes;
            Chain more(arena.pool);
            if (piece.is_shared) {
                Block* block = filled_block(arena.pool, bytes);
                block->used = block_size;
                REQUIRE(more.append_shared({block, 0, piece.size}));
                arena.pool.release(block);
            } else {
                REQUIRE(more.append_copy(bytes, nullptr));
            }
            waiting.append_packed(std::move(more));
        }
        CHECK(waiting.to_string() == model);
        CHECK(arena.pool.in_use() <= piece.blocks_max + model.size() / block_size);
    }
}

TEST_CASE("what lies in a block of everybody's is packed into one of its own") {
    Arena arena(256);
    Chain waiting(arena.pool);
    REQUIRE(waiting.append_copy(std::string(block_size, 'w'), nullptr));
    OpenBlock open(arena.pool);
    for (int i = 0; i < 100; ++i) {
        Chain more(arena.pool);
        REQUIRE(more.append_copy("m", &open));
        waiting.append_packed(std::move(more));
        Chain others(arena.pool);
        REQUIRE(others.append_copy(std::string(block_size, 'o'), &open));
    }
    CHECK(waiting.size() == block_size + 100);
    CHECK(arena.pool.in_use() <= 4);
}

TEST_CASE("what many hold in one block stays there") {
    Arena arena(256);
    const std::string message(3000, 'm');
    std::deque<Chain> slow;
    for (int i = 0; i < 20; ++i) {
        Chain& waiting = slow.emplace_back(arena.pool);
        Block* block = filled_block(arena.pool, std::string(block_size, 'w'));
        for (int j = 0; j < 16; ++j) {
            REQUIRE(waiting.append_shared({block, 0, block_size}));
        }
        arena.pool.release(block);
    }
    const uint32_t before = arena.pool.in_use();
    for (int i = 0; i < 10; ++i) {
        Block* block = filled_block(arena.pool, message);
        std::deque<Chain> pushes;
        for (int j = 0; j < 20; ++j) {
            REQUIRE(pushes.emplace_back(arena.pool).append_shared({block, 0, 3000}));
        }
        for (Chain& waiting : slow) {
            waiting.append_packed(std::move(pushes.front()));
            pushes.pop_front();
        }
        arena.pool.release(block);
    }
    // The last ones of each block, which few still held elsewhere, are copied.
    CHECK(arena.pool.in_use() - before <= 10 + 20);
}

TEST_CASE("what there is no block for is moved as it is") {
    Arena arena(2);
    Chain waiting(arena.pool);
    Chain more(arena.pool);
    REQUIRE(waiting.append_copy(std::string(block_size, 'a'), nullptr));
    REQUIRE(more.append_copy("b", nullptr));
    more.nodes()->block->used = block_size;
    CHECK(arena.pool.available() == 0);
    waiting.append_packed(std::move(more));
    CHECK(waiting.size() == block_size + 1);
    CHECK(waiting.to_string().back() == 'b');
}

TEST_CASE("a chain behaves as a string") {
    for (uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        Prng prng(seed);
        Arena arena(512);
        {
            OpenBlock open(arena.pool);
            Chain chain(arena.pool);
            std::string model;
            for (int step = 0; step < 200; ++step) {
                const std::string piece(prng.below(prng.below(4) == 0 ? 9000 : 40),
                                        static_cast<char>('a' + prng.below(26)));
                OpenBlock* target = prng.below(2) == 0 ? &open : nullptr;
                switch (prng.below(6)) {
                    case 0:
                        REQUIRE(chain.append_copy(piece, target));
                        model += piece;
                        break;
                    case 1: {
                        Block* block = filled_block(arena.pool, piece);
                        REQUIRE(
                            chain.append({block, 0, static_cast<uint32_t>(piece.size())}, target));
                        model += piece;
                        arena.pool.release(block);
                        break;
                    }
                    case 2: {
                        Block* block = filled_block(arena.pool, piece);
                        REQUIRE(
                            chain.append_growing({block, 0, static_cast<uint32_t>(piece.size())}));
                        model += piece;
                        arena.pool.release(block);
                        break;
                    }
                    case 3: {
                        const uint64_t count = prng.below(chain.size() + 1);
                        chain.pop_front(count);
                        model.erase(0, count);
                        break;
                    }
                    case 4: {
                        Chain other(arena.pool);
                        const auto from = static_cast<uint32_t>(prng.below(model.size() + 1));
                        const auto count =
                            static_cast<uint32_t>(prng.below(model.size() - from + 1));
                        REQUIRE(other.append_range(chain, {from, count}, target));
                        CHECK(other.to_string() == model.substr(from, count));
                        if (chain.size() < 100000) {
                            if (prng.below(2) == 0) {
                                chain.append_chain(std::move(other));
                            } else {
                                chain.append_packed(std::move(other));
                            }
                            CHECK(other.empty());
                            model += model.substr(from, count);
                        }
                        break;
                    }
                    default: {
                        const auto from = static_cast<uint32_t>(prng.below(model.size() + 1));
                        const auto count =
                            static_cast<uint32_t>(prng.below(model.size() - from + 1));
                        std::string scratch;
                        CHECK(Bytes(chain).view({from, count}, scratch) ==
                              std::string_view(model).substr(from, count));
                        break;
                    }
                }
                REQUIRE(chain.size() == model.size());
            }
            CHECK(chain.to_string() == model);
        }
        CHECK(arena.pool.in_use() == 0);
    }
}

}  // namespace
}  // namespace ringmain
