// The driver's way to servers: names, addresses, attempts to connect, and what ends them.

#include "ringmain/base/result.h"
#include "ringmain/core/limits.h"
#include "ringmain/uring/socket.h"
#include "ringmain/worker/driver.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "channel.h"
#include "trouble.h"

namespace ringmain::worker {

namespace {

// As long as a name's addresses are used without asking again, each once.
constexpr Duration found_is_fresh = Duration::millis(5000);

// Between two attempts to connect to a unix socket on which too many wait to be accepted.
constexpr Duration knock_interval = Duration::millis(10);

// The attempt that asked for an address may have been given up, and the next one not have begun.
bool awaits_address(const core::ServerConn& conn) {
    return conn.channel == 0 && conn.state == core::ServerConn::State::Connecting &&
           !conn.is_to_begin();
}

}  // namespace

void Driver::preconnect() {
    for (uint32_t count = 0; count < core::preconnects_per_batch; ++count) {
        core::ServerConn* conn = proxy_.next_to_preconnect();
        if (conn == nullptr) return;
        connect(*conn);
    }
}

void Driver::connect(core::ServerConn& conn) {
    const config::Address& address = conn.server->options().address;
    if (address.is_path()) {
        Result<uring::SocketAddress> path = uring::SocketAddress::path(address.path);
        if (!path.ok()) {
            lose_server(conn, "cannot be reached: " + path.error());
            return;
        }
        connect_to(conn, path.value());
        return;
    }
    const std::optional<uring::SocketAddress> numeric =
        uring::SocketAddress::numeric(address.host, address.port);
    if (numeric.has_value()) {
        connect_to(conn, *numeric);
        return;
    }
    // What was found a moment ago, by a look-up that took longer than its attempt, still counts,
    // and so do the other addresses of the name. What was tried may have moved since.
    if (Found* known = untried(conn)) {
        connect_to_next(conn, *known);
        return;
    }
    conn.is_sought = true;
    if (known_address(conn) != nullptr) {
        // Requests wait for it, too.
        const config::Pool& options = *conn.server->pool().options;
        const bool has_timeout = options.timeout_ms > 0;
        const int64_t limit_ms = has_timeout
                                     ? std::min(options.connect_timeout_ms, options.timeout_ms)
                                     : options.connect_timeout_ms;
        patience_.emplace(now_ + Duration::millis(limit_ms / 2), &conn);
    }
    // One question at a time: its answer serves this attempt too.
    if (!asking_.insert(&conn).second) return;
    const uint64_t ticket = next_ticket_++;
    questions_[ticket] = &conn;
    const Status asked = resolver_.ask(address.host, address.port, ticket, inbox_);
    if (asked.ok()) return;
    questions_.erase(ticket);
    asking_.erase(&conn);
    fail_locally(conn, asked.error());
}

void Driver::on_resolved(const Message& message) {
    const auto found = questions_.find(message.ticket);
    if (found == questions_.end()) return;
    core::ServerConn& conn = *found->second;
    questions_.erase(found);
    asking_.erase(&conn);
    Found* known = message.addresses.empty() ? nullptr : &note_found(conn, message.addresses);
    if (!awaits_address(conn)) return;
    if (known != nullptr) {
        connect_to_next(conn, *known);
    } else if (message.shortage != 0) {
        fail_locally(conn, describe_shortage(message.shortage));
    } else {
        lose_server(conn, std::string(core::unfound_reason).append(message.error));
    }
}

// Without a look-up; null: none.
const uring::SocketAddress* Driver::known_address(const core::ServerConn& conn) const {
    const uring::SocketAddress* working = working_address(conn);
    const auto last = addresses_.find(&conn);
    return working == nullptr && last != addresses_.end() ? &last->second : working;
}

// Who looks up names may be slow, or not answer at all: a server is where it was, most of the time.
void Driver::end_patience() {
    while (!patience_.empty() && patience_.begin()->first <= now_) {
        core::ServerConn& conn = *patience_.begin()->second;
        patience_.erase(patience_.begin());
        const uring::SocketAddress* address = known_address(conn);
        if (!conn.is_sought || !awaits_address(conn) || address == nullptr) continue;
        tell(conn, "is looked for where it was: looking up its name takes long");
        connect_to(conn, *address);
    }
}

// Null: of the addresses of its server's name none is left that was found lately and not tried.
Driver::Found* Driver::untried(const core::ServerConn& conn) {
    const auto found = found_.find(&conn);
    if (found == found_.end()) return nullptr;
    Found& known = found->second;
    const bool is_left = known.tried < known.addresses.size() && now_ - known.at < found_is_fresh;
    return is_left ? &known : nullptr;
}

// Where its last attempt was in vain; null: it was not.
const uring::SocketAddress* Driver::failed_address(const core::ServerConn& conn) const {
    const auto found = found_.find(&conn);
    const bool has_failed = found != found_.end() && found->second.has_failed;
    return has_failed ? &addresses_.at(&conn) : nullptr;
}

// It has just failed this connection, or one of its server waits there for an answer that is late.
bool Driver::is_deaf(const core::ServerConn& conn, const uring::SocketAddress& address) const {
    const uring::SocketAddress* failed = failed_address(conn);
    if (failed != nullptr && *failed == address) return true;
    return std::ranges::any_of(conn.server->connections(), [&](const auto& one) {
        if (one->channel == 0 || !one->is_late()) return false;
        const auto at = addresses_.find(one.get());
        return at != addresses_.end() && at->second == address;
    });
}

// The address that works for another connection of its server, or was the last to answer one; null:
// none. One that takes connections and answers nothing is not to have all attempts.
const uring::SocketAddress* Driver::working_address(const core::ServerConn& conn) const {
    const uring::SocketAddress* failed = failed_address(conn);
    const uring::SocketAddress* connected = nullptr;
    for (const auto& one : conn.server->connections()) {
        if (one->channel == 0 || !channels_[one->channel]->connected || one->is_late()) continue;
        const auto at = addresses_.find(one.get());
        if (at == addresses_.end() || (failed != nullptr && *failed == at->second)) continue;
        if (one->spoke_since_connect) return &at->second;
        connected = &at->second;
    }
    const auto working = working_.find(conn.server);
    const bool works = working != working_.end() && !is_deaf(conn, working->second);
    return works ? &working->second : connected;
}

// An attempt begins with the address that works: the same ones may come in another order each time.
// Where none is known to, with the one that its connection was at, or behind that if it failed; but
// not where another one waits in vain, if there is any other.
Driver::Found& Driver::note_found(const core::ServerConn& conn,
                                  const std::vector<uring::SocketAddress>& addresses) {
    Found& known = found_[&conn];
    known.addresses = addresses;
    known.at = now_;
    known.tried = 0;
    const size_t count = addresses.size();
    const auto place_of = [&addresses](const uring::SocketAddress& address) {
        return static_cast<size_t>(std::ranges::find(addresses, address) - addresses.begin());
    };
    const uring::SocketAddress* working = working_address(conn);
    known.next = working == nullptr ? count : place_of(*working);
    if (known.next < count) return known;
    const auto last = addresses_.find(&conn);
    known.next = last == addresses_.end() ? 0 : place_of(last->second);
    if (known.has_failed) known.next += 1;
    for (size_t i = 0; i < count && is_deaf(conn, addresses[known.next % count]); ++i) {
        known.next += 1;
    }
    return known;
}

// What is known of its address when a connection is over. That it could be connected says nothing.
void Driver::note_end(const core::ServerConn& conn, bool was_connected) {
    const auto found = found_.find(&conn);
    if (found == found_.end()) return;
    const uring::SocketAddress& address = addresses_[&conn];
    if (was_connected && conn.spoke_since_connect) {
        working_[conn.server] = address;
        return;
    }
    // Who was not asked anything is none to blame.
    if (was_connected && conn.failures == 0 && !conn.is_probe) return;
    found->second.has_failed = true;
    const auto working = working_.find(conn.server);
    if (working != working_.end() && working->second == address) working_.erase(working);
}

void Driver::connect_to_next(core::ServerConn& conn, Found& known) {
    known.tried += 1;
    const uring::SocketAddress& address = known.addresses[known.next % known.addresses.size()];
    known.next += 1;
    connect_to(conn, address);
}

void Driver::connect_to(core::ServerConn& conn, const uring::SocketAddress& address) {
    conn.is_sought = false;
    Result<uring::Descriptor> socket = uring::socket_for(address);
    if (!socket.ok()) {
        if (uring::has_way_to(address)) {
            fail_locally(conn, socket.error());
        } else {
            lose_server(conn, describe_loss(EAFNOSUPPORT));
        }
        return;
    }
    Channel& channel = make_channel(socket.value().release());
    channel.server = &conn;
    conn.channel = channel.index;
    addresses_[&conn] = address;
    if (const auto found = found_.find(&conn); found != found_.end()) {
        found->second.has_failed = false;
    }
    begin_connect(channel);
}

void Driver::begin_connect(Channel& channel) {
    channel.connecting = true;
    channel.operations += 1;
    ring_.connect(channel.socket, addresses_[channel.server], name(channel, Operation::Connect));
}

// Where nobody listens on a port that the kernel may choose for our end, it can choose that very
// one: the socket is connected to itself then, and answers each request with the request.
bool Driver::is_own_end(const Channel& channel) const {
    const auto peer = addresses_.find(channel.server);
    const Result<uring::SocketAddress> local = uring::local_address(channel.socket);
    return peer != addresses_.end() && !peer->second.is_path() && local.ok() &&
           local.value() == peer->second;
}

void Driver::on_connect(Channel& channel, int32_t result) {
    channel.connecting = false;
    if (channel.closing || channel.server == nullptr) return;
    // At its own end nobody else was there.
    int error = result < 0 ? -result : is_own_end(channel) ? ECONNREFUSED : 0;
    // The kernel has one word for it when ports are short and when it has no such protocol.
    if (error == EADDRNOTAVAIL && !uring::has_way_to(addresses_[channel.server])) {
        error = EAFNOSUPPORT;
    }
    if (error == EAGAIN && addresses_[channel.server].is_path()) {
        if (knocking_.empty()) knock_at_ = now_ + knock_interval;
        knocking_.push_back({&channel, channel.generation});
        return;
    }
    if (error != 0) {
        core::ServerConn& conn = *channel.server;
        if (conn.disconnect_link.is_linked()) return;  // it was given up in this very batch
        Found* known = is_local_shortage(error) ? nullptr : untried(conn);
        if (known == nullptr) {
            lose_server(channel, error);
            return;
        }
        // The attempt goes on: a name is not gone before each of its addresses is.
        tell(conn, describe_loss(error));
        disconnect(conn);
        connect_to_next(conn, *known);
        return;
    }
    // The next attempt begins with a look-up, to have all the others again.
    if (const auto found = found_.find(channel.server); found != found_.end()) {
        found->second.tried = found->second.addresses.size();
    }
    if (channel.server->server->pool().options->tcp_keepalive) uring::set_keepalive(channel.socket);
    channel.connected = true;
    receive(channel);
    listen_for_end(channel);
    tell(*channel.server, "is connected to");
    proxy_.on_connected(*channel.server);
}

// Nothing tells when there is room. The attempt ends when it has taken too long.
void Driver::knock_again() {
    if (knocking_.empty() || now_ < knock_at_) return;
    for (const Watched& one : std::exchange(knocking_, {})) {
        Channel& channel = *one.channel;
        if (channel.generation != one.generation || channel.server == nullptr) continue;
        begin_connect(channel);
    }
}

// What was connected, or tried to be, is told when it is closed.
void Driver::lose_server(core::ServerConn& conn, const std::string& why) {
    conn.lost_why.clear();
    proxy_.on_server_lost(conn, why);
    if (conn.channel == 0) tell_loss(conn);
}

// `error` is an errno value; 0: the server closed it.
void Driver::lose_server(const Channel& channel, int error) {
    if (is_local_shortage(error)) {
        fail_locally(*channel.server, describe_shortage(error));
    } else {
        lose_server(*channel.server, describe_loss(error));
    }
}

// Each connection, for who wants to see them (log_level). What operators must know of a server is
// told once, by the proxy.
void Driver::tell(const core::ServerConn& conn, std::string_view what) const {
    if (!log_.sees(config::LogLevel::Info)) return;
    std::string text =
        "pool " + conn.server->pool().options->name + ": server " + conn.server->title();
    log_.write(config::LogLevel::Info, text.append(" ").append(what));
}

// Whoever decided on it: the server, or the proxy.
void Driver::tell_loss(const core::ServerConn& conn) const {
    if (conn.lost_why.empty() || !log_.sees(config::LogLevel::Info)) return;
    log_.write(config::LogLevel::Info,
               "pool " + conn.server->pool().options->name + ": " + conn.lost_why);
}

void Driver::tell(const core::ClientConn& client, std::string_view what) const {
    if (!log_.sees(config::LogLevel::Debug)) return;
    std::string text = "pool " + client.pool->options->name + ": client " + client.peer;
    log_.write(config::LogLevel::Debug, text.append(" ").append(what));
}

void Driver::disconnect(core::ServerConn& conn) {
    Channel& channel = *channels_[conn.channel];
    note_end(conn, channel.connected);
    channel.server = nullptr;
    conn.channel = 0;
    conn.is_starved = false;
    close(channel);
}

}  // namespace ringmain::worker
