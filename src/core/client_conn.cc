#include "ringmain/core/client_conn.h"

#include "ringmain/core/pool.h"

namespace ringmain::core {

ClientConn::ClientConn(BlockPool& blocks, Pool& owner, uint64_t client_id)
    : pool(&owner),
      id(client_id),
      authenticated(owner.is_open()),
      input(blocks),
      partial(blocks),
      out(blocks),
      parser(std::in_place_type<resp::RequestParser>, owner.resp_limits) {
    if (owner.is_redis()) {
        std::get<resp::RequestParser>(parser).set_authenticated(authenticated);
    } else {
        parser.emplace<memcached::RequestParser>(owner.memcached_limits);
    }
}

memcached::BinaryParser& ClientConn::begin_binary() {
    binary = std::make_unique<BinaryAnswers>();
    return parser.emplace<memcached::BinaryParser>(pool->memcached_limits);
}

}  // namespace ringmain::core
