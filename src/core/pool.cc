#include "ringmain/core/pool.h"

namespace ringmain::core {

Pool::Pool(BlockPool& blocks, const config::Pool& pool_options)
    : options(&pool_options), placement(pool_options.placement, pool_options.nodes()) {
    resp_limits.request_size_max = pool_options.request_size_max;
    memcached_limits.value_size_max = pool_options.request_size_max;
    for (const config::Server& server : pool_options.servers) {
        servers.push_back(
            std::make_unique<Server>(blocks, *this, server, pool_options.server_connections));
    }
}

}  // namespace ringmain::core
