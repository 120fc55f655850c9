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

Server::Server(BlockPool& blocks, Pool& owner, const config::Server& options, uint32_t connections)
    : pool_(&owner), options_(&options), title_(title_of(options)) {
    for (uint32_t i = 0; i < connections; ++i) {
        resp2_.push_back(std::make_unique<ServerConn>(blocks, *this, false));
        if (owner.is_redis()) resp3_.push_back(std::make_unique<ServerConn>(blocks, *this, true));
    }
}

}  // namespace ringmain::core
