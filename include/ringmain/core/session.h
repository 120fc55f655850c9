// ringmain/core/session.h - what one client has that others have not (src/design/0009).
//
//   a database of its own         SELECT; connections of that database serve it
//   a transaction                 MULTI: commands are kept here until EXEC sends them all at once
//   leased connections            WATCH, and commands that wait on their server
//   a command in steps            RENAME and the like between servers (src/design/0014)
//   subscriptions                 SUBSCRIBE and its kin (src/design/0012)
//
// A client has a session from the first such command on. ClientConn::special says whether there is
// anything in it at the moment: the path of plain requests looks at nothing else.

#pragma once

#include "ringmain/base/byte_range.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/core/steps.h"
#include "ringmain/core/topics.h"
#include "ringmain/core/turns.h"
#include "ringmain/stats/counters.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ringmain::core {

class ServerConn;

struct Session {
    static constexpr uint16_t no_slot = UINT16_MAX;
    static constexpr size_t waited_keys_size_max = 4096;
    static constexpr size_t waited_kept = 256;

    // The argument of an EVAL or EVALSHA, in `queued`.
    struct QueuedScript {
        enum class Kind : uint32_t { Text, Digest };

        ByteRange place;
        Kind kind = Kind::Text;
    };

    explicit Session(BlockPool& pool) : queued(pool), scripts(pool) {}

    // True when something here concerns the client's requests.
    [[nodiscard]] bool is_special() const {
        return in_transaction || must_wait || watching != nullptr || waiting != nullptr ||
               !lost.empty() || slot != no_slot || is_subscribed();
    }

    [[nodiscard]] bool is_subscribed() const {
        return subscriber != nullptr && subscriber->is_subscribed();
    }

    // True when something goes on, or will be done or told, that is not asked for again.
    [[nodiscard]] bool goes_on() const { return in_transaction || is_bound(); }

    // The same of all but a transaction, whose requests that concerns as well.
    [[nodiscard]] bool is_bound() const {
        return watching != nullptr || waiting != nullptr || steps != nullptr || is_subscribed() ||
               (subscriber != nullptr && subscriber->joining != nullptr);
    }

    // A command was refused: EXEC will run nothing, and counts as the first of these does.
    void abort_transaction(stats::Reason reason) {
        if (!aborted) aborted_over = reason;
        aborted = in_transaction;
    }

    void end_transaction() {
        in_transaction = false;
        aborted = false;
        has_server = false;
        commands = 0;
        forget_queued();
        forget_loss();
    }

    // EXEC will run nothing of it.
    void forget_queued() {
        queued.clear();
        scripts.clear();
    }

    // What the transaction holds of buffer memory.
    [[nodiscard]] uint64_t queued_size() const { return queued.size() + scripts.size(); }

    void forget_loss() {
        lost.clear();
        lost_reason = stats::Reason::Lost;
    }

    // A key of the command that waits: where it lives now is where it is waited for.
    void keep_waited(std::string_view key);

    void forget_waited() {
        if (waited_keys.capacity() > waited_kept) std::string().swap(waited_keys);
        waited_keys.clear();
        keys_move_at = Instant::never();
    }

    // --- the database ----------------------------------------------------------------------------

    uint16_t slot = no_slot;    // in Pool::databases; none: it is in the pool's own database
    uint16_t wanted = no_slot;  // asked for; the server's word is awaited

    // What follows is taken when all earlier requests have their answers: the connection or the
    // database that it concerns is known only then.
    bool must_wait = false;

    // --- the transaction -------------------------------------------------------------------------

    bool in_transaction = false;
    bool aborted = false;
    stats::Reason aborted_over = {};
    bool has_server = false;  // some command had a key
    uint32_t server = 0;      // its index, by the placement of then
    uint64_t placed = 0;      // Pool::placements of then, or when the first key was watched
    Instant moves_at = {};    // when the first of the keys since then moves (Pool::moves_at)
    uint32_t commands = 0;
    Chain queued;      // their bytes
    Chain scripts;     // QueuedScript by QueuedScript: those in them
    std::string lost;  // why EXEC can run nothing, whatever is queued; empty: no reason
    stats::Reason lost_reason = stats::Reason::Lost;  // what it is counted as

    // --- leases ----------------------------------------------------------------------------------

    ServerConn* watching = nullptr;  // has the WATCHed keys
    bool ends_watch = false;         // EXEC or UNWATCH is on the way to it
    ServerConn* waiting = nullptr;   // has a command that waits
    bool left = false;               // while it waited the client has ended its side
    std::string wait_end;            // what it is told when the server closes; empty: nothing
    std::string waited_keys;         // of that command, each behind its size; empty: too large
    Instant keys_move_at = Instant::never();  // the first of them (Pool::moves_at)
    std::unique_ptr<Turns> turns;             // a pop over several servers, one that waits or not
    std::unique_ptr<Steps> steps;  // a command that is done in steps; null: none is under way

    // --- messages --------------------------------------------------------------------------------

    std::unique_ptr<Subscriber> subscriber;  // null: to nothing
};

}  // namespace ringmain::core
