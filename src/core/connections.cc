// The life of server connections: connect, loss, retry. What a new one says first is in prelude.cc,
// what depends on time in deadlines.cc.

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "front.h"
#include "meta_sets.h"

namespace ringmain::core {

namespace {

// What is not the server's fault is told once, until it goes well again; of leases that goes well
// and not, in turn, with a server that has all the connections that it takes.
bool is_to_be_told(ServerConn& conn, Instant now) {
    if (conn.is_subscriber) return false;  // Subscriptions::on_lost() does
    if (!conn.is_lease) return !std::exchange(conn.was_told, true);
    Server& server = *conn.server;
    if (now < server.leases_told_until || std::exchange(server.leases_told, true)) return false;
    server.leases_told_until = now + refusals_told_interval;
    return true;
}

// Made when a client needed it, and connected when a client needs it.
bool connects_on_demand(const ServerConn& conn) {
    return conn.is_on_demand() || conn.is_selected;
}

// A server that is down or silent is looked after by connections that serve everybody.
ServerConn& for_all(ServerConn& conn) {
    const bool is_ones = conn.is_on_demand() || conn.is_spare;
    return is_ones ? conn.server->connection(0, false) : conn;
}

}  // namespace

void Proxy::preconnect() {
    for (const auto& pool : pools_) {
        for (const auto& server : pool->servers) {
            // After a reload somebody has to look after one that is down, too.
            if (pool->options->preconnect || server->health().is_down()) preconnect(*server);
        }
    }
}

void Proxy::preconnect(Server& server) {
    for (const auto& conn : server.connections()) {
        // When they are needed:
        if (conn->resp3 || conn->is_spare || conn->is_probe || connects_on_demand(*conn)) continue;
        if (conn->state != ServerConn::State::Closed) continue;
        if (!server.live || server.health().is_down()) {
            watch(*conn);
        } else {
            start_preconnect(*conn);
        }
    }
}

ServerConn* Proxy::usable_connection(Server& server,
                                     const ClientConn& client,
                                     uint64_t bytes,
                                     std::string_view* why) {
    ServerConn& conn = client.special ? leases_.connection(server, client)
                                      : server.connection(client.affinity, client.resp3);
    if (conn.state == ServerConn::State::Ready && server.takes_requests) [[likely]] {
        if (has_room(conn, bytes)) [[likely]] {
            return &conn;
        }
        return may_wait(conn, bytes, why) ? &conn : nullptr;
    }
    if (!may_connect(server, conn, why)) return nullptr;
    start_connect(conn);
    return has_room(conn, bytes) || may_wait(conn, bytes, why) ? &conn : nullptr;
}

namespace {

// Why not, for who asked and for the counters.
bool refuse(Scratch& scratch, std::string text, stats::Reason reason, std::string_view* why) {
    scratch.why = std::move(text);
    scratch.why_reason = reason;
    *why = scratch.why;
    return false;
}

}  // namespace

// Whether a request may wait for a connection that is not Ready, or whose server is none to wait
// for.
bool Proxy::may_connect(Server& server, ServerConn& conn, std::string_view* why) {
    if (!server.live) {
        return refuse(scratch_,
                      "server " + server.title() + " " + ejected_text(server.health()),
                      stats::Reason::NoServer,
                      why);
    }
    // Nobody waits for what others have just waited for in vain.
    if (server.silence.is_silent()) {
        watch_for_all(conn);
        return refuse(scratch_,
                      "server " + server.title() + " " + silent_text(server.silence, now_),
                      stats::Reason::Timeout,
                      why);
    }
    if (server.health().is_down()) {
        watch_for_all(conn);
        return refuse(scratch_,
                      "server " + server.title() + " " + server.health().last_error(),
                      stats::Reason::Refused,
                      why);
    }
    if (conn.state == ServerConn::State::Closed && conn.failures > 0 && now_ < conn.retry_at) {
        return refuse(scratch_, conn.last_error, stats::Reason::Refused, why);
    }
    const bool is_new = conn.state == ServerConn::State::Closed && conn.is_extra();
    std::string crowded;
    if (is_new && !leases_.admit_extra(conn, &crowded)) {
        return refuse(scratch_, std::move(crowded), stats::Reason::Limit, why);
    }
    return true;
}

bool Proxy::may_wait(const ServerConn& conn, uint64_t bytes, std::string_view* why) {
    // Alone, a request of any size may pass.
    const bool full = conn.fragments.size() >= conn.server->queue_max;
    if (!full && conn.out.empty()) return true;
    conn.server->counters().queue_full.add(1);
    const std::string limit = std::to_string(conn.server->pool().options->server_queue_size_max);
    std::string reason = "server " + conn.server->title() +
                         (full ? " does not keep up: " + std::to_string(conn.fragments.size()) +
                                     " requests wait for it (server_queue_max)"
                               : " has no room for " + std::to_string(bytes) +
                                     " bytes: " + std::to_string(conn.out.size() + conn.unsent) +
                                     " wait for it, and server_queue_size_max is " + limit);
    return refuse(scratch_, std::move(reason), stats::Reason::Limit, why);
}

ServerConn* Proxy::next_to_connect() {
    return connect_.pop_front();
}

// Its time begins now: what it has waited for its turn is not the server's doing.
ServerConn* Proxy::next_to_preconnect() {
    ServerConn* conn = preconnect_.pop_front();
    if (conn != nullptr) begin_attempt(*conn);
    return conn;
}

bool Proxy::has_more_to_do() const {
    return !preconnect_.empty() || !resumable_.empty() || !disconnect_.empty() || !joins_.empty() ||
           streams_.has_throttled() || subscriptions_.has_more_to_do();
}

ServerConn* Proxy::next_to_disconnect() {
    return disconnect_.pop_front();
}

// Somebody waits for it: unless it has begun, it does in this batch.
void Proxy::start_connect(ServerConn& conn) {
    if (conn.state == ServerConn::State::Closed) start_preconnect(conn);
    if (!decltype(preconnect_)::contains(conn)) return;
    preconnect_.remove(conn);
    begin_attempt(conn);
    connect_.add(conn);
}

// Nobody waits for it yet.
void Proxy::start_preconnect(ServerConn& conn) {
    RM_DCHECK(conn.state == ServerConn::State::Closed);
    conn.state = ServerConn::State::Connecting;
    conn.ready_by = Instant::never();
    conn.prelude_answers = 0;
    conn.ends = false;
    conn.knows_transactions = false;
    MetaSets::note_connecting(*conn.server);
    leases_.count_extra(conn);
    preconnect_.add(conn);
    waiting_.add(conn);
    Pool& pool = conn.server->pool();
    // A client has said more before the end. It is there twice if it was lost since the last sweep:
    // whatever is done to it the second time has been done, and both places go with it.
    if (pool.retired) pool.ending.push_back(&conn);
}

// Behind what has failed in this very batch: that it fails as well is evidence of its own.
void Proxy::begin_attempt(ServerConn& conn) {
    conn.since = std::max(now_, conn.server->health().failed_at() + Duration{1});
    conn.ready_by = now_ + Duration::millis(conn.server->pool().options->connect_timeout_ms);
    wake_at(conn.ready_by);
}

void Proxy::on_connected(ServerConn& conn) {
    if (conn.disconnect_link.is_linked() || conn.state != ServerConn::State::Connecting) return;
    counters_->server_connects.add(1);
    counters_->server_connections.add(1);
    conn.server->counters().connects.add(1);
    conn.server->counters().connections.add(1);
    conn.server->counters().latency.prepare();
    MetaSets::note_connecting(*conn.server);
    conn.spoke_since_connect = false;
    begin_prelude(conn);
}

void Proxy::become_ready(ServerConn& conn) {
    const Health& health = conn.server->health();
    if (!health.accepts_traffic()) {
        lose(conn, ejected_text(health), Blame::Nobody);  // in this very batch
        return;
    }
    conn.state = ServerConn::State::Ready;
    conn.ready_batch = batch_;
    conn.ready_at = now_;
    // Its time begins.
    const Duration limit = late_limit(*conn.server->pool().options);
    if (limit.ns > 0 && !conn.fragments.empty()) wake_at(now_ + limit);
    conn.has_turn = false;
    // No success yet: a server may greet and die on every request.
    conn.server->health().allow();
    if (!conn.out.empty()) dirty_servers_.add(conn);
    if (conn.is_subscriber) subscriptions_.on_ready(conn);
    if (conn.is_stand_in) streams_.on_ready(conn);
}

namespace {

// An end that the server decided on takes so long to be seen, and more after it has been idle.
constexpr Duration end_seen_within = Duration::millis(50);
constexpr Duration idle_min = Duration::millis(20);

// It had answered all and was idle until its requests came: the server may have closed it before it
// saw them. Whether it is there the next attempt finds out. One that ends each connection over the
// second request, or over one that it worked on, is not excused.
bool was_idle_before(const ServerConn& conn, std::string_view reason, Instant now) {
    const Fragment* head = conn.fragments.front();
    const bool is_end = reason == end_of_stream_reason || reason == reset_reason;
    const bool serves = conn.state == ServerConn::State::Ready && conn.spoke_since_connect;
    if (head == nullptr || !is_end || !serves || conn.is_late()) return false;
    if (head->special == Special::Wait) return false;  // it has been seen, most likely
    const auto at_start = [](const auto& parser) { return parser.at_start(); };
    if (!std::visit(at_start, conn.parser)) return false;
    if (head == conn.traffic.first_unsent) return head->queued >= conn.heard_at;
    return head->queued - conn.heard_at >= idle_min && now - head->queued <= end_seen_within;
}

// What has not left may leave on another connection; but not what is bound to this one, or to what
// it was told.
bool has_more_for_next(const ServerConn& conn) {
    const Server& server = *conn.server;
    const bool is_in_use = server.takes_requests && !server.pool().retired;
    if (!is_in_use || server.health().is_down()) return false;
    const Fragment* fragment = conn.traffic.first_unsent;
    if (fragment == nullptr) return false;
    for (; fragment != nullptr; fragment = fragment->next) {
        const bool is_bound =
            fragment->special != Special::No || fragment->request->policy == ResponsePolicy::Script;
        if (is_bound) return false;
    }
    return true;
}

// `newest` stays: it comes back with put_unsent(). If it had left it is null before, and what was
// queued with it belongs to a batch before that in which the next connection becomes ready; whoever
// moves times looks at all or at none of these then.
[[nodiscard]] FragmentFifo take_unsent(ServerConn& conn) {
    FragmentFifo sent;
    FragmentFifo unsent;
    while (Fragment* fragment = conn.fragments.front()) {
        conn.fragments.pop_front();
        const bool is_unsent = fragment == conn.traffic.first_unsent || !unsent.empty();
        (is_unsent ? unsent : sent).push_back(fragment);
    }
    conn.fragments = sent;
    conn.first_in_time = sent.front();
    conn.open_get = {};
    conn.traffic.first_unsent = nullptr;
    conn.traffic.unsent = 0;
    return unsent;
}

}  // namespace

// In their order, and with the time that they had.
void Proxy::put_unsent(ServerConn& conn, FragmentFifo fragments, Chain bytes) {
    start_connect(conn);
    conn.out.append_chain(std::move(bytes));
    conn.traffic.out_size = conn.out.size();
    if (conn.first_in_time == nullptr) conn.first_in_time = fragments.front();
    while (!fragments.empty()) {
        Fragment& fragment = *fragments.pop_front();
        fragment.batch = static_cast<uint32_t>(batch_);
        conn.fragments.push_back(&fragment);
        conn.note_complete(fragment);
    }
    wake_at(now_);
    conn.publish(now_);
}

// What is held back behind an answer that is missing, when nothing before it can be in time any
// more: as if it came now, to what serves its clients now.
void Proxy::move_held(ServerConn& conn) {
    if (!conn.pairing.holds() || !conn.is_spare || conn.successor == nullptr) return;
    const bool is_all_late = conn.first_in_time == conn.traffic.first_unsent;
    if (!is_all_late || !conn.successor->is_everybodys() || !has_more_for_next(conn)) return;
    ServerConn& next = *conn.successor;
    Chain bytes = std::move(conn.out);
    const FragmentFifo held = take_unsent(conn);
    conn.traffic.out_size = 0;
    conn.newest = nullptr;
    for (Fragment* fragment = held.front(); fragment != nullptr; fragment = fragment->next) {
        fragment->queued = now_;
        fragment->sent = now_;
        next.note_newest(*fragment, now_);
    }
    put_unsent(next, held, std::move(bytes));
    dirty_servers_.add(next);
}

void Proxy::on_server_lost(ServerConn& conn, std::string_view reason) {
    if (conn.is_given_up()) return;
    if (conn.early_link.is_linked() && !streams_.end_early(conn)) return;
    if (conn.is_subscriber && !subscriptions_.on_end(conn, reason)) return;
    if (conn.ends && reason == end_of_stream_reason && leases_.on_closed(conn)) return;
    // A server that closes an idle connection has done nothing wrong, nor one that waits for the
    // rest of a request whose client says nothing.
    const bool is_owed = !conn.fragments.empty() && !streams_.waits_for_client(conn, backoff_max);
    const bool idle = conn.state == ServerConn::State::Ready && !is_owed && !conn.is_subscriber &&
                      (conn.spoke_since_connect || now_ - conn.since > backoff_max);
    using stats::ServerCounters;
    conn.count_loss(reason == end_of_stream_reason ? &ServerCounters::eof : &ServerCounters::err);
    if (!idle && Streams::may_be_refused(conn)) {
        lose(conn, std::string(reason).append(over_large_request), Blame::Nobody);
        if (is_to_be_told(conn, now_)) tell_loss(conn);
        return;
    }
    if (idle || !was_idle_before(conn, reason, now_)) {
        lose(conn, reason, idle ? Blame::Nobody : Blame::Server);
        return;
    }
    const bool goes_on = conn.is_everybodys() && has_more_for_next(conn);
    Chain bytes = goes_on ? std::move(conn.out) : Chain(*blocks_);
    const FragmentFifo unsent = goes_on ? take_unsent(conn) : FragmentFifo();
    lose(conn, reason, Blame::Nobody);
    if (goes_on) put_unsent(conn, unsent, std::move(bytes));
}

// Between half of the delay and all of it.
Instant Proxy::after_backoff(uint32_t failures) {
    const int shift = failures == 0 ? 0 : static_cast<int>(std::min(failures - 1, 20U));
    const int64_t full = std::min(backoff_first.ns << shift, backoff_max.ns);
    return now_ + Duration{full / 2 + static_cast<int64_t>(prng_.below(uint64_t(full) / 2))};
}

Blame judge_blame(const ServerConn& conn, std::string_view reason, Blame reported) {
    if (reported != Blame::Server) return reported;
    // Connections that serve everybody find out what there is to be known about a server.
    if (conn.is_subscriber) return Blame::Us;
    // A server that takes no more connections serves those that it has.
    // And a name service that fails says nothing about one that serves.
    const bool is_little = reason.starts_with(crowded_reason) || reason.starts_with(unfound_reason);
    if (is_little && conn.server->open_connections() > 0) return Blame::Us;
    const bool is_full = conn.is_lease && !conn.was_established && conn.server->is_connected();
    return is_full ? Blame::Us : Blame::Server;
}

// What the loss says about the server, and when to try again.
void Proxy::judge_loss(ServerConn& conn, std::string_view reason, Blame reported) {
    Health& health = conn.server->health();
    const Blame blame = judge_blame(conn, reason, reported);
    // One that confirms a subscription and goes may do so time and again.
    const bool has_served = conn.was_established && conn.spoke_since_connect;
    if (conn.is_subscriber && has_served && now_ - conn.since > backoff_max) conn.failures = 0;
    if (blame != Blame::Nobody) conn.failures = std::min(conn.failures + 1, 20U);
    conn.retry_at = after_backoff(conn.failures);
    if (blame != Blame::Server) {
        if (blame == Blame::Us && reason.starts_with(crowded_reason)) {
            conn.server->take_back(conn);
            leases_.give_up_idle(*conn.server);
        }
        if (blame == Blame::Us && is_to_be_told(conn, now_)) tell_loss(conn);
        // The turn of connecting goes to somebody else.
        if (conn.has_turn && health.is_down()) {
            health.forbid_until(conn.retry_at, health.last_error());
        }
        return;
    }
    counters_->server_failures.add(1);
    // Of a series of failures the first is told.
    if (health.tell_once()) tell_loss(conn);
    // With requests under way it is they that failed, or the connection since it worked last.
    const Fragment* head = conn.fragments.front();
    const Instant began =
        head == nullptr ? conn.since : std::max(conn.since, std::min(head->queued, conn.heard_at));
    const bool counted = report_failure(*conn.server, began, reason);
    // Of an earlier configuration: it is never tried again, and those of the new one find out.
    if (conn.server->pool().retired) return;
    // An established connection may be one of many that one event took with it.
    if (!counted && conn.was_established) return;
    if (!counted && began <= health.changed_at()) {
        conn.retry_at = now_;  // the server has come back since: this says nothing about it
        return;
    }
    // What serves everybody is connected: nobody else would find out when it may be tried again.
    const bool is_extra = conn.is_spare || conn.is_lease;
    if (is_extra && conn.server->is_connected()) return;
    health.forbid_until(after_backoff(health.failures()), reason);
    conn.retry_at = health.retry_at();
    ServerConn& other = for_all(conn);
    if (other.state == ServerConn::State::Closed) watch(other);
}

void Proxy::on_connect_impossible(ServerConn& conn, std::string_view reason) {
    if (conn.is_given_up()) return;
    // Told by whoever knows what there was none of.
    leases_.give_up_idle();
    const bool had_turn = conn.has_turn;
    lose(conn, reason, conn.is_probe ? Blame::Us : Blame::Nobody);
    // The next one soon; and who asks meanwhile is told what this one failed over.
    Health& health = conn.server->health();
    if (had_turn && health.is_down()) health.forbid_until(conn.retry_at, reason);
}

// Gives the connection up: everybody who waits for it gets an error, and nothing of what may still
// arrive on it is looked at.
void Proxy::lose(ServerConn& conn, std::string_view reason, Blame blame) {
    if (conn.state == ServerConn::State::Closed) return;
    const bool established =
        conn.state == ServerConn::State::Ready || conn.state == ServerConn::State::Prelude;
    if (established) {
        counters_->server_connections.subtract(1);
        conn.server->counters().connections.subtract(1);
    }
    const bool is_counted =
        std::exchange(conn.is_loss_counted, false) || is_sign_of_life(conn, reason);
    if (!is_counted && blame == Blame::Server) conn.server->counters().err.add(1);
    conn.was_established = conn.state == ServerConn::State::Ready;
    conn.state = ServerConn::State::Closed;
    leases_.count_extra(conn);
    conn.last_error = "server " + conn.server->title() + " ";
    conn.last_error += reason;
    conn.lost_why = conn.last_error;
    if (conn.is_probe) {
        fail_probe(conn, reason, blame);
    } else {
        judge_loss(conn, reason, blame);
    }
    conn.has_turn = false;

    // Before the errors are written: it may be the arena that ran out.
    conn.prelude_out.clear();
    if (conn.set_apart && !conn.was_established && blame != Blame::Us) streams_.fall_back(conn);
    conn.out.clear();
    conn.partial.clear();
    conn.pairing = {};
    streams_.on_lost(conn);
    fail_all(conn,
             error_line(conn.server->pool(), conn.last_error),
             established ? stats::Reason::Lost : stats::Reason::Refused);
    conn.forget_traffic(now_);
    conn.prelude_answers = 0;
    conn.scripts_told.clear();
    if (conn.server->pool().is_redis()) {
        conn.parser.emplace<resp::ResponseParser>();
    } else {
        conn.parser.emplace<memcached::ResponseParser>();
    }
    connect_.remove(conn);
    preconnect_.remove(conn);
    dirty_servers_.remove(conn);
    if (conn.channel != 0) disconnect_.add(conn);
    if (conn.is_lease) {
        waiting_.remove(conn);
        leases_.on_lost(conn, blame);
    } else if (conn.is_subscriber) {
        waiting_.remove(conn);
        subscriptions_.on_lost(conn);
    } else {
        watch(conn);
    }
}

// Of one that was ready before the server fell silent and idles nothing would be heard, nor of one
// that is not received from, since a client does not read: it is made anew, and asks.
void Proxy::watch_for_all(ServerConn& conn) {
    ServerConn& other = for_all(conn);
    if (conn.server->silence.is_silent()) {
        const bool is_idle = other.state == ServerConn::State::Ready && other.fragments.empty();
        if (is_idle) {
            lose(other, "was replaced", Blame::Nobody);
            other.failures = 0;  // of an earlier time
        }
        if (other.paused) replace_late(other);
    }
    if (other.state == ServerConn::State::Closed) watch(other);
}

// To be connected again when it is time, if it is to be at all (check_closed).
void Proxy::watch(ServerConn& conn) {
    waiting_.add(conn);
    wake_at(conn.next_attempt());
}

}  // namespace ringmain::core
