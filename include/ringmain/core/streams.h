// ringmain/core/streams.h - large values, passed on as they arrive (src/design/0013).
//
// A response of which more than stream_threshold is known or still to come goes to its client piece
// by piece. The shared connection that it comes on is set apart: what comes after it uses another
// one, and only what had been sent behind it waits. When its last answer has come it is kept for
// the next time, among the idle leases (core/leases.h).
//
//   begin_response        pass_on              end_response        all answered
//   shared ------> set apart, streaming ...... set apart -------------------> idle lease
//                       | ^
//   the client does not v | takes it, or others wait behind
//                      paused
//
// Part of the Proxy, one thread.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/buffer/slice.h"
#include "ringmain/core/server_conn.h"

#include <cstdint>

namespace ringmain::core {

class ClientConn;
class Proxy;

class Streams {
  public:
    explicit Streams(Proxy& proxy) : proxy_(&proxy) {}

    // --- responses -------------------------------------------------------------------------------

    // Another part of the head's response has come and is in `partial`: from now on it is passed
    // on, if it is large enough and one that may be.
    void consider(ServerConn& conn, const resp::ResponseParser& parser) {
        if (conn.streaming || conn.partial.empty()) return;
        const char type = parser.frame().type;
        if (type == 0 || type == '-' || type == '!' || type == '>') return;
        consider(conn, conn.partial.size() + parser.bytes_missing());
    }

    // A value's key must be looked at first, and the largest that a server takes is small.
    static void consider(const ServerConn&, const memcached::ResponseParser&) {}

    // A part of a streaming response that somebody waits for.
    void pass_on(ServerConn& conn, const Slice& slice);
    // What is left of it is the last part, which is delivered like any response.
    void end_response(ServerConn& conn);

    // --- the proxy's -----------------------------------------------------------------------------

    // Whether the server goes on sending; else the connection was lost over it, and false.
    bool check(ServerConn& conn);
    // Something was answered on a connection that was set apart.
    void on_answered(ServerConn& conn);
    // Before those who wait for it are told.
    void on_lost(ServerConn& conn);
    // Pauses and goes on.
    void end_batch();

    // --- the driver's ----------------------------------------------------------------------------

    // `paused` has changed; null when there is no more.
    [[nodiscard]] ServerConn* next_throttled() { return throttled_.pop_front(); }

  private:
    void consider(ServerConn& conn, uint64_t size);
    void begin_response(ServerConn& conn);
    void set_apart(ServerConn& conn);
    void give_what_waits(ServerConn& conn);
    void note_output(const ServerConn& conn, ClientConn& client, uint64_t size);
    [[nodiscard]] static bool is_full(const ServerConn& conn);
    void pause(ServerConn& conn, bool paused);

    Proxy* proxy_;
    List<ServerConn, &ServerConn::stream_link> streaming_;
    List<ServerConn, &ServerConn::throttle_link> throttled_;
};

}  // namespace ringmain::core
