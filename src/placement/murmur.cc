#include "bytes.h"
#include "hash_functions.h"

namespace ringmain::placement {

// Austin Appleby's MurmurHash2, 32 bits (nc_murmur.c). The seed depends on the length.
uint32_t hash_murmur(std::string_view key) {
    constexpr uint32_t multiplier = 0x5BD1E995U;
    const auto length = static_cast<uint32_t>(key.size());
    uint32_t value = (0xDEADBEEFU * length) ^ length;

    size_t offset = 0;
    for (; offset + 4 <= key.size(); offset += 4) {
        uint32_t word = load_u32(key, offset) * multiplier;
        word ^= word >> 24;
        value = (value * multiplier) ^ (word * multiplier);
    }
    if (offset < key.size()) {
        for (size_t i = 0; offset + i < key.size(); ++i) {
            value ^= unsigned_byte(key[offset + i]) << (8 * i);
        }
        value *= multiplier;
    }
    value ^= value >> 13;
    value *= multiplier;
    value ^= value >> 15;
    return value;
}

}  // namespace ringmain::placement
