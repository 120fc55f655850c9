#include "epoll.h"

#include "ringmain/base/assert.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <poll.h>

namespace ringmain::uring {
namespace {

// Of one descriptor, before the others have their turn.
constexpr uint32_t receives_per_turn = 4;
constexpr uint32_t accepts_per_turn = 64;

constexpr uint32_t flag_buffer = 1;
constexpr uint32_t flag_more = 2;

// EPOLLERR and EPOLLHUP come without being asked for.
constexpr uint32_t input_events = EPOLLIN | EPOLLPRI | EPOLLRDHUP;
constexpr uint32_t ended_events = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

// Rounded up: awake too early, the caller would only come back.
int milliseconds_of(Duration timeout) {
    constexpr int64_t ns_per_ms = 1'000'000;
    if (timeout == Ring::forever) return -1;
    const int64_t whole = timeout.ns / ns_per_ms + (timeout.ns % ns_per_ms > 0 ? 1 : 0);
    return static_cast<int>(std::clamp<int64_t>(whole, 0, INT32_MAX));
}

void set_nonblocking(int descriptor) {
    const int flags = fcntl(descriptor, F_GETFL);
    if (flags >= 0) fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

// One from a unix socket ends where a descriptor was passed, which is dropped: then more may be
// there.
struct Received {
    ssize_t size = 0;
    bool is_part = false;
};

Received receive_from(int socket, bool is_unix, char* data, size_t size) {
    if (!is_unix) return {.size = recv(socket, data, size, MSG_DONTWAIT)};
    iovec piece = {.iov_base = data, .iov_len = size};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    const ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT);
    return {.size = received, .is_part = (message.msg_flags & MSG_CTRUNC) != 0};
}

}  // namespace

// --- completions ---------------------------------------------------------------------------------

CompletionQueue::CompletionQueue(uint32_t capacity)
    : slots_(std::bit_ceil(std::max(capacity, 2U))),
      mask_(static_cast<uint32_t>(slots_.size()) - 1) {}

void CompletionQueue::push(const Completion& completion) {
    if (tail_ - head_ == slots_.size()) grow();
    slots_[tail_++ & mask_] = completion;
}

uint32_t CompletionQueue::take(std::span<Completion> into) {
    const uint32_t count = std::min(tail_ - head_, static_cast<uint32_t>(into.size()));
    for (uint32_t i = 0; i < count; ++i) {
        into[i] = slots_[head_++ & mask_];
    }
    return count;
}

void CompletionQueue::grow() {
    std::vector<Completion> larger(2 * slots_.size());
    const uint32_t count = take(std::span(larger).first(slots_.size()));
    slots_ = std::move(larger);
    mask_ = static_cast<uint32_t>(slots_.size()) - 1;
    head_ = 0;
    tail_ = count;
}

Epoll::Epoll(uint32_t completions, RingCounters& counters)
    : counters_(counters), events_(Ring::batch_max), completions_(completions) {}

Status Epoll::open() {
    epoll_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
    if (epoll_.is_open()) return {};
    return Error{"epoll cannot be used: epoll_create1: " + error_text(errno) +
                 "; see `ringmain doctor`"};
}

void Epoll::complete(UserData user_data, int32_t result, uint32_t flags) {
    completions_.push({.user_data = user_data, .result = result, .flags = flags});
}

void Epoll::end_input(Watch& watch, int32_t result) {
    watch.input = Input::None;
    complete(watch.input_name, result);
}

void Epoll::end_output(Watch& watch, int32_t result) {
    watch.output = Output::None;
    complete(watch.output_name, result);
}

bool Epoll::attach(BufferRing& buffers, uint16_t group) {
    if (group >= groups_.size()) groups_.resize(group + 1U, nullptr);
    if (groups_[group] != nullptr) return false;
    groups_[group] = &buffers;
    return true;
}

void Epoll::detach(uint16_t group) {
    groups_[group] = nullptr;
}

// --- what is watched -----------------------------------------------------------------------------

Epoll::Watch& Epoll::watch_of(int descriptor) {
    RM_ASSERT(descriptor >= 0);
    const auto index = static_cast<size_t>(descriptor);
    if (index >= watches_.size()) watches_.resize(std::bit_ceil(index + 1));
    return watches_[index];
}

Epoll::Watched Epoll::listen_to(int descriptor, Watch& watch, uint32_t events) {
    epoll_event event = {.events = events | EPOLLET, .data = {.fd = descriptor}};
    if (watch.is_idle()) {
        counters_.enters += 1;
        if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0) {
            watch.events = events;
            watch.hung_up = false;
            watch.is_unix = is_unix_socket(descriptor);
            watch.in_pieces = false;
            return {.error = 0, .fresh = true};
        }
        if (errno != EEXIST) return {.error = -errno};
    }
    if ((watch.events & events) == events) return {};
    event.events |= watch.events;
    counters_.enters += 1;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event) != 0) return {.error = -errno};
    watch.events |= events;
    return {.error = 0, .fresh = true};
}

// Null when it has failed, and is complete.
Epoll::Watch* Epoll::arm_input(int descriptor, Input input, uint32_t events, UserData user_data) {
    counters_.submitted += 1;
    Watch& watch = watch_of(descriptor);
    RM_ASSERT(watch.input == Input::None);
    const Watched watched = listen_to(descriptor, watch, events);
    if (watched.error != 0) {
        complete(user_data, watched.error);
        return nullptr;
    }
    if (!watched.fresh) {
        queue(descriptor, watch, ready_);
    } else if (input == Input::Accept) {
        // Another process or worker may be faster than us.
        set_nonblocking(descriptor);
    }
    watch.input = input;
    watch.input_name = user_data;
    watch.many = false;
    return &watch;
}

// As arm_input(). That it has to wait is known already: the next event will do.
Epoll::Watch* Epoll::arm_output(int descriptor, Output output, UserData user_data) {
    Watch& watch = watch_of(descriptor);
    RM_ASSERT(watch.output == Output::None);
    const Watched watched = listen_to(descriptor, watch, input_events | EPOLLOUT);
    if (watched.error != 0) {
        complete(user_data, watched.error);
        return nullptr;
    }
    watch.output = output;
    watch.output_name = user_data;
    return &watch;
}

void Epoll::queue(int descriptor, Watch& watch, std::vector<int>& into) {
    if (std::exchange(watch.queued, true)) return;
    into.push_back(descriptor);
}

// --- operations ----------------------------------------------------------------------------------

void Epoll::accept(int listener, Shots shots, UserData user_data) {
    // Of the workers that share a listener, one is woken for each connection.
    Watch* watch = arm_input(listener, Input::Accept, EPOLLIN | EPOLLEXCLUSIVE, user_data);
    if (watch != nullptr) watch->many = shots == Shots::Many;
}

void Epoll::receive(int socket, uint16_t group, const ReceiveOptions& options, UserData user_data) {
    RM_ASSERT(group < groups_.size() && groups_[group] != nullptr);
    Watch* watch = arm_input(socket, Input::Receive, input_events, user_data);
    if (watch == nullptr) return;
    watch->many = options.shots == Shots::Many;
    watch->argument = group;
}

void Epoll::receive_into(int socket, char* data, uint32_t size, UserData user_data) {
    Watch* watch = arm_input(socket, Input::ReceiveInto, input_events, user_data);
    if (watch == nullptr) return;
    watch->into = data;
    watch->argument = size;
}

void Epoll::poll(int descriptor, uint32_t events, Shots shots, UserData user_data) {
    Watch* watch = arm_input(descriptor, Input::Poll, events, user_data);
    if (watch == nullptr) return;
    watch->many = shots == Shots::Many;
    watch->argument = events | EPOLLERR | EPOLLHUP;
}

void Epoll::send(int socket, const char* data, uint32_t size, UserData user_data) {
    counters_.submitted += 1;
    counters_.enters += 1;
    const ssize_t sent = ::send(socket, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
        complete(user_data, static_cast<int32_t>(sent));
    } else {
        wait_for_room(socket, {data, size}, user_data);
    }
}

void Epoll::send_gathered(int socket, const msghdr* message, UserData user_data) {
    counters_.submitted += 1;
    counters_.enters += 1;
    const ssize_t sent = ::sendmsg(socket, message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
        complete(user_data, static_cast<int32_t>(sent));
    } else {
        const iovec& first = message->msg_iov[0];
        wait_for_room(socket, {static_cast<const char*>(first.iov_base), first.iov_len}, user_data);
    }
}

// After a send that failed. The vector is the caller's and may be gone by then: only the first
// piece waits, and what was sent of it is all that the operation sends.
void Epoll::wait_for_room(int socket, std::string_view first, UserData user_data) {
    if (errno != EAGAIN) {
        complete(user_data, -errno);
        return;
    }
    Watch* watch = arm_output(socket, Output::Send, user_data);
    if (watch == nullptr) return;
    watch->unsent = first.data();
    watch->unsent_size = static_cast<uint32_t>(first.size());
}

void Epoll::connect(int socket, const SocketAddress& address, UserData user_data) {
    counters_.submitted += 1;
    counters_.enters += 1;
    set_nonblocking(socket);
    if (::connect(socket, address.get(), address.length) == 0) {
        complete(user_data, 0);
        return;
    }
    if (errno == EINPROGRESS) {
        arm_output(socket, Output::Connect, user_data);
    } else {
        complete(user_data, -errno);
    }
}

void Epoll::cancel(int descriptor, UserData target, UserData user_data) {
    counters_.submitted += 1;
    Watch& watch = watch_of(descriptor);
    if (watch.input != Input::None && watch.input_name == target) {
        end_input(watch, -ECANCELED);
        complete(user_data, 0);
    } else if (watch.output != Output::None && watch.output_name == target) {
        end_output(watch, -ECANCELED);
        complete(user_data, 0);
    } else {
        complete(user_data, -ENOENT);
    }
}

void Epoll::nothing(UserData user_data) {
    counters_.submitted += 1;
    complete(user_data, 0);
}

// --- what happens --------------------------------------------------------------------------------

// Sends that have completed by themselves are had without a look at the sockets, which the caller
// takes when it has nothing else to do. But every other time we look: whoever always has something
// to send must not keep the others waiting.
Wait Epoll::wait(Duration timeout) {
    if (has_completions() && std::exchange(looked_, false)) return Wait::Ready;
    looked_ = true;
    const bool at_once = has_completions() || !ready_.empty() || !hungry_.empty();
    counters_.enters += 1;
    const int count = epoll_wait(epoll_.get(),
                                 events_.data(),
                                 static_cast<int>(events_.size()),
                                 milliseconds_of(at_once ? Duration{} : timeout));
    RM_ASSERT(count >= 0 || errno == EINTR);
    is_full_ = static_cast<size_t>(std::max(count, 0)) == events_.size();
    take_turns();
    for (int i = 0; i < count; ++i) {
        on_event(events_[static_cast<size_t>(i)]);
    }
    if (has_completions()) return Wait::Ready;
    // An event that nothing came of is not the end of the time.
    return count == 0 && !at_once ? Wait::TimedOut : Wait::Interrupted;
}

// Those that are not done with it are queued again. Who found no buffer goes first: others that
// take all there are in each turn would be served alone.
void Epoll::take_turns() {
    std::swap(hungry_, turn_);
    turn_.insert(turn_.end(), ready_.begin(), ready_.end());
    ready_.clear();
    for (const int descriptor : turn_) {
        Watch& watch = watches_[static_cast<size_t>(descriptor)];
        watch.queued = false;
        try_input(descriptor, watch);
        if (watch.hung_up && !watch.queued) try_output(descriptor, watch);
    }
    turn_.clear();
}

void Epoll::on_event(const epoll_event& event) {
    Watch& watch = watches_[static_cast<size_t>(event.data.fd)];
    const uint32_t events = event.events;
    if ((events & ended_events) != 0) watch.hung_up = true;
    // A receive ends before a byte that is urgent.
    if ((events & EPOLLPRI) != 0) watch.in_pieces = true;
    take_input(watch, event);
    // What the peer said before it went is heard before a send fails for that.
    const bool is_output = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    const bool is_later = watch.hung_up && watch.queued;
    if (is_output && !is_later) try_output(event.data.fd, watch);
}

void Epoll::take_input(Watch& watch, const epoll_event& event) {
    const uint32_t events = event.events;
    if (watch.input == Input::Poll) {
        const uint32_t wanted = events & watch.argument;
        if (wanted == 0) return;
        if (watch.many) {
            complete(watch.input_name, static_cast<int32_t>(wanted), flag_more);
        } else {
            end_input(watch, static_cast<int32_t>(wanted));
        }
        return;
    }
    const bool is_input = (events & (input_events | ended_events)) != 0;
    if (is_input && !watch.queued) try_input(event.data.fd, watch);
}

void Epoll::try_input(int descriptor, Watch& watch) {
    switch (watch.input) {
        case Input::None:
            break;
        case Input::Accept:
            try_accept(descriptor, watch);
            break;
        case Input::Receive:
            try_receive(descriptor, watch);
            break;
        case Input::ReceiveInto:
            try_receive_into(descriptor, watch);
            break;
        case Input::Poll:
            try_poll(descriptor, watch);
            break;
    }
}

void Epoll::try_accept(int listener, Watch& watch) {
    for (uint32_t i = 0; i < accepts_per_turn; ++i) {
        counters_.enters += 1;
        const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0 && errno == EAGAIN) return;
        if (socket < 0 || !watch.many) {
            end_input(watch, socket < 0 ? -errno : socket);
            return;
        }
        complete(watch.input_name, socket, flag_more);
    }
    queue(listener, watch, ready_);
}

// Those that are on their way to the caller come back before the next turn.
void Epoll::wait_for_buffer(int socket, Watch& watch, bool hungry) {
    if (groups_[watch.argument]->held() == 0) {
        end_input(watch, -ENOBUFS);
        return;
    }
    watch.hungry = hungry;
    queue(socket, watch, hungry ? hungry_ : ready_);
}

void Epoll::try_receive(int socket, Watch& watch) {
    if (groups_[watch.argument] == nullptr) {
        end_input(watch, -ENOBUFS);  // closed meanwhile
        return;
    }
    BufferRing& buffers = *groups_[watch.argument];
    const uint32_t receives = std::exchange(watch.hungry, false) ? 1 : receives_per_turn;
    for (uint32_t i = 0; i < receives; ++i) {
        const std::optional<BufferRing::Buffer> buffer = buffers.front();
        if (!buffer.has_value()) {
            wait_for_buffer(socket, watch, i == 0);
            return;
        }
        counters_.enters += 1;
        const auto [size, is_part] =
            receive_from(socket, watch.is_unix, buffer->data, buffer->size);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            end_input(watch, size == 0 ? 0 : -errno);
            return;
        }
        buffers.pop();
        complete(watch.input_name,
                 static_cast<int32_t>(size),
                 uint32_t{buffer->id} << 16 | flag_buffer | (watch.many ? flag_more : 0));
        if (!watch.many) {
            watch.input = Input::None;
            return;
        }
        // What did not fill the buffer was all there is; more of it comes with an event of its own.
        const bool was_all = !watch.hung_up && !watch.in_pieces && !is_part;
        if (static_cast<uint32_t>(size) < buffer->size && was_all) return;
    }
    queue(socket, watch, ready_);
}

void Epoll::try_receive_into(int socket, Watch& watch) {
    counters_.enters += 1;
    const ssize_t size = recv(socket, watch.into, watch.argument, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    end_input(watch, size < 0 ? -errno : static_cast<int32_t>(size));
}

void Epoll::try_poll(int descriptor, Watch& watch) {
    pollfd state = {.fd = descriptor, .events = static_cast<int16_t>(watch.argument), .revents = 0};
    counters_.enters += 1;
    if (::poll(&state, 1, 0) <= 0) return;
    if (watch.many) {
        complete(watch.input_name, state.revents, flag_more);
    } else {
        end_input(watch, state.revents);
    }
}

void Epoll::try_output(int socket, Watch& watch) {
    if (watch.output == Output::None) return;
    counters_.enters += 1;
    if (watch.output == Output::Connect) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
        end_output(watch, -error);
        return;
    }
    const ssize_t sent =
        ::send(socket, watch.unsent, watch.unsent_size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    end_output(watch, sent < 0 ? -errno : static_cast<int32_t>(sent));
}

}  // namespace ringmain::uring
