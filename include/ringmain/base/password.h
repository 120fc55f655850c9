// ringmain/base/password.h - what is kept of a password, and how two are compared.
//
// Comparing takes as long whatever is compared, so that nobody can learn a secret byte by byte.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmain {

// SHA-256.
using PasswordDigest = std::array<uint8_t, 32>;

[[nodiscard]] PasswordDigest digest_of(std::string_view password);

// 64 hexadecimal digits in any case, as `sha256sum` and Redis's ACL write a digest.
[[nodiscard]] std::optional<PasswordDigest> parse_digest(std::string_view hex);

[[nodiscard]] bool equal_in_constant_time(const PasswordDigest& a, const PasswordDigest& b);

}  // namespace ringmain
