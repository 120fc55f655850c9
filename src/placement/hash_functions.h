// src/placement/hash_functions.h - the functions behind hash(), one per file.
//
// Those of twemproxy are to be taken as they are: they differ from the published algorithms they
// are named after where twemproxy does, and the golden test holds them to its values.

#pragma once

#include <cstdint>
#include <string_view>

namespace ringmain::placement {

[[nodiscard]] uint32_t hash_one_at_a_time(std::string_view key);
[[nodiscard]] uint32_t hash_md5(std::string_view key);
[[nodiscard]] uint32_t hash_crc16(std::string_view key);
[[nodiscard]] uint32_t hash_crc32(std::string_view key);
[[nodiscard]] uint32_t hash_crc32a(std::string_view key);
[[nodiscard]] uint32_t hash_fnv1_64(std::string_view key);
[[nodiscard]] uint32_t hash_fnv1a_64(std::string_view key);
[[nodiscard]] uint32_t hash_fnv1_32(std::string_view key);
[[nodiscard]] uint32_t hash_fnv1a_32(std::string_view key);
[[nodiscard]] uint32_t hash_hsieh(std::string_view key);
[[nodiscard]] uint32_t hash_murmur(std::string_view key);
[[nodiscard]] uint32_t hash_jenkins(std::string_view key);
[[nodiscard]] uint32_t hash_xxh3(std::string_view key);

// All 64 bits of XXH3: where rendezvous and maglev place a server's name.
[[nodiscard]] uint64_t hash_name(std::string_view name);

// Spreads every bit of `value` over all 64 (the finalizer of MurmurHash3). A bijection, so what
// was distinct stays distinct.
[[nodiscard]] constexpr uint64_t mix(uint64_t value) {
    value ^= value >> 33;
    value *= 0xFF51AFD7ED558CCDU;
    value ^= value >> 33;
    value *= 0xC4CEB9FE1A85EC53U;
    return value ^ (value >> 33);
}

}  // namespace ringmain::placement
