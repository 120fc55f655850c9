// Looking up commands and their keys.

#include "ringmain/resp/commands.h"

#include <array>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

namespace ringmain::resp {

namespace {

// Names as clients send them; taken in turns so that no branch is learnt by heart.
constexpr std::array<std::string_view, 8> names = {
    "GET",
    "SET",
    "HGETALL",
    "zrangebyscore",
    "MGET",
    "EXPIRE",
    "Lpush",
    "geosearchstore",
};

void find_command(benchmark::State& state) {
    size_t i = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(resp::find_command(names[i++ % names.size()]));
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(find_command);

void find_command_of_one_name(benchmark::State& state) {
    std::string_view name = "GET";
    for (auto _ : state) {
        benchmark::DoNotOptimize(name);
        benchmark::DoNotOptimize(resp::find_command(name));
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(find_command_of_one_name);

void find_keys(benchmark::State& state, std::vector<std::string_view> request) {
    const Command& command = *resp::find_command(request[0]);
    std::vector<uint32_t> keys;
    for (auto _ : state) {
        keys.clear();
        benchmark::DoNotOptimize(resp::find_keys(command, request, keys));
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(find_keys, of_mget, {"MGET", "a", "b", "c", "d", "e", "f", "g", "h"});
BENCHMARK_CAPTURE(find_keys, of_evalsha, {"EVALSHA", "digest", "2", "a", "b", "argument"});
BENCHMARK_CAPTURE(find_keys, of_xread, {"XREAD", "COUNT", "10", "STREAMS", "a", "b", "0", "0"});
BENCHMARK_CAPTURE(find_keys, of_sort, {"SORT", "a", "BY", "w_*", "LIMIT", "0", "5", "STORE", "b"});

}  // namespace

}  // namespace ringmain::resp
