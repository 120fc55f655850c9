// src/placement/md5.h - MD5 (RFC 1321), for the `md5` hash and the points of ketama.
//
// Placement only: MD5 protects nothing. By hand, so that no cryptography library with a policy of
// its own (FIPS) decides where keys live.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ringmain::placement {

// The digest as four numbers: the RFC's A, B, C, D, which are the 16 bytes read little-endian.
using Md5Digest = std::array<uint32_t, 4>;

[[nodiscard]] Md5Digest md5(std::string_view bytes);

}  // namespace ringmain::placement
