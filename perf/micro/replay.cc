#include "perf/micro/replay.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <cstring>

namespace ringmain::perf {

namespace {

constexpr size_t arena_size = size_t{16} << 20;
constexpr uint32_t client_channel = 1;
constexpr uint32_t first_server_channel = 2;

config::Config config_of(config::Protocol protocol, size_t server_count) {
    config::Config config;
    config::Pool pool;
    pool.name = "main";
    pool.protocol = protocol;
    pool.preconnect = false;
    for (size_t i = 0; i < server_count; ++i) {
        config::Server server;
        server.address.host = "10.0.0.1";
        server.address.port = static_cast<uint16_t>(6379 + i);
        server.ring_name = "s" + std::to_string(i);
        pool.servers.push_back(server);
    }
    config.pools.push_back(pool);
    return config;
}

}  // namespace

Replay::Replay(config::Protocol protocol, size_t server_count)
    : config_(config_of(protocol, server_count)),
      shared_(config_, 1),
      arena_(std::make_unique<char[]>(arena_size)),
      blocks_({arena_.get(), arena_size}, {}),
      proxy_(config_, blocks_, counters_, {.shared = &shared_, .all_counters = all_counters_}),
      peers_(first_server_channel) {
    client_ = proxy_.accept_client(0, "replay");
    client_->channel = client_channel;
}

Replay::~Replay() {
    proxy_.remove_client(*client_);
}

void Replay::put(const std::string& key, const std::string& value) {
    redis_.values[key] = value;
    memcached_.values[key] = value;
}

void Replay::begin() {
    now_ = now_ + Duration{50'000};
    proxy_.begin_batch(now_, now_);
    proxy_.on_tick();
}

void Replay::round(std::string_view requests) {
    begin();
    feed(requests, [this](const Slice& slice) { proxy_.on_client_bytes(*client_, slice); });
    proxy_.end_batch();
    connect_new();
    send_requests();
    answer_requests();
    take_responses();
    is_recorded_ = true;
}

void Replay::connect_new() {
    while (core::ServerConn* conn = proxy_.next_to_connect()) {
        conn->channel = static_cast<uint32_t>(peers_.size());
        peers_.push_back({.conn = conn, .session = {}, .answers = {}});
        begin();
        proxy_.on_connected(*conn);
        proxy_.end_batch();
        if (conn->state != core::ServerConn::State::Prelude) continue;
        asked_.clear();
        send(*conn);
        answer_requests();
        peers_[conn->channel].answers.clear();
    }
}

void Replay::send_requests() {
    asked_.clear();
    while (core::ServerConn* conn = proxy_.next_dirty_server()) {
        send(*conn);
    }
}

void Replay::send(core::ServerConn& conn) {
    Chain& sendable = proxy_.take_sendable(conn);
    if (sendable.empty()) return;
    Peer& peer = peers_[conn.channel];
    asked_.push_back(&peer);
    if (!is_recorded_) {
        std::string bytes = sendable.to_string();
        if (client_->pool->is_redis()) {
            redis_.serve(bytes, peer.answers, peer.session);
        } else {
            memcached_.serve(bytes, peer.answers);
        }
    }
    const uint64_t size = sendable.size();
    sendable.clear();
    conn.note_sent(size, now_);
}

void Replay::answer_requests() {
    begin();
    for (Peer* peer : asked_) {
        feed(peer->answers,
             [&](const Slice& slice) { proxy_.on_server_bytes(*peer->conn, slice); });
    }
    proxy_.end_batch();
}

void Replay::take_responses() {
    const core::ClientConn* dirty = proxy_.next_dirty_client();
    RM_ASSERT(dirty == client_);
    const uint64_t size = client_->out.size();
    if (!is_recorded_) responses_ = client_->out.to_string();
    RM_ASSERT(size == responses_.size());
    client_->out.clear();
    client_->unsent += size;
    proxy_.on_client_sent(*client_, size);
}

// As the kernel gives it: in blocks of their own.
template <class Take>
void Replay::feed(std::string_view bytes, Take take) {
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

}  // namespace ringmain::perf
