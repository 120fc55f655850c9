// ringmain/core/leases.h - server connections that are not everybody's (src/design/0009).
//
//                     take()                     answered, and known to be clean
//   Closed or idle ----------> leased to a client --------------------------------> idle
//     ^                              |                                                |
//     +------------------------------+--- lost, late, ejected, the client left -------+
//                                       not used for long, or in another's way: closed
//
// A leased connection (ServerConn::is_lease) serves one client: it has that client's WATCHed keys,
// or a command of it that waits on the server. It is given back only when its last answer says that
// nothing of the client is left on it; in every other case it is closed. Connections of a database
// other than the pool's are shared by all clients that selected it, like those of the pool's.
//
// Part of the Proxy, one thread. Connections belong to their Server and are used again.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/core/request.h"
#include "ringmain/core/steps.h"
#include "ringmain/resp/response_parser.h"
#include "ringmain/stats/counters.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::core {

class ClientConn;
class Pool;
class Proxy;
class Server;
class ServerConn;
enum class Blame : uint8_t;
struct Fetched;
struct Fragment;
struct Request;
struct Session;
struct Turns;

class Leases {
  public:
    explicit Leases(Proxy& proxy) : proxy_(&proxy) {}

    // --- for the front ---------------------------------------------------------------------------

    // The client's, made when it has none. Call note_change() after changing it.
    [[nodiscard]] Session& session_of(ClientConn& client);
    static void note_change(ClientConn& client);

    // Of a special client: whether its next request may be taken, or must wait for the answers to
    // those before it.
    [[nodiscard]] bool may_go_on(ClientConn& client);

    // The connection that serves a special client: its own, its database's, or everybody's.
    [[nodiscard]] ServerConn& connection(Server& server, const ClientConn& client);

    enum class Need : uint8_t { Watch, Wait, Steps };

    // A connection for the client alone, on which a request of `bytes` may be queued. Null: `why`
    // says so until the next call.
    [[nodiscard]] ServerConn* take(Server& server,
                                   ClientConn& client,
                                   Need need,
                                   std::string_view* why);

    // The client has nothing but a command on this connection, which waits for so long.
    void begin_waiting(ClientConn& client, ServerConn& conn, Duration wait);

    // The next question of a pop over several servers (Session::turns). Its request is answered in
    // the end.
    void take_turn(Request& request);

    // The first step of a command that is done in several (Session::steps). Its request has a
    // fragment for each question of a step, and is answered in the end.
    void begin_steps(Request& request);
    [[nodiscard]] static bool is_in_steps(const Request& request);
    // An error line, and behind it what of the command is done.
    [[nodiscard]] static std::string with_state(const Request& request, std::string_view line);
    // A question of a step will have no answer. The request has its response.
    void on_failed_step(Request& request, bool is_first);

    // Everything that the client holds is closed, and it is as it was when it came.
    void reset(ClientConn& client);
    // The connection with its WATCHed keys is closed, if there is one. `why`: what EXEC will say.
    void stop_watching(ClientConn& client, std::string_view why);

    // What waits on a server for this client has an end: this side of the connection is ended, and
    // there is an answer of the server's yet, or none and an error that says why. When `why` is
    // empty it has an end at once, without a word, and nothing that the client has sent behind it
    // is taken: redis closes a connection that ends while a command waits, and clients that close
    // one count on it.
    void end_wait(ClientConn& client, std::string_view why);

    // The client has ended its side of the connection and is only to be answered. What waits for it
    // is answered at once or not at all: this side of the connection to its server is ended, too,
    // and the server does with the command what it would do for the client. When it closes without
    // an answer so does ringmain (end_wait).
    void on_client_end(ClientConn& client);
    [[nodiscard]] static bool has_ended(const ClientConn& client);
    // It waits, perhaps for ever, and nobody knows that it has ended its side. When so much has
    // come behind its command that it is not read any more, that is to be seen in another way.
    [[nodiscard]] static bool may_end_unseen(const ClientConn& client);
    // Ringmain ends its connection, over a stop or a reload.
    [[nodiscard]] bool is_ending(const ClientConn& client) const;

    // SELECT. True: the client has the database from now on. False: an error is in `why`, and
    // scratch.why_reason, or, when that is empty, the server is asked and will answer the request.
    [[nodiscard]] bool select(ClientConn& client, uint32_t database, std::string* why);
    [[nodiscard]] static uint32_t database_of(const ClientConn& client);
    // A reload may make another one the pool's. Who chose it stays there: what is the pool's now
    // needs no connections of its own, and what was the pool's does. Not empty: why it cannot.
    void follow_database(ClientConn& client);
    [[nodiscard]] std::string keep_database(ClientConn& client);
    // A reload may allow fewer databases than there are: the connections of those that nobody uses
    // are given up, now and when the last client has left one.
    void check_databases();
    void look_at_databases(Instant at);

    // --- descriptors (descriptors.cc) ------------------------------------------------------------

    // Whether one more client, or extra connection, may have a descriptor. What nobody uses is
    // given up for it.
    [[nodiscard]] bool make_descriptor_room();
    // An extra connection is to be made and there is room for it, or `why` says that there is none.
    [[nodiscard]] bool admit_extra(const ServerConn& conn, std::string* why);
    // How many have them, and what limits them.
    [[nodiscard]] std::string descriptors_text() const;
    // It is connected, or not, or has become something else.
    void count_extra(ServerConn& conn);
    // Another worker has refused somebody.
    void follow_shortages();

    // --- for the Proxy ---------------------------------------------------------------------------

    // A response to a fragment that is special, while it is the head of its FIFO.
    void on_response(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);

    // Of a response of which no part is kept: whether the rest is counted to its end, or the
    // connection was lost over it. On one that serves a client alone nobody else has to be spared,
    // and the client, which has its error, goes on at once.
    [[nodiscard]] bool counts_on(ServerConn& conn);

    // Keys of the pool may live elsewhere now. Commands that wait for one that does would not hear
    // of it: they are ended, as in end_wait().
    void follow_places(const Pool& pool);

    // A leased connection that is Ready has waited long enough, or not.
    void check(ServerConn& conn);
    // The options are others: what waits may have less time than it had.
    void look_again(ServerConn& conn);
    // An idle one of the kind, or one to be connected. Nobody's until it is given back.
    [[nodiscard]] static ServerConn& find(Server& server, bool resp3, uint32_t database);
    // Null when none is idle.
    [[nodiscard]] static ServerConn* find_idle(Server& server, bool resp3, uint32_t database);
    void give_back(ServerConn& conn);
    // There is a need for what they take: connections of the server, or descriptors. Nobody waits
    // for theirs to grow old.
    void give_up_idle(Server& server);
    void give_up_idle();
    // Bytes have come on it. Whose it was may have lost it while it was still to be answered.
    void on_answered(ServerConn& conn);
    // Its server has closed a connection that was ended (on_client_end). False: it answered before.
    [[nodiscard]] bool on_closed(ServerConn& conn);
    // It was lost, and who waited for it has been told.
    void on_lost(ServerConn& conn, Blame blame);
    // Nobody may use the server any more: its leased connections get nothing new. What was asked
    // there is answered; what waits is ended, at once where the server is out, else as in
    // end_wait().
    void retire(Server& server, std::string_view why);

  private:
    void check_idle(ServerConn& conn);
    void follow_keys(ServerConn& conn);
    void follow_keys_in_time(ServerConn& conn);
    [[nodiscard]] bool has_descriptor_room() const;
    void give_up_unused();
    void make_room(const Pool& pool, uint64_t leased);
    [[nodiscard]] bool lets_answer(ServerConn& conn, std::string_view why);
    void release(ServerConn& conn);
    void give_up_watch(ServerConn& conn);
    [[nodiscard]] bool may_keep(const ServerConn& conn) const;
    void end_waiting(ClientConn& client);
    void finish_wait(ClientConn& client);
    void end_side(ServerConn& conn);
    void end_soon(ServerConn& conn);
    void take_no_more(ClientConn& client);
    void on_leading(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    void on_exec(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    void on_checked(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    void refuse_transactions(ServerConn& conn, const std::string& line);
    void on_watched(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    void on_waited(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    void on_turn(Request& request, const resp::ResponseFrame& frame, const Bytes& bytes);
    void answer_turns(Request& request, std::string_view text);
    void note_turns(const Request& request, bool answered);
    void note_whole(const Request& request, Instant began, bool answered);
    void end_turns(Request& request, std::string_view text);
    void fail_turns(Request& request, std::string_view why, stats::Reason reason);
    void on_asked(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    [[nodiscard]] static bool fits_turn(const Turns& turns, const resp::ResponseFrame& frame);
    [[nodiscard]] uint32_t whose_turn(const Pool& pool,
                                      const Turns& turns,
                                      std::vector<uint32_t>& places);
    void begin_round(const Pool& pool, Turns& turns);
    void skip_keys(const Pool& pool, Turns& turns);
    [[nodiscard]] uint32_t next_question(const Pool& pool, Turns& turns, std::string& text);
    [[nodiscard]] uint32_t next_wait(const Pool& pool,
                                     Turns& turns,
                                     std::string& text,
                                     Duration* wait);
    // steps.cc
    void on_step(ServerConn& conn, const Bytes& bytes);
    void keep_answer(ServerConn& conn,
                     Fragment& fragment,
                     const Bytes& bytes,
                     const std::string& refusal);
    void next_step(Request& request);
    void fetch(Request& request);
    void read_watched(Request& request);
    void on_fetched(Request& request);
    void carry(Request& request, std::span<const Fetched> values);
    void on_carried(Request& request);
    void remove_source(Request& request);
    void on_removed(Request& request);
    void ask_simply(Request& request, Steps::Phase phase, uint32_t server, const std::string& text);
    void on_moving(Request& request);
    void wait_everywhere(Request& request);
    void on_waited_everywhere(Request& request);
    [[nodiscard]] ServerConn* step_connection(Request& request, uint32_t server, uint64_t size);
    void ask(ServerConn& conn, Fragment& fragment, Special special, uint32_t leading);
    void stop_steps(Request& request, std::string_view why, stats::Reason reason);
    void answer_steps(Request& request, Chain& answer);
    void refuse_steps(Request& request, const Chain& answer, size_t source = 0);
    void end_steps(Request& request);
    void forget_steps(ClientConn& client);
    void lose_leases(const Steps& steps);

    void on_published(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    void on_selected(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    [[nodiscard]] Fragment& take_head(ServerConn& conn);
    [[nodiscard]] Request& take_request(ServerConn& conn);
    void deliver(Request& request, const Bytes* bytes, std::string_view text);
    void end_lease(ServerConn& conn, bool clean);
    [[nodiscard]] bool ask_for_database(ClientConn& client,
                                        ServerConn& conn,
                                        uint16_t slot,
                                        std::string* why);
    [[nodiscard]] static bool is_free(const Pool& pool, uint32_t slot);
    [[nodiscard]] static uint32_t databases_in_use(const Pool& pool);
    [[nodiscard]] bool find_slot(Pool& pool, uint32_t database, uint16_t* slot);
    void enter_slot(ClientConn& client, uint16_t slot);
    void leave_slot(ClientConn& client, uint16_t* slot);
    void give_up_databases(const Pool& pool);

    Proxy* proxy_;
    std::string why_;
    uint64_t shortages_ = 0;                    // of Shared, when they were followed last
    Instant databases_looked_at_ = {};          // for one that nobody has
    Instant databases_due_ = Instant::never();  // check_databases()
    Instant shortage_told_until_ = {};          // in the log
};

}  // namespace ringmain::core
