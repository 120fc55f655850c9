// ringmain/base/siphash.h - SipHash (Aumasson, Bernstein 2012): a hash that nobody can forge who
// does not know its key.
//
// For bytes that strangers choose and that must not be made to collide. 1-3 (one round per word,
// three at the end) is what hash tables take; 2-4 is the original, here for its test vectors.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringmain {

struct SipKey {
    uint64_t low = 0;
    uint64_t high = 0;
};

class SipState {
  public:
    explicit SipState(SipKey key)
        : a_(key.low ^ 0x736F6D6570736575U),
          b_(key.high ^ 0x646F72616E646F6DU),
          c_(key.low ^ 0x6C7967656E657261U),
          d_(key.high ^ 0x7465646279746573U) {}

    template <int rounds>
    void take(uint64_t word) {
        d_ ^= word;
        mix<rounds>();
        a_ ^= word;
    }

    template <int rounds>
    [[nodiscard]] uint64_t finish() {
        c_ ^= 0xFF;
        mix<rounds>();
        return a_ ^ b_ ^ c_ ^ d_;
    }

  private:
    template <int rounds>
    void mix() {
        for (int i = 0; i < rounds; ++i) {
            a_ += b_;
            c_ += d_;
            b_ = std::rotl(b_, 13) ^ a_;
            d_ = std::rotl(d_, 16) ^ c_;
            a_ = std::rotl(a_, 32);
            c_ += b_;
            a_ += d_;
            b_ = std::rotl(b_, 17) ^ c_;
            d_ = std::rotl(d_, 21) ^ a_;
            c_ = std::rotl(c_, 32);
        }
    }

    uint64_t a_;
    uint64_t b_;
    uint64_t c_;
    uint64_t d_;
};

template <int rounds_per_word, int rounds_at_end>
[[nodiscard]] inline uint64_t siphash(SipKey key, std::string_view bytes) {
    static_assert(std::endian::native == std::endian::little);
    SipState state(key);
    const uint64_t size = bytes.size();
    const size_t left = size % sizeof(uint64_t);
    const char* const end = bytes.data() + (size - left);
    uint64_t word = 0;
    for (const char* at = bytes.data(); at != end; at += sizeof word) {
        std::memcpy(&word, at, sizeof word);
        state.take<rounds_per_word>(word);
    }
    // Fewer than eight bytes, and the size behind them. What is before them is shifted out.
    uint64_t rest = 0;
    if (left > 0 && size > left) {
        std::memcpy(&rest, end + left - sizeof rest, sizeof rest);
        rest >>= 8 * (sizeof rest - left);
    } else if (left > 0) {
        std::memcpy(&rest, end, left);
    }
    state.take<rounds_per_word>(rest | size << 56);
    return state.finish<rounds_at_end>();
}

[[nodiscard]] inline uint64_t siphash13(SipKey key, std::string_view bytes) {
    return siphash<1, 3>(key, bytes);
}

[[nodiscard]] inline uint64_t siphash24(SipKey key, std::string_view bytes) {
    return siphash<2, 4>(key, bytes);
}

}  // namespace ringmain
