// ringmain/placement/hash.h - every key hash behind one signature.
//
// The first twelve are twemproxy's, bit for bit as on x86-64, its oddities included (bytes are
// sign-extended, fnv1a_64 is 32 bits wide, crc32 has 15 bits, crc16 more than 16): keys stay where
// they are when a pool moves over. xxh3 is for new pools. Each function's source is named where it
// is defined.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ringmain::placement {

enum class HashKind : uint8_t {
    OneAtATime,
    Md5,
    Crc16,
    Crc32,
    Crc32a,
    // NOLINTBEGIN(readability-identifier-naming): Fnv164 would be worse to read.
    Fnv1_64,
    Fnv1a_64,
    Fnv1_32,
    Fnv1a_32,
    // NOLINTEND(readability-identifier-naming)
    Hsieh,
    Murmur,
    Jenkins,
    Xxh3,
};

[[nodiscard]] uint32_t hash(HashKind kind, std::string_view key);

// Names as in the configuration, "fnv1a_64"; an enumerator's number is its place among them.
[[nodiscard]] std::string_view name_of(HashKind kind);
[[nodiscard]] std::span<const std::string_view> hash_names();

}  // namespace ringmain::placement
