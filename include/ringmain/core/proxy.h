// ringmain/core/proxy.h - the whole proxy of one worker, without I/O.
//
// Events go in; what is to be done comes out of lists that the driver drains once per batch:
//   begin_batch    accept_client  on_client_bytes  on_client_end  remove_client
//   on_connected   on_server_bytes  on_server_lost
//   end_batch()                        clients that may go on are read on
//   next_to_connect  next_to_disconnect  next_dirty_server  next_dirty_client
//
// Nothing here calls the driver. A connection appears in a list at most once however much happens
// to it in a batch, and that is what makes the writes large. One thread; every object is owned by
// the Proxy; references given out live until remove_client (clients) or for ever (servers).

#pragma once

#include "ringmain/base/prng.h"
#include "ringmain/base/time.h"
#include "ringmain/buffer/block_pool.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/config/config.h"
#include "ringmain/core/batch_total.h"
#include "ringmain/core/counters.h"
#include "ringmain/core/environment.h"
#include "ringmain/core/joins.h"
#include "ringmain/core/leases.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/notice.h"
#include "ringmain/core/oldest.h"
#include "ringmain/core/pool.h"
#include "ringmain/core/pressure.h"
#include "ringmain/core/scratch.h"
#include "ringmain/core/shared.h"
#include "ringmain/core/stores.h"
#include "ringmain/core/streams.h"
#include "ringmain/core/subscriptions.h"
#include "ringmain/core/time_shift.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::core {

class Proxy {
  public:
    // `config`, `blocks`, `counters` outlive the proxy.
    Proxy(const config::Config& config,
          BlockPool& blocks,
          Counters& counters,
          const Environment& environment);
    ~Proxy();

    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    // --- events in -----------------------------------------------------------------------------

    bool begin_batch(Instant now, Instant wall);  // true: placed keys anew, which may take long
    void end_batch();

    // When on_tick() next has something to do, at the earliest; never() when nothing waits.
    [[nodiscard]] Instant next_deadline() const { return next_deadline_; }

    // Deadlines, retries, probes, idle clients. Does nothing before next_deadline().
    void on_tick();

    void move_times(const TimeShift& shift);

    // While something is unsent there is a batch by then, to find the clients that do not take it.
    [[nodiscard]] Instant next_stall_check() const {
        return last_stall_check_ + stall_check_interval;
    }

    // There has to be a batch by then, too (core/oldest.h).
    [[nodiscard]] Instant next_look() const { return oldest_.next_look(); }

    // Connects to every server of the pools that want it. Once, at start.
    void preconnect();

    // Another configuration from now on (adopt.cc): `config` and `pools` outlive the proxy or the
    // next one, but for what next_finished() says. Clients stay with the pool of the same name and
    // protocol, or end as in a drain(); servers that did not change keep their connections;
    // whatever else there was before ends when what is in flight has its answer.
    void adopt(const config::Config& config, std::span<const PoolShared> pools);

    // Null when the pool is full: then refusal() is what to say before closing.
    [[nodiscard]] ClientConn* accept_client(uint32_t pool_index, std::string peer);
    [[nodiscard]] std::string refusal(uint32_t pool_index) const;

    void on_client_bytes(ClientConn& client, Slice slice);
    void on_client_end(ClientConn& client, ClientConn::End why = ClientConn::End::Left);
    void on_client_sent(ClientConn& client, uint64_t bytes);  // by the driver: reading may go on
    // Of one that `is_stalling`: what the kernel still has of what was sent.
    void judge_stalled(ClientConn& client, uint64_t in_kernel);
    void remove_client(ClientConn& client);  // its connection is gone; the reference is dead then

    void on_connected(ServerConn& conn);
    void on_server_bytes(ServerConn& conn, Slice slice);
    // Refused, reset, closed, unresolvable: `reason` completes "server NAME ...".
    void on_server_lost(ServerConn& conn, std::string_view reason);
    // There was no descriptor or memory to try with: not the server's doing.
    void on_connect_impossible(ServerConn& conn, std::string_view reason);

    // --- output --------------------------------------------------------------------------------

    // Null when there is no more. Of the second, which nobody waits for, some will do in a batch.
    [[nodiscard]] ServerConn* next_to_connect();
    [[nodiscard]] ServerConn* next_to_preconnect();
    [[nodiscard]] bool has_more_to_do() const;  // by itself: the next batch waits for nothing
    [[nodiscard]] ServerConn* next_to_disconnect();

    [[nodiscard]] ServerConn* next_dirty_server() { return dirty_servers_.pop_front(); }

    [[nodiscard]] ClientConn* next_dirty_client() { return dirty_clients_.pop_front(); }

    // What the driver sends now: it moves all of it out, and it counts as sent.
    [[nodiscard]] Chain& take_sendable(ServerConn& conn);

    // Nothing of it is in use: whoever knows one of its connections forgets it, and frees the pool.
    [[nodiscard]] std::unique_ptr<Pool> next_finished();
    // Nothing of an earlier configuration is in use any more.
    [[nodiscard]] bool is_settled() const;
    [[nodiscard]] std::optional<Notice> take_notice();
    void tell_untold();  // what there is to be told later, now: it ends
    // Whether a server went or came here since the last call: workers that sleep are to be told.
    [[nodiscard]] bool take_announcement();

    // To be looked at again in this batch: the driver's part of it has changed.
    void mark_dirty(ClientConn& client) { dirty_clients_.add(client); }

    void mark_dirty(ServerConn& conn) { dirty_servers_.add(conn); }

    // Stop: what clients have sent so far is answered, then they are closed. "So far" ends with the
    // `unread` bytes that the driver has noted for each of them before; the rest is dropped.
    void drain();

    [[nodiscard]] bool is_idle() const;
    [[nodiscard]] size_t live_requests() const;
    [[nodiscard]] ClientConn* first_client() const;

    // --- for the fronts (src/core/*_front.cc), which turn frames into requests ------------------

    [[nodiscard]] Instant now() const { return now_; }

    [[nodiscard]] Instant wall() const { return wall_; }

    [[nodiscard]] BlockPool& blocks() { return *blocks_; }

    [[nodiscard]] Stores& stores() { return stores_; }

    [[nodiscard]] Prng& prng() { return prng_; }

    [[nodiscard]] Counters& counters() { return *counters_; }

    [[nodiscard]] const Environment& environment() const { return environment_; }

    [[nodiscard]] const config::Config& config() const { return *config_; }

    [[nodiscard]] Leases& leases() { return leases_; }

    [[nodiscard]] Subscriptions& subscriptions() { return subscriptions_; }

    [[nodiscard]] Streams& streams() { return streams_; }

    [[nodiscard]] Scratch& scratch() { return scratch_; }

    [[nodiscard]] OpenBlock& beginnings() { return beginnings_; }

    [[nodiscard]] std::span<const std::unique_ptr<Pool>> pools() const { return pools_; }

    // Answers a request here and now, in its turn. `text` is complete wire text.
    void answer(ClientConn& client, std::string_view text, bool close_after = false);
    // The same, counted as an error.
    void answer_error(ClientConn& client,
                      std::string_view text,
                      bool close_after = false,
                      stats::Reason reason = stats::Reason::Request);
    // The same, of a request that its server does not get. Empty when the client wants no answer.
    void refuse_forward(ClientConn& client, std::string_view text, stats::Reason reason);
    void count_error(const Pool& pool, stats::Reason reason);  // it is a request's response

    // "every server of pool 'main' is ejected ...". Only while that is so.
    [[nodiscard]] const std::string& no_server_text(Pool& pool) const;

    // A connection that takes a request of `bytes` now; null when the server is down, or has too
    // much waiting for it already: then `why` says so, until the next call.
    [[nodiscard]] ServerConn* usable_connection(Server& server,
                                                const ClientConn& client,
                                                uint64_t bytes,
                                                std::string_view* why);

    // True when `bytes` more can be copied and a reserve is left in the arena.
    [[nodiscard]] bool has_room_for(uint64_t bytes) const {
        return blocks_->available() > bytes / block_size + reserve();
    }

    // A request at the tail of the client's FIFO, or nobody's; null at the limit.
    [[nodiscard]] Request* make_request(ClientConn& client);
    [[nodiscard]] Request* make_own_request();
    [[nodiscard]] bool keep_beginning(Chain& partial, std::string_view bytes);
    // Puts a fragment, whose bytes are in conn.out, at the tail of the connection's FIFO.
    void enqueue(ServerConn& conn, Fragment& fragment);
    void hold_back(ClientConn& client);  // what it says next waits until all is answered

    [[nodiscard]] Join* make_join();
    void make_fragment(Request& request);  // the limit was checked (Stores::has_fragments)

    // Recognises a key again without keeping it. Nobody can find two keys that it takes for one.
    [[nodiscard]] uint64_t key_check_hash(std::string_view key) const {
        return siphash13(environment_.hash_key, key);
    }

    // The slow log is on (note_command).
    [[nodiscard]] bool notes_commands() const { return slow_threshold_ != never_slow; }

    void finish(Request& request, std::string_view text);  // it needed no server after all

  private:
    friend class Leases;
    friend class MetaSets;
    friend class Subscriptions;
    friend class Streams;

    [[nodiscard]] Intake& intake_of(ClientConn& client);
    void take_bytes(ClientConn& client, Slice slice);
    void read_requests(ClientConn& client, Slice slice);
    void read_piece(ClientConn& client, Slice slice);
    void parse_requests(ClientConn& client, auto& parser, Slice slice);
    template <class Parser>
    void take_part(ClientConn& client, const Parser& parser, Slice slice);
    void keep_partial(ClientConn& client, Slice slice);
    void end_reading(ClientConn& client);
    void resume(ClientConn& client);
    void read_on(ClientConn& client);
    void pause_if_full(ClientConn& client);
    void note_answer(ClientConn& client, uint64_t size);
    void put_off(ClientConn& client);
    void reconsider(ClientConn& client);
    [[nodiscard]] uint32_t reserve() const;
    void relieve();
    void close_holder(ClientConn& client, std::string_view why);
    void close_slow(ClientConn& client, std::string_view why);
    void note_output(ClientConn& client, uint64_t size);
    void look_for_stalled();
    void tell_closing(const ClientConn& client, std::string_view why);
    void tell_refusal(Pool& pool, std::string_view peer, std::string_view why);
    void tell_one(TurnedOut&, const Pool&, std::string_view peer, std::string_view why);
    void tell_untold(Pool& pool, bool at_once);
    void settle(ClientConn& client);
    void append_response(ClientConn& client, const Bytes* bytes, std::string_view tail);

    void take_server_bytes(ServerConn& conn, Slice slice);
    [[nodiscard]] bool awaits_bytes(const ServerConn& conn) const;
    bool keep_response_part(ServerConn& conn, Slice slice);
    bool admit_part(ServerConn& conn, uint32_t size);
    [[nodiscard]] bool take_response(ServerConn& conn, const auto& frame, Slice end);
    void parse_responses(ServerConn& conn, auto& parser, Slice slice);
    void on_response(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes);
    void on_response(ServerConn& conn, const memcached::ResponseFrame& frame, const Bytes& bytes);
    void on_prelude_response(ServerConn& conn, const resp::ResponseFrame&, const Bytes& bytes);
    void on_prelude_response(ServerConn& conn, const memcached::ResponseFrame&, const Bytes& bytes);
    void on_ping_answered(ServerConn& conn, const std::string& answer, bool is_fitting);
    void note_error(ServerConn& conn, const Request& request, const Bytes& bytes);
    void answer_head(ServerConn& conn, const memcached::ResponseFrame& frame, const Bytes& bytes);
    void take_fitting(ServerConn& conn, const memcached::ResponseFrame& frame, const Bytes& bytes);
    [[nodiscard]] bool is_turned_away(ServerConn& conn, const Bytes& error);

    static void begin_shared(ServerConn& conn, memcached::ResponseParser& parser);
    [[nodiscard]] bool continue_shared(ServerConn& conn,
                                       memcached::ResponseParser& parser,
                                       ParseStatus& status);
    void on_shared_response(ServerConn& conn,
                            const memcached::ResponseFrame& frame,
                            const Bytes& bytes);
    [[nodiscard]] bool find_owner(ServerConn& conn, std::string_view key);
    void answer_shared(Fragment& fragment, const Bytes* bytes, std::string_view tail);
    [[nodiscard]] static uint32_t awaiting(const ServerConn& conn);
    void deliver(Request& request, const Bytes* bytes, std::string_view tail = {});
    void complete_split(Fragment& fragment, const Bytes& bytes, bool is_error);
    void finish_split(Request& request);
    void fail(Fragment& fragment, std::string_view text, stats::Reason reason);
    void fail_all(ServerConn& conn, std::string_view text, stats::Reason reason);
    void answer_joined(Request& request);
    [[nodiscard]] bool join_responses(Request& request);
    [[nodiscard]] Fragment& leave_queue(ServerConn& conn);
    [[nodiscard]] Fragment& take_answered(ServerConn& conn);
    void free_if_done(Request& request);
    void detach(Request& request);
    void give_up(ClientConn& client);
    void make_ready(Request& request);

    void preconnect(Server& server);
    [[nodiscard]] bool may_connect(Server& server, ServerConn& conn, std::string_view* why);
    void start_connect(ServerConn& conn);
    void start_preconnect(ServerConn& conn);
    void begin_attempt(ServerConn& conn);
    void put_unsent(ServerConn& conn, FragmentFifo fragments, Chain bytes);
    void move_held(ServerConn& conn);
    void begin_prelude(ServerConn& conn);
    void become_ready(ServerConn& conn);
    void lose(ServerConn& conn, std::string_view reason, Blame blame = Blame::Server);
    void judge_loss(ServerConn& conn, std::string_view reason, Blame reported);
    [[nodiscard]] Instant after_backoff(uint32_t failures);
    void watch(ServerConn& conn);
    void watch_for_all(ServerConn& conn);

    [[nodiscard]] bool may_wait(const ServerConn& conn, uint64_t bytes, std::string_view* why);
    [[nodiscard]] std::string first_line(const Bytes& bytes);

    void note_slow(const ServerConn& conn, const Fragment& fragment);
    void push_slow(stats::SlowRequest& slow, const Request& request);
    void take_servers(Pool& old_pool, Pool& pool);
    void take_clients(std::span<ClientConn* const> clients, Pool* pool);
    void hold_back_clients(const ServerConn& conn);
    void look_again();
    void sweep_retired();

    void wake_at(Instant at) { next_deadline_ = std::min(next_deadline_, at); }

    void check_deadlines(ServerConn& conn);
    void check_closed(ServerConn& conn);
    void check_requests(ServerConn& conn);
    void expire_requests(ServerConn& conn, Duration timeout);
    [[nodiscard]] bool expire(ServerConn& conn, Fragment& fragment, Duration timeout);
    bool replace_late(ServerConn& conn);
    void give_up_connecting(ServerConn& conn);
    void close_idle(Pool& pool);
    void note_activity(ClientConn& client);
    void tell(const ServerConn& conn, std::string_view text, bool good = false);
    void tell_loss(ServerConn& conn);

    void note_success(ServerConn& conn, Instant began) {  // it has answered what began then
        conn.spoke_since_connect = true;
        if (conn.failures > 0 || conn.server->health().is_in_trouble()) recover(conn, began);
    }

    void recover(ServerConn& conn, Instant began);
    bool report_failure(Server& server, Instant began, std::string_view reason);  // false: known
    void announce_change();
    bool follow_servers();
    void follow_options(Server& server);
    void welcome(Server& server);
    void turn_away(Server& server);
    void plan_probe(Server& server, Instant at);
    void schedule_first_probe(Server& server);
    void schedule_check(Server& server);
    void check_probe(ServerConn& probe);
    void end_probe(ServerConn& probe, const std::string& answer);
    void pass_probe(ServerConn& probe, std::string_view reason);
    void fail_probe(ServerConn& probe, std::string_view reason, Blame blame);

    const config::Config* config_;
    BlockPool* blocks_;
    Counters* counters_;
    Environment environment_;
    Prng prng_;
    Instant now_;
    Instant wall_;  // for TIME and INFO only
    Pressure pressure_;
    Instant last_stall_check_;
    Instant next_deadline_ = Instant::never();
    uint32_t expirable_ = expired_per_tick;  // requests, in what is left of a tick
    uint64_t epoch_ = 0;                     // of Shared: when servers were last followed
    Instant next_change_;                    // of all pools: no batch looks at each
    Duration slow_threshold_ = never_slow;
    uint64_t batch_ = 0;
    uint64_t next_client_id_ = 1;
    Scratch scratch_;
    Leases leases_{*this};
    Subscriptions subscriptions_{*this};
    Streams streams_{*this};
    OldestRequests oldest_{*counters_, subscriptions_};
    WaitingJoins joins_{environment_.bounds.join_work};
    BatchTotal total_{environment_.bounds};
    bool draining_ = false;
    bool announced_ = false;
    std::deque<Notice> notices_;
    std::vector<std::unique_ptr<Pool>> pools_;
    std::vector<std::unique_ptr<Pool>> retired_;   // of an earlier configuration, still in use
    std::vector<std::unique_ptr<Pool>> finished_;  // not in use any more
    Stores stores_;
    OpenBlock open_;        // small responses of all clients, one behind the other
    OpenBlock kept_;        // those that wait for others, and would keep what leaves at once
    OpenBlock beginnings_;  // and what is kept of their requests, if it is little
    List<ClientConn, &ClientConn::all_link> clients_;
    List<ClientConn, &ClientConn::dirty_link> dirty_clients_;
    List<ClientConn, &ClientConn::resume_link> resumable_;
    List<ServerConn, &ServerConn::dirty_link> dirty_servers_;
    List<ServerConn, &ServerConn::connect_link> connect_;
    List<ServerConn, &ServerConn::preconnect_link> preconnect_;  // nobody waits for these
    List<ServerConn, &ServerConn::disconnect_link> disconnect_;
    List<ServerConn, &ServerConn::waiting_link> waiting_;
};

}  // namespace ringmain::core
