// ringmain/resp/combine.h - what redis would answer if the keys lay on one server.
//
//   SUNION a b --> server 0: SUNION a --> *2 x y --+
//              \-> server 1: SUNION b --> *1 z   --+--> *3 x y z
//
// Pure: the parts are whole responses in one piece, and who asked for them is known. Sets come as
// one response per server (question() says of what), sorted sets and strings as one per key, in the
// order of the keys. A part may be an error: which one is the answer is decided here, as redis
// does, which looks at keys one after the other and at options before or behind them.
//
// As redis 7.0.15 answers, byte for byte, but for the order of a set's elements, which is nobody's
// promise: doubles have 17 digits, sources of a sorted set are added up the smallest first.

#pragma once

#include "ringmain/base/siphash.h"
#include "ringmain/protocol/command.h"
#include "ringmain/resp/writer.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::resp {

// Bytes of one string times bytes of the other that LCS compares: 16 MiB of memory for a moment,
// and some ten milliseconds.
inline constexpr uint64_t lcs_cells_max = uint64_t{1} << 22;

struct Combination {
    Gathering gathering = Gathering::None;    // Union and what stands behind it
    std::span<const std::string> words;       // the request, its name first
    std::span<const std::string_view> parts;  // the responses
    Version version = Version::Resp2;         // of the client, and of the parts
    uint64_t elements_max = 0;                // of all parts
    SipKey hash_key = {};                     // so that nobody can choose colliding elements
};

enum class CombineStatus : uint8_t {
    Done,        // a whole response was appended, maybe an error
    WrongShape,  // some part is not what was asked for
    TooMany,     // elements
    TooLong,     // strings of LCS
};

[[nodiscard]] CombineStatus combine(const Combination& combination, std::string& out);

// Which request fetches a part: the name that stands before the keys, and what behind them. With
// `first` for the server of the first key.
struct Question {
    bool per_key = false;  // else per server, of all its keys
    bool counts_keys = false;
    std::string_view name;
    std::string_view last = {};
};

[[nodiscard]] Question question(Gathering gathering, bool first);

}  // namespace ringmain::resp
