#include "ringmain/buffer/chain.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <cstring>

namespace ringmain {

namespace {

// A growing frame of this size is a large one: from here on, blocks are filled.
constexpr uint64_t large_frame_size = 64ULL * 1024;
constexpr uint64_t much_waiting = 256ULL * 1024;
constexpr uint32_t well_filled = block_size - block_size / 8;

}  // namespace

Chain::Chain(Chain&& other) noexcept
    : pool_(other.pool_), head_(other.head_), tail_(other.tail_), size_(other.size_) {
    other.head_ = nullptr;
    other.tail_ = nullptr;
    other.size_ = 0;
}

Chain& Chain::operator=(Chain&& other) noexcept {
    if (this == &other) return *this;
    clear();
    pool_ = other.pool_;
    head_ = std::exchange(other.head_, nullptr);
    tail_ = std::exchange(other.tail_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
}

void Chain::push_node(ChainNode* node) {
    if (tail_ == nullptr) {
        head_ = node;
    } else {
        tail_->next = node;
    }
    tail_ = node;
    size_ += node->size;
}

bool Chain::append_in_blocks(std::string_view bytes, OpenBlock* open) {
    if (tail_ != nullptr) {
        const uint32_t room = room_behind(*tail_);  // not enough
        copy_behind(bytes.data(), room);
        bytes.remove_prefix(room);
    }
    while (!bytes.empty()) {
        Block* block = open != nullptr ? open->block() : pool_->take();
        if (block == nullptr) return false;
        if (open != nullptr) BlockPool::reference(*block);
        const uint32_t room = block_size - block->used;
        const auto count = static_cast<uint32_t>(std::min<size_t>(room, bytes.size()));
        std::memcpy(block->data + block->used, bytes.data(), count);
        push_node(pool_->make_node(block, block->used, count));
        block->used += count;
        bytes.remove_prefix(count);
    }
    return true;
}

bool Chain::append_shared(Slice slice) {
    if (slice.size == 0) return true;
    if (tail_ != nullptr && tail_->block == slice.block &&
        tail_->offset + tail_->size == slice.offset) {
        tail_->size += slice.size;
        size_ += slice.size;
        return true;
    }
    BlockPool::reference(*slice.block);
    push_node(pool_->make_node(slice.block, slice.offset, slice.size));
    return true;
}

bool Chain::is_wasteful(Slice slice) const {
    return slice.size < well_filled && size_ >= much_waiting;
}

bool Chain::append_growing(Slice slice) {
    if (slice.size < copy_max && !empty()) return append_copy(slice.view(), nullptr);
    const bool wasteful = size_ >= large_frame_size && slice.size < well_filled;
    return wasteful ? append_copy(slice.view(), nullptr) : append_shared(slice);
}

bool Chain::append_range(const Chain& source, ByteRange range, OpenBlock* open, Sharing sharing) {
    uint64_t skip = range.offset;
    uint32_t left = range.size;
    for (const ChainNode* node = source.head_; node != nullptr && left > 0; node = node->next) {
        if (skip >= node->size) {
            skip -= node->size;
            continue;
        }
        const auto from = static_cast<uint32_t>(skip);
        const uint32_t count = std::min(left, node->size - from);
        if (!append({node->block, node->offset + from, count}, open, sharing)) return false;
        skip = 0;
        left -= count;
    }
    RM_DCHECK(left == 0);
    return true;
}

void Chain::append_chain(Chain&& source) {
    if (source.head_ == nullptr) return;
    if (tail_ == nullptr) {
        head_ = source.head_;
    } else {
        tail_->next = source.head_;
    }
    tail_ = source.tail_;
    size_ += source.size_;
    source.head_ = nullptr;
    source.tail_ = nullptr;
    source.size_ = 0;
}

bool Chain::is_to_be_packed(const ChainNode& node) const {
    const bool fits = room_behind(*tail_) >= node.size;
    if (!fits && pool_->available() == 0) return false;
    // One that has room in a block of its own is where the next ones go.
    const bool is_shared = node.block->references > 1;
    if (node.size < copy_max) return fits || is_shared || room_behind(node) == 0;
    // What many hold costs each of them a part.
    const uint64_t filled = uint64_t{node.size} * node.block->references;
    return filled < well_filled && size_ >= much_waiting;
}

void Chain::append_packed(Chain&& source) {
    while (tail_ != nullptr && source.head_ != nullptr) {
        ChainNode* node = source.head_;
        if (is_to_be_packed(*node)) {
            const bool copied = append_copy(source.front().view(), nullptr);
            RM_ASSERT(copied);
            source.pop_front(node->size);
        } else {
            source.head_ = node->next;
            source.size_ -= node->size;
            if (source.head_ == nullptr) source.tail_ = nullptr;
            node->next = nullptr;
            push_node(node);
        }
    }
    append_chain(std::move(source));
}

void Chain::pop_front(uint64_t bytes) {
    RM_ASSERT(bytes <= size_);
    size_ -= bytes;
    while (bytes > 0) {
        ChainNode* node = head_;
        if (bytes < node->size) {
            node->offset += static_cast<uint32_t>(bytes);
            node->size -= static_cast<uint32_t>(bytes);
            return;
        }
        bytes -= node->size;
        head_ = node->next;
        pool_->release(node->block);
        pool_->free_node(node);
    }
    if (head_ == nullptr) tail_ = nullptr;
}

bool Chain::take_back(uint32_t bytes) {
    if (tail_ == nullptr || tail_->size <= bytes) return false;
    if (tail_->offset + tail_->size != tail_->block->used) return false;
    tail_->block->used -= bytes;
    tail_->size -= bytes;
    size_ -= bytes;
    return true;
}

void Chain::drop() {
    while (head_ != nullptr) {
        ChainNode* node = head_;
        head_ = node->next;
        pool_->release(node->block);
        pool_->free_node(node);
    }
    tail_ = nullptr;
    size_ = 0;
}

size_t Chain::fill_iovec(std::span<iovec> entries, size_t* bytes) const {
    size_t count = 0;
    for (const ChainNode* node = head_; node != nullptr && count < entries.size();
         node = node->next) {
        entries[count] = {.iov_base = node->block->data + node->offset, .iov_len = node->size};
        *bytes += node->size;
        count += 1;
    }
    return count;
}

std::string_view Chain::view(ByteRange range, std::string& scratch, ChainPlace& place) const {
    if (range.size == 0) return {};
    if (place.node == nullptr || range.offset < place.begin) place = {.node = head_};
    while (place.node != nullptr && range.offset - place.begin >= place.node->size) {
        place.begin += place.node->size;
        place.node = place.node->next;
    }
    const ChainNode* node = place.node;
    const uint64_t skip = range.offset - place.begin;
    RM_ASSERT(node != nullptr);
    const auto from = static_cast<uint32_t>(skip);
    if (node->size - from >= range.size) {
        return {node->block->data + node->offset + from, range.size};
    }
    scratch.clear();
    for (uint32_t at = from; scratch.size() < range.size; node = node->next, at = 0) {
        RM_ASSERT(node != nullptr);
        const size_t count = std::min<size_t>(node->size - at, range.size - scratch.size());
        scratch.append(node->block->data + node->offset + at, count);
    }
    return scratch;
}

std::string Chain::to_string() const {
    std::string text;
    text.reserve(size_);
    for (const ChainNode* node = head_; node != nullptr; node = node->next) {
        text.append(node->block->data + node->offset, node->size);
    }
    return text;
}

}  // namespace ringmain
