// A request whose keys live on several servers: one fragment for each.

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/multi_key.h"

#include "resp_front.h"
#include "split.h"

namespace ringmain::core {

void RespFront::send_fragments(const Command& command, std::string_view name, uint32_t step) {
    Scratch& scratch = proxy_.scratch();
    const std::span<const ByteRange> all = arguments();
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
        ServerConn& conn = *scratch.connections[i];
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
