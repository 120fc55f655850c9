// ringmain/core/shared_text.h - a short text that any worker writes and any thread reads.
//
// A sequence lock whose data are atomics. Who writes while another does gives way: the texts are
// for people, and one of the two is as good as the other.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::core {

class SharedText {
  public:
    static constexpr size_t size_max = 160;  // what is longer is cut

    void write(std::string_view text);

    // Empty when it is being written for as long as one looks.
    [[nodiscard]] std::string read() const;

  private:
    static constexpr size_t word_size = sizeof(uint64_t);

    std::atomic<uint32_t> version_ = 0;  // odd while it is written
    std::atomic<uint32_t> size_ = 0;
    std::array<std::atomic<uint64_t>, size_max / word_size> words_ = {};
};

}  // namespace ringmain::core
