// The life of server connections: connect, prelude, loss, retry; and all that depends on time.

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/writer.h"

#include <algorithm>

#include "front.h"

namespace ringmain::core {

namespace {

// "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"
void append_request(std::string& text, std::initializer_list<std::string_view> arguments) {
    resp::write_array_header(text, arguments.size());
    for (const std::string_view argument : arguments) {
        resp::write_bulk(text, argument);
    }
}

}  // namespace

void Proxy::preconnect() {
    for (const auto& pool : pools_) {
        if (!pool->options->preconnect) continue;
        for (const auto& server : pool->servers) {
            for (const auto& conn : server->connections(false)) {
                if (conn->state == ServerConn::State::Closed) start_connect(*conn);
            }
        }
    }
}

ServerConn* Proxy::usable_connection(Server& server,
                                     const ClientConn& client,
                                     uint64_t bytes,
                                     std::string_view* why) {
    ServerConn& conn = server.connection(client.affinity, client.resp3);
    const uint64_t queue_max = uint64_t{blocks_->capacity()} * block_size / 8;
    if (!conn.out.empty() && conn.out.size() + bytes > queue_max) {
        scratch_.why = "server " + server.title() +
                       " does not keep up: " + std::to_string(conn.out.size()) +
                       " bytes wait for it (buffer_memory)";
        *why = scratch_.why;
        return nullptr;
    }
    if (conn.state != ServerConn::State::Closed) return &conn;
    if (conn.failures > 0 && now_ < conn.retry_at) {
        *why = conn.last_error;
        return nullptr;
    }
    start_connect(conn);
    return &conn;
}

void Proxy::start_connect(ServerConn& conn) {
    RM_DCHECK(conn.state == ServerConn::State::Closed);
    conn.state = ServerConn::State::Connecting;
    conn.since = now_;
    conn.spoke_since_connect = false;
    conn.prelude_answers = 0;
    connect_.add(conn);
    waiting_.add(conn);
}

void Proxy::on_connected(ServerConn& conn) {
    if (conn.disconnect_link.linked || conn.state != ServerConn::State::Connecting) return;
    counters_->server_connects.add(1);
    counters_->server_connections.add(1);
    begin_prelude(conn);
}

// What a server must be told before any request, in this order: who we are, which protocol, which
// database. Each answer is checked before the first request leaves.
void Proxy::begin_prelude(ServerConn& conn) {
    const config::Pool& options = *conn.server->pool().options;
    conn.state = ServerConn::State::Prelude;
    std::string text;
    uint8_t commands = 0;
    if (!options.redis_auth.empty()) {
        append_request(text, {"AUTH", options.redis_auth});
        commands += 1;
    }
    if (conn.resp3) {
        append_request(text, {"HELLO", "3"});
        commands += 1;
    }
    if (options.redis_db != 0) {
        append_request(text, {"SELECT", std::to_string(options.redis_db)});
        commands += 1;
    }
    conn.prelude_commands = commands;
    conn.prelude_answers = commands;
    if (commands == 0) {
        become_ready(conn);
        return;
    }
    if (!conn.prelude_out.append_copy(text, nullptr)) {
        lose(conn, "cannot be greeted: buffer memory is exhausted (buffer_memory)");
        return;
    }
    dirty_servers_.add(conn);
}

void Proxy::on_prelude_response(ServerConn& conn,
                                const resp::ResponseFrame& frame,
                                const Bytes& bytes) {
    if (frame.type == '>') {
        lose(conn, "sent a push message that nobody subscribed to");
        return;
    }
    conn.prelude_answers -= 1;
    if (frame.type != '-' && frame.type != '!') {
        if (conn.prelude_answers == 0) become_ready(conn);
        return;
    }
    std::string answer(bytes.view({0, std::min<uint32_t>(bytes.size(), 200)}, scratch_.text));
    answer.resize(answer.find('\r') == std::string::npos ? answer.size() : answer.find('\r'));
    const config::Pool& options = *conn.server->pool().options;
    const uint8_t index = static_cast<uint8_t>(conn.prelude_commands - conn.prelude_answers - 1);
    const bool is_auth = index == 0 && !options.redis_auth.empty();
    const bool is_hello =
        !is_auth && conn.resp3 && index <= 1 && index == (options.redis_auth.empty() ? 0 : 1);
    std::string reason =
        is_auth    ? "refused the password (redis_auth): "
        : is_hello ? "refused RESP3 (HELLO 3); connect with RESP2: "
                   : "refused the database (redis_db = " + std::to_string(options.redis_db) + "): ";
    lose(conn, reason + answer);
}

void Proxy::on_prelude_response(ServerConn& conn, const memcached::ResponseFrame&, const Bytes&) {
    lose(conn, "sent bytes that nobody asked for");
}

void Proxy::become_ready(ServerConn& conn) {
    conn.state = ServerConn::State::Ready;
    conn.ready_batch = batch_;
    if (conn.prelude_commands > 0) note_success(conn);
    if (!conn.out.empty()) dirty_servers_.add(conn);
}

// The server has answered. That it took the connection says little: something in front of it may
// have done so.
void Proxy::note_success(ServerConn& conn) {
    conn.spoke_since_connect = true;
    if (conn.failures == 0) return;
    conn.failures = 0;
    notices_.push_back({.good = true,
                        .text = "pool " + conn.server->pool().options->name + ": server " +
                                conn.server->title() + " is connected again"});
}

void Proxy::on_server_lost(ServerConn& conn, std::string_view reason) {
    if (conn.disconnect_link.linked || conn.state == ServerConn::State::Closed) return;
    // A server that closes an idle connection has done nothing wrong.
    const bool innocent = conn.state == ServerConn::State::Ready && conn.fragments.empty() &&
                          (conn.spoke_since_connect || now_ - conn.since > backoff_max);
    lose(conn, reason, innocent);
}

void Proxy::on_connect_impossible(ServerConn& conn, std::string_view reason) {
    if (conn.disconnect_link.linked || conn.state == ServerConn::State::Closed) return;
    lose(conn, reason, true);
}

// Gives the connection up: everybody who waits for it gets an error, and nothing of what may still
// arrive on it is looked at.
void Proxy::lose(ServerConn& conn, std::string_view reason, bool innocent) {
    if (conn.state == ServerConn::State::Closed) return;
    const bool established =
        conn.state == ServerConn::State::Ready || conn.state == ServerConn::State::Prelude;
    if (established) counters_->server_connections.subtract(1);
    conn.state = ServerConn::State::Closed;
    conn.last_error = "server " + conn.server->title() + " ";
    conn.last_error += reason;
    if (!innocent) {
        // Of a series of failures the first is told.
        if (conn.failures == 0) {
            notices_.push_back(
                {.good = false,
                 .text = "pool " + conn.server->pool().options->name + ": " + conn.last_error});
        }
        conn.failures = std::min(conn.failures + 1, 20U);
        counters_->server_failures.add(1);
    }

    const int shift = conn.failures == 0 ? 0 : static_cast<int>(conn.failures - 1);
    const int64_t full = std::min(backoff_first.ns << shift, backoff_max.ns);
    const auto half = static_cast<uint64_t>(full / 2);
    conn.retry_at = now_ + Duration{full / 2 + static_cast<int64_t>(prng_.below(half))};

    // Before the errors are written: it may be the arena that ran out.
    conn.prelude_out.clear();
    conn.out.clear();
    conn.partial.clear();
    fail_all(conn, error_line(conn.server->pool(), conn.last_error));
    conn.prelude_answers = 0;
    if (conn.server->pool().is_redis()) {
        conn.parser.emplace<resp::ResponseParser>();
    } else {
        conn.parser.emplace<memcached::ResponseParser>();
    }
    connect_.remove(conn);
    dirty_servers_.remove(conn);
    if (conn.channel != 0) disconnect_.add(conn);
    waiting_.add(conn);
}

void Proxy::on_tick() {
    ServerConn* conn = waiting_.front();
    while (conn != nullptr) {
        ServerConn* next = decltype(waiting_)::after(*conn);
        check_deadlines(*conn);
        conn = next;
    }
}

void Proxy::check_deadlines(ServerConn& conn) {
    const config::Pool& options = *conn.server->pool().options;
    switch (conn.state) {
        case ServerConn::State::Closed:
            // Connected again in the background, so that no request has to find out.
            if (!options.preconnect || conn.resp3 || draining_ || conn.server->pool().retired) {
                waiting_.remove(conn);
            } else if (now_ >= conn.retry_at) {
                start_connect(conn);
            }
            return;
        case ServerConn::State::Connecting:
        case ServerConn::State::Prelude:
            if ((now_ - conn.since).to_millis() >= options.connect_timeout_ms) {
                lose(conn,
                     "did not accept the connection within " +
                         std::to_string(options.connect_timeout_ms) + " ms (connect_timeout)");
                return;
            }
            break;
        case ServerConn::State::Ready:
            if (conn.fragments.empty()) {
                waiting_.remove(conn);
                return;
            }
            break;
    }

    const Fragment* head = conn.fragments.front();
    if (head == nullptr || head->deadline > now_) return;
    const Duration limit = Duration::millis(options.timeout_ms);
    if (now_ - head->deadline > Duration{limit.ns * (late_timeouts_max - 1)}) {
        lose(conn,
             "has not answered for " + std::to_string(options.timeout_ms * late_timeouts_max) +
                 " ms");
        return;
    }
    const std::string text =
        error_line(conn.server->pool(),
                   "server " + conn.server->title() + " did not answer within " +
                       std::to_string(options.timeout_ms) + " ms (timeout)");
    // In the order of their deadlines, since all of a pool have the same timeout.
    for (Fragment* fragment = conn.fragments.front();
         fragment != nullptr && fragment->deadline <= now_;
         fragment = fragment->next) {
        if (fragment->abandoned) continue;
        fragment->abandoned = true;
        counters_->timeouts.add(1);
        fail(*fragment, text);
    }
}

}  // namespace ringmain::core
