// ringmain/core/client_conn.h - the downstream side: a client's bytes in, its responses out.
//
//            +--------- too much in flight or unsent ---------+
//            v                                                |
//   Open --------> paused: bytes wait in `input`, not parsed --+
//     |
//     +-- end of stream, QUIT, protocol error --> Closing: nothing more is read; what was asked
//     |                                           before is answered, then the driver closes
//     +-- cut_off() --> Closing: nothing more is answered either
//
// Responses leave in the order of `requests`. Fields are the Proxy's and its fronts' to use; the
// driver reads `out`, wants_input() and is_finished().

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/base/time.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/core/binary_answers.h"
#include "ringmain/core/intake.h"
#include "ringmain/core/request.h"
#include "ringmain/core/session.h"
#include "ringmain/core/user.h"

#include <cstdint>
#include <memory>
#include <string>

namespace ringmain::core {

class Pool;
class ServerConn;

// What becomes of a large request that is arriving (core/streams.h).
enum class Upload : uint8_t {
    None,
    Behind,    // none is; what is not answered of `requests` are large ones, on connections apart
    Kept,      // it waits in `partial` for its end, like any
    Sending,   // it is on its way to `uploading`; before it as with Behind
    Dropping,  // it has its answer, an error: the rest is dropped; before it as with Behind
};

// What a client calls itself, for CLIENT.
struct ClientNames {
    std::string name;
    std::string library;
    std::string library_version;
};

class ClientConn {
  public:
    enum class State : uint8_t { Open, Closing };

    static constexpr uint32_t no_database = UINT32_MAX;

    // CLIENT REPLY. Skip: while the one command is taken whose reply is left out.
    enum class Replies : uint8_t { On, Off, SkipNext, Skip };

    // Why its connection comes to its end; the first cause there was.
    enum class End : uint8_t {
        Lost,    // none is known: the connection broke
        Left,    // the client has ended it, or said QUIT
        Failed,  // it sent what is no request, or its output is cut off or could not be kept
        Idle,
        Closed,  // by a stop or a reload
    };

    ClientConn(BlockPool& blocks, Pool& owner, uint64_t client_id);

    ClientConn(const ClientConn&) = delete;
    ClientConn& operator=(const ClientConn&) = delete;
    ~ClientConn() = default;

    // The driver keeps a receive armed exactly while this holds.
    [[nodiscard]] bool wants_input() const { return state == State::Open && !paused; }

    // All is answered, or will not be, and handed out: once `out` and the driver's part are sent,
    // close.
    [[nodiscard]] bool is_finished() const {
        return broken || (state == State::Closing && (cut || requests.empty()) && out.empty());
    }

    // It has the beginning of a response that has no end. What is in `out` still leaves, and then
    // the connection ends, which tells it; to what it has asked it hears nothing more.
    void cut_off();

    // Nothing is said to what it has asked, though it be answered already.
    void mute_all() const;

    [[nodiscard]] bool is_to_hear() const { return !broken && !cut; }

    // Bytes that wait to be parsed.
    [[nodiscard]] uint64_t unparsed() const { return intake == nullptr ? 0 : intake->input.size(); }

    // And the beginning of an unfinished frame.
    [[nodiscard]] uint64_t untaken() const {
        return intake == nullptr ? 0 : intake->input.size() + intake->partial.size();
    }

    void note_end(End why) {
        if (end == End::Lost) end = why;
    }

    // In one batch no more requests are taken than may be in flight.
    void note_taken(uint64_t batch, uint64_t count);
    [[nodiscard]] bool has_had_its_turn(uint64_t batch) const;

    // Empty ones while it has said none.
    [[nodiscard]] const ClientNames& called() const;
    // To be changed.
    [[nodiscard]] ClientNames& own_names();

    // It wants no reply to the command that is being taken.
    [[nodiscard]] bool is_mute() const {
        return replies == Replies::Off || replies == Replies::Skip;
    }

    // A memcached client has turned out to speak the binary protocol, and does so from now on.
    memcached::BinaryParser& begin_binary();

    Pool* pool;
    uint64_t id;
    State state = State::Open;
    End end = End::Lost;
    Replies replies = Replies::On;
    bool paused = false;
    bool paused_by_output = false;  // else by what is in flight, or a barrier
    bool has_spoken = false;        // memcached: some byte has come
    bool end_of_stream = false;     // the client has sent its last byte
    bool authenticated = false;
    const User* user = nullptr;             // of its pool; null: may do everything
    const Command* last_command = nullptr;  // redis: for CLIENT; null: none, or an unknown one
    bool resp3 = false;
    bool barrier = false;  // the next frame that begins waits until `requests` is empty
    bool broken = false;   // its output could not be kept: close without a word
    bool cut = false;      // cut_off()
    Upload upload = Upload::None;
    bool keeps = false;               // one of `requests` may hold bytes; with a session always
    bool is_stalling = false;         // the driver is asked what the kernel still has for it
    bool special = false;             // there is something in `session` that concerns its requests
    bool no_evict = false;            // what it said to CLIENT NO-EVICT: for CLIENT INFO
    uint32_t database = no_database;  // what SELECT has chosen; none: the pool's, whatever that is
    uint32_t affinity = 0;            // which of a server's connections serves this client
    uint32_t gathers = 0;             // of its requests, under way
    uint32_t channel = 0;             // the driver's name for it
    uint32_t taken_in = 0;            // the batch, by its last digits
    uint32_t taken = 0;               // of the requests that it may send in a batch
    Instant active_at = {};           // with client_idle_timeout only
    Instant heard_at = {};            // its last byte
    Instant since = {};

    ListLink<ClientConn> dirty_link;
    ListLink<ClientConn> resume_link;
    ListLink<ClientConn> all_link;
    ListLink<ClientConn> activity_link;  // with client_idle_timeout only

    ServerConn* uploading = nullptr;
    std::unique_ptr<Session> session;       // null until it is needed
    std::unique_ptr<BinaryAnswers> binary;  // null unless it speaks memcached's binary protocol
    Fifo<Request, &Request::next> requests;
    Intake* intake = nullptr;                  // what is not taken yet; null: nothing
    Chain out;                                 // to be sent
    uint64_t unsent = 0;                       // handed to the driver, not yet sent
    uint64_t unread = 0;                       // what still counts once it is to end (Proxy::drain)
    uint64_t largest_response = 0;             // of those not yet sent, at least
    Instant stalled_since = Instant::never();  // no byte of them was taken
    uint64_t in_kernel = 0;                    // of what was sent, then

    std::unique_ptr<ClientNames> names;  // null until it says one
    std::string peer;                    // for CLIENT and INFO
};

[[nodiscard]] inline bool is_subscribed(const ClientConn& client) {
    return client.session != nullptr && client.session->is_subscribed();
}

}  // namespace ringmain::core
