#include "ringmain/core/shared.h"

namespace ringmain::core {

PoolShared::PoolShared(const config::Pool& options, uint32_t workers) : counters(workers) {
    for (size_t i = 0; i < options.servers.size(); ++i) {
        servers.emplace_back(workers);
    }
}

Shared::Shared(const config::Config& config, uint32_t workers) {
    for (const config::Pool& pool : config.pools) {
        pools.emplace_back(pool, workers);
    }
}

}  // namespace ringmain::core
