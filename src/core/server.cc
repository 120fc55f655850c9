#include "ringmain/core/server.h"

#include "ringmain/core/pool.h"

#include <algorithm>
#include <utility>

namespace ringmain::core {

namespace {

std::string title_of(const config::Server& server) {
    std::string address = server.address.text();
    if (server.name.empty()) return address;
    return server.name + " (" + address + ")";
}

}  // namespace

Server::Server(BlockPool& blocks, Pool& owner, uint32_t index, Share share)
    : blocks_(&blocks),
      queue_size_default_(uint64_t{blocks.capacity()} * block_size / 8),
      per_kind_(static_cast<uint32_t>(owner.options->server_connections)) {
    move_to(owner, index, share.worker);
    become_live(health().accepts_traffic());  // it may be one of an earlier configuration
    const uint32_t kinds = owner.is_redis() ? 2 : 1;
    for (uint32_t i = 0; i < kinds * per_kind_; ++i) {
        connections_.push_back(std::make_unique<ServerConn>(blocks, *this, i >= per_kind_));
    }
    if (number_ % share.worker_count != share.worker) return;
    connections_.push_back(std::make_unique<ServerConn>(blocks, *this, false));
    probe = connections_.back().get();
    probe->is_probe = true;
    probe->retry_at = Instant::never();
}

bool Server::replace(ServerConn& late, Instant now) {
    if (!late.is_everybodys()) return false;
    ServerConn* spare = find_spare(late, now);
    if (spare == nullptr) return false;
    spare->database = late.database;
    give_place(late, *spare);
    late.is_spare = true;
    late.successor = spare;
    spare->is_spare = false;
    return true;
}

void Server::take_back(ServerConn& refused) {
    if (!refused.is_everybodys()) return;
    for (const auto& conn : connections_) {
        const bool is_late_one = conn->is_spare && conn->resp3 == refused.resp3 &&
                                 conn->database == refused.database &&
                                 conn->state == ServerConn::State::Ready;
        if (!is_late_one) continue;
        conn->is_spare = false;
        refused.is_spare = true;
        give_place(refused, *conn);
        return;
    }
}

namespace {

bool may_stand_in(const ServerConn& spare, Instant now) {
    return spare.state == ServerConn::State::Closed && spare.channel == 0 &&
           !spare.disconnect_link.is_linked() && now >= spare.retry_at;
}

}  // namespace

// Made when it is needed first: most servers are never late. There is one for each connection, and
// one that finds out whether the server is silent when that is late as well; for each database.
// Clients can go through any number of those.
ServerConn* Server::find_spare(const ServerConn& late, Instant now) {
    const uint32_t each = per_kind_ + 1;
    const uint64_t most = uint64_t{each} * (1 + pool().options->databases_max);
    ServerConn* found = nullptr;
    uint64_t of_all = 0;
    uint32_t of_database = 0;
    for (const auto& conn : connections_) {
        if (!conn->is_spare || conn->resp3 != late.resp3) continue;
        if (may_stand_in(*conn, now)) {
            found = conn.get();
            continue;
        }
        of_all += 1;
        if (conn->database == late.database) of_database += 1;
    }
    if (of_database >= each || of_all >= most) return nullptr;
    if (found != nullptr) return found;
    connections_.push_back(std::make_unique<ServerConn>(*blocks_, *this, late.resp3));
    connections_.back()->is_spare = true;
    return connections_.back().get();
}

ServerConn* Server::failed_place(bool resp3) const {
    for (uint32_t i = 0; i < per_kind_; ++i) {
        ServerConn& conn = *connections_[resp3 ? per_kind_ + i : i];
        const bool is_closed = conn.state == ServerConn::State::Closed && conn.channel == 0 &&
                               !conn.disconnect_link.is_linked();
        if (is_closed && conn.failures > 0) return &conn;
    }
    return nullptr;
}

void Server::swap_places(const ServerConn& one, const ServerConn& other) {
    const auto place_of = [this](const ServerConn& conn) {
        return std::ranges::find(connections_, &conn, &std::unique_ptr<ServerConn>::get);
    };
    std::swap(*place_of(one), *place_of(other));
}

void Server::give_place(ServerConn& conn, ServerConn& other) {
    swap_places(conn, other);
    if (!conn.is_selected) return;
    std::ranges::replace(by_slot_, &conn, &other);
    std::swap(conn.is_selected, other.is_selected);
}

ServerConn& Server::make_lease() {
    connections_.push_back(std::make_unique<ServerConn>(*blocks_, *this, false));
    connections_.back()->is_lease = true;
    return *connections_.back();
}

ServerConn& Server::make_subscriber() {
    connections_.push_back(std::make_unique<ServerConn>(*blocks_, *this, false));
    connections_.back()->is_subscriber = true;
    return *connections_.back();
}

void Server::take_link(Server& other) {
    const auto found =
        std::ranges::find(other.connections_, other.link->conn, &std::unique_ptr<ServerConn>::get);
    connections_.push_back(std::move(*found));
    other.connections_.erase(found);
    link = std::move(other.link);
    link->conn->server = this;
    link->conn->database = pool_->options->redis_db;  // the next time it connects
}

std::span<ServerConn* const> Server::in_slot(uint32_t slot) const {
    const size_t count = size_t{2} * per_kind_;
    if (by_slot_.size() < (slot + 1) * count) return {};
    return std::span(by_slot_).subspan(slot * count, count);
}

ServerConn& Server::in_database(uint16_t slot, uint32_t number, uint32_t affinity, bool resp3) {
    const size_t count = size_t{2} * per_kind_;
    if (in_slot(slot).empty()) by_slot_.resize((size_t{slot} + 1) * count);
    const uint32_t place = affinity % per_kind_;
    ServerConn*& conn = by_slot_[slot * count + (resp3 ? per_kind_ + place : place)];
    if (conn == nullptr) {
        connections_.push_back(std::make_unique<ServerConn>(*blocks_, *this, resp3));
        conn = connections_.back().get();
        conn->is_selected = true;
    }
    conn->database = number;  // others left it closed
    return *conn;
}

void Server::note_change() {
    takes_requests = live && !silence.is_silent();
    // Those that another configuration has may be the same counters.
    if (!pool_->retired) counters_->silent.set(silence.is_silent() ? 1 : 0);
}

bool Server::become_live(bool is_live) {
    if (std::exchange(live, is_live) == is_live) return false;
    note_change();
    return true;
}

void Server::move_to(Pool& owner, uint32_t index, uint32_t worker) {
    pool_ = &owner;
    options_ = &owner.options->servers[index];
    index_ = index;
    ServerShared& shared = *owner.shared->servers[index];
    number_ = shared.number;
    health_ = &shared.health;
    counters_ = &shared.counters[worker];
    if (!connections_.empty()) counters_->latency.prepare();
    title_ = title_of(*options_);
    note_change();
    const config::Pool& pool = *owner.options;
    queue_max = pool.server_queue_max == 0 ? UINT32_MAX : pool.server_queue_max;
    queue_size_max =
        pool.server_queue_size_max == 0 ? queue_size_default_ : pool.server_queue_size_max;
}

uint64_t Server::open_connections() const {
    uint64_t count = 0;
    for (const stats::ServerCounters& worker : pool_->shared->servers[index_]->counters) {
        count += worker.connections.get();
    }
    return count;
}

bool Server::is_connected() const {
    return std::ranges::any_of(connections(), [](const auto& conn) {
        return conn->state == ServerConn::State::Ready && !conn->is_lease && !conn->is_probe;
    });
}

}  // namespace ringmain::core
