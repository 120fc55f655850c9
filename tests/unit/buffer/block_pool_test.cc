#include "ringmain/buffer/block_pool.h"

#include "ringmain/base/prng.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain {
namespace {

constexpr size_t page = 4096;

// Blocks that begin so far behind the beginning of a page.
struct PagedArena {
    explicit PagedArena(uint32_t blocks, size_t skew, uint32_t warm_max = 0)
        : mapped((size_t{blocks} * block_size + skew + page - 1) / page * page),
          memory(static_cast<char*>(std::aligned_alloc(page, mapped)), &std::free),
          pool({memory.get() + skew, size_t{blocks} * block_size}, {.warm_max = warm_max}) {}

    // As the kernel takes pages: what was there is gone.
    void give_back(std::span<char> pages) {
        REQUIRE(reinterpret_cast<uintptr_t>(pages.data()) % page == 0);
        REQUIRE(pages.size() % page == 0);
        REQUIRE(pages.data() >= memory.get());
        REQUIRE(pages.data() + pages.size() <= memory.get() + mapped);
        std::memset(pages.data(), 0, pages.size());
        for (size_t at = 0; at < pages.size(); at += page) {
            given.insert(static_cast<size_t>(pages.data() + at - memory.get()) / page);
        }
    }

    void trim() {
        for (uint32_t count = pool.begin_trim(); count > 0; --count) {
            give_back(pool.trim());
        }
    }

    size_t mapped;
    std::unique_ptr<char, decltype(&std::free)> memory;
    BlockPool pool;
    std::set<size_t> given;
};

void fill(Block& block, char letter) {
    std::fill_n(block.data, block_size, letter);
}

bool holds(const Block& block, char letter) {
    return std::all_of(
        block.data, block.data + block_size, [letter](char c) { return c == letter; });
}

}  // namespace

TEST_CASE("a page that two blocks share goes back when both are free") {
    PagedArena arena(4, block_skew);
    std::vector<Block*> blocks;
    for (char letter : {'a', 'b', 'c'}) {
        blocks.push_back(arena.pool.take());
        fill(*blocks.back(), letter);
    }
    arena.pool.release(blocks[1]);
    arena.trim();
    arena.trim();
    CHECK(arena.given.size() == 3);
    CHECK(holds(*blocks[0], 'a'));
    CHECK(holds(*blocks[2], 'c'));
    arena.pool.release(blocks[0]);
    arena.trim();
    arena.trim();
    CHECK(arena.given.size() == 3 + 3 + 1);
    CHECK(holds(*blocks[2], 'c'));
    // Behind it is one that was never used.
    arena.pool.release(blocks[2]);
    arena.trim();
    arena.trim();
    CHECK(arena.given.size() == 7 + 5);
}

TEST_CASE("of blocks that are whole pages all goes back") {
    PagedArena arena(3, 0);
    Block* block = arena.pool.take();
    Block* other = arena.pool.take();
    fill(*other, 'o');
    arena.pool.release(block);
    arena.trim();
    arena.trim();
    CHECK(arena.given.size() == block_size / page);
    CHECK(holds(*other, 'o'));
    arena.pool.release(other);
}

TEST_CASE("of pages that hold several blocks none goes back") {
    std::vector<char> memory(size_t{4} * block_size);
    BlockPool pool(memory, {.warm_max = 0, .page_size = 64 * 1024});
    pool.release(pool.take());
    CHECK(pool.begin_trim() == 0);
    REQUIRE(pool.begin_trim() == 1);
    CHECK(pool.trim().empty());
}

TEST_CASE("a burst's memory goes back a part at a time") {
    constexpr uint32_t count = 2500;
    PagedArena arena(count, 0);
    std::vector<Block*> blocks;
    for (uint32_t i = 0; i < count; ++i) {
        blocks.push_back(arena.pool.take());
    }
    for (Block* block : blocks) {
        arena.pool.release(block);
    }
    arena.trim();
    CHECK(arena.given.empty());
    for (const size_t given : {1024U, 2048U, 2500U, 2500U}) {
        arena.trim();
        CHECK(arena.given.size() == given * block_size / page);
    }
    CHECK_FALSE(arena.pool.has_spare());
}

TEST_CASE("what is in use keeps its bytes, whatever goes back around it") {
    for (uint64_t seed = 1; seed < 20; ++seed) {
        CAPTURE(seed);
        Prng prng(seed);
        constexpr uint32_t count = 12;
        PagedArena arena(count, prng.below(2) == 0 ? block_skew : 64 * prng.below(page / 64), 2);
        std::vector<std::pair<Block*, char>> in_use;
        for (int step = 0; step < 400; ++step) {
            if (prng.below(2) == 0 && arena.pool.available() > 0) {
                const char letter = static_cast<char>('a' + prng.below(26));
                in_use.emplace_back(arena.pool.take(), letter);
                fill(*in_use.back().first, letter);
            } else if (!in_use.empty()) {
                const size_t at = prng.below(in_use.size());
                CHECK(holds(*in_use[at].first, in_use[at].second));
                arena.pool.release(in_use[at].first);
                in_use.erase(in_use.begin() + static_cast<ptrdiff_t>(at));
            }
            if (prng.below(3) == 0) arena.trim();
        }
        for (const auto& [block, letter] : in_use) {
            CHECK(holds(*block, letter));
            arena.pool.release(block);
        }
    }
}

}  // namespace ringmain
