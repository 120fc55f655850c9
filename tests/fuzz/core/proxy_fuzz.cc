// Property: whatever clients and servers send, cut as they like, and whenever they come and go, no
// assertion fails, and at the end nothing is left in the arena.
//
// The input is a list of instructions: a byte that says what happens, one that says to whom, and,
// for bytes, their number and the bytes themselves.

#include "tests/unit/core/loop.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace {

using ringmain::Duration;
using ringmain::test::Channel;
using ringmain::test::Loop;

ringmain::config::Config config_of(uint8_t choice) {
    using ringmain::config::Protocol;
    ringmain::config::Pool pool;
    pool.name = "main";
    pool.protocol = (choice & 1) != 0 ? Protocol::Memcached : Protocol::Redis;
    pool.listen = {.host = "127.0.0.1", .port = 6379, .path = {}};
    pool.preconnect = (choice & 2) != 0;
    pool.server_connections = (choice & 4) != 0 ? 2 : 1;
    pool.requests_in_flight_max = (choice & 8) != 0 ? 2 : 1024;
    pool.output_pause_size = 16 * 1024;
    pool.request_size_max = (choice & 16) != 0 ? 100 : 1024 * 1024;
    pool.timeout_ms = (choice & 32) != 0 ? 0 : 400;
    if (pool.protocol == Protocol::Redis) {
        if ((choice & 64) != 0) pool.redis_auth = "p";
        if ((choice & 128) != 0) pool.redis_db = 1;
    }
    for (uint16_t i = 0; i < 3; ++i) {
        ringmain::config::Server server;
        server.address.host = "10.0.0.1";
        server.address.port = static_cast<uint16_t>(7000 + i);
        server.ring_name = "s" + std::to_string(i);
        pool.servers.push_back(server);
    }
    ringmain::config::Config config;
    config.pools.push_back(pool);
    return config;
}

class Input {
  public:
    explicit Input(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] bool empty() const { return bytes_.empty(); }

    uint8_t byte() {
        if (bytes_.empty()) return 0;
        const auto value = static_cast<uint8_t>(bytes_.front());
        bytes_.remove_prefix(1);
        return value;
    }

    std::string_view piece() {
        const std::string_view piece = bytes_.substr(0, byte());
        bytes_.remove_prefix(piece.size());
        return piece;
    }

  private:
    std::string_view bytes_;
};

// The channel that `who` means: any that was ever opened; null while there is none.
Channel* channel_of(const Loop& loop, uint8_t who) {
    const size_t count = loop.channels().size() - 1;
    return count == 0 ? nullptr : loop.channels()[1 + who % count].get();
}

void happen(Loop& loop, Input& input) {
    const uint8_t what = input.byte();
    Channel* channel = channel_of(loop, what >> 4);
    switch (what & 15) {
        case 0:
            if (loop.channels().size() < 12) static_cast<void>(loop.accept());
            return;
        case 1:
            loop.end();
            loop.advance(Duration::millis(input.byte() * 4));
            loop.begin();
            return;
        case 2:
        case 3:
            loop.end();
            loop.begin();
            return;
        default:
            break;
    }
    if (channel == nullptr) return;
    switch (what & 15) {
        case 4:
            loop.connected(*channel);
            return;
        case 5:
            if (!channel->closed) loop.end_of_stream(*channel);
            return;
        case 6:
            if (!channel->closed) loop.reset(*channel);
            return;
        case 7:
            channel->reads = !channel->reads;
            return;
        case 8:
            // A large piece: the same byte many times.
            channel->inbound +=
                std::string(size_t{64} * input.byte(), static_cast<char>(input.byte()));
            break;
        default:
            channel->inbound += input.piece();
            break;
    }
    while (loop.receive(*channel)) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input({reinterpret_cast<const char*>(data), size});
    const ringmain::config::Config config = config_of(input.byte());
    const uint8_t memory = input.byte();
    Loop loop(config, {.blocks = memory < 128 ? 300U : 8U + memory % 100});
    loop.begin();
    loop.proxy().preconnect();
    while (!input.empty())
        happen(loop, input);
    loop.end();
    loop.shut_down();
    return 0;
}
