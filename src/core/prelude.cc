// What a new server connection says before any request, and what the server answers to it.

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <string>

#include "access_reasons.h"
#include "front.h"
#include "meta_sets.h"

namespace ringmain::core {

namespace {

constexpr uint32_t line_size_max = 200;

config::Credentials credentials_of(const Server& server) {
    return server.pool().options->credentials_of(server.options());
}

// Which options are to be looked at: "redis_auth", "user and password of the server".
std::string origin_of(const Server& server) {
    const config::Server& own = server.options();
    if (credentials_of(server).user.empty()) {
        return own.password.empty() ? "redis_auth" : "password of the server";
    }
    if (own.user.empty() == own.password.empty()) {
        return own.user.empty() ? "redis_user, redis_auth" : "user and password of the server";
    }
    return own.user.empty() ? "redis_user, and password of the server"
                            : "user of the server, and redis_auth";
}

std::string refused_text(const Server& server, const std::string& answer) {
    const std::string_view user = credentials_of(server).user;
    std::string text(user.empty() ? password_refused : user_refused);
    if (!user.empty()) text.append(user).append("' or its password");
    return text + " (" + origin_of(server) + "): " + answer;
}

// All of it, or the beginning of it where the line was cut.
bool repeats(std::string_view line, std::string_view password) {
    const bool is_cut = line.size() == line_size_max;
    for (size_t at = 0; at < line.size(); ++at) {
        const std::string_view part = line.substr(at, password.size());
        if ((is_cut || part.size() == password.size()) && password.starts_with(part)) return true;
    }
    return false;
}

// What may be told of an error: a server that does not know a command repeats what it was told.
std::string without_password(const Server& server, const std::string& answer) {
    const config::Credentials credentials = credentials_of(server);
    const std::string_view password = credentials.password;
    if (password.empty()) return answer;
    std::string known = answer.substr(0, answer.find(", with args beginning with"));
    return repeats(known, password) ? "an error that repeats the password" : known;
}

// Why the connection is given up over an error to this command.
std::string reason_of(ServerConn::Said command,
                      const ServerConn& conn,
                      const std::string& answer,
                      const std::string& shown) {
    if (is_full(answer)) return crowded_text(shown);
    if (wants_password(answer)) return password_text(shown);
    if (command == ServerConn::Auth) return refused_text(*conn.server, shown);
    if (command == ServerConn::Hello) {
        return "refused RESP3 (HELLO 3); connect with RESP2: " + shown;
    }
    const std::string number = std::to_string(conn.database);
    if (is_transient(answer)) return "does not choose database " + number + " now: " + shown;
    return std::string(database_refused).append(number).append("): ").append(shown);
}

}  // namespace

// In this order: who we are, which protocol, which database. Each answer is checked before the
// first request leaves.
void Proxy::begin_prelude(ServerConn& conn) {
    const config::Credentials credentials = credentials_of(*conn.server);
    conn.state = ServerConn::State::Prelude;
    if (conn.server->pool().is_redis()) {
        conn.parser.emplace<resp::ResponseParser>(resp::version_of(conn.resp3));
    }
    std::string text;
    uint8_t said = 0;
    if (!credentials.password.empty()) {
        if (credentials.user.empty()) {
            resp::write_request(text, {"AUTH", credentials.password});
        } else {
            resp::write_request(text, {"AUTH", credentials.user, credentials.password});
        }
        said |= ServerConn::Auth;
    }
    if (conn.resp3) {
        resp::write_request(text, {"HELLO", "3"});
        said |= ServerConn::Hello;
    }
    if (conn.database != 0) {
        resp::write_request(text, {"SELECT", std::to_string(conn.database)});
        said |= ServerConn::Select;
    }
    // Who would take requests for all is to answer first: connections are taken by many that answer
    // nothing, a stopped process among them.
    // So does one beside others that serve: the server may take no more than those.
    const bool is_extra = (conn.set_apart || conn.is_stand_in) && conn.server->is_connected();
    conn.is_asked = conn.is_probe || conn.has_turn || is_extra ||
                    conn.server->silence.is_silent() || MetaSets::must_ask(conn);
    // An +OK that is the last answer may be what the server says to everybody on accept, and the
    // one to our command would be taken for the first request's. PING leaves in the same packet.
    const bool ends_in_ok = said == ServerConn::Auth || (said & ServerConn::Select) != 0;
    if (conn.is_asked || ends_in_ok) {
        if (conn.server->pool().is_redis()) {
            resp::write_request(text, {"PING"});
        } else {
            text += "version\r\n";
        }
        said |= ServerConn::Ping;
    }
    // The server may have accepted long ago, while this worker was busy.
    conn.ready_by = now_ + prelude_limit(conn);
    wake_at(conn.ready_by);
    conn.prelude_answers = said;
    if (said == 0) {
        become_ready(conn);
        return;
    }
    if (!conn.prelude_out.append_copy(text, nullptr)) {
        lose(conn, "cannot be greeted: buffer memory is exhausted (buffer_memory)", Blame::Us);
        return;
    }
    dirty_servers_.add(conn);
}

// Of an answer: its first line, cut.
std::string Proxy::first_line(const Bytes& bytes) {
    std::string line(bytes.view({0, std::min(bytes.size(), line_size_max)}, scratch_.text));
    line.resize(std::min(line.find('\r'), line.size()));
    return line;
}

namespace {

// Another answer, that is no error, is to something else: the two sides are out of step.
bool fits(ServerConn::Said command, const resp::ResponseFrame& frame, std::string_view answer) {
    switch (command) {
        case ServerConn::Auth:
        case ServerConn::Select:
            return answer == "+OK";
        case ServerConn::Hello:
            return frame.type == '%';
        case ServerConn::Ping:
            return answer == "+PONG";
    }
    RM_ASSERT(false);
    return false;
}

}  // namespace

void Proxy::on_prelude_response(ServerConn& conn,
                                const resp::ResponseFrame& frame,
                                const Bytes& bytes) {
    if (frame.type == '>') {
        lose(conn, unasked_push);
        return;
    }
    const ServerConn::Said command = conn.take_prelude_answer();
    const std::string answer = first_line(bytes);
    const bool is_error = frame.is_error();
    const bool is_fitting = is_error || fits(command, frame, answer);
    if (command == ServerConn::Ping) {
        on_ping_answered(conn, answer, is_fitting);
        return;
    }
    if (!is_fitting) {
        lose(conn, unfitting_response);
        return;
    }
    if (!is_error) {
        if (conn.prelude_answers == 0) become_ready(conn);
        return;
    }
    const config::Pool& options = *conn.server->pool().options;
    const bool is_auth = command == ServerConn::Auth;
    const bool is_hello = command == ServerConn::Hello;
    const std::string shown = without_password(*conn.server, answer);
    const std::string reason = reason_of(command, conn, answer, shown);
    const bool is_clients = conn.is_selected || conn.database != options.redis_db;
    if (command == ServerConn::Select && is_clients) {
        // A client asked for it, and is told what the server says.
        fail_all(conn,
                 shown.starts_with('-') ? shown + "\r\n" : error_line(conn.server->pool(), reason),
                 stats::Reason::Other);
        lose(conn, reason, Blame::Nobody);
        return;
    }
    // A server that knows only RESP2 serves RESP2, and one that loads or runs a script is well.
    const bool is_well = is_hello || is_excused(conn, answer);
    if (is_well) conn.server->health().allow();
    // Where a password was changed, those that are in are served on: they will tell.
    const bool is_kept_out =
        is_auth && conn.is_probe && conn.server->live && conn.server->open_connections() > 1;
    lose(conn, reason, is_well || is_kept_out ? Blame::Us : Blame::Server);
}

void Proxy::on_prelude_response(ServerConn& conn,
                                const memcached::ResponseFrame& frame,
                                const Bytes& bytes) {
    const ServerConn::Said command = conn.take_prelude_answer();
    RM_DCHECK(command == ServerConn::Ping);
    const std::string answer = first_line(bytes);
    on_ping_answered(conn, answer, MetaSets::answers_version(frame, answer));
}

// For all but a probe an error will do, if the server has room for the connection.
void Proxy::on_ping_answered(ServerConn& conn, const std::string& answer, bool is_fitting) {
    if (!conn.server->pool().is_redis() && is_fitting) {
        MetaSets::note_version(*conn.server, answer);
    }
    if (conn.is_probe) {
        end_probe(conn, answer);
    } else if (is_full(answer)) {
        lose(conn, crowded_text(answer));
    } else if (wants_token(answer)) {
        conn.server->health().allow();  // it is there: who asks is told what it wants
        lose(conn, token_reason, Blame::Us);
    } else if (!is_fitting) {
        lose(conn, unfitting_response);
    } else if (MetaSets::must_ask(conn)) {
        lose(conn,
             MetaSets::why_not(*conn.server, memcached::VersionNeed::Binary, answer),
             Blame::Nobody);
    } else {
        become_ready(conn);
    }
}

}  // namespace ringmain::core
