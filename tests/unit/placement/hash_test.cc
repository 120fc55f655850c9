#include "ringmain/placement/hash.h"

#include "ringmain/base/hex.h"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/placement/hash_functions.h"
#include "src/placement/md5.h"
#include <doctest/doctest.h>

namespace ringmain::placement {

namespace {

std::vector<HashKind> all_kinds() {
    std::vector<HashKind> kinds;
    for (size_t i = 0; i < hash_names().size(); ++i) {
        kinds.push_back(static_cast<HashKind>(i));
    }
    return kinds;
}

std::string hex(const Md5Digest& digest) {
    std::string text;
    for (const uint32_t word : digest) {
        for (uint32_t shift = 0; shift < 32; shift += 8) {
            append_hex(text, static_cast<uint8_t>(word >> shift));
        }
    }
    return text;
}

}  // namespace

TEST_CASE("each hash has a name of its own") {
    std::set<std::string_view> seen;
    for (const HashKind kind : all_kinds()) {
        seen.insert(name_of(kind));
    }
    CHECK(seen.size() == 13);
    CHECK(name_of(HashKind::Fnv1a_64) == "fnv1a_64");
    CHECK(name_of(HashKind::Crc32a) == "crc32a");
    CHECK(name_of(HashKind::Xxh3) == "xxh3");
}

TEST_CASE("md5 gives the digests of RFC 1321") {
    CHECK(hex(md5("")) == "d41d8cd98f00b204e9800998ecf8427e");
    CHECK(hex(md5("a")) == "0cc175b9c0f1b6a831c399e269772661");
    CHECK(hex(md5("abc")) == "900150983cd24fb0d6963f7d28e17f72");
    CHECK(hex(md5("message digest")) == "f96b697d7cb7938d525a2f31aaf161d0");
    CHECK(hex(md5("abcdefghijklmnopqrstuvwxyz")) == "c3fcd3d76192e4007dfb496cca67e13b");
    CHECK(hex(md5("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")) ==
          "d174ab98d277d9f5a5611c2c9f419d9f");
    CHECK(hex(md5("1234567890123456789012345678901234567890"
                  "1234567890123456789012345678901234567890")) ==
          "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("md5 pads rightly around the end of a block") {
    CHECK(hex(md5(std::string(55, 'x'))) == "04364420e25c512fd958a70738aa8f72");
    CHECK(hex(md5(std::string(56, 'x'))) == "668a72d5ba17f08e62dabcafad6db14b");
    CHECK(hex(md5(std::string(57, 'x'))) == "693037871c4a9d3d8685018905cb530a");
    CHECK(hex(md5(std::string(63, 'x'))) == "7dc2ca208106a2f703567bdff99d8981");
    CHECK(hex(md5(std::string(64, 'x'))) == "c1bb4f81d892b2d57947682aeb252456");
    CHECK(hex(md5(std::string(65, 'x'))) == "1bc932052302d074bdec39795fe00cf6");
    CHECK(hex(md5(std::string(119, 'x'))) == "ab347a5f68c8a443cfcddc633f12c24f");
    CHECK(hex(md5(std::string(120, 'x'))) == "fb98667f98096de92620b64f46e1c5b5");
    CHECK(hex(md5(std::string(128, 'x'))) == "d69cb61a6ee87200676eb0d4b90edbcb");
}

TEST_CASE("crc32a and fnv1a_32 give their published check values") {
    CHECK(hash(HashKind::Crc32a, "123456789") == 0xCBF43926U);
    CHECK(hash(HashKind::Crc32, "123456789") == ((0xCBF43926U >> 16) & 0x7FFFU));
    CHECK((hash(HashKind::Crc16, "123456789") & 0xFFFFU) == 0x31C3U);
    CHECK(hash(HashKind::Fnv1a_32, "foobar") == 0xBF9CF968U);
}

TEST_CASE("crc16 keeps what it shifts out of its lower half") {
    CHECK(hash(HashKind::Crc16, "apple") == 3662830516U);
}

TEST_CASE("xxh3 gives the lower half of XXH3_64bits") {
    // Known answers of the empty input, and of one value for each of its branches of length.
    CHECK(hash(HashKind::Xxh3, "") == 0x38D394C2U);
    CHECK(hash(HashKind::Xxh3, std::string(1, 'x')) == 0x80B2CD11U);
    CHECK(hash(HashKind::Xxh3, std::string(4, 'x')) == 0x799DD0CCU);
    CHECK(hash(HashKind::Xxh3, std::string(9, 'x')) == 0x882C63A9U);
    CHECK(hash(HashKind::Xxh3, std::string(17, 'x')) == 0x7D2F5A11U);
    CHECK(hash(HashKind::Xxh3, std::string(129, 'x')) == 0x08FE27DCU);
    CHECK(hash(HashKind::Xxh3, std::string(241, 'x')) == 0x301A6A1DU);
    CHECK(hash(HashKind::Xxh3, std::string(1025, 'x')) == 0x61B8A761U);
}

TEST_CASE("a byte of 0x80 or above counts as twemproxy's signed char") {
    // By hand: the byte 0xFF is 0xFFFFFFFF.
    const std::string_view key = "\xFF";
    CHECK(hash(HashKind::Fnv1a_32, key) == (2166136261U ^ 0xFFFFFFFFU) * 16777619U);
    CHECK(hash(HashKind::Fnv1_32, key) == ((2166136261U * 16777619U) ^ 0xFFFFFFFFU));
    CHECK(hash(HashKind::Fnv1a_64, key) == (0x84222325U ^ 0xFFFFFFFFU) * 0x1B3U);
    CHECK(hash(HashKind::Fnv1_64, key) == ((0x84222325U * 0x1B3U) ^ 0xFFFFFFFFU));
}

TEST_CASE("a hash does not care where its key lies") {
    // At each offset from an aligned address, in a buffer that ends with the key, so that a
    // sanitizer sees a load that is misaligned or goes too far.
    for (size_t size = 0; size <= 48; ++size) {
        std::string key;
        for (size_t i = 0; i < size; ++i) {
            key.push_back(static_cast<char>(i * 37 + 120));
        }
        for (const HashKind kind : all_kinds()) {
            const uint32_t expected = hash(kind, key);
            for (size_t offset = 1; offset < 8; ++offset) {
                const auto copy = std::make_unique<char[]>(offset + size);
                key.copy(copy.get() + offset, size);
                CHECK(hash(kind, {copy.get() + offset, size}) == expected);
            }
        }
    }
}

TEST_CASE("every byte of a key matters to its hash") {
    // But for crc32, which keeps 15 bits only.
    for (const HashKind kind : all_kinds()) {
        if (kind == HashKind::Crc32) continue;
        CAPTURE(name_of(kind));
        for (const size_t size : {size_t{1}, size_t{3}, size_t{7}, size_t{12}, size_t{250}}) {
            const std::string key(size, 'k');
            for (size_t i = 0; i < size; ++i) {
                std::string other = key;
                other[i] = '\xEB';
                CHECK(hash(kind, other) != hash(kind, key));
            }
        }
    }
}

TEST_CASE("mix spreads neighbouring numbers") {
    std::set<uint64_t> upper_bytes;
    for (uint64_t i = 0; i < 4096; ++i) {
        upper_bytes.insert(mix(i) >> 56);
    }
    CHECK(upper_bytes.size() == 256);
    CHECK(mix(0) == 0);
}

}  // namespace ringmain::placement
