#include "ringmain/core/server.h"

#include "ringmain/core/pool.h"

namespace ringmain::core {

namespace {

std::string title_of(const config::Server& server) {
    std::string address = server.address.text();
    if (server.name.empty()) return address;
    return server.name + " (" + address + ")";
}

}  // namespace

Server::Server(BlockPool& blocks, Pool& owner, uint32_t index, Share share)
    : queue_size_default_(uint64_t{blocks.capacity()} * block_size / 8),
      per_kind_(static_cast<uint32_t>(owner.options->server_connections)) {
    move_to(owner, index, share.worker);
    const uint32_t kinds = owner.is_redis() ? 2 : 1;
    for (uint32_t i = 0; i < kinds * per_kind_; ++i) {
        connections_.push_back(std::make_unique<ServerConn>(blocks, *this, i >= per_kind_));
    }
    const uint32_t number = owner.shared->servers[index]->number;
    if (number % share.worker_count != share.worker) return;
    connections_.push_back(std::make_unique<ServerConn>(blocks, *this, false));
    probe = connections_.back().get();
    probe->is_probe = true;
    probe->retry_at = Instant::never();
}

void Server::move_to(Pool& owner, uint32_t index, uint32_t worker) {
    pool_ = &owner;
    options_ = &owner.options->servers[index];
    index_ = index;
    health_ = &owner.shared->servers[index]->health;
    counters_ = &owner.shared->servers[index]->counters[worker];
    title_ = title_of(*options_);
    const config::Pool& pool = *owner.options;
    queue_max = pool.server_queue_max == 0 ? UINT32_MAX : pool.server_queue_max;
    queue_size_max =
        pool.server_queue_size_max == 0 ? queue_size_default_ : pool.server_queue_size_max;
}

}  // namespace ringmain::core
