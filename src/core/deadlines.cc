// All that depends on time: requests that are late, connections that do not come about, what is to
// be tried again, clients that say nothing.

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/core/time_shift.h"

#include <algorithm>

#include "front.h"

namespace ringmain::core {

void Proxy::on_tick() {
    if (now_ < next_deadline_) return;
    next_deadline_ = Instant::never();
    expirable_ = expired_per_tick;
    ServerConn* conn = waiting_.front();
    while (conn != nullptr) {
        ServerConn* next = decltype(waiting_)::after(*conn);
        check_deadlines(*conn);
        // Whoever was lost with it, as the others of a WAIT are, has left the list.
        const bool has_left = next != nullptr && !decltype(waiting_)::contains(*next);
        conn = has_left ? waiting_.front() : next;
    }
    subscriptions_.on_tick();
    leases_.check_databases();
    for (const auto& pool : pools_) {
        close_idle(*pool);
        tell_untold(*pool, false);
        wake_at(pool->next_return());
    }
    for (const auto& pool : retired_) {
        tell_untold(*pool, false);
    }
}

Instant ready_from(const ServerConn& conn) {
    const bool has_own = conn.state == ServerConn::State::Prelude;
    return has_own ? Instant{conn.ready_by.ns - prelude_limit(conn).ns} : conn.since;
}

namespace {

void move_times(const TimeShift& shift, ServerConn& conn) {
    Fragment* head = conn.fragments.front();
    // What waits for the connection leaves no sooner than what is queued when that becomes ready.
    // Until then its time is bounded by ready_by.
    const bool has_begun = conn.state != ServerConn::State::Ready || shift.covers(conn.ready_at);
    const TimeShift shift_of_all = {.by = shift.by};
    const TimeShift& of_fragments = has_begun ? shift_of_all : shift;
    // They are in their order, and there may be very many that had left before.
    Fragment* first = of_fragments.is_of_all() ? head : nullptr;
    if (first == nullptr && shift.covers(conn.newest_at)) first = conn.newest;
    // Until the head is answered it is what is waited for.
    if (head != nullptr) of_fragments.move_due(conn.answer_by, head->queued);
    shift.move_due(conn.ready_by, ready_from(conn));
    // Of a probe that is not planned it is never.
    if (shift.is_of_all()) {
        shift.move(conn.retry_at);
        shift.move(conn.look_at);
    }
    for (Instant* at : {&conn.since,
                        &conn.heard_at,
                        &conn.used_at,
                        &conn.moved_at,
                        &conn.moves_since,
                        &conn.ready_at,
                        &conn.taken_at,
                        &conn.large_at,
                        &conn.took_at}) {
        shift.move(*at);
    }
    of_fragments.move(conn.newest_at);
    for (Fragment* fragment = first; fragment != nullptr; fragment = fragment->next) {
        of_fragments.move(fragment->queued);
        of_fragments.move(fragment->sent);
    }
}

}  // namespace

void Proxy::move_times(const TimeShift& shift) {
    if (shift.is_of_all()) shift.move(next_deadline_);
    for (ServerConn& conn : waiting_) {
        core::move_times(shift, conn);
    }
    for (const auto& pool : pools_) {
        for (const auto& server : pool->servers) {
            server->silence.move_times(shift);
        }
    }
    subscriptions_.move_times(shift);
    // There may be very many, and their limits are of seconds.
    constexpr Duration felt_by_clients = Duration::millis(100);
    if (shift.by < felt_by_clients) return;
    for (ClientConn& client : clients_) {
        shift.move(client.active_at);
        shift.move(client.heard_at);
        shift.move(client.stalled_since);
    }
}

// Of what a connection says first. Who does not answer a probe in time would not answer a request
// in time.
Duration prelude_limit(const ServerConn& conn) {
    const config::Pool& options = *conn.server->pool().options;
    const bool is_probed = conn.is_asked && options.timeout_ms > 0;
    return Duration::millis(is_probed ? options.timeout_ms : options.connect_timeout_ms);
}

void Proxy::check_deadlines(ServerConn& conn) {
    if (conn.is_subscriber && subscriptions_.check(conn)) return;
    if (streams_.asks_kernel(conn)) return;
    switch (conn.state) {
        case ServerConn::State::Closed:
            check_closed(conn);
            return;
        case ServerConn::State::Connecting:
        case ServerConn::State::Prelude:
            if (now_ >= conn.ready_by) {
                give_up_connecting(conn);
                return;
            }
            wake_at(conn.ready_by);
            if (conn.is_lease) {
                leases_.check(conn);
                return;
            }
            break;
        case ServerConn::State::Ready:
            if (conn.is_lease) {
                leases_.check(conn);
                return;
            }
            if (conn.fragments.empty()) {
                waiting_.remove(conn);
                if (conn.is_spare) {
                    lose(conn, "was replaced", Blame::Nobody);
                    conn.failures = 0;  // of an earlier time
                }
                return;
            }
            break;
    }
    check_requests(conn);
    conn.publish(now_);
}

// Connected again in the background, so that no request has to find out: with preconnect, and
// while the server is down.
void Proxy::check_closed(ServerConn& conn) {
    if (conn.is_probe) {
        check_probe(conn);
        return;
    }
    Server& server = *conn.server;
    Health& health = server.health();
    const config::Pool& options = *server.pool().options;
    const bool wanted = options.preconnect && !conn.resp3 && !conn.is_selected;
    const bool is_asked = health.is_down() || server.silence.is_silent();
    if (draining_ || conn.is_spare || !server.live || server.pool().retired ||
        (!wanted && !is_asked)) {
        waiting_.remove(conn);
        return;
    }
    if (now_ < conn.next_attempt()) {
        wake_at(conn.next_attempt());
        return;
    }
    if (health.is_down()) {
        const int64_t answer_ms =
            options.timeout_ms > 0 ? options.timeout_ms : options.connect_timeout_ms;
        const Duration attempt = Duration::millis(options.connect_timeout_ms + answer_ms);
        if (!health.take_turn(now_, now_ + attempt + backoff_max)) {
            // Another connection has it; what it finds out is of interest soon.
            const Instant soon = now_ + backoff_look;
            conn.look_at = std::max(now_ + Duration{1}, std::min(health.retry_at(), soon));
            wake_at(conn.look_at);
            return;
        }
        conn.has_turn = true;
    } else if (conn.is_extra() && !leases_.make_descriptor_room()) {
        waiting_.remove(conn);
        return;
    }
    start_preconnect(conn);
}

namespace {

std::string unfound_text(std::string_view limit) {
    return std::string(unfound_reason)
        .append("looking up its name takes longer than ")
        .append(limit);
}

}  // namespace

void Proxy::give_up_connecting(ServerConn& conn) {
    const config::Pool& options = *conn.server->pool().options;
    conn.count_loss(&stats::ServerCounters::timedout);
    const Blame blame = conn.is_starved ? Blame::Us : Blame::Server;
    if (conn.is_asked && conn.state == ServerConn::State::Prelude && options.timeout_ms > 0) {
        lose(conn,
             "did not answer a new connection within " + std::to_string(options.timeout_ms) +
                 " ms (timeout)",
             blame);
        return;
    }
    if (conn.is_sought) {
        lose(conn,
             unfound_text(std::to_string(options.connect_timeout_ms) + " ms (connect_timeout)"));
        return;
    }
    const bool is_connected = conn.state == ServerConn::State::Prelude;
    lose(conn,
         (is_connected ? "accepted the connection but did not answer within "
                       : "did not accept the connection within ") +
             std::to_string(options.connect_timeout_ms) + " ms (connect_timeout)",
         blame);
}

Duration late_limit(const config::Pool& options) {
    const int64_t timeout_ms = options.timeout_ms;
    if (options.late_connection_timeout_ms != 0 || timeout_ms == 0) {
        return Duration::millis(options.late_connection_timeout_ms);
    }
    return Duration::millis(std::max(timeout_ms * late_timeouts_max, timeout_ms + late_ms_min));
}

namespace {

std::string expired_text(const ServerConn& conn, Duration timeout) {
    const std::string limit = std::to_string(timeout.to_millis()) + " ms (timeout)";
    if (conn.state != ServerConn::State::Connecting) return "did not answer within " + limit;
    if (!conn.is_sought) return "did not accept the connection within " + limit;
    return unfound_text(limit);
}

// No request has less than its own time, however little its connection has.
Duration longest_of(const config::Pool& options) {
    return std::max(late_limit(options), Duration::millis(options.timeout_ms));
}

// Of a connection that is given up when that has passed.
std::string overdue_text(const ServerConn& conn, Instant now) {
    const config::Pool& options = *conn.server->pool().options;
    const Duration limit = longest_of(options);
    std::string text = "has not answered for ";
    if (conn.is_giving(now)) text = "has been giving an answer for ";
    if (Streams::is_under_way(conn)) text = Streams::stall_text();
    text += std::to_string(limit.to_millis());
    const bool is_own = limit == late_limit(options);
    return text.append(is_own ? " ms (late_connection_timeout)" : " ms (timeout)");
}

// When the time of the connection began: when it was ready for the head; while something large
// moves, it begins anew.
Instant late_from_of(const ServerConn& conn) {
    return std::max(
        {conn.fragments.front()->queued, conn.moved_at, conn.ready_at, conn.last_taken()});
}

}  // namespace

// Without a timeout a connection has connect_timeout until it is ready.
Instant first_due(const ServerConn& conn) {
    const config::Pool& options = *conn.server->pool().options;
    const Duration limit = first_limit(options);
    const bool has_limit = limit.ns > 0 && conn.state == ServerConn::State::Ready;
    return options.timeout_ms > 0 || has_limit ? late_from_of(conn) + limit : Instant::never();
}

std::string late_text(const ServerConn& conn, Instant now) {
    const config::Pool& options = *conn.server->pool().options;
    if (options.timeout_ms > 0) return expired_text(conn, Duration::millis(options.timeout_ms));
    return overdue_text(conn, now);
}

std::string crowd_text(const config::Pool& options) {
    return "is sending " + std::to_string(set_apart_max) +
           " large responses, and others waited behind one more " +
           (options.timeout_ms > 0 ? "(timeout)" : "(late_connection_timeout)");
}

namespace {

// Of a large request: its time begins when the server has all of it.
bool is_being_uploaded(Streams& streams, ServerConn& conn) {
    if (conn.uploader == nullptr) return false;
    const bool takes_all = streams.check_request(conn);
    return !takes_all || Streams::is_arriving(conn, *conn.fragments.front()) ||
           Streams::may_hold_answers(conn);
}

}  // namespace

// Each request has its own time, from when it was queued, and once more from when its connection
// was ready, if that took less. Its place in the FIFO stays: its late response is to be recognised.
void Proxy::check_requests(ServerConn& conn) {
    const config::Pool& options = *conn.server->pool().options;
    const Fragment* head = conn.fragments.front();
    const Duration late = longest_of(options);
    if (head == nullptr || late.ns == 0) return;
    if (is_being_uploaded(streams_, conn)) return;
    const Duration timeout = Duration::millis(options.timeout_ms);
    // Behind a large value its time begins when that has passed.
    const Instant late_from = late_from_of(conn);
    const bool is_ready = conn.state == ServerConn::State::Ready;  // until then: connect_timeout
    if (conn.streaming) {
        if (!streams_.check(conn)) return;
    } else if (is_ready && now_ >= late_from + late) {
        conn.count_loss(&stats::ServerCounters::late);
        // To drip is not to move, of what is large.
        const bool drips = Streams::is_under_way(conn);
        lose(conn,
             overdue_text(conn, now_),
             drips ? Blame::Server : conn.blame_for_lateness(*head, late_from, now_));
        return;
    }
    if (Streams::is_under_way(conn) && !streams_.check_others(conn)) return;
    if (timeout.ns > 0) {
        expire_requests(conn, timeout);
        if (conn.fragments.empty()) return;
        if (!conn.is_late() && !Streams::is_under_way(conn)) return;
    }
    if (conn.streaming || !is_ready) return;
    if (timeout.ns > 0 && conn.is_late()) {
        replace_late(conn);
        move_held(conn);
    }
    wake_at(late_from_of(conn) + late);
}

// It may be this connection alone that stands still: what comes from now on goes to another one,
// but for clients that have something in flight here, which wait for that. True: so it is, or will
// be in a moment.
bool Proxy::replace_late(ServerConn& conn) {
    Server& server = *conn.server;
    const bool is_in_use =
        server.health().accepts_traffic() && !server.pool().retired && !draining_;
    if (!is_in_use || conn.state != ServerConn::State::Ready) return false;
    if (!server.replace(conn, now_)) {
        if (!streams_.give_up_spare(conn)) return false;
        wake_at(now_ + Duration::millis(1));  // it is one again when it is closed
        return true;
    }
    hold_back_clients(conn);
    // That has looked at each of them, and the next connection may have as many.
    expirable_ -= std::min(expirable_, static_cast<uint32_t>(conn.fragments.size()));
    if (server.pool().options->preconnect || server.silence.is_silent()) preconnect(server);
    return true;
}

std::string silent_text(const Silence& silence, Instant now) {
    return "has answered nothing for " + std::to_string((now - silence.since()).to_millis()) +
           " ms (timeout)";
}

namespace {

// The head's value is on its way: that is in time, and so is what its client has asked behind it,
// whose time begins when the value has passed (Streams::end_response). That of a large request
// begins with its end.
bool has_no_time_yet(const ServerConn& conn, const Fragment& fragment) {
    if (Streams::is_arriving(conn, fragment)) return true;
    const Fragment& head = *conn.fragments.front();
    const bool is_coming = Streams::is_under_way(conn) && is_wanted(head);
    if (!conn.streaming && !is_coming) return false;
    return &fragment == &head ||
           (is_wanted(fragment) && fragment.request->client == head.request->client);
}

// What a new connection needs until it is ready is not the server's time to answer: from far away
// that may be as much as an answer needs two and three times. Who sends large requests waits for
// what they take: until the server has them.
Instant begin_of(const ServerConn& conn, const Fragment& fragment) {
    const Instant begun = std::max(fragment.queued, conn.ready_at);
    if (conn.uploads_of == 0) return begun;
    return std::max({begun, conn.moved_at, conn.last_taken()});
}

}  // namespace

// In the order of their deadlines, since all of a pool have the same timeout; but for those behind
// a large value of their own client.
void Proxy::expire_requests(ServerConn& conn, Duration timeout) {
    Fragment* first_in_time = nullptr;
    bool falls_silent = false;
    for (Fragment* fragment = conn.first_in_time; fragment != nullptr; fragment = fragment->next) {
        if (fragment->abandoned) continue;
        const bool is_held = has_no_time_yet(conn, *fragment);
        const Instant due = (is_held ? now_ : begin_of(conn, *fragment)) + timeout;
        const bool is_due = due <= now_;
        if (is_due && expirable_ > 0) {
            expirable_ -= 1;
            if (expire(conn, *fragment, timeout)) falls_silent = true;
            continue;
        }
        if (first_in_time == nullptr) first_in_time = fragment;
        wake_at(std::max(due, now_));
        if (is_due) break;
        if (!is_held && fragment->queued > conn.moved_at) break;
    }
    conn.first_in_time = first_in_time;
    if (!falls_silent) return;
    Server& server = *conn.server;
    server.note_change();
    leases_.give_up_idle(server);
    // Those that are late will be closed, and somebody has to ask then.
    watch_for_all(server.connection(0, false));
    if (!server.health().tell_silence()) return;
    tell(conn,
         "server " + server.title() + " " + silent_text(server.silence, now_) +
             "; requests to it are refused until it answers");
}

// True when the server is silent from now on.
bool Proxy::expire(ServerConn& conn, Fragment& fragment, Duration timeout) {
    Server& server = *conn.server;
    const std::string reason = expired_text(conn, timeout);
    fragment.abandoned = true;
    if (!server.pool().is_redis()) fragment.response.clear();  // the request itself, or its keys
    // While it is known whose it is.
    note_slow(conn, fragment);
    fragment.noted = true;
    counters_->timeouts.add(1);
    server.counters().timedout.add(1);
    bool falls_silent = false;
    const Instant begun = begin_of(conn, fragment);
    const bool tells = !conn.streaming &&
                       conn.blame_for_lateness(fragment, begun, now_) == Blame::Server &&
                       !(conn.is_sought && server.open_connections() > 0);
    if (tells) report_failure(server, std::min(begun, conn.worked_at()), reason);
    if (tells && conn.state != ServerConn::State::Connecting) {
        falls_silent = server.silence.on_late(begun, conn.since, now_);
    }
    fail(fragment,
         error_line(server.pool(), "server " + server.title() + " " + reason),
         stats::Reason::Timeout);
    return falls_silent;
}

// Those that have said nothing for too long, the longest first. Who waits for an answer or to be
// read on, has not taken the last answer, or is subscribed, is not idle.
void Proxy::close_idle(Pool& pool) {
    if (pool.options->client_idle_timeout_ms == 0) return;
    const Duration limit = Duration::millis(pool.options->client_idle_timeout_ms);
    while (ClientConn* client = pool.by_activity.front()) {
        if (now_ < client->active_at + limit) {
            wake_at(client->active_at + limit);
            return;
        }
        if (client->state != ClientConn::State::Open) {
            // It has said its last and leaves when it has its answers.
            pool.by_activity.remove(*client);
        } else if (!client->paused && (client->requests.empty() || client->uploading != nullptr) &&
                   client->out.empty() && client->unsent == 0 && !is_subscribed(*client)) {
            pool.by_activity.remove(*client);
            client->note_end(ClientConn::End::Idle);
            if (client->intake != nullptr) client->intake->input.clear();
            end_reading(*client);
            mark_dirty(*client);
        } else {
            note_activity(*client);
        }
    }
}

}  // namespace ringmain::core
