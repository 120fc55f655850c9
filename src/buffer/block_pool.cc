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
      warm_max_(options.warm_max),
      page_size_(options.page_size) {}

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
    auto* block = new (block_at(touched_)) Block;
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
    constexpr uint32_t at_once = 1024;  // a few milliseconds' work for the kernel
    const uint32_t count = std::min(cold_low_, at_once);
    cold_low_ = cold_count_ - count;
    return count;
}

Block* BlockPool::block_at(size_t index) const {
    return reinterpret_cast<Block*>(headers_.get()) + index;
}

bool BlockPool::is_free(size_t index) const {
    return index >= touched_ || block_at(index)->references == 0;
}

std::span<char> BlockPool::trim() {
    Block* block = cold_;
    RM_ASSERT(block != nullptr);
    cold_ = block->next_free;
    cold_count_ -= 1;
    block->next_free = given_;
    given_ = block;
    if (page_size_ > block_size) return {};
    // What is outside the arena is not ours, nor are the pages at its ends.
    const auto index = static_cast<size_t>(block->data - arena_) / block_size;
    const size_t before = reinterpret_cast<uintptr_t>(block->data) % page_size_;
    const size_t behind = before == 0 ? 0 : page_size_ - before;
    const bool takes_first = before > 0 && index > 0 && is_free(index - 1);
    const bool takes_last = behind > 0 && index + 1 < capacity_ && is_free(index + 1);
    char* begin = takes_first ? block->data - before : block->data + behind;
    char* end = block->data + block_size - before + (takes_last ? page_size_ : 0);
    return {begin, end};
}

}  // namespace ringmain
