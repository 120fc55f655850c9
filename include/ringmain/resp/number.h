// ringmain/resp/number.h - a canonical decimal that arrives byte by byte.
//
// For headers that the kernel cut; what lies in one piece is read faster in src/resp/wire.h. Both
// accept one spelling per number: no '+', no leading zero, no "-0", no blank.

#pragma once

#include "ringmain/base/ascii.h"

#include <cstdint>
#include <optional>

namespace ringmain::resp {

class Number {
  public:
    static constexpr uint32_t size_max = 20;  // of any that fits: INT64_MIN

    // False when no canonical number continues with `byte`.
    [[nodiscard]] bool take(char byte) {
        size_ += 1;
        if (byte == '-') {
            negative_ = true;
            return size_ == 1;
        }
        if (!ascii::is_digit(byte)) return false;
        const bool first = digit_count_ == 0;
        if (!first && magnitude_ == 0) return false;
        if (first && negative_ && byte == '0') return false;
        if (digit_count_ == digits_max) {
            too_large_ = true;
            return true;
        }
        digit_count_ += 1;
        magnitude_ = magnitude_ * 10 + static_cast<uint64_t>(byte - '0');
        return true;
    }

    // Nothing when there was no digit or it does not fit.
    [[nodiscard]] std::optional<int64_t> value() const {
        if (digit_count_ == 0 || too_large_) return std::nullopt;
        if (negative_) {
            if (magnitude_ > magnitude_max + 1) return std::nullopt;
            return static_cast<int64_t>(0 - magnitude_);
        }
        if (magnitude_ > magnitude_max) return std::nullopt;
        return static_cast<int64_t>(magnitude_);
    }

    // Bytes taken so far.
    [[nodiscard]] uint32_t size() const { return size_; }

  private:
    static constexpr uint8_t digits_max = 19;  // of INT64_MAX; 19 digits fit into 64 bits unsigned
    static constexpr uint64_t magnitude_max = INT64_MAX;

    uint64_t magnitude_ = 0;
    uint32_t size_ = 0;
    uint8_t digit_count_ = 0;
    bool negative_ = false;
    bool too_large_ = false;
};

}  // namespace ringmain::resp
