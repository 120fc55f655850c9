// ringmain/core/request.h - a client's request, and the fragments that servers answer.
//
//   client FIFO:  [request] -> [request] -> [request]        order of responses to the client
//                     |            |   \.
//                 [fragment]  [fragment][fragment]
//                     |            |          |
//   server FIFOs:  server a     server a   server b          order of responses from each server
//
// A request waits in its client's FIFO until it is the head and ready. A fragment waits in exactly
// one server connection's FIFO until its response has come or the connection is lost. When the
// client leaves or the time is up, the request lets go (client == nullptr, or answered) and the
// fragment stays where it is, so that its late response is recognised and dropped. A request is
// freed when it is in no client FIFO and none of its fragments is in a server FIFO.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/base/prefetch.h"
#include "ringmain/base/time.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/memcached/request_parser.h"
#include "ringmain/protocol/command.h"
#include "ringmain/stats/slow_log.h"

#include <cstdint>
#include <vector>

namespace ringmain::core {

class ClientConn;
struct Request;

// What is more about a response than whose it is (core/leases.h).
enum class Special : uint8_t {
    No,
    Exec,     // of a transaction, from MULTI to EXEC
    Check,    // MULTI DISCARD: whether the server takes transactions
    Watch,    // with or without the same in front of it
    Unwatch,  // and with it the end of the lease
    Wait,     // a command that waits on the server
    Turn,     // a question of a pop over several servers (core/turns.h)
    Select,   // of a connection of that database
    Step,     // of a command that is done in several (core/steps.h)
    Publish,  // how many have heard it, of whom the server knows fewer
    Version,  // of a server that is to take `ms` (src/core/meta_sets.h)
};

// Of ringmain's own: it counts as no request.
[[nodiscard]] constexpr bool is_question(Special special) {
    return special == Special::Check || special == Special::Version;
}

// What a memcached client's "stats" asks for (src/core/memcached_stats.h).
enum class StatsKind : uint8_t {
    General,
    Reset,
    Settings,
    Items,
    Slabs,
    Sizes,
    DetailSwitch,  // "detail on", "detail off"
    DetailDump,
};

struct Fragment {
    explicit Fragment(BlockPool& pool) : response(pool) {}

    Fragment* next = nullptr;        // in the server connection's FIFO
    Request* request = nullptr;      // never null while in a FIFO
    const Request* ahead = nullptr;  // to be prefetched (core/fragment_fifo.h), or gone
    Instant queued = {};
    Instant sent = {};  // when its bytes were handed to the driver; `queued` until then
    // Of a split request, until all are there. Of memcached before that: a request that is held
    // back (Special::Version), the keys of a get that is not split.
    Chain response;
    uint32_t keys = 0;  // how many keys it carries: what its response must fit
    // Of a gather: bytes of its response that are counted. Of memcached: of the keys of a get that
    // is not split, what lies up to the one that a value named last.
    uint32_t received = 0;
    // Of one key that is read: of memcached to check the response's, where `keys` is 0 only one
    // that is said to be in base64; of redis for LargeKeys.
    uint64_t key_hash = 0;
    uint32_t size = 0;   // of its bytes
    uint32_t batch = 0;  // the lower half: in which it was queued; it leaves at the end of that
    // Of the first one in the FIFO: how many, itself included, share one get line
    // (src/design/0007). Those behind it have 1 until it is their turn.
    uint16_t in_line = 1;
    bool abandoned = false;  // its time was up: answered already, its response is dropped
    bool noted = false;      // the slow log has looked at it, when its time was up
    bool led = false;        // the first of the leading responses has come
    Special special = Special::No;
    uint32_t leading = 0;  // responses that are still to come before its own
};

// A key of a split request, and where it begins in Join::keys.
struct KeyPlace {
    size_t index = 0;
    uint32_t offset = 0;
};

// What a split request keeps until its last fragment is in. Reused with its memory.
struct Join {
    std::vector<Fragment*> fragments;
    std::vector<uint16_t> owners;  // per key: the fragment that has it; of a Combine per fragment:
                                   // its server
    Chain keys;                    // memcached: the requested keys, a blank behind each but the
                                   // last; of a gather: the request
    std::vector<uint16_t> key_sizes;
    // memcached: what a server named last. What is named next is near it: responses come in the
    // order of the keys, for each server.
    KeyPlace named;
    // Of SCRIPT EXISTS: of the scripts that were kept then. Of PUBSUB NUMSUB: of the servers that
    // are asked, by fragment.
    std::vector<uint64_t> numbers;
    uint64_t gathered = 0;  // of a gather: bytes of all responses that are counted
    uint64_t work = 0;      // to compute it, while it waits (core/joins.h)
    uint64_t scripts = 0;   // of a gather: Scripts::generation() when it was asked
    ListLink<Join> waiting_link;

    explicit Join(BlockPool& pool) : keys(pool) {}
};

struct alignas(cache_line_size) Request {
    Request(BlockPool& pool, ClientConn* owner) : client(owner), only(pool), response(pool) {}

    Request* next = nullptr;         // in the client's FIFO
    ClientConn* client;              // null once the client has left or has its answer
    Join* join = nullptr;            // of a split request
    uint32_t fragments_waiting = 0;  // whose response is still to come
    uint32_t fragments_queued = 0;   // in server FIFOs, abandoned ones included
    ResponsePolicy policy = ResponsePolicy::One;
    Gathering gathering = Gathering::None;  // with ResponsePolicy::Gathered
    memcached::Verb verb = memcached::Verb::Invalid;
    StatsKind stats_kind = StatsKind::General;  // with Verb::Stats
    bool ready = false;
    bool resp3 = false;
    bool mute = false;         // CLIENT REPLY: the response is left out
    bool close_after = false;  // QUIT and protocol errors: the last response
    bool noreply = false;      // memcached: whatever comes is swallowed
    bool quiet = false;        // memcached meta flag q
    memcached::VersionNeed version_need = memcached::VersionNeed::None;
    // Split, or ringmain's own question: how long a server took for it is no request's duration.
    bool untimed = false;
    bool failed = false;      // of a split request: `response` holds the first error
    bool is_counted = false;  // as an error, before it was sent (forward_removal)
    // Of EVAL, and of SCRIPT LOAD of our own: ScriptId::pack() of the script. Of Special::Publish:
    // what is added to the server's number. Of Special::Exec: how many commands there are.
    int64_t extra = 0;
    // For the slow log, while it is on; of a gather and of scripts always.
    const Command* command = nullptr;  // null: memcached, or not in the table
    uint32_t key_size = 0;
    stats::ShortText<27> key;  // its beginning; of several keys the first
    Fragment only;             // the fragment of a request that is not split
    Chain response;            // when ready and not yet the head
};

// Whether somebody still waits for the fragment's response. Once not, never again; the response of
// such a fragment is counted to its end and its bytes are not kept.
[[nodiscard]] inline bool is_wanted(const Fragment& fragment) {
    return !fragment.abandoned && fragment.request->client != nullptr;
}

// The same of the response's bytes: who has said CLIENT REPLY OFF waits, and hears nothing.
[[nodiscard]] inline bool is_heard(const Fragment& fragment) {
    const Request& request = *fragment.request;
    const bool is_mute = request.mute && request.join == nullptr && fragment.special == Special::No;
    return is_wanted(fragment) && !is_mute;
}

}  // namespace ringmain::core
