// What it costs to find a key's server: the hash by size of key, the look-up by number of servers.

#include "ringmain/placement/placement.h"

#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace {

using ringmain::Prng;
using ringmain::placement::DistributionKind;
using ringmain::placement::HashKind;
using ringmain::placement::Node;
using ringmain::placement::Placement;

std::vector<Node> make_nodes(int64_t count, bool weighted) {
    std::vector<Node> nodes;
    for (int64_t i = 0; i < count; ++i) {
        const auto weight = static_cast<uint32_t>(weighted ? 1 + i % 10 : 1);
        nodes.push_back({.name = "10.0.0." + std::to_string(i) + ":6379", .weight = weight});
    }
    return nodes;
}

Placement make_placement(DistributionKind kind, int64_t count, bool weighted) {
    return {{.hash = HashKind::Fnv1a_64, .distribution = kind, .hash_tag = ""},
            make_nodes(count, weighted)};
}

void hash(benchmark::State& state, HashKind kind) {
    std::string key(static_cast<size_t>(state.range(0)), 'k');
    for (auto _ : state) {
        benchmark::DoNotOptimize(key.data());
        benchmark::DoNotOptimize(ringmain::placement::hash(kind, key));
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
    state.SetItemsProcessed(state.iterations());
}

// Hashes come from a generator, so that no branch or cache line can be foreseen; each look-up
// waits for the one before.
void server_of_hash(benchmark::State& state, DistributionKind kind, bool weighted) {
    const Placement placement = make_placement(kind, state.range(0), weighted);
    Prng prng(1);
    uint32_t server = 0;
    for (auto _ : state) {
        const auto hash = static_cast<uint32_t>(prng.next()) + server;
        server = placement.server_of_hash(hash, prng);
    }
    benchmark::DoNotOptimize(server);
    state.SetItemsProcessed(state.iterations());
}

// A whole look-up as the proxy does it, tag included.
void server_of(benchmark::State& state, DistributionKind kind) {
    const Placement placement({.hash = HashKind::Fnv1a_64, .distribution = kind, .hash_tag = "{}"},
                              make_nodes(state.range(0), false));
    std::vector<std::string> keys;
    for (int i = 0; i < 4096; ++i) {
        keys.push_back("user:{" + std::to_string(i * 7919) + "}:name");
    }
    Prng prng(1);
    size_t next = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(placement.server_of(keys[next], prng));
        next = (next + 1) % keys.size();
    }
    state.SetItemsProcessed(state.iterations());
}

// What an ejected or returning server costs every worker.
void build(benchmark::State& state, DistributionKind kind) {
    const std::vector<Node> nodes = make_nodes(state.range(0), false);
    for (auto _ : state) {
        const Placement placement(
            {.hash = HashKind::Fnv1a_64, .distribution = kind, .hash_tag = ""}, nodes);
        benchmark::DoNotOptimize(placement.points_of(0));
    }
}

void key_sizes(benchmark::internal::Benchmark* bench) {
    for (const int64_t size : {4, 16, 40, 250, 4096}) {
        bench->Arg(size);
    }
}

void server_counts(benchmark::internal::Benchmark* bench) {
    for (const int64_t count : {1, 3, 10, 100, 1000}) {
        bench->Arg(count);
    }
}

BENCHMARK_CAPTURE(hash, one_at_a_time, HashKind::OneAtATime)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, md5, HashKind::Md5)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, crc16, HashKind::Crc16)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, crc32a, HashKind::Crc32a)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, fnv1_64, HashKind::Fnv1_64)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, fnv1a_64, HashKind::Fnv1a_64)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, fnv1a_32, HashKind::Fnv1a_32)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, hsieh, HashKind::Hsieh)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, murmur, HashKind::Murmur)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, jenkins, HashKind::Jenkins)->Apply(key_sizes);
BENCHMARK_CAPTURE(hash, xxh3, HashKind::Xxh3)->Apply(key_sizes);

BENCHMARK_CAPTURE(server_of_hash, ketama, DistributionKind::Ketama, false)->Apply(server_counts);
BENCHMARK_CAPTURE(server_of_hash, modula, DistributionKind::Modula, false)->Apply(server_counts);
BENCHMARK_CAPTURE(server_of_hash, random, DistributionKind::Random, false)->Apply(server_counts);
BENCHMARK_CAPTURE(server_of_hash, rendezvous, DistributionKind::Rendezvous, false)
    ->Apply(server_counts);
BENCHMARK_CAPTURE(server_of_hash, rendezvous_weighted, DistributionKind::Rendezvous, true)
    ->Apply(server_counts);
BENCHMARK_CAPTURE(server_of_hash, maglev, DistributionKind::Maglev, false)->Apply(server_counts);

BENCHMARK_CAPTURE(server_of, ketama, DistributionKind::Ketama)->Apply(server_counts);

BENCHMARK_CAPTURE(build, ketama, DistributionKind::Ketama)->Apply(server_counts);
BENCHMARK_CAPTURE(build, maglev, DistributionKind::Maglev)->Apply(server_counts);

}  // namespace
