#include "bytes.h"
#include "hash_functions.h"

namespace ringmain::placement {

// Bob Jenkins's one-at-a-time (nc_one_at_a_time.c), bytes sign-extended.
uint32_t hash_one_at_a_time(std::string_view key) {
    uint32_t value = 0;
    for (const char byte : key) {
        value += signed_byte(byte);
        value += value << 10;
        value ^= value >> 6;
    }
    value += value << 3;
    value ^= value >> 11;
    value += value << 15;
    return value;
}

}  // namespace ringmain::placement
