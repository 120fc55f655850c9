#include "ringmain/core/server_conn.h"

#include "ringmain/core/pool.h"
#include "ringmain/core/server.h"

namespace ringmain::core {

ServerConn::ServerConn(BlockPool& blocks, Server& owner, bool speaks_resp3)
    : server(&owner), resp3(speaks_resp3), prelude_out(blocks), out(blocks), partial(blocks) {
    if (!owner.pool().is_redis()) parser.emplace<memcached::ResponseParser>();
}

}  // namespace ringmain::core
