#include "ringmain/base/hex.h"

#include <cstdint>
#include <string>

#include <doctest/doctest.h>

namespace ringmain {

TEST_CASE("what is written in hexadecimal is read again") {
    for (uint32_t value = 0; value < 256; ++value) {
        CAPTURE(value);
        std::string text;
        append_hex(text, static_cast<uint8_t>(value));
        REQUIRE(text.size() == 2);
        CHECK(hex_byte(text[0], text[1]) == value);
        CHECK(hex_byte(ascii::upper(text[0]), ascii::upper(text[1])) == value);
    }
}

TEST_CASE("a number has all digits of its type") {
    std::string text = "0x";
    append_hex(text, uint32_t{0xc0ffee});
    append_hex(text, uint64_t{0x1});
    CHECK(text == "0x00c0ffee0000000000000001");
}

TEST_CASE("only digits are digits") {
    for (uint32_t value = 0; value < 256; ++value) {
        const auto byte = static_cast<char>(value);
        const bool is_digit = std::string("0123456789abcdefABCDEF").find(byte) != std::string::npos;
        CHECK(hex_digit(byte).has_value() == is_digit);
        CHECK(hex_byte(byte, '0').has_value() == is_digit);
        CHECK(hex_byte('0', byte).has_value() == is_digit);
    }
}

}  // namespace ringmain
