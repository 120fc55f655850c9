#include "ringmain/core/leases.h"

#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <utility>

#include "front.h"

namespace ringmain::core {

namespace {

// Where the steps of a command have the connection; null when it is not theirs.
ServerConn** find_in_steps(Session& session, const ServerConn& conn) {
    if (session.steps == nullptr) return nullptr;
    std::vector<ServerConn*>& all = session.steps->leases;
    const auto found = std::find(all.begin(), all.end(), &conn);
    return found == all.end() ? nullptr : &*found;
}

bool has_wait_everywhere(const Session& session) {
    return session.steps != nullptr && session.steps->phase == Steps::Phase::Wait;
}

// Its client has a command that waits, on this connection or on it and others.
bool is_waited_on(const ServerConn& conn) {
    if (conn.lessee == nullptr) return false;
    Session& session = *conn.lessee->session;
    if (session.waiting == &conn) return true;
    return has_wait_everywhere(session) && find_in_steps(session, conn) != nullptr;
}

// What it waits for is the answer to a question of a pop over several servers, which comes at once.
bool asks_in_turn(const Session& session) {
    return session.waiting != nullptr && session.turns != nullptr && session.turns->asks();
}

}  // namespace

// --- what clients have ---------------------------------------------------------------------------

Session& Leases::session_of(ClientConn& client) {
    if (client.session == nullptr) client.session = std::make_unique<Session>(proxy_->blocks());
    return *client.session;
}

void Leases::note_change(ClientConn& client) {
    client.special = client.session->is_special();
}

bool Leases::may_go_on(ClientConn& client) {
    Session& session = *client.session;
    if (!session.must_wait) return true;
    if (!client.requests.empty()) return false;
    session.must_wait = false;
    leave_slot(client, &session.wanted);  // the server was lost before it answered SELECT
    note_change(client);
    return true;
}

ServerConn& Leases::connection(Server& server, const ClientConn& client) {
    const Session& session = *client.session;
    if (session.watching != nullptr && session.watching->server == &server) {
        session.watching->used_at = proxy_->now();
        return *session.watching;
    }
    if (session.slot == Session::no_slot) {
        return server.connection(client.affinity, client.resp3);
    }
    return server.in_database(
        session.slot, client.pool->databases[session.slot].number, client.affinity, client.resp3);
}

void Leases::reset(ClientConn& client) {
    client.database = ClientConn::no_database;
    if (client.session == nullptr) return;
    Session& session = *client.session;
    for (ServerConn* conn : {session.watching, session.waiting}) {
        if (conn != nullptr) proxy_->lose(*conn, left_reason, Blame::Nobody);
    }
    forget_steps(client);
    session.end_transaction();
    leave_slot(client, &session.slot);
    leave_slot(client, &session.wanted);
    session.must_wait = false;
    note_change(client);
}

void Leases::stop_watching(ClientConn& client, std::string_view why) {
    if (client.session == nullptr || client.session->watching == nullptr) return;
    proxy_->lose(*client.session->watching, left_reason, Blame::Nobody);
    client.session->lost = why;
    note_change(client);
}

// Nor what has come already, nor is anything said to what was answered, or refused, behind the
// command that waits: it would be taken for its answer.
void Leases::take_no_more(ClientConn& client) {
    client.mute_all();
    client.note_end(ClientConn::End::Left);
    if (client.intake != nullptr) client.intake->input.clear();
    if (client.state == ClientConn::State::Open) proxy_->end_reading(client);
}

void Leases::end_wait(ClientConn& client, std::string_view why) {
    if (client.session == nullptr) return;
    Session& session = *client.session;
    const bool waits_everywhere = has_wait_everywhere(session);
    // What waits nowhere and is asked in turns has an end when this question is answered.
    if (why.empty() && session.turns != nullptr) session.turns->is_over = true;
    if (session.waiting == nullptr && !waits_everywhere) return;
    if (why.empty()) {
        session.wait_end.clear();
        finish_wait(client);
        return;
    }
    std::string text = "a command that waits on its server was ended: ";
    text.append(why);
    session.wait_end = error_line(*client.pool, text);
    if (waits_everywhere) {
        finish_wait(client);
        return;
    }
    // What the server has popped by then is the client's: it answers, or closes the connection.
    if (session.turns != nullptr) session.turns->end = text;
    if (!asks_in_turn(session)) end_side(*session.waiting);
}

// Without a `wait_end` there is no answer, nor to what is behind it.
void Leases::finish_wait(ClientConn& client) {
    Session& session = *client.session;
    const std::string text = std::exchange(session.wait_end, {});
    if (text.empty()) take_no_more(client);
    if (has_wait_everywhere(session)) {
        Request& request = *session.steps->request;
        request.failed = true;
        if (!text.empty()) {
            proxy_->count_error(*client.pool, stats::Reason::Other);
            client.pool->counters->forward_error.add(1);
        }
        if (!request.response.append_copy(text, nullptr)) proxy_->give_up(client);
        lose_leases(*session.steps);
        return;
    }
    ServerConn& conn = *session.waiting;
    proxy_->fail_all(conn, text, stats::Reason::Other);
    proxy_->lose(conn, left_reason, Blame::Nobody);
}

bool Leases::has_ended(const ClientConn& client) {
    return client.end_of_stream || (client.session != nullptr && client.session->left);
}

bool Leases::may_end_unseen(const ClientConn& client) {
    if (client.session == nullptr || has_ended(client)) return false;
    return client.session->waiting != nullptr || has_wait_everywhere(*client.session);
}

bool Leases::is_ending(const ClientConn& client) const {
    return proxy_->draining_ || client.pool->retired;
}

void Leases::on_client_end(ClientConn& client) {
    if (client.session == nullptr) return;
    Session& session = *client.session;
    session.left = true;
    if (has_wait_everywhere(session)) {
        for (ServerConn* conn : session.steps->leases) {
            if (conn != nullptr) end_side(*conn);
        }
        return;
    }
    if (session.waiting == nullptr) return;
    // take_turn() sees that no wait follows.
    if (!asks_in_turn(session)) end_side(*session.waiting);
}

void Leases::end_side(ServerConn& conn) {
    if (conn.ends) return;
    conn.ends = true;
    end_soon(conn);
    proxy_->mark_dirty(conn);
}

void Leases::end_soon(ServerConn& conn) {
    const int64_t timeout_ms = conn.server->pool().options->timeout_ms;
    const Instant until = proxy_->now() + Duration::millis(timeout_ms) + wait_margin;
    conn.answer_by = std::min(conn.answer_by, until);
    proxy_->wake_at(conn.answer_by);
}

bool Leases::on_closed(ServerConn& conn) {
    if (!is_waited_on(conn) || conn.fragments.empty()) return false;
    finish_wait(*conn.lessee);
    return true;
}

// --- taking and giving back ----------------------------------------------------------------------

ServerConn* Leases::take(Server& server, ClientConn& client, Need need, std::string_view* why) {
    Session& session = session_of(client);
    RM_DCHECK(need == Need::Steps ||
              (need == Need::Watch ? session.watching : session.waiting) == nullptr);
    const Pool& pool = *client.pool;
    const uint64_t leased = pool.counters->leases.get();
    if (leased >= pool.options->leases_max) {
        pool.counters->leases_refused.add(1);
        why_ = "clients of this worker hold " + std::to_string(leased) +
               " connections of their own, for WATCH and for commands that wait; no more are "
               "allowed (leases_max)";
        proxy_->scratch().why_reason = stats::Reason::Limit;
        *why = why_;
        return nullptr;
    }
    ServerConn* conn = &find(server, client.resp3, database_of(client));
    if (conn->state == ServerConn::State::Closed) {
        if (!proxy_->may_connect(server, *conn, why)) {
            server.closed_leases.add(*conn);
            return nullptr;
        }
        make_room(pool, leased);
        proxy_->start_connect(*conn);
    }
    if (need == Need::Watch) session.watching = conn;
    if (need == Need::Steps) session.steps->leases.push_back(conn);
    conn->lessee = &client;
    conn->used_at = proxy_->now();
    server.leased += 1;
    pool.counters->leases.add(1);
    pool.counters->leases_taken.add(1);
    proxy_->waiting_.add(*conn);
    if (pool.options->lease_timeout_ms > 0) {
        proxy_->wake_at(proxy_->now() + Duration::millis(pool.options->lease_timeout_ms));
    }
    note_change(client);
    return conn;
}

// Nobody's any more, whatever becomes of it.
void Leases::release(ServerConn& conn) {
    if (conn.lessee == nullptr) return;
    ClientConn& client = *std::exchange(conn.lessee, nullptr);
    Session& session = *client.session;
    if (session.watching == &conn) {
        session.watching = nullptr;
        session.ends_watch = false;
    }
    if (session.waiting == &conn) end_waiting(client);
    if (ServerConn** held = find_in_steps(session, conn)) {
        *held = nullptr;
        conn.answer_by = Instant::never();
    }
    conn.server->leased -= 1;
    conn.server->pool().counters->leases.subtract(1);
    note_change(client);
}

// Everything that was said on it is answered, but keys may be watched there: it is somebody else's
// again when it has answered that none is.
void Leases::give_up_watch(ServerConn& conn) {
    release(conn);
    const bool may_ask = conn.state == ServerConn::State::Ready && conn.is_at_rest() &&
                         may_keep(conn) && proxy_->has_room_for(block_size);
    Request* request = may_ask ? proxy_->make_own_request() : nullptr;
    if (request == nullptr) {
        proxy_->lose(conn, unneeded_reason, Blame::Nobody);
        return;
    }
    request->only.special = Special::Unwatch;
    conn.write(unwatch_request);
    proxy_->enqueue(conn, request->only);
}

void Leases::on_answered(ServerConn& conn) {
    if (conn.set_apart) {
        proxy_->streams().on_answered(conn);
        return;
    }
    const bool is_nobodys = conn.lessee == nullptr && conn.fragments.empty() &&
                            !decltype(conn.server->idle_leases)::contains(conn);
    if (conn.state == ServerConn::State::Ready && is_nobodys) give_up_watch(conn);
}

void Leases::begin_waiting(ClientConn& client, ServerConn& conn, Duration wait) {
    Session& session = *client.session;
    session.waiting = &conn;
    session.must_wait = true;
    session.wait_end.clear();
    conn.waits_for = wait;
    conn.answer_by = due_of_wait(conn, proxy_->now());
    proxy_->wake_at(std::min(conn.answer_by, session.keys_move_at));
    proxy_->waiting_.add(conn);
    client.pool->counters->clients_waiting.add(1);
    note_change(client);
}

void Leases::end_waiting(ClientConn& client) {
    Session& session = *client.session;
    ServerConn& conn = *std::exchange(session.waiting, nullptr);
    session.forget_waited();
    conn.answer_by = Instant::never();
    conn.server->pool().counters->clients_waiting.subtract(1);
}

void Leases::on_lost(ServerConn& conn, Blame blame) {
    Server& server = *conn.server;
    if (blame != Blame::Nobody) {
        server.lease_failures = conn.failures;
        server.lease_retry_at = conn.retry_at;
        server.lease_error = conn.last_error;
    }
    if (decltype(server.idle_leases)::contains(conn)) {
        server.idle_leases.remove(conn);
        server.idle_lease_count -= 1;
    }
    if (conn.lessee != nullptr) {
        Session& session = *conn.lessee->session;
        // With EXEC or UNWATCH on the way it is that which fails.
        const bool loses_keys = session.watching == &conn && !session.ends_watch;
        if (loses_keys && session.lost.empty()) session.lost = conn.last_error;
        release(conn);
    }
    server.closed_leases.add(conn);
}

void Leases::retire(Server& server, std::string_view why) {
    for (size_t i = 0; i < server.connections().size(); ++i) {  // which may get more meanwhile
        ServerConn& conn = *server.connections()[i];
        if (!conn.is_lease || conn.state == ServerConn::State::Closed) continue;
        if (lets_answer(conn, why)) continue;
        Session* session = conn.lessee == nullptr ? nullptr : conn.lessee->session.get();
        const bool has_steps = session != nullptr && find_in_steps(*session, conn) != nullptr;
        const bool asks = session != nullptr && session->waiting == &conn && asks_in_turn(*session);
        if (conn.fragments.empty() || (is_waited_on(conn) && !asks)) {
            proxy_->lose(conn, why, Blame::Nobody);
            continue;
        }
        // With the answer the steps end, or go on to where they end, and so do turns.
        if (session == nullptr || has_steps || asks) continue;
        // With EXEC or UNWATCH on the way it has an end already.
        if (session->watching == &conn && !session->ends_watch) {
            session->lost = "server " + server.title() + " " + std::string(why);
        }
        release(conn);
    }
}

// --- time ----------------------------------------------------------------------------------------

void Leases::check(ServerConn& conn) {
    const Fragment* head = conn.fragments.front();
    if (conn.set_apart) {
        proxy_->check_requests(conn);
        conn.publish(proxy_->now());
        return;
    }
    if (head != nullptr) {
        const bool waits = head->special == Special::Wait;
        if (!waits && Streams::is_under_way(conn)) {
            static_cast<void>(proxy_->streams().check(conn));
            return;
        }
        if (waits) follow_keys_in_time(conn);
        const Instant due = waits ? conn.answer_by : first_due(conn);
        if (proxy_->now() < due) {
            proxy_->wake_at(due);
            return;
        }
        if (conn.ends && is_waited_on(conn)) {
            finish_wait(*conn.lessee);
            return;
        }
        proxy_->counters().timeouts.add(1);
        conn.count_loss(&stats::ServerCounters::timedout);
        const Instant now = proxy_->now();
        const Blame blame = conn.blame_for_lateness(*head, waits ? due : head->queued, now);
        Server& server = *conn.server;
        conn.timed_out = true;
        proxy_->lose(
            conn,
            waits ? "has not answered when the command's time was up" : late_text(conn, now),
            blame);
        // Each of the others would find out by a client's request.
        if (blame == Blame::Server) give_up_idle(server);
        return;
    }
    check_idle(conn);
}

void Leases::look_again(ServerConn& conn) {
    const Fragment* head = conn.fragments.front();
    if (head == nullptr || head->special != Special::Wait) return;
    conn.answer_by = std::min(conn.answer_by, due_of_wait(conn, head->queued));
    if (conn.ends) end_soon(conn);
}

// Nothing is to be answered on it: whether it has been so for too long.
void Leases::check_idle(ServerConn& conn) {
    const config::Pool& options = *conn.server->pool().options;
    const Duration limit =
        conn.lessee == nullptr ? idle_lease_max : Duration::millis(options.lease_timeout_ms);
    if (limit.ns == 0) return;
    const Instant until = conn.used_at + limit;
    if (proxy_->now() < until) {
        proxy_->wake_at(until);
        return;
    }
    if (conn.lessee == nullptr) {
        proxy_->lose(conn, unneeded_reason, Blame::Nobody);
        return;
    }
    ClientConn& client = *conn.lessee;
    // Of a command whose step on another server has its own time.
    if (find_in_steps(*client.session, conn) != nullptr) return;
    stop_watching(client,
                  "keys were watched for " + std::to_string(options.lease_timeout_ms) +
                      " ms without a command for their server (lease_timeout)");
}

}  // namespace ringmain::core
