#include <array>

#include "bytes.h"
#include "hash_functions.h"

namespace ringmain::placement {

namespace {

// CRC-16/XMODEM: polynomial 0x1021, highest bit first.
constexpr std::array<uint32_t, 256> make_crc16_table() {
    std::array<uint32_t, 256> table = {};
    for (uint32_t byte = 0; byte < table.size(); ++byte) {
        uint32_t crc = byte << 8;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1;
        }
        table[byte] = crc & 0xFFFFU;
    }
    return table;
}

// CRC-32 of IEEE 802.3: polynomial 0xEDB88320, lowest bit first.
constexpr std::array<uint32_t, 256> make_crc32_table() {
    std::array<uint32_t, 256> table = {};
    for (uint32_t byte = 0; byte < table.size(); ++byte) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc & 1U) != 0 ? (crc >> 1) ^ 0xEDB88320U : crc >> 1;
        }
        table[byte] = crc;
    }
    return table;
}

constexpr std::array<uint32_t, 256> crc16_table = make_crc16_table();
constexpr std::array<uint32_t, 256> crc32_table = make_crc32_table();

}  // namespace

// nc_crc16.c keeps the sum in 32 bits and never cuts it: the lower half is the CRC, the upper half
// what was shifted out of it.
uint32_t hash_crc16(std::string_view key) {
    uint32_t crc = 0;
    for (const char byte : key) {
        crc = (crc << 8) ^ crc16_table[((crc >> 8) ^ unsigned_byte(byte)) & 0xFFU];
    }
    return crc;
}

// nc_crc32.c, as libmemcached: 15 bits from the middle of the CRC. Too few for ketama, whose first
// points then get every key.
uint32_t hash_crc32(std::string_view key) {
    return (hash_crc32a(key) >> 16) & 0x7FFFU;
}

// nc_crc32.c: the whole CRC.
uint32_t hash_crc32a(std::string_view key) {
    uint32_t crc = UINT32_MAX;
    for (const char byte : key) {
        crc = (crc >> 8) ^ crc32_table[(crc ^ unsigned_byte(byte)) & 0xFFU];
    }
    return ~crc;
}

}  // namespace ringmain::placement
