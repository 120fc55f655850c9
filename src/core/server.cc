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

Server::Server(BlockPool& blocks, Pool& owner, uint32_t index, uint32_t worker) {
    move_to(owner, index, worker);
    for (uint32_t i = 0; i < owner.options->server_connections; ++i) {
        resp2_.push_back(std::make_unique<ServerConn>(blocks, *this, false));
        if (owner.is_redis()) resp3_.push_back(std::make_unique<ServerConn>(blocks, *this, true));
    }
}

void Server::move_to(Pool& owner, uint32_t index, uint32_t worker) {
    pool_ = &owner;
    options_ = &owner.options->servers[index];
    index_ = index;
    health_ = &owner.shared->servers[index]->health;
    counters_ = &owner.shared->servers[index]->counters[worker];
    title_ = title_of(*options_);
}

}  // namespace ringmain::core
