// What it costs to put bytes behind each other: small pieces copied, large ones shared, whole
// chains moved, and the pieces of a chain laid out for a send. Figures are per piece.

#include "ringmain/base/assert.h"
#include "ringmain/buffer/block_pool.h"
#include "ringmain/buffer/chain.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/uio.h>

namespace ringmain {
namespace {

constexpr size_t pieces_max = 64;

struct Arena {
    static constexpr size_t blocks = 2 * pieces_max;

    std::unique_ptr<char[]> memory = std::make_unique<char[]>(blocks * block_size);
    BlockPool pool{{memory.get(), blocks* block_size}, {}};
};

// A full block, as of a receive; holds one reference.
class Received {
  public:
    explicit Received(BlockPool& pool) : pool_(&pool), block_(pool.take()) {
        std::memset(block_->data, 'x', block_size);
        block_->used = block_size;
    }

    Received(const Received&) = delete;
    Received& operator=(const Received&) = delete;

    ~Received() { pool_->release(block_); }

    // So many pieces of this size, from the beginning again where there are no more. Those behind
    // each other do not touch, or they would be one slice.
    [[nodiscard]] std::vector<Slice> pieces(size_t number, uint32_t size) const {
        const size_t fit = block_size / size;
        std::vector<Slice> all;
        for (size_t i = 0; i < number; ++i) {
            const size_t place = 2 * i % fit + 2 * i / fit % 2;
            all.push_back(
                {.block = block_, .offset = static_cast<uint32_t>(place) * size, .size = size});
        }
        return all;
    }

  private:
    BlockPool* pool_;
    Block* block_;
};

void count_pieces(benchmark::State& state, size_t pieces) {
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(pieces));
}

// Fills an empty chain with 16 pieces of this size and clears it again; whether they are copied or
// shared is for append() to say.
void append_16_pieces(benchmark::State& state) {
    const auto size = static_cast<uint32_t>(state.range(0));
    Arena arena;
    const Received received(arena.pool);
    const std::vector<Slice> pieces = received.pieces(16, size);
    OpenBlock open(arena.pool);
    Chain chain(arena.pool);
    for (auto _ : state) {
        for (const Slice& piece : pieces) {
            benchmark::DoNotOptimize(chain.append(piece, &open));
        }
        benchmark::DoNotOptimize(chain);
        chain.clear();
    }
    state.SetLabel(size < copy_max ? "copied" : "shared");
    count_pieces(state, pieces.size());
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(pieces.size() * size));
}

BENCHMARK(append_16_pieces)->Arg(16)->Arg(64)->Arg(512)->Arg(copy_max - 1)->Arg(copy_max);

Chain chain_of(BlockPool& pool, const Received& received, size_t pieces) {
    Chain chain(pool);
    for (const Slice& piece : received.pieces(pieces, 64)) {
        const bool appended = chain.append_shared(piece);
        RM_ASSERT(appended);
    }
    return chain;
}

void move_all(Chain& source, Chain& target) {
    target.append_chain(std::move(source));
    benchmark::DoNotOptimize(target);
}

// The same pieces go from one chain to another and back; a figure is of one move.
void move_chain(benchmark::State& state) {
    const auto pieces = static_cast<size_t>(state.range(0));
    Arena arena;
    const Received received(arena.pool);
    Chain source = chain_of(arena.pool, received, pieces);
    Chain target(arena.pool);
    for (auto _ : state) {
        move_all(source, target);
        move_all(target, source);
    }
    state.SetItemsProcessed(state.iterations() * 2);
}

BENCHMARK(move_chain)->Arg(1)->Arg(16)->Arg(pieces_max);

// Behind what waits already, as answers are put behind those before them.
void move_chains_behind_each_other(benchmark::State& state) {
    Arena arena;
    const Received received(arena.pool);
    const std::vector<Slice> pieces = received.pieces(16, copy_max);
    Chain target(arena.pool);
    for (auto _ : state) {
        for (const Slice& piece : pieces) {
            Chain source(arena.pool);
            benchmark::DoNotOptimize(source.append_shared(piece));
            target.append_chain(std::move(source));
        }
        benchmark::DoNotOptimize(target);
        target.clear();
    }
    count_pieces(state, pieces.size());
}

BENCHMARK(move_chains_behind_each_other);

void fill_iovec(benchmark::State& state) {
    const auto pieces = static_cast<size_t>(state.range(0));
    Arena arena;
    const Received received(arena.pool);
    const Chain chain = chain_of(arena.pool, received, pieces);
    std::array<iovec, pieces_max> entries = {};
    for (auto _ : state) {
        size_t bytes = 0;
        const size_t filled = chain.fill_iovec(entries, &bytes);
        RM_ASSERT(filled == pieces);
        benchmark::DoNotOptimize(bytes);
        benchmark::DoNotOptimize(entries);
    }
    count_pieces(state, pieces);
}

BENCHMARK(fill_iovec)->Arg(1)->Arg(16)->Arg(pieces_max);

}  // namespace
}  // namespace ringmain
