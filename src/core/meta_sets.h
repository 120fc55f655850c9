// src/core/meta_sets.h - whether a server takes `ms`, memcached's set among the meta commands.
//
// One before memcached 1.6.10 answers an error and runs the data as commands, whose answers would
// be taken for those to others' requests (memcached/server_version.h).
//
//   Unknown --(it has answered one well)--> Taken --(version)--> Known, Flawed
//      |
//      +--(with an error: the connection is lost over it)--> Doubted --(version)--> those, TooOld
//
// Flawed ones, 1.6.10 to 1.6.12, take ms and get what text clients say of it; but they tell a wrong
// cas, which a client that speaks the binary protocol would go on with.
//
// Who answers that question with an error stays what it is and gets nothing, or each would cost
// all others on the connection their requests. So a Doubted server is asked for its version first.
// So is one whose version is not known before the first value of a client that speaks the binary
// protocol, or its delete by a cas, since it is we who write those as `ms` and `md`, and before an
// `ms` that one which knows it may refuse, since that error would cost others their requests, too.
// Nobody else is: there are servers that know get and set, and hang up on anything else. Behind the
// first new connection may be another server: TooOld becomes Doubted, and all else Unknown.
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
    [[nodiscard]] static bool is_too_old(const Server& server, memcached::VersionNeed need);
    [[nodiscard]] static bool must_ask(const Server& server, memcached::VersionNeed need);
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
    // A connection begins, or is made, to what may be another server by now. Both: what is asked
    // while it begins must not be what all who wait for it lose it over (begin_prelude), and the
    // others may have gone meanwhile.
    static void note_connecting(Server& server);

    // An answer came before all of the oldest request had left.
    static void note_unasked(const ServerConn& conn);
    // An answer to `ms`. True when its data may be run now: the connection is to be lost, and the
    // server is Doubted.
    [[gnu::cold]] [[nodiscard]] bool note_answer(ServerConn& conn,
                                                 bool is_error,
                                                 const Bytes& bytes);

    // "runs memcached 1.6.9, which ...": why what waited for this answer to "version" is not sent;
    // empty: it is.
    [[nodiscard]] static std::string why_not(const Server& server,
                                             memcached::VersionNeed need,
                                             std::string_view answer);
    // The same of one that is too old, behind "server NAME ".
    [[nodiscard]] static std::string why_too_old(const Server& server);

  private:
    [[nodiscard]] static bool is_refused(const Server& server, memcached::VersionNeed need);
    [[nodiscard]] static std::string too_old_text(const Server& server);

    Proxy* proxy_;
};

}  // namespace ringmain::core
