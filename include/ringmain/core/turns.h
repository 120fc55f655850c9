// ringmain/core/turns.h - pops whose keys live on several servers (src/design/0009).
//
//   BLPOP   ask key 1, key 2, ... (LPOP) --all empty--> wait on one server for a moment (BLPOP)
//                ^                                                     |
//                +------- nothing; the next time on another -----------+
//   and then      ask the other servers' keys --all empty--> wait on the next ...
//   LMPOP   ask key 1, key 2, ... --all empty--> nothing
//
// One thing is asked at a time, so no element is ever taken that nobody gets. Of commands that
// count their keys a question has all that stand behind each other and live on one server. What the
// order of the keys promises holds at the moment of each question. An element for a server that is
// not waited on is found after a turn.
//
// A wait looks at its keys at once, and ends when nothing was there until then. So they are not
// asked behind it, and the last keys in the order are not when the next wait is theirs: two servers
// are waited on in turns, and nothing is asked in between.
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
    static constexpr size_t keys_max = 64;  // bits of `waited`
    static constexpr size_t keys_size_max = 64 * 1024;
    static constexpr Duration length = Duration::millis(100);

    // What is under way is a question, which is answered at once; else a wait.
    [[nodiscard]] bool asks() const { return next < asks_until; }

    // The key was in the last wait, which found nothing.
    [[nodiscard]] bool is_empty(size_t key) const { return (waited >> key & 1) != 0; }

    resp::Pop pop;
    Instant began = {};
    Instant until = Instant::never();
    size_t next = 0;          // key to ask
    size_t asked = 0;         // how many from it on
    size_t asks_until = 0;    // there it is a server's turn, which looks at those behind
    uint64_t taken = 0;       // turns
    uint64_t waited = 0;      // a bit for each key
    uint64_t placements = 0;  // Pool::placements of then
    std::string end;          // why no other question follows; empty: one does
    bool is_over = false;     // none does, and nothing is said: its user may not ask any more
};

}  // namespace ringmain::core
