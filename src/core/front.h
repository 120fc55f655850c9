// src/core/front.h - what turns a client's frames into requests, one per protocol.
//
// A front is a set of functions over the Proxy: it holds no state of its own. It answers, refuses,
// forwards or splits; it is the only code that knows commands.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/core/proxy.h"
#include "ringmain/memcached/binary_parser.h"
#include "ringmain/memcached/request_parser.h"
#include "ringmain/resp/request_parser.h"

#include <span>
#include <string_view>

namespace ringmain::core {

enum class Taken : uint8_t {
    Yes,
    Later,  // must be read again once all earlier requests of this client have their answers
};

[[nodiscard]] Taken take_frame(Proxy& proxy,
                               ClientConn& client,
                               const resp::RequestFrame& frame,
                               const Bytes& bytes);

[[nodiscard]] Taken take_frame(Proxy& proxy,
                               ClientConn& client,
                               const memcached::RequestFrame& frame,
                               const Bytes& bytes);

[[nodiscard]] Taken take_frame(Proxy& proxy,
                               ClientConn& client,
                               const memcached::BinaryFrame& frame,
                               const Bytes& bytes);

// To the server of its key; or refuses it.
void forward(Proxy& proxy,
             ClientConn& client,
             const memcached::RequestFrame& frame,
             const Bytes& bytes);

// The same of what removes the value before one that is too large. Both are one request and one
// error, which is counted here.
void forward_removal(Proxy& proxy,
                     ClientConn& client,
                     const memcached::RequestFrame& frame,
                     const Bytes& bytes);

// What a request is remembered by, beside its place: for its response.
void note_frame(const Proxy& proxy,
                Request& request,
                const memcached::RequestFrame& frame,
                std::string_view placed_key);

// Answers bytes that are no request of the protocol, and closes.
void refuse_stream(Proxy& proxy, ClientConn& client, const resp::RequestParser& parser);
void refuse_stream(Proxy& proxy, ClientConn& client, const memcached::RequestParser& parser);
void refuse_stream(Proxy& proxy, ClientConn& client, const memcached::BinaryParser& parser);

// "-LOADING ...", "-BUSY ..." and the like: a server that is well and cannot answer now.
[[nodiscard]] bool is_transient(std::string_view answer);

// The same of a new connection's or a probe's answer, if it says nothing against the server: to be
// let in again a server must be able to answer.
[[nodiscard]] bool is_excused(const ServerConn& conn, std::string_view answer);

// An answer of a server that wants a password first, and what is said of it then.
[[nodiscard]] inline bool wants_password(std::string_view answer) {
    return answer.starts_with("-NOAUTH");
}

[[nodiscard]] std::string password_text(std::string_view answer);

// The same of a memcached that was started with -Y: there the first `set` of a connection is no
// value but user and password, and lets in whoever uses the connection after that.
[[nodiscard]] inline bool wants_token(std::string_view answer) {
    return answer == "CLIENT_ERROR unauthenticated";
}

inline constexpr std::string_view token_reason =
    "wants a password first, and ringmain gives it none: start it without -Y, and let only "
    "ringmain connect to it";

inline constexpr std::string_view not_asked_for = "sent a value for a key that was not asked for";

// Whether a memcached's response, of which the first line is there, may answer what waits for it.
[[nodiscard]] bool may_answer(const ServerConn& conn, const memcached::ResponseFrame& frame);

// Whether it names a key that this one was not asked for: of several values the first.
[[nodiscard]] bool names_another(Proxy& proxy,
                                 const Fragment& fragment,
                                 const memcached::ResponseFrame& frame,
                                 const Bytes& bytes);

// Of a get of which several values have come: whether they are more than its keys.
[[nodiscard]] bool has_too_many(const ServerConn& conn, uint32_t values);

// Whether all that a memcached's values name are keys of the request that is being answered.
[[nodiscard]] bool are_asked(Proxy& proxy,
                             ServerConn& conn,
                             std::span<const std::string_view> named);

// Why a probe was lost says that its server is there.
[[nodiscard]] bool is_sign_of_life(const ServerConn& conn, std::string_view reason);

// Who is to blame for a loss for `reason`.
[[nodiscard]] Blame judge_blame(const ServerConn& conn, std::string_view reason, Blame reported);

// "is ejected: refused the connection".
[[nodiscard]] std::string ejected_text(const Health& health);

// "has answered nothing for 812 ms (timeout)".
[[nodiscard]] std::string silent_text(const Silence& silence, Instant now);

inline constexpr std::string_view loading_reason = "is loading its data (eject_on_loading)";

// A script says what it likes: that is no evidence, for the server or against it.
[[nodiscard]] inline bool is_servers_word(const Request& request) {
    return request.command == nullptr || (request.command->acl & acl_category::scripting) == 0;
}

[[nodiscard]] inline bool is_loading(std::string_view answer) {
    return answer.starts_with("-LOADING");
}

// The answer of a server that has as many connections as it takes, before it closes this one.
[[nodiscard]] inline bool is_full(std::string_view answer) {
    return answer.starts_with("-ERR max number of clients") ||
           answer.starts_with("ERROR Too many open connections");
}

inline constexpr std::string_view crowded_reason = "takes no more connections: ";

[[nodiscard]] std::string crowded_text(std::string_view answer);

// What a server said, in a text of ours: printable, and not all of it.
[[nodiscard]] std::string shown_text(std::string_view said);

// What gives up whatever a connection watches.
inline constexpr std::string_view unwatch_request = "*1\r\n$7\r\nUNWATCH\r\n";

// Of connections that nobody lost.
inline constexpr std::string_view unneeded_reason = "is not needed any more";
inline constexpr std::string_view left_reason = "was left by its client";

// Whether so much more may wait for the connection.
[[nodiscard]] inline bool has_room(const ServerConn& conn, uint64_t bytes) {
    const Server& server = *conn.server;
    return conn.out.size() + conn.unsent + bytes <= server.queue_size_max &&
           conn.fragments.size() < server.queue_max;
}

// Of bytes that nobody awaits.
[[nodiscard]] std::string unasked_text(const ServerConn& conn, std::string_view bytes);

// What the slow log will say of a request; `command` may be null.
inline constexpr uint32_t noted_key_size_max = 27;
[[nodiscard]] Duration slow_threshold_of(const config::Config& config);
void note_command(Request& request, const Command* command, std::string_view key_head);

// A connection whose oldest request has waited for so long is closed; 0: never.
[[nodiscard]] Duration late_limit(const config::Pool& options);
// How long a connection that was accepted may take to be ready.
[[nodiscard]] Duration prelude_limit(const ServerConn& conn);
// When the time began that ends with ServerConn::ready_by.
[[nodiscard]] Instant ready_from(const ServerConn& conn);

// What is looked at first: a request's own time, or, where it has none, its connection's; 0: none.
[[nodiscard]] inline Duration first_limit(const config::Pool& options) {
    return Duration::millis(options.timeout_ms > 0 ? options.timeout_ms
                                                   : options.late_connection_timeout_ms);
}

// When it is over for what a lease is asked first.
[[nodiscard]] Instant first_due(const ServerConn& conn);

// What that says of the server.
[[nodiscard]] std::string late_text(const ServerConn& conn, Instant now);

// Why one large response more is ended, or not begun.
[[nodiscard]] std::string crowd_text(const config::Pool& options);

// The time that a command has by its own words, where 0 is for ever.
[[nodiscard]] constexpr Duration wait_of(int64_t wait_ms) {
    return wait_ms == 0 ? wait_for_ever : Duration::millis(wait_ms);
}

// When a command that waits on the connection since then is to be answered at the latest.
[[nodiscard]] Instant due_of_wait(const ServerConn& conn, Instant begun);

// A complete error line in the pool's protocol: "-ERR ringmain: TEXT\r\n" or
// "SERVER_ERROR ringmain: TEXT\r\n".
[[nodiscard]] std::string error_line(const Pool& pool, std::string_view text);

// The same; empty for who wants no answer.
[[nodiscard]] inline std::string error_line_unless(bool noreply,
                                                   const Pool& pool,
                                                   std::string_view text) {
    return noreply ? std::string() : error_line(pool, text);
}

// At a limit; without a word to who wants no answer.
void refuse_at_limit(Proxy& proxy, ClientConn& client, bool noreply, std::string_view text);

// Why the user may not say a command that touches this key, or channel, and no other; empty: it
// may.
[[nodiscard]] std::string why_forbidden(const User& user,
                                        const Command& command,
                                        std::string_view key);

// Of a request for which there is none left, or of whose parts not all can be made.
[[nodiscard]] std::string too_many_requests(const Proxy& proxy);

// Why there is no room for a request of so many bytes; empty: there is.
[[nodiscard]] std::string why_no_room(Proxy& proxy, uint64_t size);

inline constexpr std::string_view no_memory = "out of buffer memory; see buffer_memory";

// Of a request that does not end before the arena does.
inline constexpr std::string_view out_of_memory_for_request =
    "out of buffer memory for a request; see buffer_memory";

// Why a server's connection ends that says what nobody can use.
inline constexpr std::string_view unfitting_response =
    "sent a response that does not fit the request";
inline constexpr std::string_view unasked_push = "sent a push message that nobody subscribed to";

}  // namespace ringmain::core
