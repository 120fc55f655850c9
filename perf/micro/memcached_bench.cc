// Cost of one memcached request or response by kind, in one piece and cut, and of writing it.

#include "ringmain/base/assert.h"
#include "ringmain/memcached/forward.h"

#include <string>
#include <string_view>
#include <vector>

#include "parse_all.h"
#include <benchmark/benchmark.h>

namespace ringmain::memcached {
namespace {

const RequestLimits limits;

const std::string key = "session:1f0c2a:7d-user-000042";

std::string request_text(int kind) {
    switch (kind) {
        case 0:
            return "get " + key + "\r\n";
        case 1:
            return "set " + key + " 0 3600 100\r\n" + std::string(100, 'x') + "\r\n";
        case 2:
            return "mg " + key + " v t f c\r\n";
        case 3:
            return "incr " + key + " 1\r\n";
        default: {
            std::string text = "get";
            for (int i = 0; i < 20; ++i) {
                text += " " + key;
            }
            return text + "\r\n";
        }
    }
}

constexpr const char* request_names[] = {"get", "set 100 bytes", "mg", "incr", "get 20 keys"};

void memcached_request(benchmark::State& state) {
    const std::string text = request_text(static_cast<int>(state.range(0)));
    state.SetLabel(request_names[state.range(0)]);
    RequestParser parser(limits);
    for (auto _ : state) {
        benchmark::DoNotOptimize(parser.feed(text));
        parser.next();
    }
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

// The line comes in two pieces.
void memcached_request_cut(benchmark::State& state) {
    const std::string text = request_text(static_cast<int>(state.range(0)));
    state.SetLabel(request_names[state.range(0)]);
    const std::string_view head = std::string_view(text).substr(0, 10);
    const std::string_view tail = std::string_view(text).substr(10);
    RequestParser parser(limits);
    for (auto _ : state) {
        benchmark::DoNotOptimize(parser.feed(head));
        benchmark::DoNotOptimize(parser.feed(tail));
        parser.next();
    }
    state.SetItemsProcessed(state.iterations());
}

void memcached_requests_depth_16(benchmark::State& state) {
    state.SetLabel(request_names[state.range(0)]);
    RequestParser parser(limits);
    parse_all(state, parser, request_text(static_cast<int>(state.range(0))), 16);
}

// Answers to one "get" of each key, one behind the other.
void memcached_values(benchmark::State& state) {
    const std::string size = std::to_string(state.range(0));
    const std::string data(static_cast<size_t>(state.range(0)), 'x');
    ResponseParser parser;
    parse_all(state,
              parser,
              "VALUE " + key + " 0 " + size + "\r\n" + data + "\r\nEND\r\n",
              static_cast<size_t>(state.range(1)));
}

void memcached_response(benchmark::State& state) {
    const std::string value = "VALUE " + key + " 0 100\r\n" + std::string(100, 'x') + "\r\nEND\r\n";
    const std::string texts[] = {value, "STORED\r\n", "END\r\n"};
    constexpr const char* names[] = {"value 100 bytes", "stored", "miss"};
    const std::string& text = texts[state.range(0)];
    state.SetLabel(names[state.range(0)]);
    ResponseParser parser;
    for (auto _ : state) {
        benchmark::DoNotOptimize(parser.feed(text));
        parser.next();
    }
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

// What a server is sent: the first as it came, the second without its "noreply".
void memcached_write_request(benchmark::State& state) {
    const std::string line = "set " + key + " 0 3600 100";
    const std::string data = "\r\n" + std::string(100, 'x') + "\r\n";
    const std::string text = line + (state.range(0) == 0 ? "" : " noreply") + data;
    state.SetLabel(state.range(0) == 0 ? "as it came" : "anew");
    std::vector<char> memory(size_t{64} * block_size);
    BlockPool pool(memory, {});
    RequestParser parser(limits);
    benchmark::DoNotOptimize(parser.feed(text));
    Chain source(pool);
    benchmark::DoNotOptimize(source.append_copy(text, nullptr));
    for (auto _ : state) {
        Chain target(pool);
        benchmark::DoNotOptimize(write_request(parser.frame(), Bytes(source), target));
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(memcached_request)->DenseRange(0, 4);
BENCHMARK(memcached_request_cut)->DenseRange(0, 4);
BENCHMARK(memcached_requests_depth_16)->DenseRange(0, 3);
BENCHMARK(memcached_values)->Args({64, 16})->Args({4096, 3});
BENCHMARK(memcached_response)->DenseRange(0, 2);
BENCHMARK(memcached_write_request)->DenseRange(0, 1);

}  // namespace
}  // namespace ringmain::memcached
