// Descriptors that clients use up. Each has one, and makes ringmain open more: for itself alone
// (a lease, a large value), and for the databases that clients have selected. These are the extra
// connections. They and all clients together are Shared::clients_max at most, so that what is set
// aside for servers, ports, logs and a reload is there when it is needed.
//
// Each worker counts its own, as it does its clients; who is to be admitted adds them up.

#include "ringmain/core/leases.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <string>
#include <utility>

#include "front.h"

namespace ringmain::core {

namespace {

uint64_t clients_of(const Environment& process) {
    return Totals(process.all_counters).of(&Counters::clients);
}

uint64_t extra_of(const Environment& process) {
    return Totals(process.all_counters).of(&stats::WorkerCounters::extra_connections);
}

}  // namespace

bool Leases::has_descriptor_room() const {
    const Environment& process = proxy_->environment();
    const uint64_t most = process.shared->clients_max.load(std::memory_order_relaxed);
    return most == 0 || clients_of(process) + extra_of(process) < most;
}

bool Leases::make_descriptor_room() {
    if (has_descriptor_room()) return true;
    proxy_->environment().shared->announce_shortage();
    give_up_unused();
    return has_descriptor_room();
}

void Leases::follow_shortages() {
    const uint64_t now = proxy_->environment().shared->shortages();
    if (std::exchange(shortages_, now) != now) give_up_unused();
}

void Leases::give_up_unused() {
    give_up_idle();
    // Many may be refused, one after the other.
    if (proxy_->now() < databases_looked_at_ + databases_look) return;
    databases_looked_at_ = proxy_->now();
    for (const auto& pool : proxy_->pools()) {
        give_up_databases(*pool);
    }
}

// Those that nobody has any more.
void Leases::give_up_databases(const Pool& pool) {
    for (uint32_t slot = 0; slot < pool.databases.size(); ++slot) {
        if (!is_free(pool, slot)) continue;
        for (const auto& server : pool.servers) {
            for (ServerConn* conn : server->in_slot(slot)) {
                if (conn != nullptr) proxy_->lose(*conn, unneeded_reason, Blame::Nobody);
            }
        }
    }
}

void Leases::look_at_databases(Instant at) {
    databases_due_ = std::min(databases_due_, at);
    proxy_->wake_at(databases_due_);
}

void Leases::check_databases() {
    if (proxy_->now() < databases_due_) {
        proxy_->wake_at(databases_due_);
        return;
    }
    databases_due_ = Instant::never();
    for (const auto& pool : proxy_->pools()) {
        if (pool->has_too_many_databases()) give_up_databases(*pool);
    }
}

std::string Leases::descriptors_text() const {
    const Environment& process = proxy_->environment();
    std::string text = std::to_string(clients_of(process)) + " clients are connected";
    if (const uint64_t extra = extra_of(process); extra > 0) {
        text.append(" and ").append(std::to_string(extra));
        text.append(" connections to servers are for single clients or selected databases");
    }
    return text.append(
        ", the limit of the descriptors of this process (ulimit -n, LimitNOFILE in the unit)");
}

bool Leases::admit_extra(const ServerConn& conn, std::string* why) {
    if (make_descriptor_room()) return true;
    conn.server->pool().counters->extra_refused.add(1);
    *why =
        "server " + conn.server->title() +
        " gets no more connections for single clients or selected databases: " + descriptors_text();
    if (proxy_->now() < shortage_told_until_) return false;
    shortage_told_until_ = proxy_->now() + refusals_told_interval;
    proxy_->tell(conn, *why);
    return false;
}

void Leases::count_extra(ServerConn& conn) {
    const bool counts = conn.state != ServerConn::State::Closed && conn.is_extra();
    if (std::exchange(conn.is_counted_extra, counts) == counts) return;
    stats::Counter& all = proxy_->counters().worker.extra_connections;
    if (counts) {
        all.add(1);
    } else {
        all.subtract(1);
    }
}

}  // namespace ringmain::core
