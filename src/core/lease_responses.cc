// Responses of which more must be known than whose they are: what a transaction is told, and what
// leaves a leased connection clean.

#include "ringmain/base/assert.h"
#include "ringmain/core/leases.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <utility>

#include "front.h"
#include "script_front.h"

namespace ringmain::core {

namespace {

constexpr std::string_view ended_where_it_waited =
    "the client has ended its side of the connection where it waited for an answer";

// The answer, or one in front of it that was an error.
bool says_loading(const Fragment& head, const resp::ResponseFrame& frame, const Bytes& bytes) {
    constexpr uint32_t begin_size = 8;
    std::string scratch;
    const std::string_view begin = bytes.view({0, std::min(bytes.size(), begin_size)}, scratch);
    if (frame.is_error() && is_loading(begin)) return true;
    return !head.response.empty() && is_loading(head.response.to_string());
}

// Of an error line without its '-'.
std::string_view without_sign(std::string_view line) {
    return line.substr(line.empty() ? 0 : 1);
}

}  // namespace

bool Leases::counts_on(ServerConn& conn) {
    // What failed may have taken the connection with it.
    if (conn.state == ServerConn::State::Closed) return false;
    if (!conn.fragments.front()->abandoned || !conn.is_lease || conn.set_apart) return true;
    proxy_->lose(conn, "sent a response that is too large to be kept", Blame::Nobody);
    return false;
}

void Leases::on_response(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    Fragment& head = *conn.fragments.front();
    if (head.leading > 0) {
        on_leading(conn, frame, bytes);
        return;
    }
    if (frame.is_error()) proxy_->note_error(conn, *head.request, bytes);
    const bool is_failure =
        conn.server->pool().options->eject_on_loading && says_loading(head, frame, bytes);
    if (is_failure) {
        if (is_servers_word(*head.request)) {
            proxy_->report_failure(*conn.server, head.queued, loading_reason);
        }
    } else if (!head.abandoned && head.special != Special::Unwatch) {
        // UNWATCH is answered whatever else a server can do.
        proxy_->note_success(conn, head.queued);
    }
    if (conn.is_lease) {
        conn.server->lease_failures = 0;
        conn.server->leases_told = false;
        conn.used_at = proxy_->now();
    }
    switch (head.special) {
        case Special::Exec:
            on_exec(conn, frame, bytes);
            return;
        case Special::Check:
            on_checked(conn, frame, bytes);
            return;
        case Special::Watch:
            on_watched(conn, frame, bytes);
            return;
        case Special::Unwatch: {
            // Within a transaction that did not end it would be queued.
            const bool clean = proxy_->first_line(bytes) == "+OK";
            Request& request = take_request(conn);
            end_lease(conn, clean);
            deliver(request, &bytes, {});
            return;
        }
        case Special::Wait:
            if (head.request->join != nullptr) {
                on_step(conn, bytes);
            } else {
                on_waited(conn, frame, bytes);
            }
            return;
        case Special::Turn:
            on_asked(conn, frame, bytes);
            return;
        case Special::Publish:
            on_published(conn, frame, bytes);
            return;
        case Special::Select:
            on_selected(conn, frame, bytes);
            return;
        case Special::Step:
            on_step(conn, bytes);
            return;
        case Special::No:
        case Special::Version:
            break;
    }
    RM_ASSERT(false);
}

// To MULTI, and to each command that was queued behind it.
void Leases::on_leading(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    Fragment& head = *conn.fragments.front();
    const bool is_first = !std::exchange(head.led, true);
    head.leading -= 1;
    // In front of WAIT stands PUBLISH.
    if (frame.type == '+' || (frame.type == ':' && head.special == Special::Wait)) return;
    if (!frame.is_error()) {
        proxy_->lose(conn, unfitting_response);
        return;
    }
    const std::string line = proxy_->first_line(bytes);
    if (head.special == Special::Exec && is_first) {
        // It was asked before whether it takes MULTI (Special::Check).
        proxy_->lose(conn, "refused MULTI: " + line);
        return;
    }
    const bool kept = !head.response.empty() || head.response.append_copy(line, &proxy_->kept_);
    if (!kept) proxy_->lose(conn, "refused a command; buffer memory is exhausted", Blame::Us);
}

// The head of the FIFO leaves it.
Fragment& Leases::take_head(ServerConn& conn) {
    const Special special = conn.fragments.front()->special;
    if (special != Special::Wait && special != Special::Check) return proxy_->take_answered(conn);
    Fragment& fragment = proxy_->leave_queue(conn);
    if (special == Special::Wait) {
        conn.note_waited(fragment);
    } else {
        conn.note_told(fragment);
    }
    return fragment;
}

Request& Leases::take_request(ServerConn& conn) {
    Fragment& fragment = take_head(conn);
    fragment.response.clear();
    return *fragment.request;
}

void Leases::deliver(Request& request, const Bytes* bytes, std::string_view text) {
    if (request.only.abandoned) {
        proxy_->free_if_done(request);
    } else {
        proxy_->deliver(request, bytes, text);
    }
}

void Leases::end_lease(ServerConn& conn, bool clean) {
    if (!conn.is_lease || conn.set_apart) return;
    if (clean) {
        give_back(conn);
        return;
    }
    release(conn);
    proxy_->lose(conn, "is in an unknown state", Blame::Nobody);
}

void Leases::on_exec(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    const bool failed = frame.is_error();
    // An answer for each command: nothing else tells that all have run.
    const int64_t commands = conn.fragments.front()->request->extra;
    const bool has_run = frame.type == '*' && frame.number == commands;
    const bool has_not = frame.is_null && frame.type != '$';
    if (!failed && !has_run && !has_not) {
        proxy_->lose(conn, unfitting_response);
        return;
    }
    std::string text;
    bool clean = !failed;
    if (failed) {
        const std::string line = proxy_->first_line(bytes);
        if (!line.starts_with(frame.type)) {  // there was no memory for its beginning
            proxy_->lose(conn, "is in an unknown state", Blame::Nobody);
            return;
        }
        clean = line.starts_with("-EXECABORT");
        const Chain& reason = conn.fragments.front()->response;
        if (clean && !reason.empty()) {
            // The client was told QUEUED; so it is told here what the server said then.
            text = "-EXECABORT Transaction discarded because of: ";
            text.append(without_sign(reason.to_string())).append("\r\n");
        }
    }
    const std::string refusal = clean ? "" : proxy_->first_line(bytes);
    Request& request = take_request(conn);
    if (request.policy == ResponsePolicy::Script) doubt_scripts(conn, frame, bytes);
    end_lease(conn, clean);
    deliver(request, text.empty() ? &bytes : nullptr, text);
    const bool is_shared = !conn.is_lease || conn.set_apart;
    if (!clean && is_shared) refuse_transactions(conn, refusal);
}

// A connection of everybody's has heard MULTI, and neither EXEC nor DISCARD: what others say on it
// would be queued. That it costs them the connection shall not happen with every attempt.
void Leases::refuse_transactions(ServerConn& conn, const std::string& line) {
    Server& server = *conn.server;
    server.transactions_refused = "server " + server.title() + " refuses transactions: " + line;
    server.transactions_refused_until = proxy_->now() + transactions_refused_for;
    proxy_->tell(conn, server.transactions_refused);
    proxy_->lose(conn, "was in a transaction that it does not end: " + line, Blame::Nobody);
}

// To DISCARD behind MULTI.
void Leases::on_checked(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    std::string refusal = conn.fragments.front()->response.to_string();
    const bool is_open = refusal.empty() && frame.is_error();
    if (is_open) refusal = proxy_->first_line(bytes);
    conn.knows_transactions = refusal.empty();
    Request& request = take_request(conn);
    if (!refusal.empty() && request.client != nullptr) {
        request.client->session->lost =
            "server " + conn.server->title() + " refuses transactions: " + refusal;
        request.client->session->lost_reason = stats::Reason::Other;
        note_change(*request.client);
    }
    if (request.only.abandoned) {
        proxy_->free_if_done(request);
    } else {
        proxy_->make_ready(request);
    }
    if (is_open) refuse_transactions(conn, refusal);
}

void Leases::on_watched(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    const std::string refusal = conn.fragments.front()->response.to_string();
    const bool refused = frame.is_error() || !refusal.empty();
    if (refusal.empty()) conn.knows_transactions = true;
    Request& request = take_request(conn);
    if (!refused) {
        deliver(request, &bytes, {});
        return;
    }
    // Whatever was watched before is given up with it, and EXEC says so.
    const Pool& pool = conn.server->pool();
    const std::string text =
        error_line(pool, "server " + conn.server->title() + " refuses transactions: " + refusal);
    if (!refusal.empty() && is_wanted(request.only)) {
        proxy_->count_error(pool, stats::Reason::Other);
        pool.counters->forward_error.add(1);
    }
    deliver(request, refusal.empty() ? &bytes : nullptr, refusal.empty() ? "" : text);
    proxy_->lose(conn, "refused to watch keys", Blame::Nobody);
}

// A command that waited has its answer.
void Leases::on_waited(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    const Request& asked = *conn.fragments.front()->request;
    const Turns* turns = conn.lessee->session->turns.get();
    if (turns != nullptr && asked.client != nullptr && !fits_turn(*turns, frame)) {
        proxy_->lose(conn, unfitting_response);
        return;
    }
    // The frame is the connection's, which may be closed when it is given back.
    const resp::ResponseFrame answer = frame;
    Request& request = take_request(conn);
    ClientConn& client = *conn.lessee;
    RM_DCHECK(client.session->waiting == &conn);
    end_waiting(client);
    const bool watches = client.session->watching == &conn;
    // It takes nothing any more (on_client_end).
    const bool loses_keys = watches && conn.ends;
    if (loses_keys && client.session->lost.empty()) client.session->lost = ended_where_it_waited;
    if (!watches || conn.ends) give_back(conn);
    note_change(client);
    if (client.session->turns != nullptr && request.client != nullptr) {
        on_turn(request, answer, bytes);
    } else {
        deliver(request, &bytes, {});
    }
}

// A command that waits on it was sent to a server that is well. What that has popped by now is the
// client's: it answers, or closes the connection that is ended here. A turn ends by itself soon,
// and the next one is taken elsewhere.
bool Leases::lets_answer(ServerConn& conn, std::string_view why) {
    if (!conn.server->live || conn.state != ServerConn::State::Ready) return false;
    if (conn.lessee == nullptr || conn.lessee->session->waiting != &conn) return false;
    Session& session = *conn.lessee->session;
    if (session.turns != nullptr) return true;
    const std::string text = "server " + conn.server->title() + " " + std::string(why);
    if (session.watching == &conn) session.lost = text;
    session.wait_end = error_line(conn.server->pool(), text);
    end_side(conn);
    return true;
}

// Clients of this process listen to it besides the one that the server knows of each worker.
void Leases::on_published(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    Request& request = take_request(conn);
    if (frame.type != ':') {
        deliver(request, &bytes, {});
        return;
    }
    int64_t count = 0;
    if (__builtin_add_overflow(frame.number, request.extra, &count)) count = frame.number;
    std::string line;
    resp::write_integer(line, std::max<int64_t>(count, 0));
    deliver(request, nullptr, line);
}

void Leases::on_selected(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    Request& request = take_request(conn);
    // Whoever was told that it came too late has let go of it, and stays where it is.
    if (request.client != nullptr) {
        ClientConn& client = *request.client;
        Session& session = *client.session;
        if (!frame.is_error()) {
            leave_slot(client, &session.slot);
            std::swap(session.slot, session.wanted);
            client.database = client.pool->databases[session.slot].number;
            follow_database(client);  // a reload may have made it the pool's meanwhile
        }
        leave_slot(client, &session.wanted);
        note_change(client);
    }
    deliver(request, &bytes, {});
}

}  // namespace ringmain::core
