// A request whose keys live on several servers: one fragment for each.

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/multi_key.h"

#include <algorithm>

#include "resp_front.h"
#include "split.h"

namespace ringmain::core {

// Of a large request whose keys have their servers: how much each of them gets.
bool RespFront::has_large_part(uint32_t step) {
    Scratch& scratch = proxy_.scratch();
    const std::span<const ByteRange> all = arguments();
    scratch.part_sizes.assign(pool_.servers.size(), 0);
    uint64_t largest = 0;
    for (size_t i = 1; i < all.size(); ++i) {
        uint64_t& size = scratch.part_sizes[scratch.servers[(i - 1) / step]];
        size += all[i].size;
        largest = std::max(largest, size);
    }
    return largest > pool_.large_from;
}

// What is large goes on one of its own, like a large request, and else on that which all share.
ServerConn& RespFront::connection_for_part(ServerConn& shared) {
    Server& server = *shared.server;
    const uint64_t size = proxy_.scratch().part_sizes[server.index()];
    if (size <= pool_.large_from) return shared;
    ServerConn* own = proxy_.streams().take_apart(client_, server, size);
    if (own == nullptr) return shared;
    proxy_.hold_back(client_);
    return *own;
}

void RespFront::send_fragments(const Command& command, std::string_view name, uint32_t step) {
    Scratch& scratch = proxy_.scratch();
    const std::span<const ByteRange> all = arguments();
    const bool may_go_apart = goes_apart();
    Request* request = make_split_request(proxy_, client_, bytes_.size());
    if (request == nullptr) return;
    note(*request);
    request->policy = command.response;
    order_keys(*request->join, scratch);
    const uint32_t* keys = scratch.key_order.data();
    const std::string wire_name = upper_case(name);
    // Large pieces are shared and the small ones between them copied: one behind the other, where
    // each would else begin a block.
    OpenBlock open(proxy_.blocks());
    const auto count = static_cast<uint16_t>(scratch.connections.size());
    for (uint16_t i = 0; i < count; ++i) {
        Fragment& fragment = *request->join->fragments[i];
        ServerConn& conn =
            may_go_apart ? connection_for_part(*scratch.connections[i]) : *scratch.connections[i];
        const bool written = resp::write_fragment(
            {.name = wire_name, .bytes = &bytes_, .arguments = all, .step = step},
            {keys, fragment.keys},
            conn.out,
            bytes_.size() < copy_max ? nullptr : &open);
        RM_ASSERT(written);
        proxy_.enqueue(conn, fragment);
        keys += fragment.keys;
    }
}

}  // namespace ringmain::core
