// src/core/client_text.h - what CLIENT INFO and CLIENT LIST say of clients.
//
// A line per client, as redis 7.0 writes it, and lib-name and lib-ver as 7.2 does. What a proxy has
// not (descriptors, shares of memory) is 0; `cmd` is known of the client that asks, and NULL of
// others.

#pragma once

#include "ringmain/config/config.h"
#include "ringmain/core/proxy.h"

#include <span>
#include <string>

namespace ringmain::core {

// The end of a connection that is ours, "10.0.0.1:6379" or "/run/a.sock:0".
[[nodiscard]] std::string end_text(const config::Address& listen);

// Of the client that asks: of its request, command and size.
[[nodiscard]] std::string client_info_text(const Proxy& proxy,
                                           const ClientConn& client,
                                           uint32_t request_size);

// `arguments`: CLIENT, LIST and what follows. The clients of the pool; false: `text` is an error,
// without its '-'. Only with one worker are these all there are.
[[nodiscard]] bool list_clients(const Proxy& proxy,
                                const ClientConn& asking,
                                uint32_t request_size,
                                std::span<const std::string> arguments,
                                std::string& text);

}  // namespace ringmain::core
