// When buffer memory runs low: who holds most of it goes (src/design/0017).
//
// A client that asks for much and reads nothing, or sends a large request a byte at a time, must
// not cost others their requests. While less than an eighth of the arena is free (more of a small
// one), one is closed every few milliseconds, since its memory comes back only when the kernel has
// let go of it:
//
//   one that has said no password   if all that have not hold more than any other
//   one that stands still           the same
//   who holds most                  if that is more than little, or next to nothing has been left
//                                   for a while; a server connection in its place if that does

#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "front.h"

namespace ringmain::core {

namespace {

// Bytes of the arena that the client could let go of, or need not have sent.
uint64_t kept_by(const ClientConn& client) {
    const uint64_t queued = client.session != nullptr ? client.session->queued_size() : 0;
    return client.untaken() + client.out.size() + client.unsent + queued;
}

// Of its requests there may be very many, most of which hold nothing.
bool is_to_be_searched(const ClientConn& client) {
    return client.keeps || client.session != nullptr;
}

// Those that wait for it, in either direction: with what servers have answered to what is not
// complete.
uint64_t held_by(const ClientConn& client) {
    uint64_t held = kept_by(client);
    if (!is_to_be_searched(client)) return held;
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

// When it last sent something, or was seen to take some of what waits for it.
Instant moved_at(const ClientConn& client, Instant now) {
    if (client.out.size() + client.unsent == 0) return client.heard_at;
    if (client.stalled_since == Instant::never()) return now;
    return std::max(client.heard_at, client.stalled_since);
}

// Clients that have nothing to do with what they hold. Each may hold little, so they count as one.
class Crowd {
  public:
    void add(ClientConn& client, uint64_t held, Duration still) {
        held_ += held;
        const uint64_t weight = held * (seconds(still) + 1);
        if (weight <= weight_) return;
        weight_ = weight;
        worst_ = &client;
        still_ = still;
    }

    [[nodiscard]] uint64_t held() const { return held_; }

    // Who has held most for longest; null when nobody holds anything.
    [[nodiscard]] ClientConn* worst() const { return worst_; }

    [[nodiscard]] std::string still_text() const { return std::to_string(seconds(still_)) + " s"; }

  private:
    static uint64_t seconds(Duration time) {
        return static_cast<uint64_t>(time.to_millis()) / 1000;
    }

    uint64_t held_ = 0;
    uint64_t weight_ = 0;
    ClientConn* worst_ = nullptr;
    Duration still_ = {};
};

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

// Who is closed: one of the two, or nobody.
struct Culprit {
    ClientConn* client = nullptr;
    ServerConn* conn = nullptr;
    std::string why;
};

std::string held_text(uint64_t held) {
    return "it holds " + std::to_string(held) +
           " bytes of buffer memory, which runs low (buffer_memory)";
}

Culprit culprit_of(const Crowd& crowd, std::string_view what) {
    ClientConn& client = *crowd.worst();
    return {.client = &client,
            .why = held_text(held_by(client)).append(what).append(crowd.still_text())};
}

using Clients = List<ClientConn, &ClientConn::all_link>;

// For `little` nobody is to blame; but when next to nothing is left, `lasting`, many that hold that
// must not hold it for ever.
struct Shortage {
    Instant now;
    uint64_t little = 0;
    bool lasting = false;
};

Culprit find_culprit(const Clients& clients, Pools pools, Pools retired, const Shortage& shortage) {
    const Instant now = shortage.now;
    const uint64_t little = shortage.little;
    const bool lasting = shortage.lasting;
    Crowd strangers;
    Crowd still;
    ClientConn* largest = nullptr;
    uint64_t most = lasting ? 0 : little;
    for (ClientConn& client : clients) {
        const uint64_t held = client.broken ? 0 : held_by(client);
        if (client.keeps && held == kept_by(client)) client.keeps = false;
        if (held == 0) continue;
        if (!client.authenticated) {
            strangers.add(client, held, now - client.since);
        } else if (const Duration time = now - moved_at(client, now); time >= standstill_min) {
            still.add(client, kept_by(client), time);
        }
        if (held <= most) continue;
        largest = &client;
        most = held;
    }
    const auto untaken = [&](const ServerConn& conn) { return untaken_by(conn, now, lasting); };
    ServerConn* slow = find_most(pools, retired, most, untaken);
    if (slow != nullptr) most = untaken(*slow);
    const auto arriving = [](const ServerConn& conn) { return conn.partial.size(); };
    ServerConn* endless = find_most(pools, retired, most, arriving);
    if (endless != nullptr) most = arriving(*endless);
    if (strangers.held() > std::max(most, little)) {
        return culprit_of(strangers, ", and has not authenticated for ");
    }
    if (still.held() > std::max(most, little)) {
        return culprit_of(still, ", and has stood still for ");
    }
    // A response that holds more fails by itself when there is no room for the rest of it; unless
    // the rest does not come.
    if (endless != nullptr) {
        if (!lasting) return {};
        return {
            .conn = endless,
            .why =
                "has begun a response that fills buffer memory (buffer_memory) and does not end"};
    }
    if (slow != nullptr) {
        return {.conn = slow,
                .why = "has not taken " + std::to_string(most) +
                       " bytes of requests, and buffer memory runs low (buffer_memory)"};
    }
    if (largest == nullptr) return {};
    return {.client = largest, .why = held_text(most)};
}

// From a look that found nobody to the next one: it takes next to nothing of the time.
Duration rest_between(const Clients& clients) {
    int64_t looked_at = 0;
    for (const ClientConn& client : clients) {
        const bool is_searched = is_to_be_searched(client);
        looked_at += 1 + (is_searched ? static_cast<int64_t>(client.requests.size()) : 0);
    }
    const Duration rest = {looked_at * relief_rest_each.ns};
    return std::clamp(rest, relief_rest, stall_check_interval);
}

std::string low_text(const BlockPool& blocks, Duration low) {
    return "buffer memory has been low for " + std::to_string(low.to_millis() / 1000) +
           " s: " + std::to_string(uint64_t{blocks.in_use()} * block_size) + " of " +
           std::to_string(uint64_t{blocks.capacity()} * block_size) +
           " bytes are in use by a worker, and nobody is to blame for it; raise buffer_memory, or "
           "lower client_connections";
}

}  // namespace

// Blocks that neither unfinished requests nor requests on their way may take.
uint32_t Proxy::reserve() const {
    return std::min(blocks_reserved, blocks_->capacity() / 16);
}

void Proxy::relieve() {
    // Requests are refused, or soon will be.
    if (blocks_->available() > 2 * reserve()) pressure_.exhausted_since = now_;
    if (now_ < pressure_.next_look) {
        wake_at(pressure_.next_look);
        return;
    }
    const Culprit culprit =
        find_culprit(clients_,
                     pools_,
                     retired_,
                     {.now = now_,
                      .little = uint64_t{blocks_->capacity()} * block_size / 64,
                      .lasting = now_ - pressure_.exhausted_since >= exhaustion_max});
    if (culprit.conn != nullptr) {
        lose(*culprit.conn, culprit.why, Blame::Us);
    } else if (culprit.client != nullptr) {
        close_holder(*culprit.client, culprit.why);
    } else {
        pressure_.next_look = now_ + rest_between(clients_);
        wake_at(now_ + stall_check_interval);  // who stands still by then, and nobody moves
        const Duration low = now_ - pressure_.low_since;
        if (pressure_.was_told || low < low_told_after) return;
        pressure_.was_told = true;
        notices_.push_back({.good = false, .text = low_text(*blocks_, low)});
        return;
    }
    pressure_.next_look = now_ + relief_interval;
    wake_at(pressure_.next_look);
}

void Proxy::close_holder(ClientConn& client, std::string_view why) {
    tell_closing(client, why);
    const bool sends = client.untaken() - client.unparsed() > held_by(client) / 2;
    const bool takes =
        client.state == ClientConn::State::Open && client.requests.empty() && client.unsent == 0;
    if (!sends && !takes) {
        give_up(client);
        return;
    }
    // It can be told; that is all it gets.
    if (client.intake != nullptr) client.intake->partial.clear();
    if (client.session != nullptr) {
        client.session->end_transaction();
        Leases::note_change(client);
    }
    answer_error(
        client, error_line(*client.pool, out_of_memory_for_request), true, stats::Reason::Limit);
    mark_dirty(client);
}

}  // namespace ringmain::core
