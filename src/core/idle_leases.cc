// Leased connections that no client holds (core/leases.h): kept for whoever wants the next one.
//
// Who needs one gets the one that was used last, so those that a burst has left behind grow old and
// are closed (check_idle), however busy the others are.

#include "ringmain/base/assert.h"
#include "ringmain/core/leases.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include "front.h"

namespace ringmain::core {

ServerConn* Leases::find_idle(Server& server, bool resp3, uint32_t database) {
    for (ServerConn* conn = server.idle_leases.back(); conn != nullptr;
         conn = server.idle_leases.before(*conn)) {
        if (conn->resp3 != resp3 || conn->database != database) continue;
        RM_ASSERT(server.takes_requests);  // else they are given up (give_up_idle)
        server.idle_leases.remove(*conn);
        server.idle_lease_count -= 1;
        return conn;
    }
    return nullptr;
}

ServerConn& Leases::find(Server& server, bool resp3, uint32_t database) {
    ServerConn* conn = find_idle(server, resp3, database);
    if (conn != nullptr) return *conn;
    conn = server.closed_leases.pop_front();
    if (conn == nullptr) conn = &server.make_lease();
    conn->resp3 = resp3;
    conn->database = database;
    // Failures are the server's: the next attempt is on whichever connection is at hand.
    conn->failures = server.lease_failures;
    conn->retry_at = server.lease_retry_at;
    conn->last_error = server.lease_error;
    return *conn;
}

// Somebody may want one to that server again.
bool Leases::may_keep(const ServerConn& conn) const {
    const Server& server = *conn.server;
    return server.live && !server.pool().retired && !proxy_->draining_;
}

// Nothing of the client is left on it. How many there are is bounded where one more is connected.
void Leases::give_back(ServerConn& conn) {
    release(conn);
    Server& server = *conn.server;
    if (!conn.is_at_rest() || !may_keep(conn)) {
        proxy_->lose(conn, unneeded_reason, Blame::Nobody);
        return;
    }
    conn.used_at = proxy_->now();
    server.idle_leases.add(conn);
    server.idle_lease_count += 1;
    proxy_->waiting_.add(conn);
    proxy_->wake_at(conn.used_at + idle_lease_max);
}

// One more is to be connected. Together with the idle ones they are leases_max at most: those which
// nobody has needed for longest, of any server, are given up for it.
void Leases::make_room(const Pool& pool, uint64_t leased) {
    for (;;) {
        uint64_t open = leased;
        ServerConn* oldest = nullptr;
        for (const auto& server : pool.servers) {
            open += server->idle_lease_count;
            ServerConn* conn = server->idle_leases.front();
            if (conn == nullptr) continue;
            if (oldest == nullptr || conn->used_at < oldest->used_at) oldest = conn;
        }
        if (oldest == nullptr || open < pool.options->leases_max) return;
        proxy_->lose(*oldest, unneeded_reason, Blame::Nobody);
    }
}

void Leases::give_up_idle(Server& server) {
    while (ServerConn* conn = server.idle_leases.front()) {
        proxy_->lose(*conn, unneeded_reason, Blame::Nobody);
    }
}

void Leases::give_up_idle() {
    for (const auto& pool : proxy_->pools()) {
        for (const auto& server : pool->servers) {
            give_up_idle(*server);
        }
    }
}

}  // namespace ringmain::core
