#include "ringmain/buffer/block_pool.h"

#include <algorithm>
#include <new>
#include <type_traits>

namespace ringmain {

BlockPool::BlockPool(std::span<char> arena, const Options& options)
    // A block's header is first touched when its memory is.
    : headers_(
          std::make_unique_for_overwrite<std::byte[]>(arena.size() / block_size * sizeof(Block))),
      arena_(arena.data()),
      capacity_(static_cast<uint32_t>(arena.size() / block_size)),
      warm_max_(options.warm_max) {}

Block* BlockPool::take_untouched() {
    Block** list = cold_ != nullptr ? &cold_ : &given_;
    if (*list != nullptr) {
        Block* block = *list;
        if (list == &cold_) {
            cold_count_ -= 1;
            cold_low_ = std::min(cold_low_, cold_count_);
        }
        *list = block->next_free;
        return open(block);
    }
    if (touched_ == capacity_) return nullptr;
    static_assert(std::is_trivially_destructible_v<Block>);
    auto* block = new (headers_.get() + size_t{touched_} * sizeof(Block)) Block;
    block->data = arena_ + static_cast<size_t>(touched_) * block_size;
    touched_ += 1;
    return open(block);
}

void BlockPool::put_back(Block* block) {
    in_use_ -= 1;
    if (free_count_ < warm_max_) {
        block->next_free = free_;
        free_ = block;
        free_count_ += 1;
        return;
    }
    block->next_free = cold_;
    cold_ = block;
    cold_count_ += 1;
}

uint32_t BlockPool::begin_trim() {
    const uint32_t count = cold_low_;
    cold_low_ = cold_count_ - count;
    return count;
}

Block* BlockPool::trim() {
    Block* block = cold_;
    RM_ASSERT(block != nullptr);
    cold_ = block->next_free;
    cold_count_ -= 1;
    block->next_free = given_;
    given_ = block;
    return block;
}

}  // namespace ringmain
