#define XXH_INLINE_ALL
#include "hash_functions.h"
#include <xxhash.h>

namespace ringmain::placement {

// The values of XXH3 are fixed since xxHash 0.8.0.
uint32_t hash_xxh3(std::string_view key) {
    return static_cast<uint32_t>(hash_name(key));
}

uint64_t hash_name(std::string_view name) {
    return XXH3_64bits(name.data(), name.size());
}

}  // namespace ringmain::placement
