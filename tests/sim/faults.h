// tests/sim/faults.h - what can go wrong with a server, and which error texts it explains.

#pragma once

#include <cstdint>
#include <string_view>

namespace ringmain::sim {

// As bits, since one server's faults add up.
enum Fault : uint32_t {
    Refuse = 1U << 0,          // no connection is taken
    Vanish = 1U << 1,          // connections are neither taken nor refused, bytes do not pass
    Reset = 1U << 2,           // connections are reset
    Close = 1U << 3,           // connections are closed, perhaps in the middle of a response
    Slow = 1U << 4,            // responses are late, or never come
    Malformed = 1U << 5,       // bytes that are no response
    Unasked = 1U << 6,         // a response that nobody asked for
    WrongShape = 1U << 7,      // a response to another command
    WrongKey = 1U << 8,        // a value of another key
    Push = 1U << 9,            // a push message
    WrongPassword = 1U << 10,  // AUTH is refused
    NoResp3 = 1U << 11,        // HELLO is unknown
    Loading = 1U << 12,        // an error in the server's own words
    Empty = 1U << 13,          // comes back without its data, or with old data
    LeavesOut = 1U << 14,      // a response is left out: those that follow are to others' commands
    // Of the whole process:
    Scarce = 1U << 16,     // hardly any buffer memory
    Narrow = 1U << 17,     // servers' queues are short, or databases few
    AllOut = 1U << 18,     // no server is in
    Moved = 1U << 19,      // a server came or went, any
    Remade = 1U << 20,     // a reload may have remade the connections that bring messages
    Contended = 1U << 21,  // others changed what was being carried
    Old = 1U << 22,        // some servers do not take `ms`
    Any = 0xffffU,         // of one server
};

// The faults that may be behind an error answer, by its text; 0 when it is no error known here.
// `server` is set to the number of the server "s3 (...)" that the text names, else -1.
[[nodiscard]] uint32_t faults_behind(std::string_view answer, int32_t* server);

[[nodiscard]] bool is_error(std::string_view answer);

}  // namespace ringmain::sim
