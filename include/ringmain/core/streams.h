// ringmain/core/streams.h - large values, passed on as they arrive (src/design/0013).
//
// A response of which more than stream_threshold is known or still to come goes to its client piece
// by piece. The shared connection that it comes on is set apart: what comes after it uses another
// one, which is known to serve, and only what had been sent behind it waits. When its last answer
// has come it is kept for the next time, among the idle leases (core/leases.h).
//
//   begin_response        pass_on              end_response        all answered
//   shared ------> set apart, streaming ...... set apart -------------------> idle lease
//                       | ^
//   the client does not v | takes it, or others wait behind
//                      paused
//
// A request is passed on likewise when its key is there and its large argument is not, on a
// connection that is set apart for it. Its client's earlier requests are answered by then, but for
// large ones: those for one server follow each other on one connection. Whatever else the client
// says waits until they are answered.
//
// Part of the Proxy, one thread.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/buffer/slice.h"
#include "ringmain/core/client_conn.h"
#include "ringmain/core/pool.h"
#include "ringmain/core/server_conn.h"

#include <cstdint>
#include <string_view>

namespace ringmain::core {

class Proxy;

class Streams {
  public:
    // So much of it has to come, again and again within a time, for something large to move.
    static constexpr uint64_t moves_by = 1024;

    explicit Streams(Proxy& proxy) : proxy_(&proxy) {}

    // --- responses -------------------------------------------------------------------------------

    // Another part of the head's response has come, of `size` bytes, and is in `partial`: from now
    // on it is passed on, if it is large enough and one that may be. One that nobody hears was
    // dropped.
    void consider(ServerConn& conn, const resp::ResponseParser& parser, uint32_t size) {
        const char type = parser.frame().type;
        if (type == 0 || resp::is_error_type(type) || type == '>') return;
        const uint64_t known_size = parser.bytes_taken() + parser.bytes_missing();
        if (is_dropping(conn)) {
            note_part(conn, size, known_size);
            return;
        }
        if (conn.streaming || conn.partial.empty()) return;
        if (is_to_stream(conn, parser.bytes_missing())) {
            begin_response(conn);
        } else {
            note_kept(conn, size, known_size);
        }
    }

    void consider(ServerConn& conn, memcached::ResponseParser& parser, uint32_t size) {
        if (is_dropping(conn)) {
            note_part(conn, size, parser.bytes_taken() + parser.bytes_missing());
            return;
        }
        if (conn.streaming || conn.partial.empty()) return;
        const uint64_t missing = parser.bytes_missing();
        if (missing > 0 && is_to_stream(conn, missing) && is_asked_for(conn, parser)) {
            parser.forget_key();
            begin_response(conn);
        } else {
            note_kept(conn, size, parser.bytes_taken() + missing);
        }
    }

    // A part of a streaming response that somebody waits for.
    void pass_on(ServerConn& conn, Slice slice);

    // Of a large response that is passed on or dropped: its end is near.
    [[nodiscard]] static bool is_under_way(const ServerConn& conn) {
        return decltype(under_way_)::contains(conn);
    }

    // What is left of it is the last part, which is delivered like any response.
    void end_response(ServerConn& conn, uint64_t last_size);

    // A read of a key whose value was large lately, or a large request that is there as a whole,
    // goes on a connection that is set apart for it before anybody can wait behind it; what its
    // client says next waits for the answer. The server is told the script first, if there is one.
    // Null when none is to be had. The client has no request under way.
    [[nodiscard]] Request* forward_apart(ClientConn& client,
                                         Server& server,
                                         const Bytes& bytes,
                                         uint64_t key_hash,
                                         ScriptId script = {});

    // Only the connection, for something of that size: whoever takes it says that on it, and holds
    // the client back behind it.
    [[nodiscard]] ServerConn* take_apart(const ClientConn& client, Server& server, uint64_t size);

    // --- requests --------------------------------------------------------------------------------

    // The beginning of an unfinished request is in `partial`, and that much is known to be missing.
    template <class Parser>
    void consider(ClientConn& client, const Parser& parser) {
        if (is_to_stream(client, parser.bytes_missing())) consider_request(client, parser);
    }

    // A part of a request that is Sending or Dropping.
    void pass_on(ClientConn& client, Slice slice);
    // Of a request whose end has come, to a client whose `upload` is not None.
    enum class Ended : uint8_t {
        Done,  // it was on its way, or dropped
        Take,  // as if it had come in one piece
        Wait,  // it is to be taken when those before it are answered
    };

    // The last part of it.
    [[nodiscard]] Ended end_request(ClientConn& client, bool is_refused, Slice end);
    // Whatever is on its way of a request will have no end.
    void abandon(ClientConn& client);
    // Of a client that is Sending.
    [[nodiscard]] static bool has_room(const ClientConn& client);

    // --- the proxy's -----------------------------------------------------------------------------

    // Whether a part of the oldest request, a large one, is still to leave: no answer to all of it
    // can have come.
    [[nodiscard]] static bool is_leaving(const ServerConn& conn) {
        const Fragment* head = conn.fragments.front();
        if (!conn.set_apart || head == nullptr) return false;
        return head == conn.traffic.first_unsent || is_arriving(conn, *head);
    }

    // Its end has not come from its client.
    [[nodiscard]] static bool is_arriving(const ServerConn& conn, const Fragment& fragment) {
        return conn.uploader != nullptr && fragment.next == nullptr;
    }

    // The server may hold back an answer until it has the rest of what its client sends: memcached
    // does, when it has read the end of one request and the beginning of the next at once.
    [[nodiscard]] static bool may_hold_answers(const ServerConn& conn);

    // All that has come of the only request is with the server, for longer than that.
    [[nodiscard]] bool waits_for_client(const ServerConn& conn, Duration since) const;

    // One that was ordered for the place of another has shown that it serves.
    void on_ready(ServerConn& conn);
    // A connection of its own could not be had for what waits on it: that goes the common way, if
    // there is one. Nothing of it has left.
    void fall_back(ServerConn& conn);
    // Whether the server goes on sending; else the connection was lost over it, and false.
    bool check(ServerConn& conn);
    // What is said of a server that does not; how long is to follow.
    [[nodiscard]] static std::string stall_text();
    // Whether the server goes on taking a request; else the connection was lost over it, and false.
    bool check_request(ServerConn& conn);
    void on_taken(ServerConn& conn);
    // What is in `out` leaves now: there is more of it than large_request_size.
    void note_leaving(ServerConn& conn);
    // Whether the server may be taking a large request: then its deadlines are looked at when the
    // driver has said what the kernel still has of it.
    [[nodiscard]] bool asks_kernel(ServerConn& conn);
    // A server ends the connection on which it is sent a request that is larger than it takes: if
    // it serves all others that says nothing about it. Whether it does the next attempt finds out.
    [[nodiscard]] static bool may_be_refused(const ServerConn& conn);
    // A large response on everybody's connection, for which there was no place apart: it is found
    // one when others have waited behind it for too long. False: there is none, and the connection
    // was lost.
    bool check_others(ServerConn& conn);
    // A connection that stands in for another gives that up, if nobody wants what is on it.
    [[nodiscard]] bool give_up_spare(const ServerConn& late);
    // Something was answered on a connection that was set apart.
    void on_answered(ServerConn& conn);
    // Before those who wait for it are told.
    void on_lost(ServerConn& conn);

    // No answer can have come yet. But a memcached server that refuses a request when it has its
    // line takes the data all the same: its answer is kept until the data has left. For anything
    // else the connection is lost.
    void take_unasked(ServerConn& conn, Slice slice);
    // What was kept is taken as if it came now, if it may: before anything that comes behind it.
    void take_early(ServerConn& conn);

    void take_early() {
        if (!early_.empty()) [[unlikely]] {
            take_all_early();
        }
    }

    // The server of one with an early answer says no more. False: the connection was lost for that.
    [[nodiscard]] bool end_early(ServerConn& conn);

    // Pauses what comes faster than its client takes it, and goes on with the rest: at the end of a
    // batch, and when a client has left.
    void drive() {
        if (!under_way_.empty()) [[unlikely]] {
            drive_all();
        }
    }

    [[nodiscard]] bool has_throttled() const { return !throttled_.empty(); }

    // Whether the connection is received from.
    void pause(ServerConn& conn, bool paused);

    // --- the driver's ----------------------------------------------------------------------------

    // `paused` has changed; null when there is no more.
    [[nodiscard]] ServerConn* next_throttled() { return throttled_.pop_front(); }

    // Of which judge_untaken() is told what the kernel has for its server; after on_tick().
    [[nodiscard]] ServerConn* next_asked() { return asked_.pop_front(); }

    void judge_untaken(ServerConn& conn, uint64_t in_kernel);

  private:
    // What is known of a request that has not come to its end.
    struct Begun;

    void count(const Pool& pool, const Request& request);

    [[nodiscard]] static bool is_to_stream(const ClientConn& client, uint64_t missing) {
        if (client.upload > Upload::Behind || client.intake->partial.empty()) return false;
        const uint64_t threshold = client.pool->options->stream_threshold;
        return threshold > 0 && missing > threshold;
    }

    void drive_all();
    [[nodiscard]] bool keep_early(ServerConn& conn, Slice slice);
    void take_all_early();
    void lose_early(ServerConn& conn);
    [[nodiscard]] static bool is_to_stream(const ServerConn& conn, uint64_t missing);
    [[nodiscard]] bool is_asked_for(const ServerConn& conn,
                                    const memcached::ResponseParser& parser) const;
    void begin_response(ServerConn& conn);
    void begin_moving(ServerConn& conn);
    [[nodiscard]] static bool is_dropping(const ServerConn& conn);

    void begin_time(ServerConn& conn);
    static void begin_time_of_own(const ServerConn& conn);
    void note_moved(ServerConn& conn, uint64_t size);
    void note_part(ServerConn& conn, uint64_t size, uint64_t known_size);
    void note_kept(ServerConn& conn, uint64_t size, uint64_t known_size);
    [[nodiscard]] bool may_be_set_apart(const ServerConn& conn) const;
    void set_apart(ServerConn& conn);
    [[nodiscard]] static bool is_unwanted(const ServerConn& conn);
    template <class Fits>
    [[nodiscard]] bool give_up_unwanted(Server& server, const Fits& fits);
    [[nodiscard]] bool give_up_stopped(Server& server);
    [[nodiscard]] bool has_place(Server& server);
    [[nodiscard]] bool holds_up_others(const ServerConn& conn);
    static void leave_apart(ServerConn& conn);
    bool change_places(ServerConn& conn);
    void order_stand_in(Server& server, bool resp3, uint32_t database);
    void keep_request(ServerConn& conn, ClientConn& client);
    static void restore(ServerConn& conn, ClientConn& client);
    [[nodiscard]] bool return_to_place(ServerConn& conn);
    static void mark_apart(ServerConn& conn);
    [[nodiscard]] ServerConn* take(Server& server,
                                   bool resp3,
                                   uint32_t database,
                                   std::string_view* why);
    void consider_request(ClientConn& client, const resp::RequestParser& parser);
    void consider_request(ClientConn& client, const memcached::RequestParser& parser);
    void consider_request(ClientConn& client, const memcached::BinaryParser& parser);
    void place(ClientConn& client, const Begun& begun);
    [[nodiscard]] std::string_view key_of(const ClientConn& client, const Begun& begun) const;
    void begin_request(ClientConn& client, Server& server, const Begun& begun);
    void describe(Request& request, Server& server, const Begun& begun);
    [[nodiscard]] ServerConn* connection_for(ClientConn& client,
                                             Server& server,
                                             const Begun& begun);
    static void write_beginning(ServerConn& conn, Chain& partial, const Begun& begun);
    void give_part(const ClientConn& client, Slice slice, std::string_view behind = {});
    void wait_if_full(ClientConn& client);
    void keep_or_wait(ClientConn& client);
    void refuse(ClientConn& client, const Begun& begun, std::string_view why, stats::Reason reason);
    void begin_dropping(ClientConn& client, const Begun& begun);
    [[nodiscard]] static uint64_t window_of(const Pool& pool);
    void give_what_waits(ServerConn& conn);
    static void note_size(const ServerConn& conn);
    void note_output(const ServerConn& conn, ClientConn& client, uint64_t size);
    [[nodiscard]] static bool is_full(const ServerConn& conn);

    Proxy* proxy_;
    List<ServerConn, &ServerConn::stream_link> under_way_;  // is_under_way()
    List<ServerConn, &ServerConn::throttle_link> throttled_;
    List<ServerConn, &ServerConn::asked_link> asked_;
    List<ServerConn, &ServerConn::early_link> early_;
};

}  // namespace ringmain::core
