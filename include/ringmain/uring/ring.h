// ringmain/uring/ring.h - one submission and one completion queue shared with the kernel.
//
// On io_uring, or on epoll (backend.h) with the same operations and completions: then what is
// prepared is tried at once, and each submit_and_wait() looks at the sockets.
//
// A ring belongs to the thread that opened it.
// Operations are prepared one by one and handed over together by submit_and_wait(), which is the
// one system call of a batch. Should the submission queue fill up in between, what is prepared is
// submitted at once; preparing never fails.
//
//     ring.receive(fd, group, {}, user_data);
//     ring.submit_and_wait(timeout);
//     for (const Completion& done : batch.first(ring.reap(batch))) ...
//
// Data that is sent stays valid and unchanged until the operation's last completion. Message
// headers, their vectors and addresses are copied: they may be reused when submit() or
// submit_and_wait() has returned. Sockets come in blocking mode: a non-blocking one would answer
// EAGAIN instead of waiting in the kernel. (On epoll listeners and what connects are made
// non-blocking.)
//
// At most one send may be in flight per socket: two would interleave their bytes. Epoll wants that
// of all operations: one that takes (accept, receive, poll) and one that gives (send, connect).
// Closing a descriptor does not end its operations: cancel them first and wait for the completions.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/base/time.h"
#include "ringmain/uring/backend.h"
#include "ringmain/uring/completion.h"
#include "ringmain/uring/features.h"
#include "ringmain/uring/socket_address.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <sys/socket.h>

struct io_uring;
struct io_uring_sqe;

namespace ringmain::uring {

class Epoll;

// More than one completion per submission, or one. Many falls back to One where the kernel lacks
// it, so the caller goes by Completion::more() alone.
enum class Shots : uint8_t { One, Many };

struct ReceiveOptions {
    Shots shots = Shots::Many;
    bool poll_first = false;  // nothing is expected to be there yet: wait before the first attempt
};

// How submit_and_wait() ended. There may be completions after any of them, and a signal may read as
// TimedOut when operations were handed over in the same call: a hint, not a promise.
enum class Wait : uint8_t { Ready, TimedOut, Interrupted };

struct RingOptions {
    Backend backend = Backend::IoUring;
    uint32_t submission_entries = 1024;
    // At least twice as many as receive buffers plus busy connections: nothing is lost when the
    // queue overflows, but multishot operations end and have to be armed again.
    uint32_t completion_entries = 8192;
    Features features = {};  // of io_uring
};

struct RingCounters {
    uint64_t enters = 0;      // system calls; on epoll those of the operations too
    uint64_t submitted = 0;   // operations
    uint64_t completed = 0;   // completions reaped
    uint64_t overflows = 0;   // batches that found the completion queue overflowed
    uint64_t queue_full = 0;  // early submissions, the submission queue being full
    uint64_t refused = 0;     // calls that the kernel refused for now (EAGAIN, EBUSY, ENOMEM)
    uint64_t dropped = 0;     // times that the kernel lost completions for want of memory (EBADR)
};

class Ring {
  public:
    static constexpr Duration forever = {INT64_MAX};
    static constexpr uint32_t batch_max = 512;  // completions per reap(), bounds the work per batch

    Ring();
    ~Ring();
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    // In the thread that will use it.
    Status open(const RingOptions& options);

    // In the same thread. Cancels everything in flight and gives the ring back: no memory is then
    // in use by the kernel, and ports and files are free at once. Completions not yet reaped are
    // lost, among them those of connections just accepted.
    void close();

    [[nodiscard]] bool is_open() const { return ring_ != nullptr || epoll_ != nullptr; }

    [[nodiscard]] const Features& features() const { return features_; }

    [[nodiscard]] const RingCounters& counters() const { return counters_; }

    // The result is the new socket, blocking and close-on-exec.
    void accept(int listener, Shots shots, UserData user_data);

    // Into the next buffer of the group (buffer_ring.h): Completion::buffer(). Result 0 is the end
    // of the stream, -ENOBUFS an empty group, which ends the operation: submit it again when the
    // group has buffers, not before.
    void receive(int socket, uint16_t group, const ReceiveOptions& options, UserData user_data);

    // Once, into memory of the caller's.
    void receive_into(int socket, char* data, uint32_t size, UserData user_data);

    // May send less than `size`.
    void send(int socket, const char* data, uint32_t size, UserData user_data);
    void send_gathered(int socket, const msghdr* message, UserData user_data);

    // At a path where too many wait to be accepted it does not wait: -EAGAIN, to be tried again.
    void connect(int socket, const SocketAddress& address, UserData user_data);

    // Result 0: found and cancelled; -ENOENT: nothing to cancel; -EALREADY: too late. What is
    // cancelled completes on its own, with -ECANCELED or with what it had got done by then.
    // The target is an operation on that descriptor.
    void cancel(int descriptor, UserData target, UserData user_data);

    // `events` as of poll(2); the result is what is ready.
    void poll(int descriptor, uint32_t events, Shots shots, UserData user_data);

    // Completes at once, with 0.
    void nothing(UserData user_data);

    // Hands over what is prepared and waits for a completion, unless there is one already: for
    // ever, or for as long as `timeout`; zero only looks. Those of what is handed over count, and a
    // send usually completes at once.
    Wait submit_and_wait(Duration timeout);

    // Whether the last submit_and_wait() has looked for all that had arrived by then. Not when
    // there were completions already, or more than one look takes.
    [[nodiscard]] bool has_looked() const { return has_looked_; }

    // Hands over all that is prepared, without waiting for completions.
    void submit();

    // Copies out up to min(batch_max, into.size()) completions, in order; no system call.
    [[nodiscard]] uint32_t reap(std::span<Completion> into);

    // Whether there are more to be reaped, those that the kernel has no room for yet included.
    [[nodiscard]] bool has_more() const;

    // For BufferRing.
    [[nodiscard]] io_uring* handle() const { return ring_.get(); }

    [[nodiscard]] Epoll* epoll() const { return epoll_.get(); }  // null on io_uring

  private:
    struct Free {
        void operator()(io_uring* ring) const;
    };

    Status open_epoll(const RingOptions& options);
    io_uring_sqe* next_entry();

    // What enter() waits for with GETEVENTS.
    struct WaitFor {
        Duration timeout;
        uint32_t count = 1;
    };

    int enter(uint32_t submit_count, uint32_t flags, const WaitFor& what);
    void set_aside();
    [[nodiscard]] uint32_t ready() const;
    [[nodiscard]] bool has_completions() const;
    uint32_t copy_ready(std::span<Completion> into);
    void cancel_everything();

    std::unique_ptr<Epoll> epoll_;  // one of the two
    std::unique_ptr<io_uring, Free> ring_;
    Features features_;
    RingCounters counters_;
    std::vector<Completion> aside_;  // reaped early, to make room for submissions
    size_t aside_read_ = 0;
    bool has_looked_ = true;
};

}  // namespace ringmain::uring
