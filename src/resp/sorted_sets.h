// src/resp/sorted_sets.h - ZUNION, ZINTER, ZINTERCARD and ZDIFF of values that are at hand.

#pragma once

#include "ringmain/resp/combine.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::resp {

struct ZsetOptions {
    enum class Aggregate : uint8_t { Sum, Min, Max };

    std::vector<double> weights;  // one per key
    Aggregate aggregate = Aggregate::Sum;
    bool with_scores = false;
    uint64_t limit = 0;           // 0: none
    std::string_view error = {};  // of the options: nothing else counts then
};

// Of SINTERCARD, too. `words` are those behind the keys.
[[nodiscard]] ZsetOptions read_zset_options(Gathering gathering,
                                            std::span<const std::string> words,
                                            size_t key_count);

// The parts are answers to ZUNION 1 key WITHSCORES, by key, none an error.
[[nodiscard]] CombineStatus combine_sorted_sets(const Combination& combination,
                                                const ZsetOptions& options,
                                                std::string& out);

}  // namespace ringmain::resp
