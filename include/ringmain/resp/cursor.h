// ringmain/resp/cursor.h - reads bytes in order, wherever they lie.
//
// For frames that a parser has accepted before: it moves from header to header, and each step costs
// the same however many slices lie behind it. Borrows the bytes it was made from. Reading past
// their end is a programmer's error and stops the process.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/buffer/chain.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace ringmain::resp {

class Cursor {
  public:
    explicit Cursor(const Chain& chain) : next_(chain.nodes()) { refill(); }

    explicit Cursor(const Bytes& bytes) {
        if (bytes.chain() == nullptr) {
            piece_ = bytes.slice();
        } else {
            next_ = bytes.chain()->nodes();
            refill();
        }
    }

    // Bytes before this place.
    [[nodiscard]] uint64_t position() const { return position_; }

    [[nodiscard]] bool at_end() const { return piece_.size == 0; }

    // What lies in one piece from here on; empty at the end only.
    [[nodiscard]] std::string_view piece() const {
        if (at_end()) return {};
        return piece_.view();
    }

    char take() {
        RM_ASSERT(!at_end());
        const char byte = *piece_.data();
        advance(1);
        return byte;
    }

    void skip(uint64_t count) {
        while (count > 0) {
            RM_ASSERT(!at_end());
            const auto taken = static_cast<uint32_t>(std::min<uint64_t>(count, piece_.size));
            advance(taken);
            count -= taken;
        }
    }

    // Moves on by `count`. False when the arena is exhausted.
    [[nodiscard]] bool append_to(Chain& target,
                                 uint64_t count,
                                 OpenBlock* open,
                                 Sharing sharing = Sharing::Large) {
        while (count > 0) {
            RM_ASSERT(!at_end());
            const auto taken = static_cast<uint32_t>(std::min<uint64_t>(count, piece_.size));
            if (!target.append(piece_.cut(0, taken), open, sharing)) return false;
            advance(taken);
            count -= taken;
        }
        return true;
    }

  private:
    void advance(uint32_t count) {
        piece_ = piece_.cut(count, piece_.size - count);
        position_ += count;
        if (piece_.size == 0) refill();
    }

    void refill() {
        while (piece_.size == 0 && next_ != nullptr) {
            piece_ = {.block = next_->block, .offset = next_->offset, .size = next_->size};
            next_ = next_->next;
        }
    }

    Slice piece_;
    const ChainNode* next_ = nullptr;
    uint64_t position_ = 0;
};

}  // namespace ringmain::resp
