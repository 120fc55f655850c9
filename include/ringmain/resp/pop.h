// ringmain/resp/pop.h - pops that look at several keys, as questions of a few of them.
//
//   the client's                    a question                    a wait
//   LMPOP 3 a b c LEFT COUNT 2      LMPOP 2 a b LEFT COUNT 2
//   BLMPOP 5 3 a b c LEFT           LMPOP 2 a b LEFT              BLMPOP 0.100 2 a c LEFT
//   BLPOP a b c 5                   LPOP a                        BLPOP a c 0.100
//   BZPOPMIN a b c 5                ZPOPMIN a                     BZPOPMIN a c 0.100
//
// A question is answered at once. Who asks, and of which server, is core/turns.h.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/protocol/command.h"
#include "ringmain/resp/response_parser.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::resp {

struct Pop {
    std::string name;                  // "BLPOP"
    std::string question;              // "LPOP"; of LMPOP and ZMPOP their own
    bool waits = false;                // BLPOP, not LMPOP
    bool counts_keys = false;          // LMPOP, BLMPOP ...: a question may have several
    std::vector<std::string> keys;     // in the client's order
    std::vector<std::string> options;  // what is behind the keys of those that are counted
    int64_t wait_ms = 0;               // 0: for ever
};

// Of a command with Crossing::Popped whose keys were found at these positions. Empty: `pop` says
// it. Else what redis says of it, without a look at any key.
[[nodiscard]] std::string_view read_pop(const Command& command,
                                        std::span<const std::string> words,
                                        std::span<const uint32_t> keys,
                                        Pop& pop);

// `count` of the keys, from the `first` on: one, unless they are counted.
[[nodiscard]] std::string question_text(const Pop& pop, size_t first, size_t count);

// `keys` are some of the pop's.
[[nodiscard]] std::string wait_text(const Pop& pop,
                                    std::span<const std::string_view> keys,
                                    Duration wait);

// Whether a response that is no error can be one to a question, or to a wait.
[[nodiscard]] bool fits_question(const Pop& pop, const ResponseFrame& frame);
[[nodiscard]] bool fits_wait(const Pop& pop, const ResponseFrame& frame);

// Of one that fits: nothing was there.
[[nodiscard]] bool is_nothing(const ResponseFrame& frame);

// Of one to a question that has found something: what stands in front of it in the answer to the
// client, from its byte `skip` on.
struct PopHead {
    std::string text;
    uint32_t skip = 0;
};

[[nodiscard]] PopHead head_of(const Pop& pop, size_t key);

}  // namespace ringmain::resp
