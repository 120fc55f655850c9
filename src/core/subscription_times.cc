// How long subscribing may take, and what a subscription waits for by itself.

#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/core/subscriptions.h"
#include "ringmain/core/time_shift.h"

#include <algorithm>
#include <string>
#include <vector>

#include "front.h"

namespace ringmain::core {

// They are in the order in which they began.
Instant Subscriptions::oldest_of(const Pool& pool) const {
    for (const Joining& joining : joinings_) {
        if (joining.client->pool == &pool) return joining.began;
    }
    return Instant::never();
}

// By when it is to be answered. What was asked before it takes its time: a server that is still to
// confirm something and goes on confirming is waited for.
Instant Subscriptions::due_of(const Joining& joining) const {
    const Duration timeout = Duration::millis(joining.client->pool->options->timeout_ms);
    if (timeout.ns == 0) return Instant::never();
    Instant due = joining.began + timeout;
    for (const Joining::Item& item : joining.items) {
        if (proxy_->now() < due) break;
        if (item.state != Joining::State::Waiting) continue;
        for (const Spot& spot : item.topic->spots) {
            if (!spot.wanted || spot.is_settled()) continue;
            due = std::max(due, spot.server->link->moved_at + timeout);
        }
    }
    return due;
}

// By what the options say now.
void Subscriptions::limit(Joining& joining) {
    joining.look_at = due_of(joining);
    proxy_->wake_at(joining.look_at);
}

void Subscriptions::look_again() {
    for (Joining& joining : joinings_) {
        limit(joining);
    }
}

// Its time is up.
void Subscriptions::expire(Joining& joining) {
    Pool& pool = *joining.client->pool;
    proxy_->counters().timeouts.add(1);
    std::vector<Topic::Waiting> late;
    for (size_t i = 0; i < joining.items.size(); ++i) {
        if (joining.items[i].state == Joining::State::Waiting) late.push_back({&joining, i});
    }
    for (const Topic::Waiting& one : late) {
        const Topic& topic = *joining.items[one.item].topic;
        wait_no_more(joining.items[one.item]);
        const Spot* behind = topic.late_spot(joining.batch);
        const std::string who =
            behind == nullptr ? "its server" : "server " + behind->server->title();
        fail_item(one,
                  error_line(pool,
                             who + " did not confirm the subscription within " +
                                 std::to_string(pool.options->timeout_ms) + " ms (timeout)"),
                  stats::Reason::Timeout);
    }
}

namespace {

// By when all servers that came back have their keys.
Instant ramps_end(const Pool& pool) {
    Instant end = {};
    for (const auto& server : pool.servers) {
        if (server->live) end = std::max(end, server->health().changed_at());
    }
    return end + Duration::millis(pool.options->slow_start_ms);
}

}  // namespace

void Subscriptions::on_tick() {
    Joining* joining = joinings_.front();
    while (joining != nullptr) {
        if (proxy_->now() >= joining->look_at) joining->look_at = due_of(*joining);
        if (proxy_->now() >= joining->look_at) {
            expire(*joining);
            joining = joinings_.front();  // others may have ended with it
            continue;
        }
        proxy_->wake_at(joining->look_at);
        joining = decltype(joinings_)::after(*joining);
    }
    for (const auto& pool : proxy_->pools()) {
        if (pool->topics == nullptr || !pool->topics->in_ramps) continue;
        if (pool->is_in_ramps()) {
            proxy_->wake_at(ramps_end(*pool));
        } else {
            place_anew(*pool);
        }
    }
}

namespace {

// It is being made, or was when what moves began.
bool is_new(const ServerConn& conn, const TimeShift& shift) {
    return conn.state != ServerConn::State::Ready || shift.covers(conn.ready_at);
}

bool connects(const Pool& pool, const TimeShift& shift) {
    return std::ranges::any_of(pool.servers, [&shift](const auto& server) {
        return server->link != nullptr && server->link->wanted > 0 &&
               is_new(*server->link->conn, shift);
    });
}

// Nothing of it has left before what moves: what is still to be confirmed waits for a connection.
// Of one for very many topics that is not looked at, it would make the next batch a long one.
bool waits_for_connection(const Joining& joining, const TimeShift& shift) {
    constexpr size_t looked_at_max = 64;
    if (joining.items.size() > looked_at_max) return true;
    return std::ranges::any_of(joining.items, [&shift](const Joining::Item& item) {
        if (item.state != Joining::State::Waiting) return false;
        return std::ranges::any_of(item.topic->spots, [&shift](const Spot& spot) {
            if (!spot.wanted || spot.is_settled() || spot.server->link == nullptr) return false;
            return is_new(*spot.server->link->conn, shift);
        });
    });
}

}  // namespace

void Subscriptions::move_times(const TimeShift& shift) {
    const TimeShift shift_of_all = {.by = shift.by};
    for (const auto& pool : proxy_->pools()) {
        if (pool->topics != nullptr) pool->topics->connects = connects(*pool, shift);
    }
    for (Joining& joining : joinings_) {
        const bool has_begun =
            joining.client->pool->topics->connects && waits_for_connection(joining, shift);
        const TimeShift& of_joining = has_begun ? shift_of_all : shift;
        of_joining.move_due(joining.look_at, joining.began);
        of_joining.move(joining.began);
    }
    for (const auto& pool : proxy_->pools()) {
        for (const auto& server : pool->servers) {
            if (server->link == nullptr) continue;
            Link& link = *server->link;
            if (shift.is_of_all()) shift.move(link.ask_again_at);
            shift.move(link.heard_at);
            shift.move(link.moved_at);
            shift.move(link.idle_since);
            for (Link::Asked& asked : link.asked) {
                shift.move(asked.at);
            }
        }
    }
}

}  // namespace ringmain::core
