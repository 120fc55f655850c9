// Property: gets that share lines towards a server are answered as each would be alone, whoever
// asks, whatever hits, however the bytes are cut.
//
// The input: which of the keys hit, the sizes of the values, then one byte per happening.

#include "tests/unit/core/loop.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using ringmain::test::Channel;
using ringmain::test::Loop;

constexpr std::array<std::string_view, 8> keys = {"a", "b", "ab", "A", "aa", "ba", "aaa", "c"};
constexpr size_t client_count = 4;

ringmain::config::Config config() {
    ringmain::config::Pool pool;
    pool.name = "main";
    pool.protocol = ringmain::config::Protocol::Memcached;
    pool.listen = {.host = "127.0.0.1", .port = 11211, .path = {}};
    pool.preconnect = true;
    pool.timeout_ms = 0;
    ringmain::config::Server server;
    server.address.host = "10.0.0.1";
    server.address.port = 7000;
    server.ring_name = "s0";
    pool.servers.push_back(server);
    ringmain::config::Config config;
    config.pools.push_back(pool);
    return config;
}

// What memcached says of one key in a list of keys.
class Values {
  public:
    Values(uint8_t hits, uint8_t sizes) : hits_(hits), sizes_(sizes) {}

    [[nodiscard]] std::string of(std::string_view key, bool cas) const {
        size_t index = 0;
        while (keys[index] != key)
            index += 1;
        if ((hits_ >> index & 1) == 0) return {};
        // Looks like a response, and is now small, now large.
        std::string data = "END\r\nVALUE ";
        data.append(key);
        if ((sizes_ >> index & 1) != 0) data.append(3000 * (index + 1), 'x');
        return "VALUE " + std::string(key) + " 5 " + std::to_string(data.size()) +
               (cas ? " 9\r\n" : "\r\n") + data + "\r\n";
    }

  private:
    uint8_t hits_;
    uint8_t sizes_;
};

struct Client {
    Channel* channel = nullptr;
    std::string expected;
};

class Story {
  public:
    explicit Story(const Values& values)
        : config_(config()), values_(values), loop_(config_, {.blocks = 1000}) {
        loop_.begin();
        loop_.proxy().preconnect();
        for (Client& client : clients_)
            client.channel = loop_.accept();
        next_batch();
        for (const auto& channel : loop_.channels()) {
            if (channel->server != nullptr) server_ = channel.get();
        }
        RM_ASSERT(server_ != nullptr);
        loop_.connected(*server_);
    }

    void happen(uint8_t what) {
        Client& client = clients_[what >> 3 & 3];
        switch (what >> 5) {
            case 0:
            case 1:
            case 2:
                ask(client, keys[what & 7], what >> 5 == 2);
                break;
            case 3:
                // Does not share, and must not be overtaken.
                client.channel->inbound += "mg a\r\n";
                client.expected += values_.of("a", false).empty() ? "EN\r\n" : "HD\r\n";
                break;
            case 4:
            case 5:
                serve(1 + size_t{static_cast<uint8_t>(what & 31)} * ((what & 1) != 0 ? 1 : 200));
                break;
            case 6:
                server_->reads = !server_->reads;
                break;
            default:
                next_batch();
                break;
        }
        while (loop_.receive(*client.channel)) {
        }
    }

    void end() {
        server_->reads = true;
        for (int quiet = 0; quiet < 4;) {
            const uint64_t before = loop_.events();
            next_batch();
            serve(SIZE_MAX);
            quiet = loop_.events() == before ? quiet + 1 : 0;
        }
        for (const Client& client : clients_) {
            RM_ASSERT(client.channel->arrived == client.expected);
        }
        RM_ASSERT(loop_.proxy().is_idle());
        loop_.end();
    }

  private:
    void next_batch() {
        loop_.end();
        loop_.begin();
    }

    void ask(Client& client, std::string_view key, bool cas) {
        client.channel->inbound += (cas ? "gets " : "get ") + std::string(key) + "\r\n";
        client.expected += values_.of(key, cas) + "END\r\n";
    }

    // The server answers what it has read; `size` bytes of that come in.
    void serve(size_t size) {
        std::string& lines = server_->arrived;
        for (size_t line_end = lines.find("\r\n"); line_end != std::string::npos;
             line_end = lines.find("\r\n")) {
            answer(std::string_view(lines).substr(0, line_end));
            lines.erase(0, line_end + 2);
        }
        const size_t coming = std::min(size, answers_.size());
        server_->inbound += answers_.substr(0, coming);
        answers_.erase(0, coming);
        while (loop_.receive(*server_)) {
        }
    }

    void answer(std::string_view line) {
        if (line.starts_with("mg ")) {
            answers_ += values_.of("a", false).empty() ? "EN\r\n" : "HD\r\n";
            return;
        }
        const bool cas = line.starts_with("gets ");
        RM_ASSERT(cas || line.starts_with("get "));
        line.remove_prefix(line.find(' ') + 1);
        while (!line.empty()) {
            const size_t size = std::min(line.find(' '), line.size());
            answers_ += values_.of(line.substr(0, size), cas);
            line.remove_prefix(std::min(size + 1, line.size()));
        }
        answers_ += "END\r\n";
    }

    ringmain::config::Config config_;
    Values values_;
    Loop loop_;
    std::array<Client, client_count> clients_;
    Channel* server_ = nullptr;
    std::string answers_;  // not yet under way
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2 || size > 4096) return 0;
    Story story(Values(data[0], data[1]));
    for (size_t i = 2; i < size; ++i)
        story.happen(data[i]);
    story.end();
    return 0;
}
