// ringmain/core/server_conn.h - the upstream side: one connection to one server.
//
//   Closed --(a request, or time to retry)--> Connecting --> Prelude --> Ready
//     ^                                           |            |           |
//     +---- refused, lost, refused a password, malformed or unasked bytes --+
//
// Requests may be queued from Connecting on; they leave when Ready. Prelude sends what a new
// connection must say first (AUTH, HELLO, SELECT, PING) and checks every answer. Losing the
// connection answers all that wait in the FIFO with an error that names the server and the reason;
// but what has not left when an idle one ends goes on the next (src/design/0006).

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/base/list.h"
#include "ringmain/base/time.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/core/fragment_fifo.h"
#include "ringmain/core/pairing.h"
#include "ringmain/core/request.h"
#include "ringmain/memcached/response_parser.h"
#include "ringmain/resp/response_parser.h"
#include "ringmain/stats/counters.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ringmain::core {

class ClientConn;
class Server;

// What Proxy::on_server_lost() is told when the server closed the connection.
inline constexpr std::string_view end_of_stream_reason = "closed the connection";
// When it did so and had not read all that was sent, or was gone.
inline constexpr std::string_view reset_reason = "reset the connection";

// Of a server whose name has no address, or none in time: the beginning.
inline constexpr std::string_view unfound_reason = "cannot be found: ";

// Behind end_of_stream_reason, when it may be for what was sent (Streams::may_be_refused).
inline constexpr std::string_view over_large_request = " over a large request";

// Who is the cause of a lost connection.
enum class Blame : uint8_t {
    Nobody,  // an idle connection that the server closed, one that has done its work, or a client
    Us,      // only this connection waits before it tries again
    Server,  // counts as a failure of the server's
};

class ServerConn {
  public:
    enum class State : uint8_t { Closed, Connecting, Prelude, Ready };

    // In a prelude, in this order. Bits; Ping is `version` to a memcached.
    enum Said : uint8_t { Auth = 1, Hello = 2, Select = 4, Ping = 8 };

    // The get at the end of `out`, if it is one that another key may join (src/design/0007).
    struct OpenGet {
        Fragment* first = nullptr;  // null: there is none
        uint64_t out_size = 0;      // with the line: another size says that it has left
        uint64_t asked = 0;         // a bit for each client and key: who has no bit has not asked
        uint32_t line_size = 0;
        memcached::Verb verb = memcached::Verb::Get;
    };

    ServerConn(BlockPool& blocks, Server& owner, bool speaks_resp3);

    ServerConn(const ServerConn&) = delete;
    ServerConn& operator=(const ServerConn&) = delete;
    ~ServerConn() = default;

    // What comes on it belongs to nobody any more.
    [[nodiscard]] bool is_given_up() const {
        return disconnect_link.is_linked() || state == State::Closed;
    }

    // Proxy::take_sendable() would give something.
    [[nodiscard]] bool has_sendable() const {
        return state == State::Ready ? !out.empty() && !pairing.holds() : !prelude_out.empty();
    }

    // At the end of `out`; whoever calls it has seen that there is room.
    void write(std::string_view text) {
        const bool written = out.append_copy(text, nullptr);
        RM_ASSERT(written);
    }

    // From `begin` on.
    void write(const Bytes& bytes, uint32_t begin = 0) {
        const ByteRange range{begin, bytes.size() - begin};
        const bool written = bytes.append_to(out, range, nullptr, Sharing::Sparing);
        RM_ASSERT(written);
    }

    // What is in `out` is not to leave yet (pairing.h), when `pairing` is due.
    [[nodiscard]] bool holds_back(Instant now, Duration interval);

    // Nothing that has left waits for its answer; of a request that is not all there none can come.
    [[nodiscard]] bool is_all_answered() const {
        const Fragment* head = fragments.front();
        if (head == nullptr || head == traffic.first_unsent) return true;
        return uploader != nullptr && head->next == nullptr;
    }

    // What the answer is to that has come in the prelude.
    [[nodiscard]] Said take_prelude_answer() {
        const unsigned left = prelude_answers & (prelude_answers - 1U);
        return static_cast<Said>(std::exchange(prelude_answers, static_cast<uint8_t>(left)) - left);
    }

    // All of it is handed out, and no more will be: the driver ends this side of the connection.
    [[nodiscard]] bool is_to_be_shut() const {
        return ends && state == State::Ready && out.empty();
    }

    // Nothing is to be sent or answered on it, and more may be said.
    [[nodiscard]] bool is_at_rest() const { return fragments.empty() && out.empty() && !ends; }

    // When it was seen to get through last. What fails on it may have failed since, and not by
    // itself: one event takes many connections with it, of which the idle ones show it later.
    [[nodiscard]] Instant worked_at() const { return std::max(since, heard_at); }

    // Its oldest request was not answered in time, nor later.
    [[nodiscard]] bool is_late() const { return first_in_time != fragments.front(); }

    // Wanted, and the driver has not begun yet.
    [[nodiscard]] bool is_to_begin() const {
        return connect_link.is_linked() || preconnect_link.is_linked();
    }

    // Made when a client needed it, and not everybody's.
    [[nodiscard]] bool is_on_demand() const { return is_lease || is_subscriber; }

    // Whoever comes next may be served by it.
    [[nodiscard]] bool is_everybodys() const { return !is_spare && !is_probe && !is_on_demand(); }

    // Of a closed one: nobody connects it before that.
    [[nodiscard]] Instant next_attempt() const;

    // One of those that clients can make more and more of (core/descriptors.cc).
    [[nodiscard]] bool is_extra() const;

    // --- counting: here as it happens, and published once per batch and connection ---------------

    struct Traffic {
        // The first in `fragments` whose bytes are in `out`, and how many there are; null with 0.
        Fragment* first_unsent = nullptr;
        uint32_t unsent = 0;
        uint32_t questions = 0;   // among those (is_question)
        uint64_t out_size = 0;    // of `out`, when the last fragment was queued
        uint64_t sent_bytes = 0;  // of the fragments that are sent and not answered
        // Responses in a row to what was queued at the same instant: one entry of the histograms.
        Instant run_queued = {};
        uint32_t run_length = 0;
        uint32_t run_parts = 0;  // of requests that are untimed
        Duration took = {};      // each of the last run
    };

    // The fragment's bytes are at the end of `out`.
    void note_queued(Fragment& fragment) {
        if constexpr (stats::is_counting) {
            fragment.size = static_cast<uint32_t>(out.size() - traffic.out_size);
            traffic.out_size = out.size();
        }
        note_complete(fragment);
    }

    // The fragment queued last is not all there: it does not count before it is.
    void note_incomplete() {
        traffic.unsent -= 1;
        if (traffic.unsent == 0) traffic.first_unsent = nullptr;
    }

    void note_complete(Fragment& fragment) {
        if (traffic.unsent == 0) traffic.first_unsent = &fragment;
        traffic.unsent += 1;
    }

    // What was queued last is_question().
    void note_question() {
        if constexpr (stats::is_counting) traffic.questions += 1;
    }

    // A long batch moves the times of what was queued in it, and looks at nothing before that.
    void note_newest(Fragment& fragment, Instant now) {
        if (newest_at == now && newest != nullptr) return;
        newest = &fragment;
        newest_at = now;
    }

    // More of the fragment's bytes are at the end of `out`.
    void note_grown(Fragment& fragment) {
        if constexpr (!stats::is_counting) return;
        fragment.size += static_cast<uint32_t>(out.size() - traffic.out_size);
        traffic.out_size = out.size();
    }

    // All of `out` is on its way.
    void note_taken();

    // A response has begun, and the server says something.
    [[nodiscard]] bool is_giving(Instant now) const;

    // Whose fault it is that a request is late, or its connection over it, whose time began then.
    // What moves says nothing about the server: a large request that it is taking, this one or one
    // before it, or a response that it is giving.
    [[nodiscard]] Blame blame_for_lateness(const Fragment& fragment,
                                           Instant begun,
                                           Instant now) const;

    // A large request of which something may not be with the server: the kernel knows.
    [[nodiscard]] bool is_taking() const {
        return to_take > 0 && !fragments.empty() && fragments.front()->queued <= large_at;
    }

    // When it was seen to take some of a request last; the beginning of time when it has all.
    [[nodiscard]] Instant last_taken() const {
        if (unsent > 0) return taken_at;
        return is_taking() ? took_at : Instant{};
    }

    // A large request ends with what is in `out`.
    void note_large(Instant now) {
        takes_slowly = takes_slowly && is_taking();
        to_take = out.size() + unsent + in_kernel;
        large_at = now;
    }

    // So much of what has left is still with the kernel.
    void note_in_kernel(uint64_t bytes, Instant now);

    // So much of what was handed out has left. The connection may have been lost in the same batch.
    void note_sent(uint64_t bytes, Instant now) {
        if (bytes == 0 || unsent == 0) return;
        unsent -= bytes;
        in_kernel += bytes;
        taken_at = now;
        if (unsent == 0 && takes_long) moved_at = now;
        takes_long = unsent > 0;
    }

    // The head of the FIFO, which leaves it: true when it was lost before it was sent.
    [[nodiscard]] bool note_unsent(const Fragment& fragment) {
        if (traffic.first_unsent != &fragment) return false;
        traffic.unsent -= 1;
        if constexpr (stats::is_counting) {
            if (is_question(fragment.special)) traffic.questions -= 1;
        }
        traffic.first_unsent = traffic.unsent == 0 ? nullptr : fragment.next;
        return true;
    }

    // The fragment leaves the FIFO, answered.
    void note_response(const Fragment& fragment, Instant now) {
        if constexpr (!stats::is_counting) return;
        if (fragment.queued != traffic.run_queued) {
            end_run(now);
            traffic.run_queued = fragment.queued;
        }
        traffic.run_length += 1;
        if (fragment.request->untimed) traffic.run_parts += 1;
        traffic.sent_bytes -= fragment.size;
    }

    // The same of one that waited on its server: how long says nothing about either.
    void note_waited(const Fragment& fragment);

    // The same of a question.
    void note_told(const Fragment& fragment) {
        if constexpr (stats::is_counting) traffic.sent_bytes -= fragment.size;
    }

    // Why it is about to be lost. What is lost over its server without that is an error.
    void count_loss(stats::Counter stats::ServerCounters::*kind);

    void publish(Instant now);
    // Lost, with all that was on it.
    void forget_traffic(Instant now);

    Server* server;
    bool resp3;
    bool is_probe = false;
    bool is_spare = false;       // or was replaced, and is closed when the last answer has come
    bool is_lease = false;       // serves one client at a time (core/leases.h)
    bool is_subscriber = false;  // brings messages, and has no fragments (core/subscriptions.h)
    bool is_selected = false;    // of a database that clients selected (Server::in_database)
    bool is_stand_in = false;    // connects for the place of one that is to be set apart
    bool knows_transactions = false;  // it was answered +OK to MULTI
    bool has_turn = false;            // it connects for all, to a server that is down
    bool is_asked = false;            // whether it answers: its prelude has `timeout`
    bool is_sought = false;           // the address of its server's name is being looked up
    bool streaming = false;           // the head's response goes on as it comes (core/streams.h)
    bool set_apart = false;           // for large values; it will be an idle lease
    bool paused = false;              // is not received from: who is to have it comes first
    bool is_starved = false;          // the driver has no buffer to receive from it
    bool is_cut = false;              // the last of its uploader's requests will have no end
    bool takes_long = false;          // a part of what was handed out has left, and not the rest
    bool takes_slowly = false;        // the kernel was asked, and the server did not have all
    State state = State::Closed;
    uint8_t prelude_answers = 0;  // still to come: of what was Said
    bool spoke_since_connect = false;
    bool was_established = false;   // before it was lost
    bool is_loss_counted = false;   // count_loss(), for the loss to come
    bool timed_out = false;         // what is on it has had its time, and fails for that
    bool was_told = false;          // in the log, that it is lost over something of its own
    bool is_counted_extra = false;  // in WorkerCounters::extra_connections
    uint64_t ready_batch = 0;       // in which it became ready: no request left before its end
    uint32_t failures = 0;          // in a row, of this connection, without a response in between
    Instant retry_at = {};          // no attempt before; of a probe: when the next one begins
    Instant look_at = {};           // while the server is down and others have the turn: not before
    Instant since = {};             // when the connect began
    Instant heard_at = {};          // a byte from the server, last
    Instant ready_by = {};          // when it will have taken too long
    Instant ready_at = {};          // when it became Ready
    ServerConn* successor = nullptr;  // of a spare one: who has its place
    ClientConn* uploader = nullptr;   // whose request it has, and not its end
    Chain upload_line;                // of that as it came, when it was written anew
    uint64_t uploads_of = 0;          // the client whose large requests it has; 0: none
    uint64_t large_key = 0;           // of the read that it is set apart for; 0: it was large
    uint64_t streamed = 0;            // bytes of the response that goes on
    // When enough of a large response passed last, or the end of a request that left or was taken
    // in parts, or it was starved last.
    Instant moved_at = {};
    Instant moves_since = {};  // when the size of the large response was known
    uint64_t moved_size = 0;   // bytes of a large response since
    Instant taken_at = {};     // when something left last, or a part of a request had to wait
    uint64_t unsent = 0;       // bytes that were handed out and have not left
    uint64_t in_kernel = 0;    // at most so much has left and is not with the server
    uint64_t to_take = 0;      // up to the end of the last large request: what is not with it
    Instant large_at = {};     // when that end was there
    Instant took_at = {};      // when the kernel was seen to hold less, last
    Instant judged_at = {};    // when the kernel was asked
    std::string last_error;    // why it is closed
    std::string lost_why;      // the same of what is to be disconnected, whatever it is next;
                               // empty: everybody was told
    uint32_t channel = 0;      // the driver's name for it; 0 while it has none
    uint32_t database;         // what its prelude selects

    // Of a lease.
    bool ends = false;             // nothing more is said on it: it is shut once `out` is sent
    ClientConn* lessee = nullptr;  // whose it is; null: nobody's
    Instant used_at = {};          // last
    Duration waits_for = {};       // a command on it, by its own words
    Instant answer_by = Instant::never();  // of that, with what its server has besides
    ListLink<ServerConn> idle_lease_link;
    ListLink<ServerConn> closed_lease_link;

    ListLink<ServerConn> dirty_link;
    ListLink<ServerConn> connect_link;
    ListLink<ServerConn> preconnect_link;
    ListLink<ServerConn> disconnect_link;
    ListLink<ServerConn> waiting_link;  // has a deadline or a retry to look at
    ListLink<ServerConn> stream_link;
    ListLink<ServerConn> throttle_link;
    ListLink<ServerConn> asked_link;  // the driver is to ask the kernel
    ListLink<ServerConn> early_link;  // `partial` is an answer to what has not wholly left

    FragmentFifo fragments;
    Fragment* first_in_time = nullptr;   // those before it were late
    Fragment* newest = nullptr;          // the first one queued at `newest_at`; null: it has left
    Instant newest_at = {};              // when something was queued last
    std::vector<uint64_t> scripts_told;  // by ScriptId::place, its number: since it was connected
    Chain prelude_out;
    Chain out;
    OpenGet open_get;
    // Hashes of the keys of the get that is being answered, when values come out of their order.
    std::vector<uint64_t> asked_keys;
    Chain partial;  // the beginning of an unfinished response
    Pairing pairing;
    std::variant<resp::ResponseParser, memcached::ResponseParser> parser;
    Traffic traffic;

  private:
    // What of this connection is in the gauges.
    struct Shown {
        uint64_t in_queue = 0;
        uint64_t in_queue_bytes = 0;
        uint64_t out_queue = 0;
        uint64_t out_queue_bytes = 0;
    };

    void end_run(Instant now);
    void show(const Shown& now);

    Shown shown_;
};

}  // namespace ringmain::core
