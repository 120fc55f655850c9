// The driver's way out: what the proxy wants done becomes submissions.

#include "ringmain/base/assert.h"
#include "ringmain/uring/socket.h"
#include "ringmain/worker/descriptors.h"
#include "ringmain/worker/driver.h"
#include "ringmain/worker/roster.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "channel.h"
#include <sys/mman.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

// Of one gathered send; the kernel takes 1024.
constexpr size_t entries_per_send = 512;

// What a paused client may still deliver before its receive is cancelled: most pauses are over
// before that, and cancelling costs more than keeping a few blocks.
constexpr uint64_t paused_input_max = 64ULL * 1024;

// A socket is silent that brought nothing for so long; at the end of all, which waits for that.
constexpr Duration silence_limit = Duration::millis(1000);
constexpr Duration drain_silence_limit = Duration::millis(250);

// Clients that are sent a message in one batch, and how much: one to thousands would take as long
// as all of them, and everybody else waits. The others' turn is in the batches that follow at once.
// With more sends than completions that a batch looks at, what has arrived would wait for those.
constexpr uint32_t hearers_max = uring::Ring::batch_max / 4;
constexpr uint64_t heard_max = uint64_t{2} << 20;

constexpr Duration linger_limit = Duration::millis(1000);
constexpr Duration drain_linger_limit = Duration::millis(200);

}  // namespace

// Clients first (design/0011): while they are sent to, they ask again, and what a server is sent
// after that becomes more at a time.
void Driver::flush() {
    flush_clients();
    while (const std::unique_ptr<core::Pool> pool = proxy_.next_finished()) {
        forget(*pool);
    }
    while (core::ServerConn* conn = proxy_.next_to_disconnect()) {
        tell_loss(*conn);
        disconnect(*conn);
    }
    while (core::ServerConn* conn = proxy_.next_to_connect()) {
        connect(*conn);
    }
    preconnect();
    while (core::ServerConn* conn = proxy_.streams().next_throttled()) {
        if (conn->channel != 0) throttle(*channels_[conn->channel]);
    }
    while (core::ServerConn* conn = proxy_.next_dirty_server()) {
        flush_server(*conn);
    }
    flush_clients();  // whom a connect that failed at once concerns
    flush_hearers();
}

// --- servers -------------------------------------------------------------------------------------

void Driver::flush_server(core::ServerConn& conn) {
    if (conn.channel == 0) return;
    Channel& channel = *channels_[conn.channel];
    if (channel.send_pending || channel.send_failed) {
        conn.publish(now_);  // that more waits
        return;
    }
    // What waits behind a send that took a part is still counted with the connection's.
    if (channel.sending.empty()) {
        channel.sending.append_chain(std::move(proxy_.take_sendable(conn)));
    } else {
        conn.publish(now_);
    }
    if (!channel.sending.empty()) {
        send(channel);
    } else if (conn.is_to_be_shut() && !std::exchange(channel.shut, true)) {
        shutdown(channel.socket, SHUT_WR);
    }
}

// --- clients -------------------------------------------------------------------------------------

void Driver::flush_clients() {
    while (core::ClientConn* client = proxy_.next_dirty_client()) {
        flush_client(*client);
    }
}

// False: some are left for the next batch.
bool Driver::flush_hearers() {
    uint64_t bytes = 0;
    for (uint32_t count = 0; count < hearers_max && bytes < heard_max; ++count) {
        core::ClientConn* client = proxy_.subscriptions().next_hearer();
        if (client == nullptr) return true;
        bytes += client->out.size();
        flush_client(*client);
    }
    return false;
}

void Driver::flush_client(core::ClientConn& client) {
    Channel& channel = *channels_[client.channel];
    if (client.is_stalling) proxy_.judge_stalled(client, uring::untaken_bytes(channel.socket));
    if (client.broken) {
        // The kernel too forgets at once what it holds for a client that does not take it.
        uring::set_abort_on_close(channel.socket);
        lose_client(channel);
        return;
    }
    client.unsent += client.out.size();
    channel.sending.append_packed(std::move(client.out));
    if (!channel.send_pending) {
        if (!channel.sending.empty()) {
            send(channel);
        } else if (client.is_finished()) {
            close_client(channel);
            return;
        }
    }
    // Whether or not a send is under way: reading must go on and stop by itself.
    if (client.wants_input()) {
        if (!channel.receiving && !channel.ended) receive(channel);
    } else if (client.unparsed() >= paused_input_max) {
        cancel_receive(channel);
    }
    if (client.special && !channel.receiving && is_left_waiting(channel)) watch(channel);
}

// To be looked at by nudge_quiet().
void Driver::watch(Channel& channel) {
    if (std::exchange(channel.watched, true)) return;
    watched_.push_back({&channel, channel.generation});
}

// Everything is sent. The client reads its last response before the connection goes: closing with
// unread bytes in our queue would reset it and could take the response away.
void Driver::close_client(Channel& channel) {
    forget_client(channel);
    if (channel.ended) {
        close(channel);
        return;
    }
    shutdown(channel.socket, SHUT_WR);
    channel.shut = true;
    if (!draining_) make_room_to_linger();  // else nobody comes who would need its descriptor
    const Instant until = now_ + (draining_ ? drain_linger_limit : linger_limit);
    lingering_.push_back({&channel, channel.generation, until});
    if (!channel.receiving) receive(channel);
}

void Driver::make_room_to_linger() {
    const core::Environment& process = proxy_.environment();
    const uint64_t room = process.shared->clients_max.load(std::memory_order_relaxed);
    const uint64_t most = lingering_max(room == 0 ? UINT64_MAX : room, process.worker_count);
    if (lingering_.size() < most) return;
    std::erase_if(lingering_, [](const Linger& linger) {
        return linger.channel->generation != linger.generation || linger.channel->closing;
    });
    while (lingering_.size() >= most) {
        close(*lingering_.front().channel);
        lingering_.pop_front();
    }
}

void Driver::lose_client(Channel& channel) {
    forget_client(channel);
    close(channel);
}

void Driver::forget_client(Channel& channel) {
    tell(*channel.client, "has left");
    proxy_.remove_client(*channel.client);
    channel.client = nullptr;
    clients_here_ -= 1;
    roster_.leave(worker_);
    // Between this and the next batch much time may pass.
    proxy_.counters().worker.clients.set(roster_.clients(worker_));
}

// --- sockets -------------------------------------------------------------------------------------

void Driver::send(Channel& channel) {
    RM_DCHECK(!channel.send_pending);
    channel.send_pending = true;
    sends_pending_ += 1;
    channel.operations += 1;
    const uring::UserData user_data = name(channel, Operation::Send);
    if (channel.sending.is_contiguous()) {
        const Slice only = channel.sending.front();
        ring_.send(channel.socket, only.data(), only.size, user_data);
        return;
    }
    if (space_.messages_used == space_.messages.size() ||
        space_.entries.size() - space_.entries_used < entries_per_send) {
        ring_.submit();
        space_.messages_used = 0;
        space_.entries_used = 0;
    }
    const std::span<iovec> room =
        std::span(space_.entries).subspan(space_.entries_used, entries_per_send);
    size_t bytes = 0;
    const size_t count = channel.sending.fill_iovec(room, &bytes);
    space_.entries_used += count;
    msghdr& message = space_.messages[space_.messages_used++];
    message = {};
    message.msg_iov = room.data();
    message.msg_iovlen = count;
    ring_.send_gathered(channel.socket, &message, user_data);
}

// A server is not read while who is to have its response does not take it.
void Driver::throttle(Channel& channel) {
    if (channel.server->paused) {
        cancel_receive(channel);
    } else {
        receive(channel);
    }
}

// A paused client is not read; one that is closing is, to be dropped.
bool Driver::wants_receive(const Channel& channel) {
    if (channel.server != nullptr) return !channel.server->paused;
    return channel.client == nullptr || channel.client->wants_input() ||
           channel.client->state == core::ClientConn::State::Closing;
}

void Driver::receive(Channel& channel, uring::Shots shots) {
    if (channel.receiving || channel.closing || channel.starved) return;
    if (buffers_.held() == 0) {
        starve(channel);
        return;
    }
    if (channel.ending) shots = uring::Shots::One;  // many would miss it (listen_for_end)
    channel.receiving = true;
    channel.operations += 1;
    ring_.receive(channel.socket,
                  buffers_.group(),
                  {.shots = shots, .poll_first = shots == uring::Shots::Many},
                  name(channel, Operation::Receive));
}

// Of a unix socket: the end. A multishot receive misses one that comes together with the last
// bytes, or is there before it is armed: the kernel goes by how many are left (6.17), and unlike
// TCP's that figure says nothing of the end. This is one operation for each connection, and none
// for a request; a receive for each buffer instead would cost a third more where values are large
// (design/0016).
void Driver::listen_for_end(Channel& channel) {
    if (!ring_.features().has(uring::Feature::MultishotReceive)) return;
    if (!uring::is_unix_socket(channel.socket)) return;
    channel.end_awaited = true;
    channel.operations += 1;
    ring_.poll(channel.socket, POLLRDHUP, uring::Shots::One, name(channel, Operation::End));
}

// Armed again when buffers have come back (refill_buffers).
void Driver::starve(Channel& channel) {
    channel.starved = true;
    if (channel.server != nullptr) channel.server->is_starved = true;
    if (buffers_wanted_ == buffers_.entries()) starvations_ += 1;
    starved_.push_back(&channel);
}

void Driver::cancel_receive(Channel& channel) {
    if (!channel.receiving || channel.cancelling) return;
    channel.cancelling = true;
    cancel(channel, Operation::Receive);
}

// By its name, which the kernel finds at once. By the descriptor it would look through all that it
// holds: each of 8000 connections that end together, 1.5 s in all.
void Driver::cancel(Channel& channel, Operation operation) {
    channel.operations += 1;
    ring_.cancel(channel.socket, name(channel, operation), name(channel, Operation::Cancel));
}

namespace {

// What a burst of clients made it grow by goes back.
template <class T>
void shrink(std::vector<T>& list) {
    constexpr size_t spare = 1024;
    if (list.capacity() > spare + 4 * list.size()) list.shrink_to_fit();
}

}  // namespace

// A multishot receive misses the reset of a peer that comes together with its last bytes (seen on
// 6.18), and older kernels miss the end of a stream likewise. A client whose request is unfinished
// is then never heard of again, and nothing else closes it: its socket is closed already, so that
// keepalive finds nothing to ask. So a socket that has fallen silent is looked at once; a receive
// that has not noticed what is there is begun anew.
void Driver::nudge_quiet() {
    if (watched_.empty() || now_ < look_again_at_ || stopping_) return;
    look_again_at_ = now_ + (clients_end_ ? drain_silence_limit : silence_limit);
    polled_.clear();
    polled_channels_.clear();
    std::erase_if(watched_, [this](const Watched& one) {
        Channel& channel = *one.channel;
        if (channel.generation != one.generation) return true;
        // Arming a receive looks by itself.
        if (channel.receiving && !channel.closing) {
            if (!std::exchange(channel.quiet, true)) return false;
            polled_.push_back({.fd = channel.socket, .events = POLLIN | POLLRDHUP, .revents = 0});
            polled_channels_.push_back(&channel);
        } else if (is_left_waiting(channel)) {
            polled_.push_back({.fd = channel.socket, .events = POLLRDHUP, .revents = 0});
            polled_channels_.push_back(&channel);
            return false;
        } else if (channel.client != nullptr && !channel.closing && channel.client->unread > 0) {
            return false;  // it will be read again
        }
        channel.watched = false;
        return true;
    });
    if (!polled_.empty()) poll(polled_.data(), polled_.size(), 0);
    for (size_t i = 0; i < polled_.size(); ++i) {
        if (polled_[i].revents == 0) {
            on_silence(*polled_channels_[i]);
        } else if (polled_channels_[i]->receiving) {
            cancel_receive(*polled_channels_[i]);
        } else {
            end_wait(*polled_channels_[i], polled_[i].revents);
        }
    }
    if (watched_.empty()) {  // there may be no next time
        polled_.clear();
        polled_channels_.clear();
    }
    shrink(watched_);
    shrink(polled_);
    shrink(polled_channels_);
}

// A client was refused for want of a place, which some may have that are gone and not silent for
// long enough: they are looked for at once, and so often that it takes a few percent of the time.
void Driver::find_ended() {
    if (now_ < find_ended_at_) return;
    find_ended_at_ = Instant::never();
    found_ended_at_ = now_;
    polled_.clear();
    polled_channels_.clear();
    for (const Watched& one : watched_) {
        Channel& channel = *one.channel;
        if (channel.generation != one.generation || !channel.receiving || channel.closing) continue;
        polled_.push_back({.fd = channel.socket, .events = POLLRDHUP, .revents = 0});
        polled_channels_.push_back(&channel);
    }
    if (!polled_.empty()) poll(polled_.data(), polled_.size(), 0);
    for (size_t i = 0; i < polled_.size(); ++i) {
        if (polled_[i].revents != 0) cancel_receive(*polled_channels_[i]);
    }
}

void Driver::on_silence(Channel& channel) {
    if (channel.send_failed) {  // it takes nothing and says nothing: no end will come
        lose_server(channel, EPIPE);
        return;
    }
    core::ClientConn* client = channel.client;
    // Of one that waits only its end was asked for: there may be requests.
    if (client == nullptr || client->unread == 0 || !channel.receiving) return;
    if (!clients_end_ && !client->pool->retired) return;  // it may send more
    if (ring_.has_more()) {
        watch(channel);
        return;
    }
    client->unread = 0;  // more was counted than there is
    proxy_.on_client_end(*client, core::ClientConn::End::Closed);
}

// It is not read any more, and whether it leaves is to be seen all the same.
bool Driver::is_left_waiting(const Channel& channel) {
    const core::ClientConn* client = channel.client;
    return client != nullptr && !channel.closing && !channel.ended &&
           core::Leases::may_end_unseen(*client);
}

void Driver::end_wait(Channel& channel, int events) {
    if ((events & POLLERR) != 0) {
        lose_client(channel);
        return;
    }
    proxy_.leases().on_client_end(*channel.client);
}

void Driver::close(Channel& channel) {
    if (channel.closing) return;
    channel.closing = true;
    closing_channels_ += 1;
    if (channel.receiving && !channel.cancelling) cancel(channel, Operation::Receive);
    if (channel.send_pending) cancel(channel, Operation::Send);
    if (channel.connecting) cancel(channel, Operation::Connect);
    if (channel.end_awaited) cancel(channel, Operation::End);
    close_if_quiet(channel);
}

void Driver::close_if_quiet(Channel& channel) {
    if (channel.operations > 0) return;
    ::close(channel.socket);
    if (channel.starved) std::erase(starved_, &channel);
    channel.sending.clear();
    channel.socket = -1;
    channel.generation = (channel.generation + 1) % uring::UserData::generation_end;
    static_cast<ChannelState&>(channel) = {};
    free_channels_.push_back(channel.index);
    closing_channels_ -= 1;
}

void Driver::on_send(Channel& channel, int32_t result) {
    channel.send_pending = false;
    sends_pending_ -= 1;
    if (channel.closing) return;
    if (result < 0 && result != -EINTR && result != -EAGAIN) {
        on_send_failed(channel, -result);
        return;
    }
    const auto bytes = static_cast<uint64_t>(std::max(result, 0));
    channel.sending.pop_front(bytes);
    if (channel.client != nullptr) {
        proxy_.on_client_sent(*channel.client, bytes);
        proxy_.mark_dirty(*channel.client);
    } else if (channel.server != nullptr) {
        core::ServerConn& server = *channel.server;
        server.note_sent(bytes, now_);
        if (!channel.sending.empty() || server.has_sendable() || server.is_to_be_shut()) {
            proxy_.mark_dirty(server);
        }
    }
}

// A server that is gone may have answered before: that is here already, and the receive brings it
// and then the end. Should the receive miss the end, nudge_quiet() looks.
void Driver::on_send_failed(Channel& channel, int error) {
    if (channel.client != nullptr) {
        lose_client(channel);
        return;
    }
    if (channel.server == nullptr) return;
    const bool is_gone = error == EPIPE || error == ECONNRESET;
    if (is_gone && channel.receiving && !channel.cancelling) {
        channel.send_failed = true;
        watch(channel);
        channel.quiet = true;
        return;
    }
    lose_server(channel, error);
}

// --- memory --------------------------------------------------------------------------------------

// Blocks for the buffers that came back in this batch, as many as are wanted.
void Driver::fill_buffers() {
    for (uint32_t held = buffers_.held(); held < buffers_wanted_; ++held) {
        Block* block = blocks_.take();
        if (block == nullptr) break;
        const uint16_t id = empty_buffers_.back();
        empty_buffers_.pop_back();
        block_of_buffer_[id] = block;
        buffers_.provide(id, block->data, block_size);
    }
    buffers_.publish();
}

// A batch that has nearly used them up is a reason for more: whoever has few clients does not pay
// with resident memory for those who have many. Then the receives that had found none are armed:
// for one buffer and at once, before receives that go on, of which a few would take all there are,
// have their next turn.
void Driver::refill_buffers() {
    if (buffers_.held() < buffers_wanted_ / 4) {
        buffers_wanted_ = std::min(2 * buffers_wanted_, buffers_.entries());
    }
    fill_buffers();
    for (uint32_t room = buffers_.held(); room > 0 && !starved_.empty(); --room) {
        Channel* channel = starved_.front();
        starved_.pop_front();
        channel->starved = false;
        if (channel->server != nullptr) {
            channel->server->is_starved = false;
            channel->server->moved_at = now_;
        }
        if (wants_receive(*channel)) receive(*channel, uring::Shots::One);
    }
}

void Driver::give_back_memory() {
    if (now_ - last_trim_ < trim_interval) return;
    last_trim_ = now_;
    for (uint32_t count = blocks_.begin_trim(); count > 0; --count) {
        const std::span<char> pages = blocks_.trim();
        madvise(pages.data(), pages.size(), MADV_DONTNEED);
    }
    blocks_.trim_nodes();
    proxy_.stores().trim();
}

}  // namespace ringmain::worker
