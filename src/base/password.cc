#include "ringmain/base/password.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>

namespace ringmain {

namespace {

// The value of a hexadecimal digit; 16 for what is none.
constexpr uint8_t value_of(char digit) {
    if (digit >= '0' && digit <= '9') return static_cast<uint8_t>(digit - '0');
    if (digit >= 'a' && digit <= 'f') return static_cast<uint8_t>(digit - 'a' + 10);
    if (digit >= 'A' && digit <= 'F') return static_cast<uint8_t>(digit - 'A' + 10);
    return 16;
}

}  // namespace

PasswordDigest digest_of(std::string_view password) {
    static_assert(sizeof(PasswordDigest) == crypto_hash_sha256_BYTES);
    PasswordDigest digest;
    crypto_hash_sha256(
        digest.data(), reinterpret_cast<const unsigned char*>(password.data()), password.size());
    return digest;
}

std::optional<PasswordDigest> parse_digest(std::string_view hex) {
    PasswordDigest digest;
    if (hex.size() != 2 * digest.size()) return std::nullopt;
    for (size_t i = 0; i < digest.size(); ++i) {
        const uint8_t high = value_of(hex[2 * i]);
        const uint8_t low = value_of(hex[2 * i + 1]);
        if (high > 15 || low > 15) return std::nullopt;
        digest[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return digest;
}

bool equal_in_constant_time(const PasswordDigest& a, const PasswordDigest& b) {
    return sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace ringmain
