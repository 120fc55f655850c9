// ringmain/core/subscriptions.h - messages: who is subscribed to what, and on which server
// (src/design/0012).
//
// All clients of a worker that are subscribed to a channel share one subscription of the worker's
// at the channel's server, on a connection that serves nothing else (ServerConn::is_subscriber).
//
//   subscribe()  -> Topic, its Spots, a Link each -> SUBSCRIBE leaves on the Link
//   on_bytes()   <- the confirmation: the client's answer; a message: to all clients of its Topic
//
// What comes on such a connection is a confirmation of the oldest command without one, or a message
// of a topic that is confirmed there. Anything else ends the connection. A lost connection is made
// again with backoff, and all that was wanted there is subscribed again.
//
// A batch copies so much to clients (fan_out_max). What comes beyond that waits for the next one,
// as does all that comes on whatever link behind it; while buffer memory is low, for clients to
// take theirs, but not for long: then a message is dropped for whom there is no memory.
//
// Part of the Proxy, one thread.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/base/time.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/buffer/slice.h"
#include "ringmain/core/time_shift.h"
#include "ringmain/core/topics.h"
#include "ringmain/protocol/command.h"
#include "ringmain/resp/response_parser.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::core {

class Hearers;
class Pool;
class Proxy;

// PUBLISH or SPUBLISH.
[[nodiscard]] TopicKind publishes_to(const Command& command);

class Subscriptions {
  public:
    explicit Subscriptions(Proxy& proxy) : proxy_(&proxy) {}

    // --- for the front ---------------------------------------------------------------------------

    // Whether the client may be subscribed to these, too. False: a limit forbids it, and `why` has
    // the reason.
    [[nodiscard]] bool allows(const ClientConn& client,
                              TopicKind kind,
                              std::span<const std::string> names,
                              std::string* why);

    // The client has nothing in flight and is answered, now or when the servers have confirmed; it
    // may be subscribed to as many, and a server of the pool is live. False, with the reason in
    // `why`: there is no memory.
    [[nodiscard]] bool subscribe(ClientConn& client,
                                 TopicKind kind,
                                 std::span<const std::string> names,
                                 std::string* why);

    // Answers with the confirmations. No name: from all of the kind.
    void unsubscribe(ClientConn& client, TopicKind kind, std::span<const std::string> names);

    // Of all, without a word.
    void leave(ClientConn& client);

    // When the first of those of the pool that wait for servers began; never: there is none.
    [[nodiscard]] Instant oldest_of(const Pool& pool) const;

    // How many more clients of this process listen to a channel than the server with that number
    // counts for them.
    [[nodiscard]] int64_t more_hearers(const Pool& pool,
                                       TopicKind kind,
                                       std::string_view name,
                                       uint32_t server) const;

    // PUBLISH to `server`, which counts a worker once for a channel and once for a pattern: its
    // answer will have the clients of this process in their place, unless counting takes long: for
    // all of a batch together.
    void count_receivers(Request& request,
                         const Server& server,
                         TopicKind kind,
                         std::string_view channel);

    // --- for the Proxy ---------------------------------------------------------------------------

    void on_bytes(ServerConn& conn, Slice slice);
    // Nothing more comes on it, and why. False: what has come waits, and it ends behind that.
    [[nodiscard]] bool on_end(ServerConn& conn, std::string_view reason);

    // To be sent messages to, not all in one batch; null: nobody is left.
    [[nodiscard]] ClientConn* next_hearer();

    // Something waits for the next batch, and for nothing else.
    [[nodiscard]] bool has_more_to_do() const {
        return is_dirty_ || !heard_.empty() || !decided_.empty() ||
               (!kept_.empty() && !waits_for_clients());
    }

    void on_ready(ServerConn& conn);
    // It was lost.
    void on_lost(ServerConn& conn);

    // False: it is being connected, and has the deadlines of that.
    [[nodiscard]] bool check(ServerConn& conn);
    void on_tick();
    // The options are others: who waits to be subscribed may have less time than he had.
    void look_again();
    void move_times(const TimeShift& shift);

    // What was changed in this batch is asked of servers.
    void end_batch() {
        if (!decided_.empty()) [[unlikely]] {
            finish_decided();
        }
        if (!kept_.empty()) [[unlikely]] {
            take_kept();
        }
        if (is_dirty_) [[unlikely]] {
            flush();
        }
    }

    // Servers came or went, or are others: topics follow their keys.
    void place_anew(Pool& pool);
    // Another object of the same server, in the pool that takes the place of its own: what was
    // asked on the connection goes on.
    void hand_over(Server& from, Server& to);
    // All that there is at a reload; the servers that both have are in `pool` already.
    void move(Pool& old_pool, Pool& pool);
    // The server may be connected to again.
    void welcome(Server& server);
    // All topics at once: clients are gone, and connections will be.
    void end(Pool& pool);

  private:
    // What it takes to be subscribed to more.
    struct Demand {
        uint64_t subscriptions = 0;
        uint64_t topics = 0;  // that nobody has yet
        uint64_t names_size = 0;
    };

    // subscriptions.cc
    [[nodiscard]] Demand demand_of(const ClientConn& client,
                                   TopicKind kind,
                                   std::span<const std::string> names) const;
    // Empty: a limit allows it.
    [[nodiscard]] static std::string why_too_many(const ClientConn& client, const Demand& demand);
    [[nodiscard]] Topic& topic_of(Pool& pool, TopicKind kind, std::string_view name);
    [[nodiscard]] static Topic* find(const Pool& pool, TopicKind kind, std::string_view name);
    void limit(Joining& joining);
    void begin(Joining& joining, TopicKind kind, std::span<const std::string> names);
    [[nodiscard]] Hearers* hearers_of(const Pool& pool) const;
    [[nodiscard]] static int64_t more_receivers(const Topic& topic, const Server& server);
    [[nodiscard]] static std::optional<int64_t> more_by_patterns(const Server& server,
                                                                 std::string_view channel,
                                                                 uint64_t& steps);
    void join(ClientConn& client, Topic& topic);
    void part(ClientConn& client, Topic& topic);
    [[nodiscard]] std::string compose(Joining& joining);
    void answer(ClientConn& client, std::string_view text);
    void finish(Joining& joining);
    void decide(Joining& joining);
    void finish_decided();
    void confirm(Topic& topic);
    void fail(Topic& topic, std::string_view text, std::optional<stats::Reason> reason);
    void fail_item(const Topic::Waiting& waiting,
                   std::string_view text,
                   std::optional<stats::Reason> reason);
    static void wait_no_more(const Joining::Item& item);
    void abandon(Joining& joining);
    [[nodiscard]] Instant due_of(const Joining& joining) const;
    void expire(Joining& joining);
    void settle(Pool& pool, Topic& topic);

    // subscription_links.cc
    void place(Pool& pool, Topic& topic);
    void add_spot(Topic& topic, Server& server);
    void want(Topic& topic, Spot& spot, bool wanted);
    void queue(Topic& topic, Spot& spot);
    void ask_for(Topic& topic);
    static void drop_spent(Topic& topic);
    [[nodiscard]] bool is_reachable(const Topic& topic, std::string_view* why);
    // To be looked at by flush().
    void mark(Link& link);
    void retry(Link& link);
    void flush();
    void flush(Server& server);
    void pump(Server& server);
    void discard(Server& server);
    [[nodiscard]] bool ask(Link& link, Topic* topic, bool subscribes);
    void note_held(Server& server, const Topic& topic, Spot& spot, bool held);
    void note_none_held(Server& server);
    void forget(Pool& pool, Server& server);
    [[nodiscard]] std::vector<Topic*> topics_at(const ServerConn& conn);
    void note_recovery(Link& link);
    void check_ready(Link& link);
    void hold_back(Link& link, Topic& topic, Spot& spot);
    void ask_again(Link& link);
    void tell_refusal(Link& link, const Topic& topic, std::string_view line);
    void tell(const Link& link, std::string_view text, bool good);

    // subscription_messages.cc
    [[nodiscard]] static bool awaits_bytes(const ServerConn& conn);
    [[nodiscard]] bool waits_for_clients() const;
    [[nodiscard]] bool is_turn_over() const;
    void note_copied(uint64_t size);
    void keep(ServerConn& conn, Slice slice);
    void take(ServerConn& conn, Slice slice);
    void take_kept();
    void take_kept(Link& link);
    void note_heard(Link& link) const;
    void note_part(Link& link, uint64_t size) const;
    void keep_part(ServerConn& conn, Slice slice);
    void on_frame(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    void on_array(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    [[nodiscard]] bool confirms(const Link& link, std::string_view word, std::string_view name);
    [[nodiscard]] Link::Asked take_answered(Link& link) const;
    void on_confirmed(Link& link);
    void on_refused(ServerConn& conn, const Bytes& bytes);
    void deliver(Pool& pool, Topic& topic, const Bytes& bytes);
    void lose(ServerConn& conn, std::string_view reason);

    Proxy* proxy_;
    List<Joining, &Joining::link> joinings_;
    List<Joining, &Joining::link> decided_;  // that wait for nothing but a batch to finish them
    List<Link, &Link::kept_link> kept_;      // whose bytes wait, each in its turn
    List<Subscriber, &Subscriber::heard_link> heard_;
    uint64_t copied_ = 0;            // to clients, in this batch: bytes
    uint64_t copied_in_ = 0;         // which batch that is
    Instant low_until_ = {};         // so long clients may take theirs first
    uint64_t steps_ = 0;             // that counting receivers may still take in this batch
    uint64_t counted_in_ = 0;        // which batch that is
    bool is_dirty_ = false;          // a Link is
    std::vector<uint32_t> servers_;  // of place(), kept for their memory
    std::vector<bool> is_place_;     // by Server::index()
};

}  // namespace ringmain::core
