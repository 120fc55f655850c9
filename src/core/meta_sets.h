// src/core/meta_sets.h - whether a server takes `ms`, memcached's set among the meta commands.
//
// One before memcached 1.6.10 answers an error and runs the data as commands, whose answers would
// be taken for those to others' requests (memcached/server_version.h).
//
//   Unknown --(it has answered one well)--> Known
//      |
//      +--(with an error: the connection is lost over it)--> Doubted --(version)--> Known, TooOld
//
// So a Doubted server is asked for its version first. So is one that is not Known before the first
// value of a client that speaks the binary protocol, since it is we who write that as `ms`, and
// before an `ms` that one which knows it may refuse, since that error would cost all others on the
// connection their requests. Nobody else is: there are servers that know get and set, and hang up
// on anything else. Behind the first new connection may be another server: Known becomes Unknown,
// and TooOld Doubted.
//
// Part of the Proxy, one thread.

#pragma once

#include "ringmain/core/proxy.h"
#include "ringmain/memcached/request_parser.h"

#include <string>
#include <string_view>

namespace ringmain::core {

class MetaSets {
  public:
    explicit MetaSets(Proxy& proxy) : proxy_(&proxy) {}

    // Then it gets none. One that is not connected may be another by now, and is asked again.
    [[nodiscard]] static bool is_too_old(const Server& server);
    // Before a request that is, or is not, a plain one (RequestFrame::is_plain_set).
    [[nodiscard]] static bool must_ask(const Server& server, bool is_plain);
    // The same of what waits for a connection that is being made.
    [[nodiscard]] static bool must_ask(const ServerConn& conn);

    // The connection asks for the version, and goes on with the request, which is `text` to the
    // server, when it has been told. What the client says next waits.
    [[gnu::cold]] void ask(ServerConn& conn, Request& request, Chain text);
    // To the head of the FIFO, which asked.
    [[gnu::cold]] void on_answer(ServerConn& conn,
                                 const memcached::ResponseFrame& frame,
                                 const Bytes& bytes);

    // An answer to "version", which may be an error.
    [[nodiscard]] static bool answers_version(const memcached::ResponseFrame& frame,
                                              std::string_view answer);
    static void note_version(Server& server, std::string_view answer);
    static void note_connected(Server& server);

    // An answer came before all of the oldest request had left.
    static void note_unasked(const ServerConn& conn);
    // An answer to `ms`. True when its data may be run now: the connection is to be lost, and the
    // server is Doubted.
    [[gnu::cold]] [[nodiscard]] bool note_answer(ServerConn& conn,
                                                 bool is_error,
                                                 const Bytes& bytes);

    // Of a connection whose server is TooOld: something waits that it must not be sent.
    [[nodiscard]] static bool has_one(const ServerConn& conn);

    // "runs memcached 1.6.9, which ...", and the same behind "server NAME ".
    [[nodiscard]] static std::string too_old_text(const Server& server);
    [[nodiscard]] static std::string why_too_old(const Server& server);

  private:
    Proxy* proxy_;
};

}  // namespace ringmain::core
