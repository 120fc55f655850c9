// The whole proxy of one worker without I/O. Figures are per request.

#include "perf/micro/works.h"

#include <benchmark/benchmark.h>

namespace ringmain::perf {
namespace {

void run(benchmark::State& state, const Work& work) {
    const std::unique_ptr<Replay> replay = work.replay();
    replay->round(work.requests);
    for (auto _ : state) {
        replay->round(work.requests);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(work.depth));
}

const bool registered = [] {
    for (const Work& work : works()) {
        benchmark::RegisterBenchmark(("core/" + work.name).c_str(),
                                     [&work](benchmark::State& state) { run(state, work); });
    }
    return true;
}();

}  // namespace
}  // namespace ringmain::perf
