#include "ringmain/buffer/cursor.h"

#include "ringmain/buffer/slice_run.h"
#include "tests/unit/buffer/arena.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain {
namespace {

using test::Arena;
using test::filled_block;

constexpr std::string_view text = "one two three";

// In a block of its own.
void append(Chain& chain, BlockPool& pool, std::string_view part) {
    Block* block = test::filled_block(pool, part);
    CHECK(chain.append_shared({block, 0, static_cast<uint32_t>(part.size())}));
    pool.release(block);
}

// The text cut into two at every place.
void each_cut(auto check) {
    for (size_t cut = 0; cut <= text.size(); ++cut) {
        CAPTURE(cut);
        Arena arena(16);
        {
            Chain chain(arena.pool);
            append(chain, arena.pool, text.substr(0, cut));
            append(chain, arena.pool, text.substr(cut));
            check(arena, chain);
        }
        CHECK(arena.pool.in_use() == 0);
    }
}

TEST_CASE("a cursor reads every byte of every cut, and knows where it is") {
    each_cut([](Arena&, const Chain& chain) {
        Cursor cursor(chain);
        std::string read;
        while (!cursor.at_end()) {
            CHECK(cursor.position() == read.size());
            CHECK(text.substr(read.size()).starts_with(cursor.piece()));
            CHECK(!cursor.piece().empty());
            read += cursor.take_byte();
        }
        CHECK(read == text);
        CHECK(cursor.position() == text.size());
        CHECK(cursor.piece().empty());
    });
}

TEST_CASE("a cursor skips, over cuts and to the end") {
    each_cut([](Arena&, const Chain& chain) {
        for (size_t count = 0; count <= text.size(); ++count) {
            Cursor cursor{Bytes(chain)};
            cursor.skip(count);
            CHECK(cursor.position() == count);
            CHECK(cursor.at_end() == (count == text.size()));
            CHECK(cursor.skip_text(text.substr(count)));
            CHECK(cursor.at_end());
        }
    });
}

TEST_CASE("a cursor tells text that is not there, or is cut off") {
    each_cut([](Arena&, const Chain& chain) {
        CHECK(!Cursor(chain).skip_text("one twO"));
        CHECK(!Cursor(chain).skip_text(std::string(text) + "s"));
        CHECK(Cursor(chain).skip_text(""));
    });
    CHECK(Cursor().at_end());
    CHECK(!Cursor().skip_text("a"));
}

TEST_CASE("a cursor of one slice") {
    Arena arena(16);
    Block* block = filled_block(arena.pool, "<one>");
    Cursor cursor{Bytes(Slice{block, 1, 3})};
    CHECK(cursor.piece() == "one");
    const Slice taken = cursor.take(2);
    CHECK(taken.view() == "on");
    CHECK(taken.block == block);
    CHECK(cursor.position() == 2);
    CHECK(cursor.take_byte() == 'e');
    CHECK(cursor.at_end());
    CHECK(Cursor{Bytes(Slice{})}.at_end());
    arena.pool.release(block);
}

TEST_CASE("a cursor appends what it passes, and says when there is no more") {
    each_cut([](Arena& arena, const Chain& chain) {
        Chain target(arena.pool);
        Cursor cursor(chain);
        CHECK(cursor.append_to(target, 4, nullptr));
        CHECK(cursor.position() == 4);
        CHECK(cursor.append_to(target, 9, nullptr));
        CHECK(target.to_string() == text);
        CHECK(!cursor.append_to(target, 1, nullptr));
    });
}

TEST_CASE("a run takes neighbours together, and keeps the order") {
    each_cut([](Arena& arena, const Chain& chain) {
        Chain target(arena.pool);
        SliceRun run(target, nullptr);
        Cursor one(chain);
        Cursor other(chain);
        CHECK(run.add(one, 3));
        CHECK(run.add(one, 5));
        CHECK(run.add(other, 4));
        CHECK(run.add(one, 5));
        CHECK(!run.add(one, 1));
        CHECK(run.flush());
        CHECK(target.to_string() == "one two one three");
    });
}

TEST_CASE("neighbours that are large together are shared in one piece") {
    Arena arena(16);
    Block* block = filled_block(arena.pool, std::string(size_t{2} * copy_max, 'x'));
    {
        Chain target(arena.pool);
        SliceRun run(target, nullptr);
        Cursor cursor{Bytes(Slice{block, 0, block->used})};
        while (!cursor.at_end()) {
            CHECK(run.add(cursor, copy_max / 4));
        }
        CHECK(target.empty());
        CHECK(run.flush());
        CHECK(target.is_contiguous());
        CHECK(target.size() == block->used);
        CHECK(target.front().block == block);
    }
    arena.pool.release(block);
}

}  // namespace
}  // namespace ringmain
