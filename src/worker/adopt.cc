// The driver's part in a reload: another configuration, other listeners, from one batch to the
// next.

#include "ringmain/base/places.h"
#include "ringmain/uring/clock.h"
#include "ringmain/worker/driver.h"
#include "ringmain/worker/roster.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace ringmain::worker {

namespace {

// For the kernel to say that a listener accepts no more, and for who was handed over to be here,
// however slow the machine.
constexpr Duration adopting_limit = Duration::millis(1000);

// Clients stay with the pool of the same name and protocol (core/adopt.cc).
bool all_are_kept(std::span<const std::unique_ptr<core::Pool>> pools, const config::Config& next) {
    const auto places = places_by(next.pools, &config::Pool::name);
    return std::ranges::all_of(pools, [&](const auto& pool) {
        const auto found = places.find(pool->options->name);
        return found != places.end() &&
               next.pools[found->second].protocol == pool->options->protocol;
    });
}

}  // namespace

// Listeners that the worker is to leave accept no more from now on, and nobody hands over a client
// whose pool might be gone when it comes.
void Driver::prepare_to_adopt(Message& message) {
    if (draining_) return;
    next_ = std::make_unique<Message>(std::move(message));
    all_stay_ = all_are_kept(proxy_.pools(), next_->generation->config);
    adopts_within_.begin(now_, adopting_limit);
    roster_.close(worker_);
    const auto wanted = places_by(next_->listeners, &Listener::socket);
    for (Listener& listener : listeners_) {
        if (listener.socket < 0 || wanted.contains(listener.socket)) continue;
        listener.leaving = true;
        if (listener.armed) stop_accepting(listener);
    }
}

// Who was accepted before, or waits to be, is let in first, and stays with the pool even if that
// leaves the port. What the clients have sent by then is answered if their pool is gone.
void Driver::adopt_when_all_are_in() {
    if (next_ == nullptr) return;
    const auto still_accepts = [](const Listener& listener) {
        return listener.leaving && listener.armed;
    };
    adopts_within_.count(now_);
    if (!adopts_within_.is_over() && std::ranges::any_of(listeners_, still_accepts)) return;
    for (const Listener& listener : listeners_) {
        if (listener.leaving) close_door(listener);
    }
    if (all_stay_ || note_unread(adopts_within_)) adopt();
}

void Driver::adopt() {
    const Instant began = uring::now();
    const std::unique_ptr<Message> message = std::move(next_);
    const Generation& next = *message->generation;
    generation_ = next.number;
    roster_.adopt(worker_, generation_);
    shutdown_timeout_ = Duration::millis(next.config.proxy.shutdown_timeout_ms);
    proxy_.adopt(next.config, next.pools);
    change_listeners(message->listeners);
    arm_listeners();
    pause_watch_.note_work(began, uring::now());
}

// Slots keep their places, since operations are named after them.
void Driver::change_listeners(const std::vector<Listener>& wanted) {
    for (Listener& listener : listeners_) {
        if (!listener.leaving) continue;
        listener = {.generation = (listener.generation + 1) % uring::UserData::generation_end};
    }
    const auto places = places_by(listeners_, &Listener::socket);
    auto free = listeners_.begin();
    for (const Listener& one : wanted) {
        const auto kept = places.find(one.socket);
        if (kept != places.end()) {
            listeners_[kept->second].pool = one.pool;
            continue;
        }
        free = std::ranges::find(free, listeners_.end(), -1, &Listener::socket);
        if (free == listeners_.end()) free = listeners_.insert(free, Listener{});
        free->socket = one.socket;
        free->pool = one.pool;
    }
    arm_at_ = {};
}

// What the control thread waits for: its sockets and its memory are free then.
void Driver::report_progress() {
    const bool settled = proxy_.is_settled();
    const bool adopted = progress_.adopted.load(std::memory_order_relaxed) == generation_;
    if (adopted && !settled) return;
    ring_.submit();  // the cancelling of what it may close
    progress_.adopted.store(generation_, std::memory_order_release);
    if (settled) progress_.settled.store(generation_, std::memory_order_release);
    timekeeper_.wake();
}

// Of a pool that is about to be freed: no answer to an old question may find its way there.
void Driver::forget(core::Pool& pool) {
    for (const auto& server : pool.servers) {
        working_.erase(server.get());
        for (const auto& one : server->connections()) {
            const core::ServerConn* conn = one.get();
            std::erase_if(questions_, [conn](const auto& entry) { return entry.second == conn; });
            asking_.erase(conn);
            std::erase_if(patience_, [conn](const auto& entry) { return entry.second == conn; });
            found_.erase(conn);
            addresses_.erase(conn);
        }
    }
}

}  // namespace ringmain::worker
