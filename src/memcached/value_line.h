// src/memcached/value_line.h - the numbers of a VALUE line that lie at hand.
//
// The short cut of the response parser and of the join. It says no (null) rather than decide: what
// is cut or unusual is left to their careful ways, which say the same of whatever it takes.

#pragma once

#include "ringmain/base/ascii.h"

#include <cstddef>
#include <cstdint>

namespace ringmain::memcached {

[[nodiscard]] inline bool is_line_end(const char* at) {
    return at[0] == '\r' && at[1] == '\n';
}

// A blank and 1 to `digits_max` digits (below 20). Returns what follows, or null.
[[nodiscard]] inline const char* read_field(const char* at,
                                            const char* end,
                                            ptrdiff_t digits_max,
                                            uint64_t* value) {
    if (end - at < 2 || at[0] != ' ' || !ascii::is_digit(at[1])) return nullptr;
    const char* const first = at + 1;
    uint64_t number = static_cast<uint64_t>(*first - '0');
    for (at = first + 1; at != end && ascii::is_digit(*at); ++at) {
        number = number * 10 + static_cast<uint64_t>(*at - '0');
    }
    *value = number;  // of too many digits it is another
    return at - first <= digits_max ? at : nullptr;
}

// From behind the key on, " <flags> <bytes>" or " <flags> <bytes> <cas>", to what is no digit.
// Returns what follows, or null.
[[nodiscard]] inline const char* read_value_numbers(const char* at,
                                                    const char* end,
                                                    uint32_t* data_size) {
    // Not the longest that are right, but none of these is wrong.
    constexpr ptrdiff_t digits_of_32_bits = 9;
    constexpr ptrdiff_t digits_of_64_bits = 19;
    uint64_t number = 0;
    at = read_field(at, end, digits_of_32_bits, &number);
    if (at == nullptr) return nullptr;
    at = read_field(at, end, digits_of_32_bits, &number);
    if (at == nullptr) return nullptr;
    *data_size = static_cast<uint32_t>(number);
    if (at == end || *at != ' ') return at;
    return read_field(at, end, digits_of_64_bits, &number);
}

}  // namespace ringmain::memcached
