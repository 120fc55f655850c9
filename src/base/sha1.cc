#include "ringmain/base/sha1.h"

#include "ringmain/base/hex.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ringmain {

namespace {

constexpr size_t block_bytes = 64;
constexpr size_t length_bytes = 8;

class Sha1 {
  public:
    // `block` has 64 bytes.
    void take(std::string_view block) {
        std::array<uint32_t, 80> words = {};
        for (size_t i = 0; i < 16; ++i) {
            uint32_t word = 0;
            for (size_t byte = 0; byte < 4; ++byte) {
                word = word << 8 | static_cast<uint8_t>(block[4 * i + byte]);
            }
            words[i] = word;
        }
        for (size_t i = 16; i < words.size(); ++i) {
            words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
        }
        uint32_t a = state_[0];
        uint32_t b = state_[1];
        uint32_t c = state_[2];
        uint32_t d = state_[3];
        uint32_t e = state_[4];
        const auto mix = [&](size_t i, uint32_t chosen, uint32_t constant) {
            const uint32_t next = std::rotl(a, 5) + chosen + e + constant + words[i];
            e = d;
            d = c;
            c = std::rotl(b, 30);
            b = a;
            a = next;
        };
        for (size_t i = 0; i < 20; ++i) {
            mix(i, (b & c) | (~b & d), 0x5A827999);
        }
        for (size_t i = 20; i < 40; ++i) {
            mix(i, b ^ c ^ d, 0x6ED9EBA1);
        }
        for (size_t i = 40; i < 60; ++i) {
            mix(i, (b & c) | (b & d) | (c & d), 0x8F1BBCDC);
        }
        for (size_t i = 60; i < 80; ++i) {
            mix(i, b ^ c ^ d, 0xCA62C1D6);
        }
        const std::array<uint32_t, 5> more = {a, b, c, d, e};
        for (size_t i = 0; i < state_.size(); ++i) {
            state_[i] += more[i];
        }
    }

    [[nodiscard]] std::string hex() const {
        std::string text;
        for (const uint32_t word : state_) {
            append_hex(text, word);
        }
        return text;
    }

  private:
    std::array<uint32_t, 5> state_ = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
};

}  // namespace

std::string sha1_hex(std::string_view bytes) {
    Sha1 sha1;
    const uint64_t bits = uint64_t{bytes.size()} * 8;
    while (bytes.size() >= block_bytes) {
        sha1.take(bytes.substr(0, block_bytes));
        bytes.remove_prefix(block_bytes);
    }
    // The rest, a bit that is set, zeros, and the length.
    std::string end(bytes);
    end += '\x80';
    const size_t blocks = end.size() + length_bytes > block_bytes ? 2 : 1;
    end.resize(blocks * block_bytes - length_bytes, '\0');
    for (int shift = 56; shift >= 0; shift -= 8) {
        end += static_cast<char>(bits >> shift & 0xFF);
    }
    for (size_t i = 0; i < end.size(); i += block_bytes) {
        sha1.take(std::string_view(end).substr(i, block_bytes));
    }
    return sha1.hex();
}

}  // namespace ringmain
