// tests/unit/base/counting.h - what hashes are fed with.

#pragma once

#include <cstddef>
#include <string>

namespace ringmain {

// 00 01 02 ... FF 00 ...
inline std::string counting(size_t size) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) {
        bytes.push_back(static_cast<char>(i & 0xFF));
    }
    return bytes;
}

}  // namespace ringmain
