// ringmain/core/limits.h - bounds of the data plane that are not in the configuration.

#pragma once

#include "ringmain/base/time.h"

#include <algorithm>
#include <cstdint>

namespace ringmain::core {

// Blocks that an unfinished request must leave in the arena, so that everybody else's receives and
// responses go on.
inline constexpr uint32_t blocks_reserved = 64;

// With fewer free blocks, of so many, memory is low, and somebody goes (src/design/0017).
[[nodiscard]] constexpr uint32_t relief_below(uint32_t capacity) {
    constexpr uint32_t blocks_low = 1024;
    return std::max(capacity / 8, std::min(blocks_low, capacity / 4));
}

inline constexpr Duration relief_interval = Duration::millis(5);

// With next to nothing free for so long, whoever holds most goes however little that is.
inline constexpr Duration exhaustion_max = Duration::millis(100);

// Who has sent nothing and taken nothing of what waits for it for so long stands still: that is no
// reason to hold memory while it is low, nor a place that others need.
inline constexpr Duration standstill_min = Duration::millis(2000);

// Where nobody was to blame it is looked again after so long, or so long for each client and
// request that was looked at, twenty times what that takes; after a while the log says so.
inline constexpr Duration relief_rest = Duration::millis(25);
inline constexpr Duration relief_rest_each = Duration::micros(2);
inline constexpr Duration low_told_after = Duration::millis(10'000);

// How often clients are looked at that do not take their responses.
inline constexpr Duration stall_check_interval = Duration::millis(500);

// A command name beyond this is no command, whatever the server knows.
inline constexpr uint32_t command_name_size_max = 64;

// Reconnecting: first delay after a failure, doubled with each further one, up to the maximum;
// the actual delay is drawn between half of it and all of it.
inline constexpr Duration backoff_first = Duration::millis(20);
inline constexpr Duration backoff_max = Duration::millis(500);

// A batch begins so many of the connections that nobody waits for yet, and the next one goes on:
// who is served already does not wait for a thousand of them.
inline constexpr uint32_t preconnects_per_batch = 32;

// Who waits for another connection's attempt looks again after at most this.
inline constexpr Duration backoff_look = Duration::millis(100);

// The second probe of an ejected server comes after this part of server_retry_timeout.
inline constexpr int64_t probe_delay_divisor = 8;

// So many requests are told at once that their time is up, the next ones a few milliseconds later:
// a million that were queued together do not stop everybody else.
inline constexpr uint32_t expired_per_tick = 16'384;

// Unless late_connection_timeout says otherwise: a connection whose oldest request has waited for
// this many timeouts is closed and replaced.
inline constexpr int64_t late_timeouts_max = 4;
// And so much longer than one timeout at least: times are kept in steps of 5 ms, and a request that
// is late has its error, and what comes next another connection, before this one is closed.
inline constexpr int64_t late_ms_min = 20;

// A connection that no client holds is kept for the next one, for so long.
inline constexpr Duration idle_lease_max = Duration::millis(30'000);

// How often it is looked for a database that nobody has any more, where descriptors are short or a
// reload allows fewer.
inline constexpr Duration databases_look = Duration::millis(100);

// A server that takes MULTI and refuses EXEC or DISCARD gets no transaction for so long.
inline constexpr Duration transactions_refused_for = Duration::millis(10'000);

// Of memcached's answers to one stats, from all servers together: each line of them takes a hundred
// bytes and more when it is added up.
inline constexpr uint64_t stats_size_max = uint64_t{4} << 20;

// A command that waits on its server gets an answer so much later than its own time at the latest.
inline constexpr Duration wait_margin = Duration::millis(1000);
inline constexpr Duration wait_for_ever = {INT64_MAX};

// Connections to one server that a large response has set apart (src/design/0013), and what may
// wait of a large value in either direction before it is not received any more.
inline constexpr uint32_t set_apart_max = 8;
inline constexpr uint64_t stream_window = 1024 * 1024;

// The kernel holds megabytes for a server. How far that has taken them is asked so often of a
// connection with a large request: one that came in parts, or a send with so much for each request.
inline constexpr Duration untaken_look = Duration::millis(10);
inline constexpr uint64_t large_request_size = 64 * 1024;

// So much of a large response must have come before any of it is passed on.
inline constexpr uint64_t stream_held_back = 16 * 1024;

// No request takes so long: the slow log is off.
inline constexpr Duration never_slow = {INT64_MAX};

// Keys and bytes of a get line that requests of one key share towards a server (src/design/0007).
inline constexpr uint16_t shared_get_keys_max = 32;
inline constexpr uint32_t shared_get_line_size_max = 1024;

// A server's response, whose places are named in 32 bits.
inline constexpr uint64_t response_size_max = UINT32_MAX;

// Of a request that is answered here, PING and ECHO above all: its arguments are copied.
inline constexpr uint32_t local_request_size_max = 1024 * 1024;

// Of a request whose keys or channels live on several servers, when each is asked in words of ours;
// of UNSUBSCRIBE and its kin.
inline constexpr uint32_t split_request_size_max = 4 * 1024 * 1024;

// Gathers of one client that are under way at once; what comes behind them waits (design/0010).
inline constexpr uint32_t gathers_max = 16;

// Of LCS so many cells take as long as a byte of other answers that are computed.
inline constexpr uint64_t lcs_cells_per_byte = 32;

// How much a batch does before it sends, and then goes on in the next one. Tests have less.
struct BatchBounds {
    // Of gathers that it computes, in bytes of responses (core/joins.h): some 20 000 elements, or
    // one LCS of lcs_cells_max. Either takes some ten milliseconds.
    uint64_t join_work = 128ULL * 1024;
    // Requests of all clients together, and bytes of what they are answered here, but for the small
    // (core/batch_total.h); and of that what one client gets.
    uint64_t requests = 16ULL * 1024;
    uint64_t answers = 2048ULL * 1024;
    uint64_t client_answers = 64ULL * 1024;
};

// Of those it is requests that are counted.
inline constexpr uint64_t small_answer_max = 64;

// Keys of one request whose values are fetched from several servers.
inline constexpr uint32_t combine_keys_max = 4096;

// The names of all channels and patterns that clients of one pool and worker are subscribed to.
inline constexpr uint32_t topic_names_size_max = 64 * 1024 * 1024;

// Of messages so many blocks are copied to clients in a batch, of an arena of so many, and the rest
// waits for the next one: clients are sent to in between. So much is received meanwhile.
[[nodiscard]] constexpr uint32_t fan_out_max(uint32_t capacity) {
    return std::clamp(capacity / 16, 1U, 256U);
}

inline constexpr uint64_t messages_kept_max = 64ULL * 1024;

// To copy less takes no less time. A channel that a client is to be subscribed to counts as much.
inline constexpr uint32_t message_cost_min = 256;

// A pattern's length, and the steps of comparing patterns with a PUBLISH's channel to count who
// gets it (resp/glob.h), with so many for each pattern at least, in a batch: some milliseconds.
// Beyond them the server's own number is the answer.
inline constexpr uint32_t pattern_size_max = 1024;
inline constexpr uint64_t publish_steps_max = 1024ULL * 1024;
inline constexpr uint64_t pattern_steps_min = 4;

// Bytes of what is asked on a subscription connection and not confirmed yet; the rest waits. On a
// long way so much is confirmed in each round trip. And so many are asked for in a batch.
inline constexpr uint64_t topics_asked_size_max = 256ULL * 1024;
inline constexpr uint32_t topics_per_batch = 1024;

// A subscription connection that has brought nothing for so long is asked whether it still works;
// one on which nothing is subscribed any more is closed after so long.
inline constexpr Duration link_ping_interval = Duration::millis(10'000);
inline constexpr Duration idle_link_max = Duration::millis(30'000);

// What a server refuses on a subscription connection is asked for again: after the first of these,
// which is doubled with each further refusal up to the second.
inline constexpr Duration ask_again_first = Duration::millis(100);
inline constexpr Duration ask_again_max = Duration::millis(10'000);

// The log has one of them in so long, how many there were more, and so much of a name; and the loss
// of one subscription connection as often.
inline constexpr Duration refusals_told_interval = Duration::millis(10'000);
inline constexpr uint32_t topic_name_told_max = 128;

// A client name (CLIENT SETNAME) and library name longer than this are refused: it is kept outside
// the arena for as long as the client is there.
inline constexpr uint32_t client_name_size_max = 16 * 1024;

// Channels of one SUBSCRIBE or UNSUBSCRIBE, and its name: each is copied, outside the arena.
inline constexpr uint32_t subscribe_arguments_max = 1024 * 1024;

// What Scratch keeps of a request with more arguments is freed behind it.
inline constexpr uint32_t scratch_arguments_max = 1024 * 1024;

}  // namespace ringmain::core
