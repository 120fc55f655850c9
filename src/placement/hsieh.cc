#include "bytes.h"
#include "hash_functions.h"

namespace ringmain::placement {

// Paul Hsieh's SuperFastHash (nc_hsieh.c), started at 0 where the original starts at the length.
// Of the tail's bytes, the third of three is sign-extended and a single one is not.
uint32_t hash_hsieh(std::string_view key) {
    uint32_t value = 0;
    size_t offset = 0;
    for (; offset + 4 <= key.size(); offset += 4) {
        value += load_u16(key, offset);
        value = (value << 16) ^ (load_u16(key, offset + 2) << 11) ^ value;
        value += value >> 11;
    }
    switch (key.size() - offset) {
        case 3:
            value += load_u16(key, offset);
            value ^= value << 16;
            value ^= signed_byte(key[offset + 2]) << 18;
            value += value >> 11;
            break;
        case 2:
            value += load_u16(key, offset);
            value ^= value << 11;
            value += value >> 17;
            break;
        case 1:
            value += unsigned_byte(key[offset]);
            value ^= value << 10;
            value += value >> 1;
            break;
        default:
            break;
    }
    value ^= value << 3;
    value += value >> 5;
    value ^= value << 4;
    value += value >> 17;
    value ^= value << 25;
    value += value >> 6;
    return value;
}

}  // namespace ringmain::placement
