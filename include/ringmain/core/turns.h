// ringmain/core/turns.h - BLPOP and BRPOP whose keys live on several servers (src/design/0009).
//
//   ask key 1, key 2, ... (LPOP, RPOP) --all empty--> wait on one server for a moment (BLPOP,
//   BRPOP)
//        ^                                                              |
//        +----------------- nothing; the next time on another ----------+
//
// One thing is asked at a time, each on a connection leased for it, so no element is ever taken
// that nobody gets. What the order of the keys promises holds at the moment of each question. An
// element for a server that is not waited on is found after a turn.

#pragma once

#include "ringmain/base/time.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ringmain::core {

struct Turns {
    static constexpr size_t keys_max = 64;
    static constexpr size_t keys_size_max = 64 * 1024;
    static constexpr Duration length = Duration::millis(100);

    bool from_right = false;  // BRPOP
    Instant until = Instant::never();
    std::vector<std::string> keys;
    size_t next = 0;     // key to ask; behind the last: a server's turn
    uint64_t taken = 0;  // turns
};

}  // namespace ringmain::core
