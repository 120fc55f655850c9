#include "ringmain/placement/hash.h"

#include "ringmain/base/assert.h"

#include <array>
#include <cstddef>

#include "hash_functions.h"

namespace ringmain::placement {

namespace {

// In the order of HashKind.
constexpr std::array<std::string_view, 13> hash_kind_names = {
    "one_at_a_time",
    "md5",
    "crc16",
    "crc32",
    "crc32a",
    "fnv1_64",
    "fnv1a_64",
    "fnv1_32",
    "fnv1a_32",
    "hsieh",
    "murmur",
    "jenkins",
    "xxh3",
};
static_assert(hash_kind_names.size() == static_cast<size_t>(HashKind::Xxh3) + 1);

}  // namespace

uint32_t hash(HashKind kind, std::string_view key) {
    switch (kind) {
        case HashKind::OneAtATime:
            return hash_one_at_a_time(key);
        case HashKind::Md5:
            return hash_md5(key);
        case HashKind::Crc16:
            return hash_crc16(key);
        case HashKind::Crc32:
            return hash_crc32(key);
        case HashKind::Crc32a:
            return hash_crc32a(key);
        case HashKind::Fnv1_64:
            return hash_fnv1_64(key);
        case HashKind::Fnv1a_64:
            return hash_fnv1a_64(key);
        case HashKind::Fnv1_32:
            return hash_fnv1_32(key);
        case HashKind::Fnv1a_32:
            return hash_fnv1a_32(key);
        case HashKind::Hsieh:
            return hash_hsieh(key);
        case HashKind::Murmur:
            return hash_murmur(key);
        case HashKind::Jenkins:
            return hash_jenkins(key);
        case HashKind::Xxh3:
            return hash_xxh3(key);
    }
    RM_ASSERT(false);
}

std::string_view name_of(HashKind kind) {
    return hash_kind_names[static_cast<size_t>(kind)];
}

std::span<const std::string_view> hash_names() {
    return hash_kind_names;
}

}  // namespace ringmain::placement
