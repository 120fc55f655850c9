// tests/unit/memcached/packet.h - binary packets, by the protocol's description and not with the
// code that is tested.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::memcached::test {

// `size` bytes, the high one first.
inline std::string number(uint64_t value, int size) {
    std::string text;
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
        text += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xFF);
    }
    return text;
}

struct Asked {
    uint8_t opcode = 0;
    std::string key = {};
    std::string value = {};
    std::string extras = {};
    uint64_t cas = 0;
    uint32_t opaque = 0x01020304;
    // What the header says where that is another.
    int64_t key_size = -1;
    int64_t extras_size = -1;
    int64_t body_size = -1;
    uint8_t magic = 0x80;
};

inline std::string packet(const Asked& asked) {
    const auto said = [](int64_t size, size_t real) {
        return size >= 0 ? static_cast<uint64_t>(size) : uint64_t{real};
    };
    const std::string body = asked.extras + asked.key + asked.value;
    return number(asked.magic, 1) + number(asked.opcode, 1) +
           number(said(asked.key_size, asked.key.size()), 2) +
           number(said(asked.extras_size, asked.extras.size()), 1) + number(0, 1) + number(0, 2) +
           number(said(asked.body_size, body.size()), 4) + number(asked.opaque, 4) +
           number(asked.cas, 8) + body;
}

inline uint64_t number_at(std::string_view bytes, size_t at, size_t size) {
    uint64_t value = 0;
    for (const char byte : bytes.substr(at, size)) {
        value = value << 8U | static_cast<unsigned char>(byte);
    }
    return value;
}

}  // namespace ringmain::memcached::test
