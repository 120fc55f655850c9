#include "ringmain/core/shared.h"

namespace ringmain::core {

Shared::Shared(const config::Config& config, uint32_t workers) : workers_(workers) {
    pools = pools_of(config);
}

std::vector<PoolShared> Shared::pools_of(const config::Config& config) {
    std::vector<PoolShared> result;
    for (const config::Pool& pool : config.pools) {
        PoolShared& shared = result.emplace_back();
        const PoolKey pool_key = {pool.name, pool.protocol};
        shared.counters = &pools_by_key_.try_emplace(pool_key, workers_).first->second;
        shared.scripts = &scripts_by_pool_.try_emplace(pool.name).first->second;
        shared.listeners = &listeners_by_pool_.try_emplace(pool.name, workers_).first->second;
        for (const config::Server& server : pool.servers) {
            const ServerKey key = {pool_key, server.ring_name, server.address};
            const auto number = static_cast<uint32_t>(servers_by_key_.size());
            shared.servers.push_back(
                &servers_by_key_.try_emplace(key, workers_, number).first->second);
        }
    }
    return result;
}

}  // namespace ringmain::core
