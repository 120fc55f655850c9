// src/resp/lcs.h - LCS of redis 7.0: the longest common subsequence of two strings.

#pragma once

#include "ringmain/resp/writer.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::resp {

struct LcsOptions {
    bool length_only = false;    // LEN
    bool indices = false;        // IDX
    bool match_lengths = false;  // WITHMATCHLEN
    int64_t match_length_min = 0;
    std::string_view error = {};  // of the options: nothing else counts then
};

// `words` are those behind the keys.
[[nodiscard]] LcsOptions read_lcs_options(std::span<const std::string> words);

// Appends the response. Takes time and 4 bytes of memory for each pair of bytes.
void write_lcs(std::string_view a,
               std::string_view b,
               const LcsOptions& options,
               Version version,
               std::string& out);

}  // namespace ringmain::resp
