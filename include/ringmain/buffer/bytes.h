// ringmain/buffer/bytes.h - the bytes of one frame, wherever they lie.
//
// Nearly every frame lies in one slice; one that crosses blocks lies in a chain. Bytes hides the
// difference and borrows from both: valid for the call it is passed to.

#pragma once

#include "ringmain/buffer/chain.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain {

class Bytes {
  public:
    explicit Bytes(Slice slice) : slice_(slice), size_(slice.size) {}

    explicit Bytes(const Chain& chain) : size_(static_cast<uint32_t>(chain.size())) {
        if (!chain.empty() && chain.is_contiguous()) {
            slice_ = chain.front();
        } else {
            chain_ = &chain;
        }
    }

    [[nodiscard]] uint32_t size() const { return size_; }

    [[nodiscard]] bool is_contiguous() const { return chain_ == nullptr; }

    // The bytes of `range`; `scratch` is used when they cross blocks.
    [[nodiscard]] std::string_view view(ByteRange range, std::string& scratch) const {
        if (chain_ == nullptr) return {slice_.data() + range.offset, range.size};
        return chain_->view(range, scratch);
    }

    // The same, for many views in ascending order (chain.h).
    [[nodiscard]] std::string_view view(ByteRange range,
                                        std::string& scratch,
                                        ChainPlace& place) const {
        if (chain_ == nullptr) return {slice_.data() + range.offset, range.size};
        return chain_->view(range, scratch, place);
    }

    // Appends a part to `target`: small pieces copied, large ones shared (chain.h).
    [[nodiscard]] bool append_to(Chain& target,
                                 ByteRange range,
                                 OpenBlock* open,
                                 Sharing sharing = Sharing::Large) const {
        if (chain_ != nullptr) return target.append_range(*chain_, range, open, sharing);
        return target.append(slice_.cut(range.offset, range.size), open, sharing);
    }

    // For whoever reads in order: the chain, or null when all bytes lie in slice().
    [[nodiscard]] const Chain* chain() const { return chain_; }

    [[nodiscard]] Slice slice() const { return slice_; }

  private:
    Slice slice_;
    const Chain* chain_ = nullptr;
    uint32_t size_ = 0;
};

// What came in parts, or else in one.
[[nodiscard]] inline Bytes all_of(const Chain& parts, Slice one) {
    return parts.empty() ? Bytes(one) : Bytes(parts);
}

}  // namespace ringmain
