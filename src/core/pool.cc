#include "ringmain/core/pool.h"

namespace ringmain::core {

Pool::Pool(BlockPool& blocks,
           const config::Pool& pool_options,
           const PoolShared& pool_shared,
           uint32_t worker)
    : options(&pool_options),
      shared(&pool_shared),
      counters(&(*pool_shared.counters)[worker]),
      placement(pool_options.placement, pool_options.nodes()) {
    resp_limits.request_size_max = pool_options.request_size_max;
    memcached_limits.value_size_max = pool_options.request_size_max;
    for (uint32_t i = 0; i < pool_options.servers.size(); ++i) {
        servers.push_back(std::make_unique<Server>(blocks, *this, i, worker));
    }
}

}  // namespace ringmain::core
