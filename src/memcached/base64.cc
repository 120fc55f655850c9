#include "base64.h"

#include "ringmain/base/assert.h"

#include <cstdint>

namespace ringmain::memcached {

namespace {

constexpr uint8_t not_a_letter = 0xFF;

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<uint8_t, 256> letter_values() {
    std::array<uint8_t, 256> values = {};
    values.fill(not_a_letter);
    for (size_t i = 0; i < alphabet.size(); ++i) {
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<uint8_t>(i);
    }
    return values;
}

constexpr std::array<uint8_t, 256> values = letter_values();

size_t padding_of(std::string_view encoded) {
    if (encoded.back() != '=') return 0;
    return encoded[encoded.size() - 2] == '=' ? 2 : 1;
}

}  // namespace

DecodedKey decode_base64(std::string_view encoded) {
    RM_ASSERT(encoded.size() <= key_size_max);
    DecodedKey key;
    if (encoded.empty() || encoded.size() % 4 != 0) return key;
    const size_t letters = encoded.size() - padding_of(encoded);

    uint32_t bits = 0;
    size_t size = 0;
    for (size_t i = 0; i < letters; ++i) {
        const uint8_t value = values[static_cast<unsigned char>(encoded[i])];
        if (value == not_a_letter) return key;
        bits = bits << 6 | value;
        // From the second letter of each four on, another byte is whole.
        if (i % 4 == 0) continue;
        const size_t spare = 6 - 2 * (i % 4);
        key.bytes[size] = static_cast<char>(bits >> spare & 0xFF);
        size += 1;
    }
    key.size = size;
    return key;
}

EncodedKey encode_base64(std::string_view key) {
    RM_ASSERT(key.size() <= key_size_max / 4 * 3);
    EncodedKey encoded;
    for (size_t begin = 0; begin < key.size(); begin += 3) {
        const std::string_view three = key.substr(begin, 3);
        uint32_t bits = 0;
        for (size_t i = 0; i < 3; ++i) {
            bits = bits << 8 | (i < three.size() ? static_cast<unsigned char>(three[i]) : 0U);
        }
        for (size_t i = 0; i < 4; ++i) {
            const uint32_t value = bits >> (18 - 6 * i) & 0x3F;
            encoded.letters[encoded.size + i] = i <= three.size() ? alphabet[value] : '=';
        }
        encoded.size += 4;
    }
    return encoded;
}

}  // namespace ringmain::memcached
