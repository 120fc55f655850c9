#include "ringmain/base/password.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain {

TEST_CASE("a digest is SHA-256") {
    // FIPS 180-4's own examples.
    CHECK(digest_of("abc") ==
          parse_digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK(digest_of("") ==
          parse_digest("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"));
    CHECK(digest_of("abc") != digest_of(std::string("abc\0", 4)));
}

TEST_CASE("64 hexadecimal digits are a digest, and nothing else") {
    const std::string zeros(64, '0');
    CHECK(parse_digest(zeros) == PasswordDigest{});
    CHECK_FALSE(parse_digest(zeros + "0").has_value());
    CHECK_FALSE(parse_digest(zeros.substr(1)).has_value());
    CHECK_FALSE(parse_digest("").has_value());
    for (int byte = 0; byte < 256; ++byte) {
        const auto character = static_cast<char>(byte);
        const bool is_digit =
            std::string_view("0123456789abcdefABCDEF").find(character) != std::string_view::npos;
        for (const size_t at : {size_t{0}, size_t{63}}) {
            std::string text = zeros;
            text[at] = character;
            CHECK(parse_digest(text).has_value() == is_digit);
        }
    }
}

TEST_CASE("digests are equal when all their bytes are") {
    const PasswordDigest digest = digest_of("secret");
    CHECK(equal_in_constant_time(digest, digest_of("secret")));
    for (size_t i = 0; i < digest.size(); ++i) {
        PasswordDigest other = digest;
        other[i] ^= 1;
        CHECK_FALSE(equal_in_constant_time(digest, other));
    }
}

}  // namespace ringmain
