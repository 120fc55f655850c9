// RESP parsers: time per frame, by size of the frame and by how many lie in one piece; split and
// join of many keys.

#include "ringmain/base/assert.h"
#include "ringmain/buffer/block_pool.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/multi_key.h"
#include "ringmain/resp/request_parser.h"
#include "ringmain/resp/response_parser.h"
#include "ringmain/resp/writer.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parse_all.h"
#include <benchmark/benchmark.h>

namespace ringmain::resp {
namespace {

std::string bulk(std::string_view bytes) {
    std::string out;
    write_bulk(out, bytes);
    return out;
}

std::string get_request() {
    return "*2\r\n" + bulk("GET") + bulk("key:000001");
}

std::string set_request(size_t value_size) {
    return "*3\r\n" + bulk("SET") + bulk("key:000001") + bulk(std::string(value_size, 'v'));
}

std::string mget_request(size_t keys) {
    std::string out = "*" + std::to_string(1 + keys) + "\r\n" + bulk("MGET");
    for (size_t i = 0; i < keys; ++i)
        out += bulk("key:" + std::to_string(100000 + i));
    return out;
}

std::string array_response(size_t elements, size_t element_size) {
    std::string out = "*" + std::to_string(elements) + "\r\n";
    for (size_t i = 0; i < elements; ++i)
        out += bulk(std::string(element_size, 'v'));
    return out;
}

void parse_requests(benchmark::State& state, const std::string& frame, size_t depth) {
    const RequestLimits limits;
    RequestParser parser(limits);
    parse_all(state, parser, frame, depth);
}

void parse_responses(benchmark::State& state, const std::string& frame, size_t depth) {
    ResponseParser parser;
    parse_all(state, parser, frame, depth);
}

// Each frame cut in two in the middle.
void parse_cut_requests(benchmark::State& state, const std::string& frame) {
    const RequestLimits limits;
    RequestParser parser(limits);
    const std::string_view head = std::string_view(frame).substr(0, frame.size() / 2);
    const std::string_view tail = std::string_view(frame).substr(frame.size() / 2);
    for (auto _ : state) {
        Fed fed = parser.feed(head);
        RM_ASSERT(fed.status == ParseStatus::NeedMore);
        fed = parser.feed(tail);
        RM_ASSERT(fed.status == ParseStatus::Complete);
        benchmark::DoNotOptimize(parser.frame());
        parser.next();
    }
    state.SetItemsProcessed(state.iterations());
}

void find_all_arguments(benchmark::State& state, const std::string& frame) {
    const auto size = static_cast<uint32_t>(frame.size());
    std::string memory = frame;
    Block block = {.data = memory.data(), .used = size, .references = 1};
    const RequestLimits limits;
    RequestParser parser(limits);
    RM_ASSERT(parser.feed(frame).status == ParseStatus::Complete);
    const Bytes bytes(Slice{.block = &block, .offset = 0, .size = size});
    std::vector<ByteRange> arguments;
    for (auto _ : state) {
        find_arguments(parser.frame(), bytes, arguments);
        benchmark::DoNotOptimize(arguments.data());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(arguments.size()));
}

struct Arena {
    static constexpr size_t blocks = 64;

    std::unique_ptr<char[]> memory = std::make_unique<char[]>(blocks * block_size);
    BlockPool pool{{memory.get(), blocks* block_size}, {}};
};

void split_keys(benchmark::State& state, size_t keys, uint16_t fragments) {
    Arena arena;
    const std::string frame = mget_request(keys);
    Chain chain(arena.pool);
    RM_ASSERT(chain.append_copy(frame, nullptr));
    const RequestLimits limits;
    RequestParser parser(limits);
    RM_ASSERT(parser.feed(frame).status == ParseStatus::Complete);
    const Bytes bytes(chain);
    std::vector<ByteRange> arguments;
    find_arguments(parser.frame(), bytes, arguments);
    std::vector<std::vector<uint32_t>> keys_of(fragments);
    for (size_t i = 0; i < keys; ++i)
        keys_of[i % fragments].push_back(static_cast<uint32_t>(i));
    const Split split = {.name = "MGET", .bytes = &bytes, .arguments = arguments, .step = 1};
    for (auto _ : state) {
        for (const std::vector<uint32_t>& its_keys : keys_of) {
            Chain target(arena.pool);
            RM_ASSERT(write_fragment(split, its_keys, target, nullptr));
            benchmark::DoNotOptimize(target);
        }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(keys));
}

void join_keys(benchmark::State& state, size_t keys, uint16_t fragments) {
    Arena arena;
    std::vector<Chain> chains;
    std::vector<const Chain*> responses;
    std::vector<uint16_t> owners;
    chains.reserve(fragments);
    for (uint16_t fragment = 0; fragment < fragments; ++fragment) {
        Chain& chain = chains.emplace_back(arena.pool);
        RM_ASSERT(chain.append_copy(array_response(keys / fragments, 64), nullptr));
        responses.push_back(&chain);
    }
    for (size_t i = 0; i < keys; ++i)
        owners.push_back(static_cast<uint16_t>(i % fragments));
    const Join join = {.owners = owners, .responses = responses, .version = Version::Resp2};
    std::vector<JoinSource> sources;
    for (auto _ : state) {
        Chain target(arena.pool);
        RM_ASSERT(join_arrays(join, sources, target, nullptr) == JoinStatus::Joined);
        benchmark::DoNotOptimize(target);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(keys));
}

BENCHMARK_CAPTURE(parse_requests, get_depth_1, get_request(), 1);
BENCHMARK_CAPTURE(parse_requests, get_depth_16, get_request(), 16);
BENCHMARK_CAPTURE(parse_requests, get_depth_256, get_request(), 256);
BENCHMARK_CAPTURE(parse_requests, set_64_depth_16, set_request(64), 16);
BENCHMARK_CAPTURE(parse_requests, set_4096_depth_3, set_request(4096), 3);
BENCHMARK_CAPTURE(parse_requests, mget_5, mget_request(5), 16);
BENCHMARK_CAPTURE(parse_requests, mget_100, mget_request(100), 1);
BENCHMARK_CAPTURE(parse_requests, inline_get, std::string("GET key:000001\r\n"), 16);
BENCHMARK_CAPTURE(parse_cut_requests, get, get_request());
BENCHMARK_CAPTURE(parse_responses, ok_depth_1, std::string("+OK\r\n"), 1);
BENCHMARK_CAPTURE(parse_responses, ok_depth_256, std::string("+OK\r\n"), 256);
BENCHMARK_CAPTURE(parse_responses, bulk_64_depth_1, bulk(std::string(64, 'v')), 1);
BENCHMARK_CAPTURE(parse_responses, bulk_64_depth_128, bulk(std::string(64, 'v')), 128);
BENCHMARK_CAPTURE(parse_responses, bulk_4096_depth_3, bulk(std::string(4096, 'v')), 3);
BENCHMARK_CAPTURE(parse_responses, integer_depth_256, std::string(":1234\r\n"), 256);
BENCHMARK_CAPTURE(parse_responses, null_depth_256, std::string("$-1\r\n"), 256);
BENCHMARK_CAPTURE(parse_responses, array_10x64, array_response(10, 64), 8);
BENCHMARK_CAPTURE(find_all_arguments, mget_100, mget_request(100));
BENCHMARK_CAPTURE(split_keys, mget_100_by_4, 100, uint16_t{4});
BENCHMARK_CAPTURE(join_keys, mget_100_by_4, 100, uint16_t{4});

}  // namespace
}  // namespace ringmain::resp
