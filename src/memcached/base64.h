// src/memcached/base64.h - reads and writes the base64 keys of meta commands (RFC 4648, with
// padding).
//
// The reader is stricter than memcached, which skips bytes that are no base64; like memcached, the
// spare bits of the last letter do not matter, so "Zm9vYg==" and "Zm9vYh==" are the same key.

#pragma once

#include "ringmain/memcached/request_parser.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace ringmain::memcached {

struct DecodedKey {
    std::array<char, key_size_max> bytes = {};
    size_t size = 0;  // 0: not base64

    [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
};

// `encoded` has at most key_size_max bytes.
[[nodiscard]] DecodedKey decode_base64(std::string_view encoded);

struct EncodedKey {
    std::array<char, key_size_max> letters = {};
    size_t size = 0;

    [[nodiscard]] std::string_view view() const { return {letters.data(), size}; }
};

// `key` has at most three bytes for every four that a key may have.
[[nodiscard]] EncodedKey encode_base64(std::string_view key);

}  // namespace ringmain::memcached
