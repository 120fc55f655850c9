// ringmain/core/turns.h - pops whose keys live on several servers (src/design/0009).
//
//   BLPOP   ask key 1, key 2, ... (LPOP) --all empty--> wait on one server for a moment (BLPOP)
//                ^                                                     |
//                +------- nothing; the next time on another -----------+
//   LMPOP   ask key 1, key 2, ... --all empty--> nothing
//
// One thing is asked at a time, so no element is ever taken that nobody gets. Of commands that
// count their keys a question has all that stand behind each other and live on one server. What the
// order of the keys promises holds at the moment of each question. An element for a server that is
// not waited on is found after a turn.
//
// Who waits has a connection for itself, for the questions, too; others ask on those that clients
// share.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/resp/pop.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace ringmain::core {

struct Turns {
    static constexpr size_t keys_max = 64;
    static constexpr size_t keys_size_max = 64 * 1024;
    static constexpr Duration length = Duration::millis(100);

    // What is under way is a question, which is answered at once; else a wait.
    [[nodiscard]] bool asks() const { return next < pop.keys.size(); }

    resp::Pop pop;
    Instant until = Instant::never();
    size_t next = 0;     // key to ask; behind the last: a server's turn
    size_t asked = 0;    // how many from it on
    uint64_t taken = 0;  // turns
    std::string end;     // why no other question follows; empty: one does
};

}  // namespace ringmain::core
