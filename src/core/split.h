// src/core/split.h - one request, several servers: what both protocols share.

#pragma once

#include "ringmain/core/proxy.h"

namespace ringmain::core {

// Turns scratch.servers (per key, the server's index) into fragment numbers, 0 for the first
// server met, and fills scratch.connections with one usable connection per fragment. When a server
// is down the whole request is answered with an error (an empty one when `noreply`) and nothing is
// sent: false.
[[nodiscard]] bool choose_connections(Proxy& proxy,
                                      ClientConn& client,
                                      uint64_t size,
                                      bool noreply = false);

// A request with one fragment per scratch.connections entry; null when it was answered with an
// error instead. `size` is that of the whole request, to see whether its parts can be written.
[[nodiscard]] Request* make_split_request(Proxy& proxy,
                                          ClientConn& client,
                                          uint64_t size,
                                          bool noreply = false);

// Each key has its owner and each fragment its number of keys; scratch.key_order has the keys of
// the first fragment, then those of the second one, ..., each in their order.
void order_keys(Join& join, Scratch& scratch);

// Whether a response that begins so, '\0' where that is not known, can become one that fits_join().
[[nodiscard]] bool may_fit_join(const Request& request, char type);

// A fragment's response has the shape that its join can use; an error always has.
[[nodiscard]] bool fits_join(ResponsePolicy policy,
                             const Fragment& fragment,
                             const resp::ResponseFrame& frame,
                             const Bytes& bytes,
                             std::string& scratch);

}  // namespace ringmain::core
