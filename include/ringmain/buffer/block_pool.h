// ringmain/buffer/block_pool.h - the arena cut into blocks, and who has them.
//
// The arena is mapped by the worker and only lent; pages are touched when a block is first used.
// Free blocks are reused last in, first out, so a light load stays in few hot pages. Beyond
// `warm_max` free ones, those that nobody needed since the last look are handed out by trim() for
// the worker to give their pages back to the kernel: a burst leaves no memory behind, and a busy
// worker does not fault the same pages in again and again.
//
// The pool also owns the nodes that chains are made of.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/base/slab.h"
#include "ringmain/buffer/block.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ringmain {

// One slice of a chain.
struct ChainNode {
    ChainNode(Block* its_block, uint32_t its_offset, uint32_t its_size)
        : block(its_block), offset(its_offset), size(its_size) {}

    ChainNode* next = nullptr;
    Block* block;
    uint32_t offset;
    uint32_t size;
};

class BlockPool {
  public:
    struct Options {
        uint32_t warm_max = 256;  // free blocks whose pages stay resident: 4 MiB
        size_t page_size = 4096;  // the kernel's; larger than a block: none is given back
    };

    BlockPool(std::span<char> arena, const Options& options);

    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;
    ~BlockPool() = default;

    // A block with one reference and nothing used; null when the arena is exhausted.
    [[nodiscard]] Block* take() {
        Block* block = free_;
        if (block == nullptr) return take_untouched();
        free_ = block->next_free;
        free_count_ -= 1;
        return open(block);
    }

    static void reference(Block& block) { block.references += 1; }

    void release(Block* block) {
        RM_DCHECK(block->references > 0);
        block->references -= 1;
        if (block->references == 0) put_back(block);
    }

    [[nodiscard]] ChainNode* make_node(Block* block, uint32_t offset, uint32_t size) {
        ChainNode* node = nodes_.make(block, offset, size);
        RM_ASSERT(node != nullptr);
        return node;
    }

    void free_node(ChainNode* node) { nodes_.free(node); }

    // How many blocks have been cold since the last call, or fewer, so that nobody waits long for
    // it: trim() that many times.
    [[nodiscard]] uint32_t begin_trim();

    // The pages of a cold block, which may go back to the kernel: whole ones, and one that it
    // shares with a neighbour only when that is free, too. The block is free and stays usable.
    [[nodiscard]] std::span<char> trim();

    // The same for nodes.
    void trim_nodes() { nodes_.trim(); }

    // There may be something to trim.
    [[nodiscard]] bool has_spare() const { return cold_count_ > 0 || nodes_.has_spare(); }

    [[nodiscard]] uint32_t capacity() const { return capacity_; }

    [[nodiscard]] uint32_t in_use() const { return in_use_; }

    [[nodiscard]] uint32_t available() const { return capacity_ - in_use_; }

  private:
    Block* open(Block* block) {
        block->used = 0;
        block->references = 1;
        in_use_ += 1;
        return block;
    }

    Block* take_untouched();
    void put_back(Block* block);
    [[nodiscard]] Block* block_at(size_t index) const;
    [[nodiscard]] bool is_free(size_t index) const;

    // Room for a header of each block; those of the first `touched_` are there.
    std::unique_ptr<std::byte[]> headers_;
    char* arena_;
    uint32_t capacity_;
    uint32_t touched_ = 0;  // blocks [touched_, capacity_) were never handed out
    uint32_t in_use_ = 0;
    uint32_t free_count_ = 0;
    uint32_t warm_max_;
    size_t page_size_;
    uint32_t cold_count_ = 0;
    uint32_t cold_low_ = 0;   // the lowest cold_count_ since the last begin_trim()
    Block* free_ = nullptr;   // resident pages
    Block* cold_ = nullptr;   // beyond warm_max_, pages still resident
    Block* given_ = nullptr;  // pages given back to the kernel
    Slab<ChainNode> nodes_{SIZE_MAX, 2048};
};

}  // namespace ringmain
