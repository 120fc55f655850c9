#include "ringmain/worker/driver.h"

#include "ringmain/base/assert.h"
#include "ringmain/uring/clock.h"
#include "ringmain/uring/socket.h"
#include "ringmain/worker/event.h"
#include "ringmain/worker/roster.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "channel.h"
#include "trouble.h"
#include <poll.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

// A listener that failed is armed again after so long.
constexpr Duration rearm_pause = Duration::millis(100);

// Between two looks for clients that have gone, and 10 us for each that is looked at.
constexpr Duration find_ended_pause = Duration::millis(20);

// What clients sent before a drain has been received by then, however slow the machine.
constexpr Duration clients_end_after = Duration::millis(1000);

// Of a client that sends faster than it is read more may have been sent than its socket here holds:
// its own kernel keeps so much at most, unless it is told otherwise (tcp_wmem).
constexpr uint64_t backed_up = uint64_t{32} << 10;
constexpr uint64_t kept_by_peer_max = uint64_t{4} << 20;

// Receive buffers from the start: 512 KiB. With fifty clients that ask one thing at a time it stays
// with them.
constexpr uint32_t buffers_at_first = 32;

// At the end of a drain it is looked for what has arrived until so many looks in a row find
// nothing: one may end a receive, the next begin it anew.
constexpr int last_looks = 2;
constexpr Duration last_look_max = Duration::millis(200);

// More than a backlog usually holds. They may go on coming while those who wait are let in.
constexpr uint32_t backlog_max = 65536;

}  // namespace

Driver::Driver(core::Proxy& proxy, BlockPool& blocks, const Surroundings& surroundings)
    : proxy_(proxy),
      blocks_(blocks),
      roster_(*surroundings.roster),
      inbox_(surroundings.roster->inbox(surroundings.worker)),
      resolver_(*surroundings.resolver),
      timekeeper_(*surroundings.timekeeper),
      progress_(*surroundings.progress),
      log_(*surroundings.log),
      worker_(surroundings.worker) {
    channels_.push_back(std::make_unique<Channel>(blocks));  // 0 names no channel
    batch_.resize(uring::Ring::batch_max);
    space_.messages.resize(1024);
    space_.entries.resize(8192);
}

Driver::~Driver() {
    // The kernel lets go of all memory first.
    buffers_.close();
    ring_.close();
    for (const auto& channel : channels_) {
        if (channel->client != nullptr) proxy_.remove_client(*channel->client);
        if (channel->socket >= 0) ::close(channel->socket);
    }
    for (Block* block : block_of_buffer_) {
        if (block != nullptr) blocks_.release(block);
    }
}

Status Driver::open(const uring::RingOptions& options, uint32_t receive_buffers) {
    if (Status status = ring_.open(options); !status.ok()) return status;
    if (Status status = buffers_.open(ring_, {.entries = receive_buffers}); !status.ok()) {
        return status;
    }
    block_of_buffer_.assign(receive_buffers, nullptr);
    for (uint32_t id = receive_buffers; id-- > 0;) {
        empty_buffers_.push_back(static_cast<uint16_t>(id));
    }
    buffers_wanted_ = std::min(receive_buffers, buffers_at_first);
    fill_buffers();
    roster_.adopt(worker_, generation_);
    return {};
}

void Driver::run(std::vector<Listener> listeners, Duration shutdown_timeout) {
    listeners_ = std::move(listeners);
    read_clock();
    proxy_.begin_batch(now_, now_ + wall_offset_);
    proxy_.preconnect();
    arm_wake();
    arm_listeners();
    shutdown_timeout_ = shutdown_timeout;
    while (!stopping_) {
        round();
        if (draining_ && (is_drained() || now_ >= drain_until_)) stopping_ = true;
    }
    proxy_.tell_untold();
    take_what_is_there();
    flush();
    while (!flush_hearers()) {
    }
    ring_.submit_and_wait(Duration{});
    if (draining_ && now_ >= drain_until_) tell_cut_off();
}

// What has arrived by now, and what that leads to: without waiting, and not for ever.
void Driver::take_what_is_there() {
    const Instant end = now_ + last_look_max;
    for (int looks = 0; looks < last_looks && now_ < end;) {
        looks = round() > 0 ? 0 : looks + 1;
    }
}

// The time of a drain is over.
void Driver::tell_cut_off() const {
    size_t requests = 0;
    size_t readers = 0;
    for (const core::ClientConn* client = proxy_.first_client(); client != nullptr;
         client = client->all_link.next) {
        requests += client->requests.size();
        if (!client->out.empty() || client->unsent > 0) readers += 1;
    }
    if (requests + readers == 0) return;
    log_.write(config::LogLevel::Warning,
               "worker " + std::to_string(worker_) + ": shutdown_timeout (" +
                   std::to_string(shutdown_timeout_.to_millis()) + " ms) is over; cut off: " +
                   std::to_string(requests) + " requests without an answer, " +
                   std::to_string(readers) + " clients that have not taken theirs");
}

// One batch: everything that is ready goes in, everything that results goes out.
uint32_t Driver::round() {
    flush();
    give_back_memory();
    refill_buffers();
    wait();
    space_.messages_used = 0;
    space_.entries_used = 0;

    give_time();
    if (proxy_.begin_batch(now_, now_ + wall_offset_)) pause_watch_.note_work(now_, uring::now());
    const uint32_t count = ring_.reap(batch_);
    note_look();
    for (uint32_t i = 0; i < count; ++i) {
        on_completion(batch_[i]);
    }
    adopt_when_all_are_in();
    if (is_to_drain_ && next_ == nullptr) begin_drain();
    on_time();
    end_clients_when_fed();
    proxy_.end_batch();
    publish_counters();
    while (const std::optional<core::Notice> notice = proxy_.take_notice()) {
        log_.write(notice->good ? config::LogLevel::Notice : config::LogLevel::Warning,
                   notice->text);
    }
    return count;
}

// For whoever looks from another thread.
void Driver::publish_counters() {
    const uring::RingCounters& ring = ring_.counters();
    stats::WorkerCounters& shown = proxy_.counters().worker;
    shown.enters.set(ring.enters);
    shown.submissions.set(ring.submitted);
    shown.completions.set(ring.completed);
    shown.overflows.set(ring.overflows);
    shown.submissions_early.set(ring.queue_full);
    shown.submissions_refused.set(ring.refused);
    shown.completions_lost.set(ring.dropped);
    shown.starvations.set(starvations_);
    shown.clients.set(roster_.clients(worker_));
    shown.clients_handed_over.set(handed_over_);
}

void Driver::on_completion(const uring::Completion& done) {
    const auto operation = static_cast<Operation>(done.user_data.kind);
    if (operation == Operation::Accept) {
        on_accept(done);
        return;
    }
    if (operation == Operation::Wake) {
        // Armed before anything is taken: what is posted in between is seen on arming.
        if (!done.more()) {
            arm_wake();
        }
        on_wake();
        return;
    }
    active_at_ = now_;
    RM_ASSERT(done.user_data.index < channels_.size());
    Channel& channel = *channels_[done.user_data.index];
    // A slot is reused only when all its operations have ended; but some kernels (6.1, 6.10) let a
    // receive that has ended complete once more.
    const bool stale = channel.generation != done.user_data.generation ||
                       (operation == Operation::Receive && !channel.receiving);
    if (stale) {
        if (done.has_buffer()) blocks_.release(take_buffer(done));
        return;
    }
    switch (operation) {
        case Operation::Receive:
            on_receive(channel, done);
            break;
        case Operation::Send:
            channel.operations -= 1;
            on_send(channel, done.result);
            break;
        case Operation::Connect:
            channel.operations -= 1;
            on_connect(channel, done.result);
            break;
        case Operation::Cancel:
            channel.operations -= 1;
            // Some kernels (6.11) miss a receive that is there; then it is asked for again, or
            // ended with its connection.
            if (done.result == -ENOENT) channel.cancelling = false;
            if (done.result < 0 && channel.closing && channel.operations > 0) {
                ::shutdown(channel.socket, SHUT_RDWR);
            }
            break;
        case Operation::End:
            channel.operations -= 1;
            channel.end_awaited = false;
            channel.ending = true;
            if (!channel.closing) {
                cancel_receive(channel);  // the next one looks
            } else if (channel.operations > 0) {
                ::shutdown(channel.socket, SHUT_RDWR);  // a receive that was missed, as above
            }
            break;
        case Operation::Accept:
        case Operation::Wake:
            break;
    }
    if (channel.closing) close_if_quiet(channel);
}

// --- clients come --------------------------------------------------------------------------------

void Driver::arm_listeners() {
    if (now_ < arm_at_) [[likely]] {
        return;
    }
    arm_at_ = Instant::never();
    for (Listener& listener : listeners_) {
        if (listener.socket < 0 || listener.armed || listener.leaving) continue;
        if (now_ < listener.retry_at) {
            arm_at_ = std::min(arm_at_, listener.retry_at);
            continue;
        }
        ring_.accept(listener.socket, uring::Shots::Many, name(listener));
        listener.armed = true;
    }
}

void Driver::on_accept(const uring::Completion& done) {
    Listener& listener = listeners_[done.user_data.index];
    if (listener.generation != done.user_data.generation) {
        if (done.result >= 0) ::close(done.result);  // the pool has left this port
        return;
    }
    if (!done.more()) listener.armed = false;
    // Out of descriptors or memory: trying at once would only spin. They stay in the backlog.
    const bool aborted = done.result == -ECONNABORTED || done.result == -EINTR;
    if (done.result < 0 && !aborted) listener.retry_at = now_ + rearm_pause;
    if (!listener.armed) arm_at_ = std::min(arm_at_, listener.retry_at);
    if (done.result < 0) {
        if (is_local_shortage(-done.result)) {
            proxy_.counters().worker.accept_failures.add(1);
            proxy_.leases().give_up_idle();
            tell_shortage("clients wait to be accepted: " + describe_shortage(-done.result));
        } else if (done.result == -EPERM || done.result == -ENOSYS) {
            proxy_.counters().worker.accept_failures.add(1);
            tell_shortage("clients wait to be accepted: " +
                          refused_call("accept4", -done.result).text);
        }
        return;
    }
    place_client(listener, done.result);
    if (!draining_) arm_listeners();
}

// Where there are fewest; but all that comes late, before a drain or a reload, is let in here.
void Driver::place_client(const Listener& listener, int socket) {
    const uint32_t place = roster_.place(worker_);
    if (place == worker_) {
        take_client(listener.pool, socket);
        return;
    }
    handed_over_ += 1;
    Message message(Message::Kind::Client);
    message.pool = proxy_.pools()[listener.pool]->options->name;
    message.place = listener.pool;
    message.socket = uring::Descriptor(socket);
    roster_.inbox(place).post(std::move(message));
}

// The pool goes by its name: numbers may have changed since, and then it may be gone. Mostly they
// have not, and to look for one of thousands takes long.
void Driver::take_over(Message& message) {
    const auto pools = proxy_.pools();
    const auto is_it = [&message](const auto& one) { return one->options->name == message.pool; };
    auto pool = message.place < pools.size() ? pools.begin() + message.place : pools.end();
    if (pool == pools.end() || !is_it(*pool)) pool = std::ranges::find_if(pools, is_it);
    if (pool == pools.end()) {
        roster_.leave(worker_);
        return;
    }
    take_client(static_cast<uint32_t>(pool - pools.begin()), message.socket.release());
}

// It counts in the roster already. In a drain, those who came before it are still let in.
void Driver::take_client(uint32_t pool, int socket) {
    core::ClientConn* client =
        clients_end_ ? nullptr : proxy_.accept_client(pool, uring::peer_text(socket));
    if (client == nullptr) {
        const std::string text = proxy_.refusal(pool);
        const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        static_cast<void>(sent);  // a courtesy; the socket is closed either way
        ::close(socket);
        roster_.leave(worker_);
        const auto watched = Duration::micros(10 * static_cast<int64_t>(watched_.size()));
        const Instant next = found_ended_at_ + find_ended_pause + watched;
        find_ended_at_ = std::min(find_ended_at_, std::max(now_, next));
        return;
    }
    Channel& channel = make_channel(socket);
    channel.client = client;
    client->channel = channel.index;
    clients_here_ += 1;
    tell(*client, "has connected");
    receive(channel);
    listen_for_end(channel);
}

// Clients that have connected and wait to be accepted.
void Driver::let_in(const Listener& listener) {
    for (uint32_t count = 0; count < backlog_max; ++count) {
        const int socket = uring::accept_waiting(listener.socket);
        if (socket >= 0) {
            roster_.keep(worker_);
            take_client(listener.pool, socket);
        } else if (socket != -ECONNABORTED && socket != -EINTR) {
            break;
        }
    }
}

void Driver::stop_accepting(const Listener& listener) {
    channels_[0]->operations += 1;
    ring_.cancel(listener.socket, name(listener), name(*channels_[0], Operation::Cancel));
}

// Those who wait come in; later ones are refused, or go to another listener of the port. At once,
// since whoever comes in between is reset.
void Driver::close_door(const Listener& listener) {
    let_in(listener);
    shutdown(listener.socket, SHUT_RDWR);
}

// It comes many times a second when it comes.
void Driver::tell_shortage(std::string_view text) {
    if (now_ < tell_again_at_) return;
    tell_again_at_ = now_ + Duration::millis(1000);
    log_.write(config::LogLevel::Warning, text);
}

// The server is not to blame, and not one of its failures is counted.
void Driver::fail_locally(core::ServerConn& conn, const std::string& why) {
    tell_shortage("server " + conn.server->title() + " cannot be reached: " + why);
    proxy_.on_connect_impossible(conn, "cannot be reached: " + why);
}

Channel& Driver::make_channel(int socket) {
    if (free_channels_.empty()) {
        channels_.push_back(std::make_unique<Channel>(blocks_));
        channels_.back()->index = static_cast<uint32_t>(channels_.size() - 1);
        free_channels_.push_back(channels_.back()->index);
    }
    Channel& channel = *channels_[free_channels_.back()];
    free_channels_.pop_back();
    channel.socket = socket;
    return channel;
}

uring::UserData Driver::name(const Channel& channel, Operation operation) const {
    return {.kind = static_cast<uint8_t>(operation),
            .generation = channel.generation,
            .index = channel.index};
}

uring::UserData Driver::name(const Listener& listener) const {
    return {.kind = static_cast<uint8_t>(Operation::Accept),
            .generation = listener.generation,
            .index = static_cast<uint32_t>(&listener - listeners_.data())};
}

// --- bytes come ----------------------------------------------------------------------------------

void Driver::on_receive(Channel& channel, const uring::Completion& done) {
    channel.quiet = false;
    watch(channel);
    if (!done.more()) {
        channel.operations -= 1;
        channel.receiving = false;
        channel.cancelling = false;
    }
    if (done.has_buffer()) {
        Block* block = take_buffer(done);
        if (!channel.closing && block->used > 0) feed(channel, {block, 0, block->used});
        // Unless somebody shares it, it goes back to the kernel at the end of this batch.
        blocks_.release(block);
    }
    if (done.result <= 0 && done.result != -ENOBUFS && done.result != -ECANCELED &&
        done.result != -EINTR && done.result != -EAGAIN) {
        if (!channel.closing) on_stream_end(channel, -done.result);
        return;
    }
    // Should a kernel have missed that it was cancelled.
    if (channel.server != nullptr && channel.server->paused) cancel_receive(channel);
    if (channel.receiving || channel.closing || channel.ended) return;
    if (done.result == -ENOBUFS) {
        starve(channel);
        return;
    }
    if (wants_receive(channel)) receive(channel);
}

// The block that the kernel has filled, with a reference for the caller.
Block* Driver::take_buffer(const uring::Completion& done) {
    const uint16_t id = done.buffer();
    Block* block = std::exchange(block_of_buffer_[id], nullptr);
    buffers_.taken(id);
    empty_buffers_.push_back(id);
    block->used = static_cast<uint32_t>(std::max(done.result, 0));
    return block;
}

void Driver::feed(Channel& channel, Slice slice) {
    if (channel.client != nullptr) {
        proxy_.on_client_bytes(*channel.client, slice);
    } else if (channel.server != nullptr) {
        proxy_.on_server_bytes(*channel.server, slice);
    }
    // A lingering client's bytes are read and dropped.
}

void Driver::on_stream_end(Channel& channel, int error) {
    channel.ended = true;
    if (channel.server != nullptr) {
        lose_server(channel, error);
    } else if (channel.client != nullptr && error == 0) {
        proxy_.on_client_end(*channel.client);
    } else if (channel.client != nullptr) {
        lose_client(channel);
    } else {
        close(channel);
    }
}

void Driver::arm_wake() {
    ring_.poll(inbox_.descriptor(),
               POLLIN,
               uring::Shots::Many,
               {.kind = static_cast<uint8_t>(Operation::Wake)});
}

// --- messages from other threads -----------------------------------------------------------------

void Driver::on_wake() {
    for (Message& message : inbox_.take()) {
        switch (message.kind) {
            case Message::Kind::Drain:
                is_to_drain_ = true;
                break;
            case Message::Kind::Stop:
                stopping_ = true;
                break;
            case Message::Kind::Resolved:
                on_resolved(message);
                break;
            case Message::Kind::Adopt:
                prepare_to_adopt(message);
                break;
            case Message::Kind::Client:
                take_over(message);
                break;
        }
    }
}

void Driver::begin_drain() {
    if (draining_) return;
    draining_ = true;
    roster_.close(worker_);
    drain_until_ = now_ + shutdown_timeout_;
    for (const Listener& listener : listeners_) {
        if (listener.socket < 0) continue;
        stop_accepting(listener);
        close_door(listener);
    }
    clients_end_within_.begin(now_, std::min(shutdown_timeout_, clients_end_after));
}

// Each client is served to the end of what has arrived by now: in its socket, for what was received
// already has been fed. False when some of it may be between the two, or a client on its way here,
// until it is time. (Kernels that complete unasked may add to that at any moment.)
bool Driver::note_unread(const RunLimit& patience) {
    const auto is_too_early = [&] {
        const bool all_are_here = roster_.clients(worker_) == clients_here_;
        return !patience.is_over() && (ring_.has_more() || !all_are_here);
    };
    if (is_too_early()) return false;
    for (const auto& channel : channels_) {
        core::ClientConn* client = channel->client;
        if (client == nullptr || client->pool->retired) continue;  // it was noted when that went
        client->unread = channel->ended ? 0 : uring::unread_bytes(channel->socket);
        if (client->unread == 0) continue;
        if (client->paused || client->unread >= backed_up) client->unread += kept_by_peer_max;
        watch(*channel);
    }
    return !is_too_early();
}

void Driver::end_clients_when_fed() {
    if (!draining_ || clients_end_) return;
    clients_end_within_.count(now_);
    if (!note_unread(clients_end_within_)) return;
    clients_end_ = true;
    look_again_at_ = now_;
    proxy_.drain();
}

bool Driver::is_drained() const {
    return roster_.clients(worker_) == 0 && lingering_.empty() && closing_channels_ == 0;
}

}  // namespace ringmain::worker
