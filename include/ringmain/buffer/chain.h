// ringmain/buffer/chain.h - bytes in order, spread over blocks.
//
//   chain --> [block 7: 120..160] --> [block 9: 0..16384] --> [block 4: 0..12]
//
// Copy small, share large, decided here and nowhere else: a piece below `copy_max` is copied
// behind the bytes that are there, a larger one is shared by reference. A copy goes into the room
// behind the chain's last slice when that slice ends where its block's used part ends; else into
// the caller's open block, which many chains fill one after the other; else into a fresh block.
//
// Where the arena is exhausted the append returns false and the chain holds a prefix: the caller
// drops the chain and answers with an error.

#pragma once

#include "ringmain/base/byte_range.h"
#include "ringmain/buffer/block_pool.h"
#include "ringmain/buffer/slice.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <sys/uio.h>

namespace ringmain {

// Measured crossover between memcpy into one buffer and one more iovec (src/design/0003).
inline constexpr uint32_t copy_max = 2048;

// What is shared with whoever has the block.
enum class Sharing : uint8_t {
    Large,    // from copy_max on
    Sparing,  // behind much that waits only what fills its block: nobody else has it for long
};

// A block that is being filled by whoever writes next. Holds one reference.
class OpenBlock {
  public:
    explicit OpenBlock(BlockPool& pool) : pool_(&pool) {}

    OpenBlock(const OpenBlock&) = delete;
    OpenBlock& operator=(const OpenBlock&) = delete;

    ~OpenBlock() { close(); }

    // A block with room for at least one byte; null when the arena is exhausted.
    [[nodiscard]] Block* block() {
        if (block_ != nullptr && block_->used < block_size) return block_;
        close();
        block_ = pool_->take();
        return block_;
    }

    void close() {
        if (block_ != nullptr) pool_->release(block_);
        block_ = nullptr;
    }

  private:
    BlockPool* pool_;
    Block* block_ = nullptr;
};

// The node that the latest view() began in. For one chain as long as it does not change.
struct ChainPlace {
    const ChainNode* node = nullptr;
    uint64_t begin = 0;  // of the node, from the chain's beginning
};

class Chain {
  public:
    explicit Chain(BlockPool& pool) : pool_(&pool) {}

    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;
    Chain(Chain&& other) noexcept;
    Chain& operator=(Chain&& other) noexcept;

    ~Chain() { clear(); }

    [[nodiscard]] uint64_t size() const { return size_; }

    [[nodiscard]] bool empty() const { return size_ == 0; }

    // Copies. With `open` null a fresh block of the chain's own is taken when needed.
    [[nodiscard]] bool append_copy(std::string_view bytes, OpenBlock* open) {
        if (!has_room_behind(bytes.size())) [[unlikely]]
            return append_in_blocks(bytes, open);
        copy_behind(bytes.data(), static_cast<uint32_t>(bytes.size()));
        return true;
    }

    // Shares the slice by reference, whatever its size.
    [[nodiscard]] bool append_shared(Slice slice);

    // Copies when small, shares when large.
    [[nodiscard]] bool append(Slice slice, OpenBlock* open, Sharing sharing = Sharing::Large) {
        const bool is_small =
            slice.size < copy_max || (sharing == Sharing::Sparing && is_wasteful(slice));
        return is_small ? append_copy(slice.view(), open) : append_shared(slice);
    }

    // Keeps the bytes of a frame that is still growing: shares, except where that would pin a
    // block for few bytes of a large frame.
    [[nodiscard]] bool append_growing(Slice slice);

    // A part of another chain; small pieces are copied, large ones shared.
    [[nodiscard]] bool append_range(const Chain& source,
                                    ByteRange range,
                                    OpenBlock* open,
                                    Sharing sharing = Sharing::Large);

    // All of another chain, which is left empty. Moves nodes, copies nothing.
    void append_chain(Chain&& source);

    // The same behind what waits for somebody slow: pieces are copied together, small ones always
    // and others where much waits, so that he pins little more than is to be sent to him.
    void append_packed(Chain&& source);

    void pop_front(uint64_t bytes);

    // Takes bytes off the end that append_copy() put there. False, with nothing changed, when they
    // are not the end of one slice and of its block's used part.
    [[nodiscard]] bool take_back(uint32_t bytes);

    // Mostly of an empty one, at the end of a scope.
    void clear() {
        if (head_ != nullptr) drop();
    }

    // The first slice; the chain must not be empty.
    [[nodiscard]] Slice front() const { return {head_->block, head_->offset, head_->size}; }

    [[nodiscard]] bool is_contiguous() const { return head_ == tail_; }

    [[nodiscard]] const ChainNode* nodes() const { return head_; }

    // As many bytes can be copied behind the last slice without another block.
    [[nodiscard]] bool has_room_behind(uint64_t bytes) const {
        return tail_ != nullptr && room_behind(*tail_) >= bytes;
    }

    // Fills as many entries as there are slices or room; returns how many, and adds up `bytes`.
    [[nodiscard]] size_t fill_iovec(std::span<iovec> entries, size_t* bytes) const;

    // The bytes of `range`: in place when they lie in one slice, else copied to `scratch`.
    [[nodiscard]] std::string_view view(ByteRange range, std::string& scratch) const {
        ChainPlace place;
        return view(range, scratch, place);
    }

    // For many views in ascending order: goes on from `place`, so that a long chain is walked once.
    [[nodiscard]] std::string_view view(ByteRange range,
                                        std::string& scratch,
                                        ChainPlace& place) const;

    // All bytes, for tests and error texts.
    [[nodiscard]] std::string to_string() const;

  private:
    [[nodiscard]] static uint32_t room_behind(const ChainNode& node) {
        if (node.offset + node.size != node.block->used) return 0;
        return block_size - node.block->used;
    }

    void copy_behind(const char* bytes, uint32_t count) {
        if (count == 0) return;
        Block* block = tail_->block;
        std::memcpy(block->data + block->used, bytes, count);
        block->used += count;
        tail_->size += count;
        size_ += count;
    }

    void drop();
    [[nodiscard]] bool append_in_blocks(std::string_view bytes, OpenBlock* open);
    [[nodiscard]] bool is_wasteful(Slice slice) const;
    [[nodiscard]] bool is_to_be_packed(const ChainNode& node) const;
    void push_node(ChainNode* node);

    BlockPool* pool_;
    ChainNode* head_ = nullptr;
    ChainNode* tail_ = nullptr;
    uint64_t size_ = 0;
};

}  // namespace ringmain
