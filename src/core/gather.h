// src/core/gather.h - requests whose answer lies on several servers (src/design/0010).
//
//   gather()   every server is asked the same, or SCAN the next one
//   combine()  the keys live on several servers: their values are fetched
//   take_info()
//
// All make one request of ResponsePolicy::Gathered with a fragment per question. When all are
// answered join_gather() makes one response of theirs. An error of a server is a part like any
// other until then: which one speaks for all does not depend on who was first.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/config/config.h"
#include "ringmain/core/proxy.h"
#include "ringmain/protocol/command.h"
#include "ringmain/resp/response_parser.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "front.h"

namespace ringmain::core {

// A request as its front has it.
struct Asked {
    const Command& command;
    const Bytes& bytes;
    std::span<const ByteRange> arguments;  // all, the name first
};

[[nodiscard]] Taken gather(Proxy& proxy, ClientConn& client, const Asked& asked);

// `keys` are positions in `asked.arguments`; scratch.servers has the server of each.
[[nodiscard]] Taken combine(Proxy& proxy,
                            ClientConn& client,
                            const Asked& asked,
                            std::span<const uint32_t> keys);

// INFO: the servers are asked what they hold when the client wants to know. The answer comes
// without those that cannot be asked, and names them.
[[nodiscard]] Taken take_info(Proxy& proxy, ClientConn& client, const Asked& asked);

// The cursor of a page is the server's times this plus its index: as many servers may a pool have.
inline constexpr uint64_t page_step = 4096;
static_assert(page_step >= config::server_count_max);

inline constexpr std::string_view misfit = "the servers' answers do not fit the request";

// Whether a response that is no error can be a part.
[[nodiscard]] bool fits_gather(Gathering gathering, const resp::ResponseFrame& frame);

// What it takes to make one response of them, in bytes of responses.
[[nodiscard]] uint64_t work_of(const Request& request);

// All parts are there. False when the arena is exhausted.
[[nodiscard]] bool join_gather(Proxy& proxy,
                               Request& request,
                               std::span<const Chain* const> responses,
                               OpenBlock* open);

// --- how much a gather holds ---------------------------------------------------------------------

inline void count_part(Fragment& fragment, uint32_t size) {
    fragment.received += size;
    fragment.request->join->gathered += size;
}

// The response is there, of so many bytes: in one piece, or they are counted.
inline void count_last_part(Fragment& fragment, uint32_t size) {
    if (fragment.received == 0) count_part(fragment, size);
}

// Or a memcached's stats, of which all servers are asked. The request's client is there.
[[nodiscard]] bool is_too_large(const Request& request);
[[nodiscard]] std::string too_large_text(const Request& request);

}  // namespace ringmain::core
