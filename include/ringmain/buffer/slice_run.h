// ringmain/buffer/slice_run.h - what lies side by side in a block is appended in one piece.

#pragma once

#include "ringmain/buffer/chain.h"
#include "ringmain/buffer/cursor.h"
#include "ringmain/buffer/slice.h"

#include <cstdint>
#include <utility>

namespace ringmain {

// Borrows the target, which nobody else appends to before flush(). Each is false when the arena is
// exhausted, or there is no more.
class SliceRun {
  public:
    SliceRun(Chain& target, OpenBlock* open) : target_(&target), open_(open) {}

    // Moves the cursor on by `size` bytes, and appends them.
    [[nodiscard]] bool add(Cursor& cursor, uint64_t size) {
        if (size <= cursor.piece().size()) [[likely]] {
            return add(cursor.take(static_cast<uint32_t>(size)));
        }
        return flush() && cursor.append_to(*target_, size, open_);
    }

    [[nodiscard]] bool flush() {
        const Slice run = std::exchange(run_, {});
        return run.size == 0 || target_->append(run, open_);
    }

  private:
    [[nodiscard]] bool add(Slice slice) {
        if (slice.block == run_.block && slice.offset == run_.offset + run_.size) {
            run_.size += slice.size;
            return true;
        }
        const bool is_kept = flush();
        run_ = slice;
        return is_kept;
    }

    Chain* target_;
    OpenBlock* open_;
    Slice run_;
};

}  // namespace ringmain
