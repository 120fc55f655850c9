// Commands that wait where their keys live no more: whoever writes these now does so elsewhere.

#include "ringmain/core/leases.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <cstring>

namespace ringmain::core {

namespace {

constexpr std::string_view moved_reason = "a key of it may live on another server now; ask again";

}  // namespace

void Session::keep_waited(std::string_view key) {
    const auto size = static_cast<uint32_t>(key.size());
    waited_keys.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(key);
}

void Leases::follow_places(const Pool& pool) {
    for (const auto& server : pool.servers) {
        if (server->leased == 0) continue;
        for (const auto& conn : server->connections()) {
            follow_keys(*conn);
        }
    }
}

void Leases::follow_keys(ServerConn& conn) {
    if (conn.lessee == nullptr || conn.ends) return;
    ClientConn& client = *conn.lessee;
    Session& session = *client.session;
    const Pool& pool = *client.pool;
    const Instant now = proxy_->now();
    // A pop over several servers looks where its keys live with each question.
    if (session.waiting != &conn || session.turns != nullptr) return;
    if (!pool.any_live() || !pool.has_places()) return;
    bool has_moved = session.waited_keys.empty();
    session.keys_move_at = Instant::never();
    for (std::string_view rest = session.waited_keys; !rest.empty() && !has_moved;) {
        uint32_t size = 0;
        std::memcpy(&size, rest.data(), sizeof(size));
        const std::string_view key = rest.substr(sizeof(size), size);
        rest.remove_prefix(sizeof(size) + size);
        has_moved = pool.servers[pool.server_of(key, now, proxy_->prng())].get() != conn.server;
        const Instant next = pool.moves_at(key, now, proxy_->prng());
        session.keys_move_at = std::min(session.keys_move_at, next);
    }
    if (!has_moved) {
        proxy_->wake_at(session.keys_move_at);
        return;
    }
    if (session.watching == &conn) session.lost = moved_reason;
    end_wait(client, moved_reason);
}

// Of servers that came back a while ago, with slow_start.
void Leases::follow_keys_in_time(ServerConn& conn) {
    if (conn.lessee == nullptr) return;
    const Instant move_at = conn.lessee->session->keys_move_at;
    if (proxy_->now() >= move_at) {
        follow_keys(conn);
    } else {
        proxy_->wake_at(move_at);
    }
}

}  // namespace ringmain::core
