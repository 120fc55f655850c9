// perf/micro/parse_all.h - the same frame many times over in one piece, for the parsers of both
// protocols.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/protocol/frame.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

namespace ringmain {

inline std::string repeat(std::string_view bytes, size_t times) {
    std::string text;
    for (size_t i = 0; i < times; ++i) {
        text += bytes;
    }
    return text;
}

// Items are frames.
template <class Parser>
void parse_all(benchmark::State& state, Parser& parser, std::string_view frame, size_t depth) {
    const std::string stream = repeat(frame, depth);
    for (auto _ : state) {
        std::string_view rest = stream;
        while (!rest.empty()) {
            const Fed fed = parser.feed(rest);
            RM_ASSERT(fed.status == ParseStatus::Complete);
            benchmark::DoNotOptimize(parser.frame());
            rest.remove_prefix(fed.consumed);
            parser.next();
        }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(depth));
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(stream.size()));
}

}  // namespace ringmain
