// tests/unit/core/loop.h - drives a Proxy as worker::Driver does, but in memory.
//
// One batch is begin(), any number of events, end(). Bytes come in as the kernel gives them: each
// receive in a block of its own, which is released when it was fed. What the proxy wants sent is
// under way until the next begin(), which delivers all of it or, with `cut`, a random part.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/base/prng.h"
#include "ringmain/buffer/block_pool.h"
#include "ringmain/config/config.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/core/time_shift.h"
#include "tests/mapped.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::test {

// What the workers of one process share.
struct Process {
    Process(const config::Config& config, uint32_t workers)
        : shared(config, workers), counters(workers) {
        for (const core::Counters& worker : counters) {
            all_counters.push_back(&worker);
        }
    }

    core::Shared shared;
    std::deque<core::Counters> counters;  // by worker
    std::vector<const core::Counters*> all_counters;
};

// Bytes that are received off the front: in all, each is copied twice at most.
class Inbound {
  public:
    [[nodiscard]] size_t size() const { return bytes_.size() - received_; }

    [[nodiscard]] bool empty() const { return size() == 0; }

    [[nodiscard]] const char* data() const { return bytes_.data() + received_; }

    Inbound& operator=(std::string_view bytes) {
        clear();
        return *this += bytes;
    }

    Inbound& operator+=(std::string_view bytes) {
        bytes_ += bytes;
        return *this;
    }

    Inbound& operator+=(char byte) {
        bytes_ += byte;
        return *this;
    }

    void pop_front(size_t size) {
        received_ += size;
        if (received_ < bytes_.size() - received_) return;
        bytes_.erase(0, received_);
        received_ = 0;
    }

    void clear() {
        bytes_.clear();
        received_ = 0;
    }

  private:
    std::string bytes_;
    size_t received_ = 0;  // of `bytes_`
};

// A socket: the proxy's side of it, and what the peer has sent and got.
struct Channel {
    explicit Channel(BlockPool& blocks) : sending(blocks) {}

    uint32_t index = 0;
    core::ClientConn* client = nullptr;
    core::ServerConn* server = nullptr;
    bool connected = false;      // to a server: accepted
    bool closed = false;         // by the proxy
    bool shut = false;           // the proxy has ended its side
    bool reads = true;           // the peer takes what is sent to it
    uint64_t sip = 1024 * 1024;  // so much of it at a time
    bool inbound_end = false;    // the peer closes behind `inbound`
    uint64_t untaken = 0;        // of what was sent, with the kernel: for who asks
    Chain sending;               // what the proxy gave, not yet with the peer
    Inbound inbound;             // from the peer, not yet received
    std::string arrived;         // with the peer
    std::string line;            // of what arrived at a client, for seen_errors.cc
};

// Gets what arrives at clients (seen_errors.cc); null where nobody looks.
inline void (*client_bytes_hook)(Channel& channel, std::string_view bytes) = nullptr;

class Loop {
  public:
    struct Options {
        uint32_t blocks = 512;
        uint64_t seed = 1;
        bool cut = false;          // receives and sends end anywhere
        uint32_t clients_max = 0;  // what the descriptors allow; 0: any number
        uint32_t preconnects = core::preconnects_per_batch;
        uint32_t hearers = UINT32_MAX;  // that a batch sends messages to
        core::BatchBounds bounds = {};
        Duration pairing = core::pairing_interval;
        int64_t slow_log_ms = 0;     // 0: off
        uint32_t requests_max = 0;   // 0: as the configuration says
        uint32_t workers = 1;        // of a process of its own
        Process* process = nullptr;  // or else whose worker it is; outlives the loop
        uint32_t worker = 0;
    };

    static constexpr Duration tick = Duration::millis(10);

    Loop(const config::Config& config, const Options& options)
        : own_process_(options.process == nullptr
                           ? std::make_unique<Process>(config, options.workers)
                           : nullptr),
          process_(options.process == nullptr ? own_process_.get() : options.process),
          arena_(size_t{options.blocks} * block_size),
          blocks_(arena_.bytes(), {}),
          prng_(options.seed),
          cut_(options.cut),
          preconnects_(options.preconnects),
          hearers_(options.hearers),
          counters_(&process_->counters[options.worker]) {
        channels_.push_back(std::make_unique<Channel>(blocks_));  // 0 names no channel
        process_->shared.clients_max = options.clients_max;
        proxy_.emplace(
            config,
            blocks_,
            *counters_,
            core::Environment{.shared = &process_->shared,
                              .all_counters = process_->all_counters,
                              .process_id = 42,
                              .worker_index = options.worker,
                              .worker_count = static_cast<uint32_t>(process_->counters.size()),
                              .seed = options.seed,
                              .bounds = options.bounds,
                              .pairing_interval = options.pairing});
    }

    ~Loop() { shut_down(); }

    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Ends everything; nothing may be left in the arena.
    void shut_down() {
        proxy_.reset();
        for (const auto& channel : channels_) {
            channel->sending.clear();
        }
        RM_ASSERT(blocks_.in_use() == 0);
        RM_ASSERT(counters_->clients.get() == 0);
        RM_ASSERT(counters_->server_connections.get() == 0);
        RM_ASSERT(counters_->worker.extra_connections.get() == 0);
    }

    [[nodiscard]] core::Proxy& proxy() { return *proxy_; }

    [[nodiscard]] Process& process() { return *process_; }

    [[nodiscard]] BlockPool& blocks() { return blocks_; }

    [[nodiscard]] core::Counters& counters() { return *counters_; }

    [[nodiscard]] Prng& prng() { return prng_; }

    [[nodiscard]] Instant now() const { return now_; }

    [[nodiscard]] const std::vector<std::unique_ptr<Channel>>& channels() const {
        return channels_;
    }

    // Counts what happened: unchanged after a batch in which nothing did.
    [[nodiscard]] uint64_t events() const { return events_; }

    [[nodiscard]] std::vector<std::string>& notices() { return notices_; }

    void advance(Duration span) { now_ = now_ + span; }

    void set_now(Instant now) { now_ = now; }

    // Another configuration, which outlives the loop.
    void adopt(const config::Config& config) {
        shared_pools_.push_back(process_->shared.pools_of(config));
        proxy_->adopt(config, shared_pools_.back());
        events_ += 1;
    }

    // `shift`: what the batch before has taken, or a pause since.
    void begin(const core::TimeShift& shift = {}) {
        if (shift.by > Duration{}) proxy_->move_times(shift);
        proxy_->begin_batch(now_, {now_.ns + 1'700'000'000'000'000'000});
        for (size_t i = 1; i < channels_.size(); ++i) {
            complete_send(*channels_[i]);
        }
    }

    void end() {
        if (now_ - last_tick_ >= tick) {
            last_tick_ = now_;
            proxy_->on_tick();
            while (core::ServerConn* conn = proxy_->streams().next_asked()) {
                proxy_->streams().judge_untaken(*conn, channels_[conn->channel]->untaken);
            }
        }
        proxy_->end_batch();
        while (std::optional<core::Notice> notice = proxy_->take_notice()) {
            notices_.push_back(std::move(notice->text));
        }
        flush();
    }

    // Null when the pool is full.
    Channel* accept(uint32_t pool = 0) {
        core::ClientConn* client = proxy_->accept_client(pool, "10.9.9.9:1234");
        if (client == nullptr) return nullptr;
        Channel& channel = make_channel();
        channel.client = client;
        client->channel = channel.index;
        return &channel;
    }

    void connected(Channel& channel) {
        if (channel.server == nullptr || channel.connected) return;
        events_ += 1;
        channel.connected = true;
        proxy_->on_connected(*channel.server);
    }

    // One receive: at most a block; with `cut`, any part of that. False when nothing was received.
    bool receive(Channel& channel) {
        if (channel.inbound.empty() || !is_armed(channel)) return false;
        Block* block = blocks_.take();
        if (block == nullptr) return false;
        size_t size = std::min<size_t>(channel.inbound.size(), block_size);
        if (cut_) size = 1 + prng_.below(size);
        std::memcpy(block->data, channel.inbound.data(), size);
        channel.inbound.pop_front(size);
        block->used = static_cast<uint32_t>(size);
        const Slice slice = {block, 0, block->used};
        if (channel.client != nullptr) {
            proxy_->on_client_bytes(*channel.client, slice);
        } else if (channel.server != nullptr) {
            proxy_->on_server_bytes(*channel.server, slice);
        }
        blocks_.release(block);
        events_ += 1;
        return true;
    }

    // The peer closed in an orderly way.
    void end_of_stream(Channel& channel) {
        events_ += 1;
        channel.inbound_end = false;
        if (channel.server != nullptr) {
            proxy_->on_server_lost(*channel.server, "closed the connection");
        } else if (channel.client != nullptr) {
            proxy_->on_client_end(*channel.client);
        }
    }

    // The peer is gone at once.
    void reset(Channel& channel, std::string_view reason = "reset the connection") {
        events_ += 1;
        channel.inbound.clear();
        if (channel.server != nullptr) {
            proxy_->on_server_lost(*channel.server, reason);
        } else if (channel.client != nullptr) {
            drop_client(channel);
        }
    }

    // As the driver: a paused client is read on for a while.
    [[nodiscard]] static bool is_armed(const Channel& channel) {
        if (channel.closed) return false;
        if (channel.client == nullptr) {
            return channel.server != nullptr && channel.connected && !channel.server->paused;
        }
        const core::ClientConn& client = *channel.client;
        return client.wants_input() || client.state == core::ClientConn::State::Closing ||
               client.unparsed() < uint64_t{64} * 1024;
    }

  private:
    Channel& make_channel() {
        channels_.push_back(std::make_unique<Channel>(blocks_));
        channels_.back()->index = static_cast<uint32_t>(channels_.size() - 1);
        return *channels_.back();
    }

    void complete_send(Channel& channel) {
        if (channel.sending.empty() || !channel.reads || channel.closed) return;
        const auto whole =
            static_cast<uint32_t>(std::min<uint64_t>(channel.sending.size(), channel.sip));
        const auto size = cut_ ? static_cast<uint32_t>(1 + prng_.below(whole)) : whole;
        std::string scratch;
        const std::string_view bytes = channel.sending.view({.offset = 0, .size = size}, scratch);
        channel.arrived += bytes;
        if (channel.client != nullptr && client_bytes_hook != nullptr) {
            client_bytes_hook(channel, bytes);
        }
        channel.sending.pop_front(size);
        events_ += 1;
        if (channel.client != nullptr) {
            proxy_->on_client_sent(*channel.client, size);
            proxy_->mark_dirty(*channel.client);
        } else if (channel.server != nullptr) {
            core::ServerConn& server = *channel.server;
            server.note_sent(size, now_);
            if (!channel.sending.empty() || server.has_sendable() || server.is_to_be_shut()) {
                proxy_->mark_dirty(server);
            }
        }
    }

    void flush() {
        flush_clients();
        while (proxy_->next_finished() != nullptr) {
        }
        while (core::ServerConn* conn = proxy_->next_to_disconnect()) {
            Channel& channel = *channels_[conn->channel];
            conn->channel = 0;
            close(channel);
        }
        while (core::ServerConn* conn = proxy_->next_to_connect()) {
            connect(*conn);
        }
        for (uint32_t count = 0; count < preconnects_; ++count) {
            core::ServerConn* conn = proxy_->next_to_preconnect();
            if (conn == nullptr) break;
            connect(*conn);
        }
        while (proxy_->streams().next_throttled() != nullptr) {
        }
        while (core::ServerConn* conn = proxy_->next_dirty_server()) {
            if (conn->channel == 0) continue;
            Channel& channel = *channels_[conn->channel];
            if (!channel.sending.empty()) {  // one send at a time
                conn->publish(now_);
                continue;
            }
            channel.sending.append_chain(std::move(proxy_->take_sendable(*conn)));
            if (channel.sending.empty() && conn->is_to_be_shut()) channel.shut = true;
        }
        flush_clients();
        flush_hearers();
    }

    void connect(core::ServerConn& conn) {
        Channel& channel = make_channel();
        channel.server = &conn;
        conn.channel = channel.index;
        events_ += 1;
    }

    void flush_clients() {
        while (core::ClientConn* client = proxy_->next_dirty_client()) {
            flush_client(*client);
        }
    }

    void flush_hearers() {
        for (uint32_t count = 0; count < hearers_; ++count) {
            core::ClientConn* client = proxy_->subscriptions().next_hearer();
            if (client == nullptr) return;
            flush_client(*client);
        }
        events_ += 1;  // the next batch goes on
    }

    void flush_client(core::ClientConn& client) {
        Channel& channel = *channels_[client.channel];
        if (client.is_stalling) proxy_->judge_stalled(client, channel.untaken);
        if (client.broken) {
            drop_client(channel);
            return;
        }
        client.unsent += client.out.size();
        channel.sending.append_packed(std::move(client.out));
        if (channel.sending.empty() && client.is_finished()) drop_client(channel);
    }

    void drop_client(Channel& channel) {
        proxy_->remove_client(*channel.client);
        close(channel);
    }

    void close(Channel& channel) {
        events_ += 1;
        channel.client = nullptr;
        channel.server = nullptr;
        channel.closed = true;
        channel.sending.clear();
    }

    std::unique_ptr<Process> own_process_;  // null when it is one of several workers
    Process* process_;
    std::deque<std::vector<core::PoolShared>> shared_pools_;  // of adopted configurations
    Mapped arena_;
    BlockPool blocks_;
    Prng prng_;
    bool cut_;
    uint32_t preconnects_;
    uint32_t hearers_;
    Instant now_ = {1'000'000'000};
    Instant last_tick_ = {};
    uint64_t events_ = 0;
    core::Counters* counters_;
    std::vector<std::unique_ptr<Channel>> channels_;
    std::vector<std::string> notices_;
    std::optional<core::Proxy> proxy_;
};

}  // namespace ringmain::test
