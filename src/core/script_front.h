// src/core/script_front.h - EVALSHA: its server is told the script when it may not have it.

#pragma once

#include "ringmain/core/proxy.h"

#include <cstdint>
#include <string_view>

namespace ringmain::core {

// Of SHA-1, in hexadecimal.
inline constexpr size_t digest_size = 40;

// The script that is kept of that digest, in any letter case; or none.
[[nodiscard]] ScriptId find_script(Pool& pool, std::string_view digest);

// The text that EVAL has, at `range` of `bytes`, is kept from now on, where EVALSHA of it may go to
// another server.
ScriptId keep_script(
    Proxy& proxy, Pool& pool, const Bytes& bytes, ByteRange range, ChainPlace& place);

// Queues SCRIPT LOAD ahead of what is said next on the connection, unless it was told that script
// before, or there is no memory for it and for the `behind` bytes that follow. Its answer is
// nobody's.
void tell_script(Proxy& proxy, ServerConn& conn, ScriptId script, uint64_t behind = 0);

// The server says that it does not have the script: this worker's connections tell it again.
void forget_told(const Server& server, ScriptId script);

// How much of an error doubt_scripts() looks at.
inline constexpr uint32_t doubt_size = 48;

// An answer to a request of ResponsePolicy::Script is an error: the server may know less than was
// thought, or the script is none.
void doubt_scripts(ServerConn& conn, const Request& request, std::string_view answer);

// The same of a transaction with scripts: one of its answers may be such an error.
void doubt_scripts(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& answers);

}  // namespace ringmain::core
