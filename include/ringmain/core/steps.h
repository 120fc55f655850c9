// ringmain/core/steps.h - one command as several, one after the other (src/design/0014).
//
//   SUNIONSTORE, COPY ...   Fetch (each source's server) --> Carry (the destination's)
//   RENAME, RENAMENX        Fetch, watching the source --> Carry --> Remove, if it is unchanged
//                             ^                                        |
//                             +------------ it was changed ------------+
//   SMOVE                   Look (the source's server) --> LookAgain, watching whether somebody
//                             |         moves the member there --> Add (the destination's)
//                             |         --> Remove, if nobody did
//                             |
//                             +--> LookForSource --> LookThere: only to refuse what redis refuses
//   WAIT                    Wait (every server, on connections of the client's own)
//
// The destination is always written before anything is removed, so wherever it ends nothing is
// lost. One command of a client is under way at a time, and what it sends behind it waits.
//
// Part of a Session. Whoever takes a step is Leases; this is what it remembers between two of them.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/protocol/command.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ringmain::core {

class ServerConn;
struct Request;

struct Steps {
    // A source that somebody writes all the time is not renamed for ever, nor a member moved that
    // somebody moves back all the time.
    static constexpr uint32_t attempts_max = 16;

    // The words of the request are copied.
    static constexpr uint32_t request_size_max = 1024 * 1024;

    // lua's stack holds 8000 values, of which a command in a script takes one for each word.
    static constexpr uint32_t words_max = 4096;

    enum class Phase : uint8_t {
        Fetch,
        Carry,
        Look,
        LookAgain,
        LookForSource,
        LookThere,
        Add,
        Remove,
        Wait,
    };

    // A source that lives elsewhere. On the destination's server it has, for the time of one script
    // there, a name of its own.
    struct Source {
        std::string key;
        std::string name;
        uint32_t server = 0;
    };

    Request* request = nullptr;
    const Command* command = nullptr;
    Phase phase = Phase::Fetch;
    std::vector<std::string> words;  // the request, with the names of its sources
    std::vector<Source> sources;
    uint32_t home = 0;        // the destination's server
    uint64_t placements = 0;  // Pool::placements of the beginning
    Instant moves_at = {};    // when the first of its keys moves (Pool::moves_at)
    uint32_t attempts = 0;
    Instant began;
    int64_t wait_ms = 0;  // of WAIT; 0: for ever
    std::string answer;   // for the client, once the source is removed
    // Of RENAME and SMOVE the one that watches, of WAIT one for each server. Null: lost.
    std::vector<ServerConn*> leases;
};

}  // namespace ringmain::core
