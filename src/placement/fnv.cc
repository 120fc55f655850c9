#include "bytes.h"
#include "hash_functions.h"

// nc_fnv.c, bytes sign-extended. FNV-1 multiplies first, FNV-1a last.

namespace ringmain::placement {

namespace {

constexpr uint64_t basis_64 = 0xCBF29CE484222325U;
constexpr uint64_t prime_64 = 0x100000001B3U;
constexpr uint32_t basis_32 = 2166136261U;
constexpr uint32_t prime_32 = 16777619U;

}  // namespace

// The lower half of a product or an exclusive or depends on the lower halves alone, and only the
// lower half is returned: 64 bits would give the same.
uint32_t hash_fnv1_64(std::string_view key) {
    auto value = static_cast<uint32_t>(basis_64);
    for (const char byte : key) {
        value *= static_cast<uint32_t>(prime_64);
        value ^= signed_byte(byte);
    }
    return value;
}

// twemproxy's default.
uint32_t hash_fnv1a_64(std::string_view key) {
    auto value = static_cast<uint32_t>(basis_64);
    for (const char byte : key) {
        value ^= signed_byte(byte);
        value *= static_cast<uint32_t>(prime_64);
    }
    return value;
}

uint32_t hash_fnv1_32(std::string_view key) {
    uint32_t value = basis_32;
    for (const char byte : key) {
        value *= prime_32;
        value ^= signed_byte(byte);
    }
    return value;
}

uint32_t hash_fnv1a_32(std::string_view key) {
    uint32_t value = basis_32;
    for (const char byte : key) {
        value ^= signed_byte(byte);
        value *= prime_32;
    }
    return value;
}

}  // namespace ringmain::placement
