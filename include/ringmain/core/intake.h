// ringmain/core/intake.h - what a client has sent that is not taken yet.
//
// Between its requests a client has none: one that is idle costs no more than its ClientConn, and
// few parsers, which stay in the processor's cache, serve many clients. Given out by
// Proxy::intake_of(), and kept for the next client (core/stores.h).

#pragma once

#include "ringmain/buffer/chain.h"
#include "ringmain/memcached/binary_parser.h"
#include "ringmain/memcached/request_parser.h"
#include "ringmain/resp/request_parser.h"

#include <variant>

namespace ringmain::core {

class ClientConn;

struct Intake {
    explicit Intake(BlockPool& blocks);

    // For that client from now on, with the parser that it needs.
    void become(ClientConn& client);

    // The client's limits, or what it may do, are others.
    void update(const ClientConn& client);

    Chain input;    // received, not yet parsed
    Chain partial;  // the beginning of an unfinished frame
    std::variant<resp::RequestParser, memcached::RequestParser, memcached::BinaryParser> parser;
};

}  // namespace ringmain::core
