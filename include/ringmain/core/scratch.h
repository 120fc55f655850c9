// ringmain/core/scratch.h - working memory of the fronts and joins: kept, so that the data path
// allocates nothing.
//
// Whoever uses a member expects nothing of what it held before, and leaves nothing for others but
// what its comment says.

#pragma once

#include "ringmain/base/byte_range.h"
#include "ringmain/base/time.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/resp/multi_key.h"
#include "ringmain/stats/counters.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::core {

class ServerConn;

struct Scratch {
    std::string text;                  // an argument that crosses blocks
    std::vector<ByteRange> arguments;  // of a request with many
    std::vector<uint32_t> keys;        // positions in `arguments`
    std::vector<ByteRange> key_ranges;
    std::vector<ByteRange> grouped_keys;   // the same, those of one fragment side by side
    std::vector<uint16_t> servers;         // per key
    Instant moves_at = Instant::never();   // the first of a command's keys (Pool::moves_at)
    std::vector<uint32_t> key_order;       // numbers of keys, those of one fragment side by side
    std::vector<uint16_t> fragment_of;     // per server of the pool
    std::vector<uint64_t> part_sizes;      // the same: of a large request that is split
    std::vector<ServerConn*> connections;  // per fragment
    std::vector<const Chain*> responses;   // per fragment
    std::vector<std::string_view> key_views;
    std::vector<resp::JoinSource> join_sources;  // per fragment
    std::string why;                             // usable_connection() refuses
    stats::Reason why_reason = stats::Reason::Other;
    std::string inline_array;  // an inline request, written anew

    // What grew with the number of a request's arguments goes back to the system.
    void forget_arguments() {
        std::vector<ByteRange>().swap(arguments);
        std::vector<uint32_t>().swap(keys);
        std::vector<ByteRange>().swap(key_ranges);
        std::vector<ByteRange>().swap(grouped_keys);
        std::vector<uint32_t>().swap(key_order);
        std::vector<uint16_t>().swap(servers);
        std::vector<std::string_view>().swap(key_views);
    }
};

}  // namespace ringmain::core
