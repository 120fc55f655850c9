#include "md5.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#include "bytes.h"
#include "hash_functions.h"

namespace ringmain::placement {

namespace {

constexpr size_t block_size = 64;
constexpr size_t length_size = 8;  // the message's length in bits ends the last block
constexpr size_t step_count = 64;

constexpr Md5Digest initial_state = {0x67452301U, 0xEFCDAB89U, 0x98BADCFEU, 0x10325476U};

// floor(2^32 * |sin(step + 1)|).
constexpr std::array<uint32_t, step_count> sines = {
    0xD76AA478U, 0xE8C7B756U, 0x242070DBU, 0xC1BDCEEEU, 0xF57C0FAFU, 0x4787C62AU, 0xA8304613U,
    0xFD469501U, 0x698098D8U, 0x8B44F7AFU, 0xFFFF5BB1U, 0x895CD7BEU, 0x6B901122U, 0xFD987193U,
    0xA679438EU, 0x49B40821U, 0xF61E2562U, 0xC040B340U, 0x265E5A51U, 0xE9B6C7AAU, 0xD62F105DU,
    0x02441453U, 0xD8A1E681U, 0xE7D3FBC8U, 0x21E1CDE6U, 0xC33707D6U, 0xF4D50D87U, 0x455A14EDU,
    0xA9E3E905U, 0xFCEFA3F8U, 0x676F02D9U, 0x8D2A4C8AU, 0xFFFA3942U, 0x8771F681U, 0x6D9D6122U,
    0xFDE5380CU, 0xA4BEEA44U, 0x4BDECFA9U, 0xF6BB4B60U, 0xBEBFBC70U, 0x289B7EC6U, 0xEAA127FAU,
    0xD4EF3085U, 0x04881D05U, 0xD9D4D039U, 0xE6DB99E5U, 0x1FA27CF8U, 0xC4AC5665U, 0xF4292244U,
    0x432AFF97U, 0xAB9423A7U, 0xFC93A039U, 0x655B59C3U, 0x8F0CCC92U, 0xFFEFF47DU, 0x85845DD1U,
    0x6FA87E4FU, 0xFE2CE6E0U, 0xA3014314U, 0x4E0811A1U, 0xF7537E82U, 0xBD3AF235U, 0x2AD7D2BBU,
    0xEB86D391U,
};

// Rotation of each step: four rounds of sixteen, within which four values take turns.
constexpr int rotations[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

template <size_t round>
uint32_t mix_words(uint32_t x, uint32_t y, uint32_t z) {
    if constexpr (round == 0) return (x & y) | (~x & z);
    if constexpr (round == 1) return (x & z) | (y & ~z);
    if constexpr (round == 2) return x ^ y ^ z;
    if constexpr (round == 3) return y ^ (x | ~z);
}

template <size_t step>
constexpr size_t word_of_step() {
    if constexpr (step < 16) return step;
    if constexpr (step >= 16 && step < 32) return (5 * step + 1) % 16;
    if constexpr (step >= 32 && step < 48) return (3 * step + 5) % 16;
    if constexpr (step >= 48) return (7 * step) % 16;
}

// The RFC moves the four words round by one in each step; here the words stay and the step knows
// which of them is A.
template <size_t step>
void do_step(Md5Digest& state, const std::array<uint32_t, 16>& words) {
    constexpr size_t round = step / 16;
    uint32_t& a = state[(64 - step) % 4];
    const uint32_t b = state[(65 - step) % 4];
    const uint32_t c = state[(66 - step) % 4];
    const uint32_t d = state[(67 - step) % 4];
    const uint32_t sum = a + mix_words<round>(b, c, d) + words[word_of_step<step>()] + sines[step];
    a = b + std::rotl(sum, rotations[round][step % 4]);
}

template <size_t... steps>
void do_all_steps(Md5Digest& state,
                  const std::array<uint32_t, 16>& words,
                  std::index_sequence<steps...>) {
    (do_step<steps>(state, words), ...);
}

void add_block(Md5Digest& digest, std::string_view block) {
    std::array<uint32_t, 16> words;  // NOLINT(cppcoreguidelines-pro-type-member-init): all set next
    for (size_t i = 0; i < words.size(); ++i) {
        words[i] = load_u32(block, i * 4);
    }
    Md5Digest state = digest;
    do_all_steps(state, words, std::make_index_sequence<step_count>());
    for (size_t i = 0; i < digest.size(); ++i) {
        digest[i] += state[i];
    }
}

}  // namespace

Md5Digest md5(std::string_view bytes) {
    Md5Digest digest = initial_state;
    const uint64_t bit_count = uint64_t{bytes.size()} * 8;
    while (bytes.size() >= block_size) {
        add_block(digest, bytes.substr(0, block_size));
        bytes.remove_prefix(block_size);
    }

    // What is left, a one bit, zeros, and the length: one block, or two if they do not fit.
    std::array<char, 2 * block_size> tail = {};
    if (!bytes.empty()) std::memcpy(tail.data(), bytes.data(), bytes.size());
    tail[bytes.size()] = static_cast<char>(0x80);
    const size_t tail_size =
        bytes.size() + 1 + length_size <= block_size ? block_size : 2 * block_size;
    for (size_t i = 0; i < length_size; ++i) {
        tail[tail_size - length_size + i] = static_cast<char>(bit_count >> (8 * i));
    }
    const std::string_view padded(tail.data(), tail_size);
    add_block(digest, padded.substr(0, block_size));
    if (tail_size > block_size) add_block(digest, padded.substr(block_size));
    return digest;
}

// nc_md5.c: the digest's first four bytes, little-endian.
uint32_t hash_md5(std::string_view key) {
    return md5(key)[0];
}

}  // namespace ringmain::placement
