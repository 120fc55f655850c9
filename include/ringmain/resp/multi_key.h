// ringmain/resp/multi_key.h - one request of many keys as one fragment per server, and back.
//
//   MGET a b c --> fragment 0: MGET a c --> *2 A C --+
//              \-> fragment 1: MGET b   --> *1 B   --+--> *3 A B C
//
// Pure: which key belongs to which fragment is decided elsewhere and given as the numbers of a
// fragment's keys, or as `owners`, one fragment number per key, in the order of the keys.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/buffer/cursor.h"
#include "ringmain/resp/writer.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace ringmain::resp {

struct Split {
    std::string_view name;                 // of the command, as it is to be sent
    const Bytes* bytes = nullptr;          // the request's frame
    std::span<const ByteRange> arguments;  // all of them, the command's name first
    uint32_t step = 1;                     // arguments per key: 2 for MSET
};

// Appends a fragment's request to `target`: `keys` are the numbers of its keys, at least one, in
// ascending order. False when the arena is exhausted: `target` then holds a part of it.
[[nodiscard]] bool write_fragment(const Split& split,
                                  std::span<const uint32_t> keys,
                                  Chain& target,
                                  OpenBlock* open);

enum class JoinStatus : uint8_t {
    Joined,
    WrongShape,  // some response is not what was asked for: nothing was appended
    NoMemory,    // the arena is exhausted: a part was appended
};

struct Join {
    std::span<const uint16_t> owners;
    std::span<const Chain* const> responses;  // by fragment number, one whole response each
    Version version = Version::Resp2;         // of the client: nulls are rewritten for it
};

// How far the join has come in one fragment's response.
struct JoinSource {
    Cursor cursor;
    uint64_t elements_left = 0;
};

// MGET: appends one array with each key's element from its fragment's array, in the order of the
// keys. An element may be of any type. `sources` is working memory, kept by the caller.
[[nodiscard]] JoinStatus join_arrays(const Join& join,
                                     std::vector<JoinSource>& sources,
                                     Chain& target,
                                     OpenBlock* open);

// DEL, UNLINK, EXISTS, TOUCH: the sum of integer responses; nothing when one is anything else.
[[nodiscard]] std::optional<int64_t> sum_integers(std::span<const Chain* const> responses);

// MSET: whether each response is "+OK".
[[nodiscard]] bool all_ok(std::span<const Chain* const> responses);

}  // namespace ringmain::resp
