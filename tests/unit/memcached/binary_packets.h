// tests/unit/memcached/binary_packets.h - binary packets as tests write and read them.

#pragma once

#include "ringmain/base/hex.h"
#include "tests/unit/memcached/packet.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::memcached::test {

inline const std::string noop = packet({.opcode = 0x0A});

// flags, exptime of a set
inline std::string set_extras(uint32_t flags = 0, uint32_t time = 0) {
    return number(flags, 4) + number(time, 4);
}

inline std::string count_extras(uint64_t delta, uint64_t initial, uint32_t time) {
    return number(delta, 8) + number(initial, 8) + number(time, 4);
}

inline std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) {
        append_hex(text, static_cast<uint8_t>(byte));
    }
    return text;
}

// Responses as text: "0c s0 xDEADBEEF kKEY vVALUE c7", parts that are empty or 0 left out; behind
// it " o..." where the opaque is not packet()'s own. Of several " | " lies between.
inline std::string responses_in(std::string_view bytes) {
    std::string text;
    while (!bytes.empty()) {
        if (!text.empty()) text += " | ";
        if (bytes.size() < 24) return text + "cut";
        const size_t extras_size = number_at(bytes, 4, 1);
        const size_t key_size = number_at(bytes, 2, 2);
        const size_t body_size = number_at(bytes, 8, 4);
        CHECK(number_at(bytes, 0, 1) == 0x81);
        CHECK(number_at(bytes, 5, 1) == 0);
        REQUIRE(extras_size + key_size <= body_size);
        if (bytes.size() - 24 < body_size) return text + "cut";
        const std::string_view body = bytes.substr(24, body_size);
        text += hex(bytes.substr(1, 1)) + " s" + hex(bytes.substr(7, 1));
        if (extras_size > 0) text += " x" + hex(body.substr(0, extras_size));
        if (key_size > 0) text += " k" + std::string(body.substr(extras_size, key_size));
        const std::string_view value = body.substr(extras_size + key_size);
        if (!value.empty()) text += " v" + std::string(value);
        if (const uint64_t cas = number_at(bytes, 16, 8); cas > 0)
            text += " c" + std::to_string(cas);
        const uint64_t opaque = number_at(bytes, 12, 4);
        if (opaque != Asked().opaque) text += " o" + std::to_string(opaque);
        bytes.remove_prefix(24 + body_size);
    }
    return text;
}

}  // namespace ringmain::memcached::test
