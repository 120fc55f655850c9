#include "ringmain/uring/ring.h"

#include "ringmain/uring/clock.h"
#include "ringmain/uring/preflight.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "compat.h"
#include "epoll.h"
#include "patience.h"
#include <liburing.h>

namespace ringmain::uring {
namespace {

// A kernel without memory for requests refuses them; it is asked again after a millisecond, then
// less and less often, for as long as it takes.
constexpr Duration refused_pause_first = Duration::millis(1);
constexpr int64_t refused_pause_doublings = 5;

// Calls in a row that neither fail nor get anything done: there is no such kernel.
constexpr uint32_t idle_calls_max = 10'000;

// From Linux 6.13 on a call completes so many of what has arrived, and leaves the rest to the next.
// Sends that complete at once come on top.
constexpr uint32_t completed_per_call = 20;

constexpr uint32_t size_of_any = 1U << 30;  // more than a buffer has
constexpr uint32_t get_events = IORING_ENTER_GETEVENTS;

constexpr int64_t close_timeout_ms = 1000;
constexpr UserData close_user_data = UserData::unpack(UINT64_MAX);

uint32_t setup_flags(const Features& features) {
    uint32_t flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    if (features.has(Feature::SubmitAll)) flags |= IORING_SETUP_SUBMIT_ALL;
    if (features.has(Feature::SingleIssuer)) flags |= IORING_SETUP_SINGLE_ISSUER;
    if (features.has(Feature::DeferTaskrun)) {
        RM_ASSERT(features.has(Feature::SingleIssuer));
        return flags | IORING_SETUP_DEFER_TASKRUN;
    }
    if (features.has(Feature::CoopTaskrun)) {
        flags |= IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    }
    return flags;
}

__kernel_timespec kernel_time(Duration span) {
    constexpr int64_t ns_per_second = 1'000'000'000;
    return {.tv_sec = span.ns / ns_per_second, .tv_nsec = span.ns % ns_per_second};
}

bool is_overflowed(const io_uring& ring) {
    return (IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0;
}

// Makes the prepared entries visible to the kernel; returns how many it has not taken yet.
uint32_t publish(io_uring& ring) {
    io_uring_sq& queue = ring.sq;
    if (queue.sqe_head != queue.sqe_tail) {
        queue.sqe_head = queue.sqe_tail;
        io_uring_smp_store_release(queue.ktail, queue.sqe_tail);
    }
    return queue.sqe_tail - *queue.khead;
}

// Takes back what the kernel has not taken.
void drop_prepared(io_uring& ring) {
    io_uring_sq& queue = ring.sq;
    queue.sqe_tail = *queue.khead;
    queue.sqe_head = queue.sqe_tail;
    io_uring_smp_store_release(queue.ktail, queue.sqe_tail);
}

// Not now: no memory for operations (EAGAIN, ENOMEM), or too many completions wait (EBUSY).
bool is_refusal(int result) {
    return result == -EAGAIN || result == -EBUSY || result == -ENOMEM;
}

Duration pause_after(uint32_t refusals) {
    return {refused_pause_first.ns << std::min<int64_t>(refusals, refused_pause_doublings)};
}

// What is not: that somebody forbids it from now on (seccomp), or mistakes of ours: the wrong
// thread, a closed descriptor.
bool is_expected(int result) {
    return result >= 0 || is_refusal(result) || result == -ETIME || result == -EINTR ||
           result == -EBADR;  // the kernel had no memory for a completion
}

// Without the call nothing gets on, the end of the operations included, which take memory of ours.
[[noreturn]] void give_up(int result) {
    std::fprintf(stderr,
                 "ringmain: io_uring_enter failed: %s: nothing can be served without it; if it is "
                 "forbidden (seccomp), allow it, or set io_backend = \"epoll\"\n",
                 error_text(result).c_str());
    std::abort();
}

}  // namespace

void Ring::Free::operator()(io_uring* ring) const {
    io_uring_queue_exit(ring);
    delete ring;
}

Ring::Ring() = default;

Ring::~Ring() {
    close();
}

Status Ring::open(const RingOptions& options) {
    RM_ASSERT(!is_open());
    if (options.backend == Backend::Epoll) return open_epoll(options);
    auto ring = std::make_unique<io_uring>();
    const int result = with_patience([&] {
        io_uring_params params = {};
        params.flags = setup_flags(options.features);
        params.cq_entries = std::max(options.completion_entries, options.submission_entries);
        return io_uring_queue_init_params(options.submission_entries, ring.get(), &params);
    });
    if (result < 0) {
        return Error{"a ring of " + std::to_string(options.submission_entries) +
                     " entries cannot be made: " + why_failed("io_uring_setup", result)};
    }
    ring_.reset(ring.release());
    features_ = options.features;
    aside_.clear();
    aside_read_ = 0;

    // Entry i of the queue is always entry i of the array, which publish() counts on. With liburing
    // 2.6 and a kernel 6.6 there is no array.
    for (uint32_t i = 0; ring_->sq.array != nullptr && i < ring_->sq.ring_entries; ++i) {
        ring_->sq.array[i] = i;
    }

    // Saves a look-up of the descriptor per call. Nothing depends on it.
    if (features_.has(Feature::RegisteredRing)) io_uring_register_ring_fd(ring_.get());

    // Nothing of ours should need the kernel's helper threads; if something does, then few.
    uint32_t helpers_max[2] = {1, 2};
    io_uring_register_iowq_max_workers(ring_.get(), helpers_max);
    return {};
}

Status Ring::open_epoll(const RingOptions& options) {
    auto epoll = std::make_unique<Epoll>(options.completion_entries, counters_);
    Status opened = epoll->open();
    if (opened.ok()) epoll_ = std::move(epoll);
    features_ = {};
    return opened;
}

void Ring::close() {
    epoll_.reset();
    if (!is_open()) return;
    cancel_everything();
    ring_.reset();
    aside_.clear();
    aside_read_ = 0;
}

// Ending a process, or closing its ring, leaves the end of the operations to a kernel thread,
// which holds on to ports for some 10 ms. So they are ended here first.
void Ring::cancel_everything() {
    drop_prepared(*ring_);
    if (features_.has(Feature::SyncCancel)) {
        io_uring_sync_cancel_reg everything = {};
        everything.fd = -1;
        everything.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
        everything.timeout = kernel_time(Duration::millis(close_timeout_ms));
        io_uring_register_sync_cancel(ring_.get(), &everything);
    } else {
        io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
        RM_ASSERT(entry != nullptr);
        io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        entry->user_data = close_user_data.pack();
        enter(publish(*ring_), get_events, {.timeout = Duration::millis(close_timeout_ms)});
    }
    // The ends of what was cancelled are only noted so far; this carries them out.
    enter(0, get_events, {.timeout = {}, .count = 0});
}

// The system call. Timeouts count only with GETEVENTS.
int Ring::enter(uint32_t submit_count, uint32_t flags, const WaitFor& what) {
    const bool is_timed = what.count > 0 && what.timeout < forever;
    __kernel_timespec time = kernel_time(what.timeout);
    compat::GetEventsArgument argument = {};
    if (is_timed) argument.time = reinterpret_cast<uint64_t>(&time);
    flags |= IORING_ENTER_EXT_ARG;
    if (ring_->enter_ring_fd != ring_->ring_fd) flags |= IORING_ENTER_REGISTERED_RING;

    const uint32_t before = *ring_->sq.khead;
    const int result = io_uring_enter2(static_cast<uint32_t>(ring_->enter_ring_fd),
                                       submit_count,
                                       what.count,
                                       flags,
                                       reinterpret_cast<sigset_t*>(&argument),
                                       sizeof argument);
    counters_.enters += 1;
    counters_.submitted += *ring_->sq.khead - before;
    if (is_refusal(result)) counters_.refused += 1;
    if (result == -EBADR) counters_.dropped += 1;
    return result;
}

uint32_t Ring::ready() const {
    return io_uring_smp_load_acquire(ring_->cq.ktail) - *ring_->cq.khead;
}

bool Ring::has_completions() const {
    return ready() > 0 || aside_read_ < aside_.size();
}

bool Ring::has_more() const {
    if (epoll_ != nullptr) return epoll_->has_completions();
    return has_completions() || is_overflowed(*ring_);
}

Wait Ring::submit_and_wait(Duration timeout) {
    RM_ASSERT(is_open());
    if (epoll_ != nullptr) {
        const Wait end = epoll_->wait(timeout);
        has_looked_ = epoll_->has_looked();
        return end;
    }
    const uint32_t submit_count = publish(*ring_);
    const bool some_ready = has_completions();
    has_looked_ = !some_ready || submit_count > 0;
    if (!has_looked_) return Wait::Ready;

    const bool waits = !some_ready && timeout > Duration{};
    const uint32_t before = ready();
    const int result =
        enter(submit_count, get_events, {.timeout = timeout, .count = waits ? 1U : 0U});
    if (!is_expected(result)) give_up(result);
    const bool defers = features_.has(Feature::DeferTaskrun);
    if (defers && ready() - before >= completed_per_call) has_looked_ = false;
    if (publish(*ring_) > 0) {
        submit();
    } else if (is_refusal(result)) {
        pause_for(refused_pause_first);  // the caller comes again at once
    }
    if (has_completions()) return Wait::Ready;
    return result == -EINTR ? Wait::Interrupted : Wait::TimedOut;
}

// Usually the kernel takes everything at the first attempt. When it refuses, for want of memory or
// because too many completions wait, these are set aside for the next reap() to make room, and what
// is in flight gets on while we wait.
void Ring::submit() {
    RM_ASSERT(is_open());
    if (epoll_ != nullptr) return;
    uint32_t refusals = 0;
    for (uint32_t idle_calls = 0; true; ++idle_calls) {
        const uint32_t submit_count = publish(*ring_);
        if (submit_count == 0) return;
        RM_ASSERT(idle_calls < idle_calls_max);
        const int result =
            enter(submit_count, refusals == 0 ? 0 : get_events, {.timeout = {}, .count = 0});
        if (!is_expected(result)) give_up(result);
        if (!is_refusal(result)) continue;
        set_aside();
        const Duration pause = pause_after(refusals);
        if (is_refusal(enter(0, get_events, {.timeout = pause}))) pause_for(pause);
        set_aside();
        refusals += 1;
        idle_calls = 0;
    }
}

uint32_t Ring::reap(std::span<Completion> into) {
    RM_ASSERT(is_open());
    into = into.first(std::min<size_t>(into.size(), batch_max));
    if (epoll_ != nullptr) {
        const uint32_t count = epoll_->reap(into);
        counters_.completed += count;
        return count;
    }
    const size_t from_aside = std::min(into.size(), aside_.size() - aside_read_);
    std::copy_n(aside_.begin() + static_cast<ptrdiff_t>(aside_read_), from_aside, into.begin());
    aside_read_ += from_aside;
    if (aside_read_ == aside_.size()) {
        aside_.clear();
        aside_read_ = 0;
    }
    const uint32_t count = static_cast<uint32_t>(from_aside) + copy_ready(into.subspan(from_aside));
    counters_.completed += count;
    return count;
}

uint32_t Ring::copy_ready(std::span<Completion> into) {
    io_uring_cq& queue = ring_->cq;
    // The kernel keeps what does not fit and fills up when it is entered next.
    if (is_overflowed(*ring_)) counters_.overflows += 1;
    const uint32_t count = std::min(ready(), static_cast<uint32_t>(into.size()));
    const uint32_t head = *queue.khead;
    const bool recycles = features_.has(Feature::BufferRecycle);
    for (uint32_t i = 0; i < count; ++i) {
        const io_uring_cqe& entry = queue.cqes[(head + i) & queue.ring_mask];
        into[i] = Completion::of(entry.user_data, entry.res, entry.flags, recycles);
    }
    io_uring_smp_store_release(queue.khead, head + count);
    return count;
}

void Ring::set_aside() {
    const uint32_t count = ready();
    const size_t size = aside_.size();
    aside_.resize(size + count);
    const uint32_t copied = copy_ready(std::span(aside_).subspan(size));
    RM_ASSERT(copied == count);
}

io_uring_sqe* Ring::next_entry() {
    RM_DCHECK(is_open());
    io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
    if (entry != nullptr) return entry;
    counters_.queue_full += 1;
    submit();
    entry = io_uring_get_sqe(ring_.get());
    RM_ASSERT(entry != nullptr);
    return entry;
}

// Below, user_data comes last: the preparing functions of some versions of liburing clear it.

void Ring::accept(int listener, Shots shots, UserData user_data) {
    if (epoll_ != nullptr) return epoll_->accept(listener, shots, user_data);
    io_uring_sqe* entry = next_entry();
    // Neither POLL_FIRST nor DONTWAIT here: kernels exist where either breaks the next shot.
    if (shots == Shots::Many && features_.has(Feature::MultishotAccept)) {
        io_uring_prep_multishot_accept(entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
    } else {
        io_uring_prep_accept(entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
    }
    entry->user_data = user_data.pack();
}

void Ring::receive(int socket, uint16_t group, const ReceiveOptions& options, UserData user_data) {
    if (epoll_ != nullptr) return epoll_->receive(socket, group, options, user_data);
    io_uring_sqe* entry = next_entry();
    // No MSG_WAITALL ever: with provided buffers it has lost data (6.17). Many receives take no
    // size; of one, kernel 5.19 does not take the buffer's for it.
    const bool is_many = options.shots == Shots::Many && features_.has(Feature::MultishotReceive);
    io_uring_prep_recv(entry, socket, nullptr, is_many ? 0 : size_of_any, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = group;
    if (is_many) entry->ioprio |= IORING_RECV_MULTISHOT;
    if (options.poll_first && features_.has(Feature::PollFirst)) {
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    }
    entry->user_data = user_data.pack();
}

void Ring::receive_into(int socket, char* data, uint32_t size, UserData user_data) {
    if (epoll_ != nullptr) return epoll_->receive_into(socket, data, size, user_data);
    io_uring_sqe* entry = next_entry();
    io_uring_prep_recv(entry, socket, data, size, 0);
    entry->user_data = user_data.pack();
}

void Ring::send(int socket, const char* data, uint32_t size, UserData user_data) {
    RM_DCHECK(size > 0);
    if (epoll_ != nullptr) return epoll_->send(socket, data, size, user_data);
    io_uring_sqe* entry = next_entry();
    io_uring_prep_send(entry, socket, data, size, MSG_NOSIGNAL);
    entry->user_data = user_data.pack();
}

void Ring::send_gathered(int socket, const msghdr* message, UserData user_data) {
    RM_DCHECK(message->msg_iovlen > 0);
    if (epoll_ != nullptr) return epoll_->send_gathered(socket, message, user_data);
    io_uring_sqe* entry = next_entry();
    io_uring_prep_sendmsg(entry, socket, message, MSG_NOSIGNAL);
    entry->user_data = user_data.pack();
}

void Ring::connect(int socket, const SocketAddress& address, UserData user_data) {
    if (epoll_ != nullptr) return epoll_->connect(socket, address, user_data);
    // The kernel would let a helper thread wait, and all that come behind it for one.
    if (address.is_path()) {
        counters_.submitted += 1;
        counters_.enters += 1;
        aside_.push_back({.user_data = user_data, .result = connect_at_once(socket, address)});
        return;
    }
    io_uring_sqe* entry = next_entry();
    io_uring_prep_connect(entry, socket, address.get(), address.length);
    entry->user_data = user_data.pack();
}

void Ring::cancel(int descriptor, UserData target, UserData user_data) {
    if (epoll_ != nullptr) return epoll_->cancel(descriptor, target, user_data);
    io_uring_sqe* entry = next_entry();
    io_uring_prep_cancel64(entry, target.pack(), 0);
    entry->user_data = user_data.pack();
}

void Ring::poll(int descriptor, uint32_t events, Shots shots, UserData user_data) {
    if (epoll_ != nullptr) return epoll_->poll(descriptor, events, shots, user_data);
    io_uring_sqe* entry = next_entry();
    if (shots == Shots::Many) {
        io_uring_prep_poll_multishot(entry, descriptor, events);
    } else {
        io_uring_prep_poll_add(entry, descriptor, events);
    }
    entry->user_data = user_data.pack();
}

void Ring::nothing(UserData user_data) {
    if (epoll_ != nullptr) return epoll_->nothing(user_data);
    io_uring_sqe* entry = next_entry();
    io_uring_prep_nop(entry);
    entry->user_data = user_data.pack();
}

}  // namespace ringmain::uring
