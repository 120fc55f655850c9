// ringmain/buffer/cursor.h - reads bytes in order, wherever they lie.
//
// It moves forward only, and each step costs the same however many slices lie behind it. Borrows
// the bytes it was made from. To read or skip past their end is a programmer's error and stops the
// process; skip_text() and append_to() say that it was the end.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/buffer/slice.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringmain {

class Cursor {
  public:
    Cursor() = default;

    explicit Cursor(const Chain& chain) : next_(chain.nodes()) { refill(); }

    explicit Cursor(const Bytes& bytes) {
        if (bytes.chain() == nullptr) {
            enter(bytes.slice());
        } else {
            next_ = bytes.chain()->nodes();
            refill();
        }
    }

    // Bytes before this place.
    [[nodiscard]] uint64_t position() const { return end_position_ - piece().size(); }

    [[nodiscard]] bool at_end() const { return at_ == end_; }

    // What lies in one piece from here on; empty at the end only.
    [[nodiscard]] std::string_view piece() const { return {at_, static_cast<size_t>(end_ - at_)}; }

    char take_byte() {
        RM_ASSERT(!at_end());
        const char byte = *at_;
        advance(1);
        return byte;
    }

    // That many bytes of the piece.
    Slice take(uint32_t count) {
        RM_ASSERT(count <= piece().size());
        const Slice taken = {block_, static_cast<uint32_t>(at_ - block_->data), count};
        advance(count);
        return taken;
    }

    void skip(uint64_t count) {
        while (count > 0) {
            RM_ASSERT(!at_end());
            const uint32_t taken = within_piece(count);
            advance(taken);
            count -= taken;
        }
    }

    // False, somewhere in it, when other bytes are there.
    [[nodiscard]] bool skip_text(std::string_view text) {
        while (!text.empty()) {
            if (at_end()) return false;
            const uint32_t count = within_piece(text.size());
            if (std::memcmp(at_, text.data(), count) != 0) return false;
            text.remove_prefix(count);
            advance(count);
        }
        return true;
    }

    // Moves on by `count` bytes and appends them, small pieces copied and large ones shared
    // (chain.h). False when there are fewer, and when the arena is exhausted.
    [[nodiscard]] bool append_to(Chain& target,
                                 uint64_t count,
                                 OpenBlock* open,
                                 Sharing sharing = Sharing::Large) {
        while (count > 0) {
            if (at_end()) return false;
            const uint32_t taken = within_piece(count);
            if (!target.append(take(taken), open, sharing)) return false;
            count -= taken;
        }
        return true;
    }

  private:
    [[nodiscard]] uint32_t within_piece(uint64_t count) const {
        return static_cast<uint32_t>(std::min<uint64_t>(count, piece().size()));
    }

    void advance(uint32_t count) {
        at_ += count;
        if (at_ == end_) [[unlikely]]
            refill();
    }

    void refill() {
        while (at_end() && next_ != nullptr) {
            enter({next_->block, next_->offset, next_->size});
            next_ = next_->next;
        }
    }

    void enter(Slice slice) {
        if (slice.size == 0) return;
        block_ = slice.block;
        at_ = slice.data();
        end_ = at_ + slice.size;
        end_position_ += slice.size;
    }

    Block* block_ = nullptr;
    const char* at_ = nullptr;
    const char* end_ = nullptr;
    const ChainNode* next_ = nullptr;
    uint64_t end_position_ = 0;  // of the piece's end
};

}  // namespace ringmain
