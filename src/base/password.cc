#include "ringmain/base/password.h"

#include "ringmain/base/hex.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>

namespace ringmain {

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
        const std::optional<uint8_t> byte = hex_byte(hex[2 * i], hex[2 * i + 1]);
        if (!byte) return std::nullopt;
        digest[i] = *byte;
    }
    return digest;
}

bool equal_in_constant_time(const PasswordDigest& a, const PasswordDigest& b) {
    return sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace ringmain
