// tests/sim/link.h - a connection between a worker of the proxy and a client or a server.

#pragma once

#include "ringmain/base/time.h"
#include "tests/sim/ledger.h"
#include "tests/sim/pipe.h"
#include "tests/unit/core/fake_server.h"
#include "tests/unit/core/loop.h"

#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace ringmain::sim {

class Client;
class Server;

struct Link {
    uint32_t worker = 0;
    test::Channel* channel = nullptr;  // the proxy's end
    Client* client = nullptr;          // one of the two; null when it has let go
    Server* server = nullptr;
    Duration latency = {};
    Pipe to_proxy;
    Pipe to_peer;
    std::string arrived;  // with the peer, not yet taken
    Instant reset_at = Instant::never();
    bool was_reset = false;
    bool ended = false;  // the proxy knows of the peer's end
    bool gone = false;   // nothing is left to do: may be forgotten

    // Of a connection to a server:
    Instant connect_at = Instant::never();  // when the proxy learns what became of its attempt
    bool refused = false;
    bool is_lost = false;  // to the proxy, which is about to close it
    bool mute = false;     // the server has no more answers for it
    bool is_told = false;  // what is arriving has its answer, and is to be swallowed
    bool is_greeted = false;
    bool is_half = false;  // the server knows that the proxy says nothing more
    // An answer is missing since then: those that follow are to others' requests (gaps.cc).
    Instant gap_since = Instant::never();
    Instant gap_until = {};  // until then nobody need notice
    uint32_t gap_batch = 0;  // the last one until then: what is queued later does not leave
    bool holds = false;      // the proxy waits for all answers
    Instant held_since = {};
    Instant held_until = {};  // and does not for so long after the last time
    test::Session session;
    uint64_t requests = 0;
    std::map<uint64_t, Tag> last_writes;  // by client
    std::deque<Ledger::Span> queued;      // redis: when the requests to come were placed here
    bool was_given_up = false;            // with them, by the proxy
    static constexpr uint64_t nobody = UINT64_MAX;
    uint64_t lessee = 0;  // the client that has it for itself; 0: none

    // Messages on their way: behind which byte of all that the server sends they end.
    struct Message {
        uint64_t end;
        Tag tag;
        std::string topic;
        std::string channel;
    };

    std::deque<Message> messages;
    uint64_t sent_bytes = 0;   // by the server
    uint64_t taken_bytes = 0;  // out of the network, to the proxy
};

}  // namespace ringmain::sim
