// When buffer memory runs low: who holds most of it goes.
//
// A client that asks for much and reads nothing, or sends a large request a byte at a time, must
// not cost others their requests. While less than an eighth of the arena is free (more of a small
// one), the client that holds most is closed, one every few milliseconds, since its memory comes
// back only when the kernel has let go of it. One that holds little is not, unless there is next to
// nothing left for a while. A server connection that holds more is closed in its place.

#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

#include "front.h"

namespace ringmain::core {

namespace {

// Bytes of the arena that wait for this client, in either direction.
uint64_t held_by(const ClientConn& client) {
    uint64_t held = client.untaken() + client.out.size() + client.unsent;
    if (client.session != nullptr) held += client.session->queued.size();
    for (const Request* request = client.requests.front(); request != nullptr;
         request = request->next) {
        held += request->response.size() + request->only.response.size();
        if (request->join == nullptr) continue;
        held += request->join->keys.size();
        for (const Fragment* fragment : request->join->fragments) {
            held += fragment->response.size();
        }
    }
    return held;
}

// An error to each request that is lost with a connection takes no more than this.
constexpr uint64_t error_size = 256;

// Bytes of requests that have waited for a while for the server to take them. To refuse them frees
// more than it takes, unless `lasting`.
uint64_t untaken_by(const ServerConn& conn, Instant now, bool lasting) {
    if (conn.state != ServerConn::State::Ready) return 0;
    const Fragment* first = conn.traffic.first_unsent;
    const Instant since = first != nullptr ? first->queued : conn.taken_at;
    const uint64_t size = conn.out.size() + conn.unsent;
    if (size == 0 || now - since < exhaustion_max) return 0;
    return lasting || size > conn.fragments.size() * error_size ? size : 0;
}

using Pools = std::span<const std::unique_ptr<Pool>>;

// The connection with the largest figure, if that is more than `size`; else null. `retired` pools
// have the servers that a reload has taken away.
template <class Figure>
ServerConn* find_most(Pools pools, Pools retired, uint64_t size, Figure figure) {
    ServerConn* found = nullptr;
    const auto look = [&](const std::unique_ptr<Pool>& pool) {
        for (const auto& server : pool->servers) {
            for (const auto& conn : server->connections()) {
                if (figure(*conn) <= size) continue;
                found = conn.get();
                size = figure(*conn);
            }
        }
    };
    std::for_each(pools.begin(), pools.end(), look);
    std::for_each(retired.begin(), retired.end(), look);
    return found;
}

}  // namespace

// Blocks that neither unfinished requests nor requests on their way may take.
uint32_t Proxy::reserve() const {
    return std::min(blocks_reserved, blocks_->capacity() / 16);
}

void Proxy::relieve() {
    const uint32_t capacity = blocks_->capacity();
    // Requests are refused, or soon will be.
    if (blocks_->available() > 2 * reserve()) exhausted_since_ = now_;
    const bool is_low = blocks_->available() < relief_below(capacity);
    if (!is_low || now_ - last_relief_ < relief_interval) return;
    last_relief_ = now_;
    ClientConn* worst = nullptr;
    // Below this nobody is to blame; but many that hold a little each must not hold it for ever.
    const bool lasting = now_ - exhausted_since_ >= exhaustion_max;
    uint64_t most = lasting ? 0 : uint64_t{capacity} * block_size / 64;
    for (ClientConn* client = clients_.front(); client != nullptr;
         client = decltype(clients_)::after(*client)) {
        const uint64_t held = client->broken ? 0 : held_by(*client);
        if (held <= most) continue;
        worst = client;
        most = held;
    }
    const auto untaken = [&](const ServerConn& conn) { return untaken_by(conn, now_, lasting); };
    ServerConn* slow = find_most(pools_, retired_, most, untaken);
    if (slow != nullptr) most = untaken(*slow);
    // A response that holds more fails by itself when there is no room for the rest of it; unless
    // the rest does not come.
    const auto arriving = [](const ServerConn& conn) { return conn.partial.size(); };
    if (ServerConn* conn = find_most(pools_, retired_, most, arriving); conn != nullptr) {
        if (lasting) {
            lose(*conn,
                 "has begun a response that fills buffer memory (buffer_memory) and does not end",
                 Blame::Us);
        }
        return;
    }
    if (slow != nullptr) {
        lose(*slow,
             "has not taken " + std::to_string(most) +
                 " bytes of requests, and buffer memory runs low (buffer_memory)",
             Blame::Us);
        return;
    }
    if (worst == nullptr) return;
    tell_closing(*worst,
                 "it holds " + std::to_string(most) +
                     " bytes of buffer memory, which runs low (buffer_memory)");
    if (worst->untaken() - worst->unparsed() > most / 2) {
        // It sends, so it can be told; that is all it gets.
        worst->intake->partial.clear();
        answer_error(*worst, error_line(*worst->pool, out_of_memory_for_request), true);
        mark_dirty(*worst);
        return;
    }
    give_up(*worst);
}

}  // namespace ringmain::core
