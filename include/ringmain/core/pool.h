// ringmain/core/pool.h - one worker's view of a pool: options, placement, servers.

#pragma once

#include "ringmain/config/config.h"
#include "ringmain/core/server.h"
#include "ringmain/core/shared.h"
#include "ringmain/memcached/request_parser.h"
#include "ringmain/placement/placement.h"
#include "ringmain/resp/request_parser.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace ringmain::core {

class Pool {
  public:
    // `options` and `shared` outlive the pool.
    Pool(BlockPool& blocks, const config::Pool& options, const PoolShared& shared, uint32_t worker);

    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() = default;

    [[nodiscard]] bool is_redis() const { return options->protocol == config::Protocol::Redis; }

    [[nodiscard]] Server& server(uint32_t index) { return *servers[index]; }

    const config::Pool* options;
    const PoolShared* shared;
    stats::PoolCounters* counters;  // this worker's
    placement::Placement placement;
    std::vector<std::unique_ptr<Server>> servers;
    resp::RequestLimits resp_limits;
    memcached::RequestLimits memcached_limits;
    uint32_t clients = 0;  // of this worker
    bool retired = false;  // of an earlier configuration: gets nothing new
};

}  // namespace ringmain::core
