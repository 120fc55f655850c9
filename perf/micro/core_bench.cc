// The whole proxy of one worker without I/O: a client's pipeline in, its responses out.
//
// One round is what a busy worker does for one client: a batch with `depth` requests, a batch with
// as many responses. Figures are per request.

#include "ringmain/base/assert.h"
#include "ringmain/buffer/block_pool.h"
#include "ringmain/config/config.h"
#include "ringmain/core/counters.h"
#include "ringmain/core/proxy.h"
#include "ringmain/core/shared.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

namespace ringmain::core {
namespace {

constexpr size_t arena_size = size_t{16} << 20;

config::Config config_of(config::Protocol protocol) {
    config::Config config;
    config::Pool pool;
    pool.name = "main";
    pool.protocol = protocol;
    pool.preconnect = false;
    config::Server server;
    server.address.host = "10.0.0.1";
    server.address.port = 6379;
    server.ring_name = "s0";
    pool.servers.push_back(server);
    config.pools.push_back(pool);
    return config;
}

class Bench {
  public:
    explicit Bench(config::Protocol protocol)
        : config_(config_of(protocol)),
          shared_(config_, 1),
          arena_(std::make_unique<char[]>(arena_size)),
          blocks_({arena_.get(), arena_size}, {}),
          proxy_(config_, blocks_, counters_, {.shared = &shared_, .all_counters = all_counters_}) {
        client_ = proxy_.accept_client(0, "bench");
        client_->channel = 1;
    }

    ~Bench() { proxy_.remove_client(*client_); }

    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    void round(std::string_view requests, std::string_view responses) {
        begin();
        feed(requests, [this](const Slice& slice) { proxy_.on_client_bytes(*client_, slice); });
        end();
        while (ServerConn* conn = proxy_.next_to_connect()) {
            begin();
            conn->channel = 2;
            proxy_.on_connected(*conn);
            end();
        }
        ServerConn* conn = proxy_.next_dirty_server();
        RM_ASSERT(conn != nullptr);
        proxy_.take_sendable(*conn).clear();
        begin();
        feed(responses, [&](const Slice& slice) { proxy_.on_server_bytes(*conn, slice); });
        end();
        RM_ASSERT(proxy_.next_dirty_client() == client_);
        const uint64_t bytes = client_->out.size();
        RM_ASSERT(bytes == responses.size());
        client_->out.clear();
        client_->unsent += bytes;
        proxy_.on_client_sent(*client_, bytes);
    }

  private:
    void begin() {
        now_ = now_ + Duration{50'000};
        proxy_.begin_batch(now_, now_);
        proxy_.on_tick();
    }

    void end() { proxy_.end_batch(); }

    // As the kernel gives it: in blocks of their own.
    template <class Take>
    void feed(std::string_view bytes, Take take) {
        while (!bytes.empty()) {
            Block* block = blocks_.take();
            const size_t size = std::min<size_t>(bytes.size(), block_size);
            std::memcpy(block->data, bytes.data(), size);
            block->used = static_cast<uint32_t>(size);
            take({block, 0, block->used});
            blocks_.release(block);
            bytes.remove_prefix(size);
        }
    }

    config::Config config_;
    Shared shared_;
    Counters counters_;
    const Counters* all_counters_[1] = {&counters_};
    std::unique_ptr<char[]> arena_;
    BlockPool blocks_;
    Proxy proxy_;
    ClientConn* client_ = nullptr;
    Instant now_ = {1'000'000'000};
};

void run(benchmark::State& state,
         config::Protocol protocol,
         std::string_view request,
         std::string_view response) {
    const auto depth = static_cast<size_t>(state.range(0));
    std::string requests;
    std::string responses;
    for (size_t i = 0; i < depth; ++i) {
        requests += request;
        responses += response;
    }
    Bench bench(protocol);
    for (auto _ : state) {
        bench.round(requests, responses);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(depth));
}

const std::string value(64, 'v');
const std::string resp_get = "*2\r\n$3\r\nGET\r\n$10\r\nkey:000001\r\n";
const std::string resp_value = "$64\r\n" + value + "\r\n";
const std::string resp_set = "*3\r\n$3\r\nSET\r\n$10\r\nkey:000001\r\n$64\r\n" + value + "\r\n";
const std::string memcached_set = "set key:000001 0 0 64\r\n" + value + "\r\n";

void resp_get_64(benchmark::State& state) {
    run(state, config::Protocol::Redis, resp_get, resp_value);
}

void resp_set_64(benchmark::State& state) {
    run(state, config::Protocol::Redis, resp_set, "+OK\r\n");
}

void memcached_set_64(benchmark::State& state) {
    run(state, config::Protocol::Memcached, memcached_set, "STORED\r\n");
}

BENCHMARK(resp_get_64)->Name("core/resp_get_64")->Arg(1)->Arg(16)->Arg(100);
BENCHMARK(resp_set_64)->Name("core/resp_set_64")->Arg(1)->Arg(16)->Arg(100);
BENCHMARK(memcached_set_64)->Name("core/memcached_set_64")->Arg(1)->Arg(16)->Arg(100);

}  // namespace
}  // namespace ringmain::core
