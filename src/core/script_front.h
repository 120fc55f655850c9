// src/core/script_front.h - EVALSHA: its server is told the script when it may not have it.

#pragma once

#include "ringmain/core/proxy.h"

#include <cstdint>
#include <string_view>

namespace ringmain::core {

// Queues SCRIPT LOAD ahead of the client's next request to that server, unless the connection was
// told that script before. Its answer is nobody's. False when the script is not kept
// (core/scripts.h).
bool tell_script(Proxy& proxy, ClientConn& client, uint32_t server, std::string_view digest);

// An answer to a request of ResponsePolicy::Script is an error: the server may know less than was
// thought.
void doubt_scripts(ServerConn& conn, const Request& request, std::string_view answer);

}  // namespace ringmain::core
