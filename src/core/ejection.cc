// Servers that are out: who says so, what changes with it, and how they come back.

#include "ringmain/base/assert.h"
#include "ringmain/base/printable.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "access_reasons.h"
#include "front.h"

namespace ringmain::core {

bool is_transient(std::string_view answer) {
    for (const std::string_view word : {"-LOADING", "-BUSY", "-OOM", "-MASTERDOWN", "-TRYAGAIN"}) {
        if (answer.starts_with(word)) return true;
    }
    return false;
}

bool is_excused(const ServerConn& conn, std::string_view answer) {
    if (!is_transient(answer)) return false;
    if (!conn.is_probe) return true;
    const Server& server = *conn.server;
    return server.live && !(server.pool().options->eject_on_loading && is_loading(answer));
}

std::string password_text(std::string_view answer) {
    return std::string(password_wanted).append(answer);
}

std::string shown_text(std::string_view said) {
    constexpr size_t size_max = 100;
    std::string text;
    for (const char byte : said) {
        const std::string shown = escaped({&byte, 1});
        if (text.size() + shown.size() > size_max) return text + "...";
        text += shown;
    }
    return text;
}

std::string crowded_text(std::string_view answer) {
    return std::string(crowded_reason).append(shown_text(answer));
}

// It serves those that it has, ours among them.
bool is_sign_of_life(const ServerConn& conn, std::string_view reason) {
    return conn.is_probe && reason.starts_with(crowded_reason) &&
           conn.server->open_connections() > 0;
}

std::string ejected_text(const Health& health) {
    return "is ejected: " + health.last_error();
}

void Proxy::tell(const ServerConn& conn, std::string_view text, bool good) {
    notices_.push_back({.good = good, .text = "pool " + conn.server->pool().options->name + ": "});
    notices_.back().text += text;
}

void Proxy::tell_loss(ServerConn& conn) {
    tell(conn, conn.last_error);
    conn.lost_why.clear();
}

// The server has answered. That it took the connection says little: something in front of it may
// have done so.
void Proxy::recover(ServerConn& conn, Instant began) {
    bool was_told = conn.server->health().on_success(began);
    if (conn.failures > 0) {
        conn.failures = 0;
        was_told = std::exchange(conn.was_told, false) || was_told;
    }
    if (!was_told) return;
    tell(conn, "server " + conn.server->title() + " is connected again", true);
}

void Proxy::announce_change() {
    environment_.shared->announce_change();
    announced_ = true;
}

bool Proxy::take_announcement() {
    return std::exchange(announced_, false);
}

bool Proxy::report_failure(Server& server, Instant began, std::string_view reason) {
    const config::Pool& options = *server.pool().options;
    const Health::Verdict verdict =
        server.health().on_failure({.began = began, .now = now_, .reason = reason},
                                   {.eject = options.auto_eject_hosts && !server.pool().retired,
                                    .failure_limit = options.server_failure_limit});
    if (verdict == Health::Verdict::Ejected) {
        server.pool().counters->server_ejects.add(1);
        announce_change();
        notices_.push_back({.good = false,
                            .text = "pool " + options.name + ": server " + server.title() +
                                    " is ejected (server_failure_limit = " +
                                    std::to_string(options.server_failure_limit) +
                                    "); the last failure: " + std::string(reason)});
    }
    return verdict != Health::Verdict::Ignored;
}

namespace {

bool is_unplanned(const ServerConn& probe) {
    return probe.state == ServerConn::State::Closed && probe.retry_at == Instant::never();
}

// What is to be planned of a server that its worker probes: the first time that it is asked.
enum class Plan : uint8_t { Nothing, Probe, Check };

Plan plan_of(const Server& server, bool live) {
    if (server.probe == nullptr) return Plan::Nothing;
    const bool is_unplanned_yet = is_unplanned(*server.probe);
    if (live) return is_unplanned_yet ? Plan::Check : Plan::Nothing;
    // It may also have come back and gone again in between.
    const bool has_gone = server.live || server.health().probe_at() == Instant::never();
    return is_unplanned_yet || has_gone ? Plan::Probe : Plan::Nothing;
}

}  // namespace

// --- placement -----------------------------------------------------------------------------------

// A server came or went, decided here or by another worker, or it is time for one that came: keys
// are placed anew. True when they were.
bool Proxy::follow_servers() {
    bool any_placed = false;
    next_change_ = Instant::never();
    for (const auto& pool : pools_) {
        pool->end_ramps(now_);
        // What is given up on one that went may be of use on others: which are out is known first.
        std::vector<Server*> changed;
        for (const auto& server : pool->servers) {
            const bool live = server->health().accepts_traffic();
            const Plan plan = plan_of(*server, live);
            if (plan == Plan::Probe) schedule_first_probe(*server);
            if (plan == Plan::Check) schedule_check(*server);
            if (server->become_live(live)) changed.push_back(server.get());
        }
        for (Server* server : changed) {
            if (server->live) {
                welcome(*server);
            } else {
                turn_away(*server);
                leases_.retire(*server, ejected_text(server->health()));
            }
        }
        if (!changed.empty() || now_ >= pool->next_return()) {
            const bool has_moved = pool->place_anew(now_);
            if (has_moved) leases_.follow_places(*pool);
            any_placed = has_moved || any_placed;
            subscriptions_.place_anew(*pool);
            wake_at(pool->next_return());
        }
        next_change_ = std::min(next_change_, pool->next_change());
    }
    return any_placed;
}

void Proxy::welcome(Server& server) {
    server.note_heard(now_);                                    // by whoever probed it
    for (size_t i = 0; i < server.connections().size(); ++i) {  // which may get a spare meanwhile
        ServerConn& conn = *server.connections()[i];
        if (conn.is_late()) replace_late(conn);
        if (conn.is_probe || conn.is_on_demand()) continue;
        if (conn.state != ServerConn::State::Closed) continue;
        conn.failures = 0;
        conn.retry_at = now_;
        watch(conn);
    }
    subscriptions_.welcome(server);
    if (server.probe != nullptr) schedule_check(server);
}

// Nobody waits for a connection to a server that is out.
void Proxy::turn_away(Server& server) {
    for (const auto& conn : server.connections()) {
        const bool is_on_its_way = conn->state == ServerConn::State::Connecting ||
                                   conn->state == ServerConn::State::Prelude;
        if (conn->is_probe || !is_on_its_way) continue;
        lose(*conn, ejected_text(server.health()), Blame::Nobody);
    }
}

// Made once in a batch: it takes a look at every server, and all who ask get it.
const std::string& Proxy::no_server_text(Pool& pool) const {
    if (pool.no_server_batch == batch_) return pool.no_server_text;
    pool.no_server_batch = batch_;
    const Server* last = nullptr;
    Instant next = Instant::never();
    for (const auto& server : pool.servers) {
        const Health& health = server->health();
        if (last == nullptr || health.changed_at() > last->health().changed_at()) {
            last = server.get();
        }
        next = std::min(next, health.probe_at());
    }
    RM_ASSERT(last != nullptr);  // a pool has a server
    const int64_t wait_ms = next == Instant::never()
                                ? pool.options->server_retry_timeout_ms
                                : std::max<int64_t>((next - now_).to_millis(), 0);
    pool.no_server_text = "every server of pool '" + pool.options->name +
                          "' is ejected (last: server " + last->title() + " " +
                          last->health().last_error() + "); next attempt in " +
                          std::to_string(wait_ms) + " ms (server_retry_timeout)";
    return pool.no_server_text;
}

// After a reload. A server comes with its state, and that may be none that the options allow.
void Proxy::follow_options(Server& server) {
    const config::Pool& options = *server.pool().options;
    if (!options.auto_eject_hosts && server.health().readmit(now_, "auto_eject_hosts is off")) {
        announce_change();
        notices_.push_back({.good = true,
                            .text = "pool " + options.name + ": server " + server.title() +
                                    " takes its keys again: auto_eject_hosts is off"});
    }
    // Without timeout nobody is refused for what others have waited, nor is an end to that certain.
    if (options.timeout_ms == 0) server.note_heard(now_);
    ServerConn* probe = server.probe;
    if (probe == nullptr || probe->state != ServerConn::State::Closed || is_unplanned(*probe)) {
        return;
    }
    // It is not to wait for longer than it would now.
    const Duration wait = Duration::millis(server.live ? options.health_check_interval_ms
                                                       : options.server_retry_timeout_ms);
    server.probe_delay = std::min(server.probe_delay, wait);
    if (now_ + wait < probe->retry_at) plan_probe(server, now_ + wait);
}

// --- probes --------------------------------------------------------------------------------------

void Proxy::plan_probe(Server& server, Instant at) {
    server.probe->retry_at = at;
    server.health().set_probe_at(at);
    watch(*server.probe);
}

void Proxy::schedule_first_probe(Server& server) {
    const Duration away = Duration::millis(server.pool().options->server_retry_timeout_ms);
    server.probe_delay = {std::max(away.ns / probe_delay_divisor, Duration::millis(1).ns)};
    // A check that is under way began before the ejection.
    lose(*server.probe, "was ejected meanwhile", Blame::Nobody);
    plan_probe(server, server.health().changed_at() + away);
}

// With health_check_interval, of a server that is in.
void Proxy::schedule_check(Server& server) {
    const int64_t interval_ms = server.pool().options->health_check_interval_ms;
    if (interval_ms == 0) {
        server.health().set_probe_at(Instant::never());
        return;
    }
    const int64_t full = Duration::millis(interval_ms).ns;
    plan_probe(server,
               now_ + Duration{full - static_cast<int64_t>(prng_.below(uint64_t(full) / 8 + 1))});
}

void Proxy::check_probe(ServerConn& probe) {
    Server& server = *probe.server;
    const bool wanted = !server.live || server.pool().options->health_check_interval_ms > 0;
    if (draining_ || server.pool().retired) {
        waiting_.remove(probe);
        return;
    }
    if (!wanted) {
        waiting_.remove(probe);
        probe.retry_at = Instant::never();  // not planned: follow_servers() may do so
        server.health().set_probe_at(Instant::never());
        return;
    }
    if (now_ < probe.retry_at) {
        wake_at(probe.retry_at);
        return;
    }
    server.counters().probes.add(1);
    start_connect(probe);
}

// The answer to PING or version: only the right one will do.
void Proxy::end_probe(ServerConn& probe, const std::string& answer) {
    Server& server = *probe.server;
    const bool is_redis = server.pool().is_redis();
    // A user that may not say PING is known all the same, and a server that cannot save refuses it
    // as it does writes, and serves reads: both answer.
    const bool is_right = is_redis ? answer == "+PONG" || answer.starts_with("-NOPERM") ||
                                         answer.starts_with("-MISCONF")
                                   : answer.starts_with("VERSION ");
    if (!is_right && is_full(answer)) {
        lose(probe, crowded_text(answer));
        return;
    }
    if (!is_right) {
        const bool counts = !is_excused(probe, answer);
        lose(probe,
             wants_password(answer) ? password_text(answer)
                                    : "answered a probe with '" + shown_text(answer) + "'",
             counts ? Blame::Server : Blame::Us);
        return;
    }
    pass_probe(probe, "answered a probe");
}

// It is there, and serves.
void Proxy::pass_probe(ServerConn& probe, std::string_view reason) {
    Server& server = *probe.server;
    const Instant began = probe.since;
    probe.retry_at = Instant::never();
    server.health().set_probe_at(Instant::never());
    probe.spoke_since_connect = true;
    lose(probe, "was probed", Blame::Nobody);
    if (server.health().accepts_traffic()) {
        server.health().on_success(began);
        schedule_check(server);
        return;
    }
    // A check that began before an ejection in this very batch: follow_servers() plans a probe.
    if (began <= server.health().changed_at()) return;
    if (!server.health().readmit(now_, reason)) {
        plan_probe(server, now_ + server.probe_delay);  // another change was under way
        return;
    }
    announce_change();
    tell(probe, "server " + server.title() + " is back", true);
}

// The next one comes after a delay that doubles up to the retry timeout, and never later than that.
void Proxy::fail_probe(ServerConn& probe, std::string_view reason, Blame blame) {
    if (blame == Blame::Nobody) return;
    Server& server = *probe.server;
    if (is_sign_of_life(probe, reason)) {
        pass_probe(probe, reason);
        return;
    }
    server.counters().probes_failed.add(1);
    if (judge_blame(probe, reason, blame) == Blame::Server) {
        if (server.health().tell_once()) tell_loss(probe);
        report_failure(server, probe.since, reason);
    }
    if (server.live) {
        schedule_check(server);
        return;
    }
    const auto quarter = static_cast<uint64_t>(server.probe_delay.ns / 4 + 1);
    plan_probe(server,
               now_ + Duration{server.probe_delay.ns - static_cast<int64_t>(prng_.below(quarter))});
    const Duration away = Duration::millis(server.pool().options->server_retry_timeout_ms);
    server.probe_delay = {std::min(server.probe_delay.ns * 2, away.ns)};
}

}  // namespace ringmain::core
