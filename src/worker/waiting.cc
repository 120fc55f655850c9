// How long a worker waits, and what it makes of the time that has passed (src/design/0005).

#include "ringmain/uring/clock.h"
#include "ringmain/uring/socket.h"
#include "ringmain/worker/driver.h"

#include <algorithm>
#include <vector>

#include "channel.h"

namespace ringmain::worker {

namespace {

// Between two looks while buffers are short.
constexpr Duration tick = Duration::millis(10);

// The control thread wakes us when it is time; should it stand still, we wake up by ourselves.
constexpr Duration fallback_wait = Duration::millis(200);

// A batch that takes less is in no timeout's way.
constexpr Duration long_batch = Duration::millis(10);

// What had arrived before the first of them has been read by then: a completion queue and more.
constexpr uint32_t unsure_batches_max = 32;

// Where looking at what has arrived takes longer it has waited, or was held up: nobody knows at
// which end of that time it looked.
constexpr Duration sure_look = Duration::millis(10);

}  // namespace

void Driver::read_clock() {
    const bool first = now_ == Instant{};
    now_ = uring::now();
    if (!first && now_ - last_trim_ < trim_interval) return;
    // The calendar is read ten times a second; in between it runs with the monotonic clock.
    wall_offset_ = uring::wall_offset(now_);
}

// Nobody is to blame for what this worker took from them. What that takes is no part of the next
// batch, which would be a long one for it alone.
void Driver::give_time() {
    const Duration work = pause_watch_.take_work();
    if (paused_for_ > Duration{}) {
        log_.write(config::LogLevel::Warning,
                   "worker " + std::to_string(worker_) +
                       " was stopped, or busy with one batch, for " +
                       std::to_string(paused_for_.to_millis()) +
                       " ms: what was in flight has that much more time");
        if (draining_) drain_until_ = drain_until_ + paused_for_;
    } else if (const Duration busy = {busy_for_.ns - work.ns}; busy >= long_batch) {
        proxy_.move_times({.by = busy, .from = busy_from_});
        read_clock();
    }
    const Duration forgiven = {paused_for_.ns + work.ns};
    if (forgiven <= Duration{}) return;
    proxy_.move_times({.by = forgiven});
    read_clock();
}

// Hands over what is prepared and waits for something to happen, or for time to pass.
void Driver::wait() {
    busy_from_ = now_;
    busy_for_ = uring::now() - now_;
    const Instant deadline = next_deadline();
    if (proxy_.take_announcement()) timekeeper_.wake();  // and it wakes all workers
    timekeeper_.set(worker_, deadline);
    timekeeper_.end_batch(worker_);
    if (progress_.settled.load(std::memory_order_relaxed) != generation_) report_progress();
    // Those in the line for buffers behind idle ones have their turn now (refill_buffers).
    const bool is_to_judge = unsure_batches_ % unsure_batches_max != 0 && deadline <= now_;
    const bool at_once = stopping_ || is_to_judge || (!starved_.empty() && buffers_.held() > 0) ||
                         proxy_.has_more_to_do();
    const Duration timeout = at_once                        ? Duration{}
                             : deadline == Instant::never() ? uring::Ring::forever
                                                            : deadline + fallback_wait - now_;
    if (at_once || !look_busily()) ring_.submit_and_wait(timeout);
    timekeeper_.begin_batch(worker_);
    read_clock();
    held_looking_ = deadline <= now_ && now_ - (busy_from_ + busy_for_) >= sure_look;
    paused_for_ = pause_watch_.judge(busy_from_, deadline, now_);
}

// Whether something happened before it was time to sleep (busy_poll_us). A look takes less than a
// microsecond, and sleeping and being woken some twenty.
bool Driver::look_busily() {
    const int64_t busy_us = proxy_.config().proxy.busy_poll_us;
    if (busy_us == 0) [[likely]] {
        return false;
    }
    const Instant until = active_at_ + Duration::micros(busy_us);
    while (uring::now() < until) {
        if (ring_.submit_and_wait(Duration{}) == uring::Wait::Ready) return true;
    }
    return false;
}

// Whether who has not answered by now may be judged.
void Driver::note_look() {
    const bool knows_all = ring_.has_looked() && !ring_.has_more() && !held_looking_;
    unsure_batches_ = knows_all ? 0 : unsure_batches_ + 1;
}

Instant Driver::next_deadline() const {
    Instant next = std::min(proxy_.next_deadline(), proxy_.next_look());
    const auto consider = [&next](Instant at) { next = std::min(next, at); };
    if (draining_) {
        consider(drain_until_);
        if (!clients_end_) consider(clients_end_within_.next());
    } else {
        consider(arm_at_);
    }
    if (next_ != nullptr) consider(adopts_within_.next());
    if (blocks_.has_spare() || proxy_.stores().has_spare()) consider(last_trim_ + trim_interval);
    if (!starved_.empty()) consider(now_ + tick);  // without a buffer, time makes room
    if (!watched_.empty()) consider(look_again_at_);
    consider(find_ended_at_);
    if (!knocking_.empty()) consider(knock_at_);
    if (!patience_.empty()) consider(patience_.begin()->first);
    if (sends_pending_ > 0) consider(proxy_.next_stall_check());
    if (!lingering_.empty()) {
        consider(lingering_.front().until);
        consider(lingering_.back().until);  // in a drain they linger for less long
    }
    return next;
}

void Driver::on_time() {
    // An answer that has arrived in time may be in the next batch.
    if (unsure_batches_ % unsure_batches_max == 0) proxy_.on_tick();
    while (core::ServerConn* conn = proxy_.streams().next_asked()) {
        const int socket = channels_[conn->channel]->socket;
        proxy_.streams().judge_untaken(*conn, uring::untaken_bytes(socket));
    }
    if (!draining_) arm_listeners();
    nudge_quiet();
    find_ended();
    knock_again();
    end_patience();
    // The first is the next: all linger equally long, but in a drain.
    if (lingering_.empty() || (!draining_ && now_ < lingering_.front().until)) return;
    std::erase_if(lingering_, [this](const Linger& linger) {
        Channel& channel = *linger.channel;
        if (channel.generation != linger.generation || channel.closing) return true;
        if (now_ < linger.until) return false;
        close(channel);
        return true;
    });
}

}  // namespace ringmain::worker
