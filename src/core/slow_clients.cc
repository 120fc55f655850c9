// Clients that do not take their responses.
//
// Reading a client pauses when much waits for it (output_pause_size), which bounds what it can ask
// for, but not what was asked for already, nor how long it all waits. So a client is closed when
// more waits for it than client_output_limit, or when it has taken no byte of what waits for
// client_output_timeout.

#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <utility>

namespace ringmain::core {

void Proxy::close_slow(ClientConn& client, std::string_view why) {
    counters_->worker.clients_closed_slow.add(1);
    tell_closing(client, std::string("slow client: ").append(why));
    give_up(client);
}

void Proxy::tell_closing(const ClientConn& client, std::string_view why) {
    tell_one(client.pool->closings, *client.pool, client.peer, why);
}

void Proxy::tell_refusal(Pool& pool, std::string_view peer, std::string_view why) {
    tell_one(pool.refusals, pool, peer, why);
}

void Proxy::tell_one(TurnedOut& clients,
                     const Pool& pool,
                     std::string_view peer,
                     std::string_view why) {
    if (!clients.throttle.admit(now_)) {
        clients.why = why;
        wake_at(clients.throttle.next_at());
        return;
    }
    std::string text = "pool " + pool.options->name + ": client ";
    text.append(peer).append(" is ").append(clients.what).append(": ").append(why);
    notices_.push_back({.good = false, .text = std::move(text)});
}

// Of one pool, so that it and the limit are named; `at_once`: nothing comes later.
void Proxy::tell_untold(Pool& pool, bool at_once) {
    for (TurnedOut* clients : {&pool.closings, &pool.refusals}) {
        Throttle& throttle = clients->throttle;
        const uint64_t more = at_once ? throttle.take_all() : throttle.take_untold(now_);
        if (throttle.has_untold()) wake_at(throttle.next_at());
        if (more == 0) continue;
        std::string text = "pool " + pool.options->name + ": " + std::to_string(more);
        text.append(more == 1 ? " more client was " : " more clients were ").append(clients->what);
        text.append(more == 1 ? ": " : ", the last one: ").append(clients->why);
        notices_.push_back({.good = false, .text = std::move(text)});
    }
}

void Proxy::tell_untold() {
    for (const auto& pool : pools_) {
        tell_untold(*pool, true);
    }
    for (const auto& pool : retired_) {
        tell_untold(*pool, true);
    }
}

// One response may have any size, so the largest does not count: a client that asks for a huge
// value and for small ones behind it is not slow.
void Proxy::note_output(ClientConn& client, uint64_t size) {
    const uint64_t limit = client.pool->options->client_output_limit;
    const uint64_t waiting = client.out.size() + client.unsent;
    client.largest_response = waiting == size ? size : std::max(client.largest_response, size);
    if (limit == 0 || waiting <= limit + client.largest_response || client.broken) return;
    close_slow(client,
               std::to_string(waiting) + " bytes wait to be taken, more than " +
                   std::to_string(limit) + " (client_output_limit)");
}

// The kernel may have megabytes for a client, and asks for more when a third of them is taken. Of
// one that seems to take nothing it is asked what is left there. Without a limit, too: who stands
// still has no right to memory that is low (pressure.cc). What is still here nobody could take: it
// is a message whose turn to leave has not come (Subscriptions::next_hearer).
void Proxy::look_for_stalled() {
    last_stall_check_ = now_;
    for (ClientConn& client : clients_) {
        if (client.unsent == 0 || client.broken) {
            client.stalled_since = Instant::never();
            continue;
        }
        client.is_stalling = true;
        mark_dirty(client);
    }
}

void Proxy::judge_stalled(ClientConn& client, uint64_t in_kernel) {
    client.is_stalling = false;
    const bool takes = in_kernel < std::exchange(client.in_kernel, in_kernel);
    if (takes || client.stalled_since == Instant::never()) {
        client.stalled_since = now_;
        return;
    }
    const int64_t limit_ms = client.pool->options->client_output_timeout_ms;
    if (limit_ms == 0 || now_ - client.stalled_since < Duration::millis(limit_ms)) return;
    close_slow(client,
               "it has taken none of " + std::to_string(client.out.size() + client.unsent) +
                   " bytes for " + std::to_string(limit_ms) + " ms (client_output_timeout)");
}

// For client_idle_timeout; with it, in the order of the last activity.
void Proxy::note_activity(ClientConn& client) {
    Pool& pool = *client.pool;
    if (pool.options->client_idle_timeout_ms == 0 || client.state != ClientConn::State::Open) {
        return;
    }
    client.active_at = now_;
    pool.by_activity.remove(client);
    pool.by_activity.add(client);
    wake_at(now_ + Duration::millis(pool.options->client_idle_timeout_ms));
}

}  // namespace ringmain::core
