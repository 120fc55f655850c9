// ringmain/memcached/data_block.h - skips a data block of known size and the CR LF behind it.
//
// The bytes of the block are not looked at; those of its line end are, each once, whatever the
// pieces are.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmain::memcached {

class DataBlock {
  public:
    static constexpr uint32_t line_end_size = 2;

    // `size` without the line end.
    void begin(uint64_t size) {
        left_ = size + line_end_size;
        ends_right_ = true;
    }

    // Takes what belongs to the block and its line end; returns how many bytes those are.
    size_t take(std::string_view bytes) {
        const auto count = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
        for (uint64_t left = std::min<uint64_t>(left_, line_end_size); left > 0; --left) {
            const uint64_t at = left_ - left;
            if (at >= count) break;
            const char expected = left == line_end_size ? '\r' : '\n';
            if (bytes[static_cast<size_t>(at)] != expected) ends_right_ = false;
        }
        left_ -= count;
        return count;
    }

    // Bytes still missing, with the line end.
    [[nodiscard]] uint64_t left() const { return left_; }

    // Whether CR LF stood where the size says, as far as it was seen.
    [[nodiscard]] bool ends_right() const { return ends_right_; }

  private:
    uint64_t left_ = 0;
    bool ends_right_ = true;
};

}  // namespace ringmain::memcached
