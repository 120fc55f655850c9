// ringmain/core/server_conn.h - the upstream side: one connection to one server.
//
//   Closed --(a request, or time to retry)--> Connecting --> Prelude --> Ready
//     ^                                           |            |           |
//     +---- refused, lost, refused a password, malformed or unasked bytes --+
//
// Requests may be queued from Connecting on; they leave when Ready. Prelude sends what a new
// connection must say first (HELLO, AUTH, SELECT) and checks every answer. Losing the connection
// answers all that wait in the FIFO with an error that names the server and the reason.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/base/time.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/core/request.h"
#include "ringmain/memcached/response_parser.h"
#include "ringmain/resp/response_parser.h"

#include <cstdint>
#include <string>
#include <variant>

namespace ringmain::core {

class Server;

class ServerConn {
  public:
    enum class State : uint8_t { Closed, Connecting, Prelude, Ready };

    // The get at the end of `out`, if it is one that another key may join (src/design/0007).
    struct OpenGet {
        Fragment* first = nullptr;  // null: there is none
        uint64_t out_size = 0;      // with the line: another size says that it has left
        uint64_t asked = 0;         // a bit for each client and key: who has no bit has not asked
        uint32_t line_size = 0;
        memcached::Verb verb = memcached::Verb::Get;
    };

    ServerConn(BlockPool& blocks, Server& owner, bool speaks_resp3);

    ServerConn(const ServerConn&) = delete;
    ServerConn& operator=(const ServerConn&) = delete;
    ~ServerConn() = default;

    // What the driver may send now.
    [[nodiscard]] Chain& sendable() { return state == State::Ready ? out : prelude_out; }

    Server* server;
    bool resp3;
    State state = State::Closed;
    uint8_t prelude_answers = 0;   // still to come
    uint8_t prelude_commands = 0;  // sent
    bool spoke_since_connect = false;
    uint32_t ready_batch = 0;  // in which it became ready: no request left before its end
    uint32_t failures = 0;     // in a row, without a response in between
    Instant retry_at = {};     // no attempt before
    Instant since = {};        // when the connect began
    std::string last_error;    // why it is closed
    uint32_t channel = 0;      // the driver's name for it; 0 while it has none

    ListLink<ServerConn> dirty_link;
    ListLink<ServerConn> connect_link;
    ListLink<ServerConn> disconnect_link;
    ListLink<ServerConn> waiting_link;  // has a deadline or a retry to look at

    Fifo<Fragment, &Fragment::next> fragments;
    Fragment* first_unsent = nullptr;  // the first in `fragments` whose bytes are in `out`
    Chain prelude_out;
    Chain out;
    OpenGet open_get;
    Chain partial;  // the beginning of an unfinished response
    std::variant<resp::ResponseParser, memcached::ResponseParser> parser;
};

}  // namespace ringmain::core
