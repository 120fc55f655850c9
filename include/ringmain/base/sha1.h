// ringmain/base/sha1.h - SHA-1 (FIPS 180-4), by which redis names scripts.
//
// Not for secrets: who wants two texts of one digest can have them.

#pragma once

#include <string>
#include <string_view>

namespace ringmain {

// 40 hexadecimal digits, lower case.
[[nodiscard]] std::string sha1_hex(std::string_view bytes);

}  // namespace ringmain
