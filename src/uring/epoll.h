// src/uring/epoll.h - the operations of a Ring on epoll: readiness turned into completions.
//
//   send, connect            tried at once; what would block waits for the socket to be writable
//   receive, accept, poll    wait for an event; then tried until nothing is left, or until others
//                            have to have their turn (`ready_`)
//
// All that happens within the call that prepares an operation or within wait(): nothing goes on
// behind the caller's back, and no memory is in use between two calls but what Ring promises.
//
// A descriptor is watched edge-triggered from its first operation that has to wait until it is
// closed, which nobody tells us. So an operation on a descriptor without one under way adds it to
// the epoll set anew: the kernel either takes it, and reports what is there, or has it already
// (EEXIST); then an event may have gone by, and the operation is tried without one.
//
// Per descriptor there is at most one operation that takes (accept, receive, poll) and one that
// gives (send, connect).

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/buffer_ring.h"
#include "ringmain/uring/completion.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/ring.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace ringmain::uring {

// First in, first out; grows when it is full.
class CompletionQueue {
  public:
    explicit CompletionQueue(uint32_t capacity);

    [[nodiscard]] bool empty() const { return head_ == tail_; }

    void push(const Completion& completion);

    // As many as there are and fit.
    uint32_t take(std::span<Completion> into);

  private:
    void grow();

    std::vector<Completion> slots_;  // a power of two of them
    uint32_t mask_;
    uint32_t head_ = 0;
    uint32_t tail_ = 0;
};

class Epoll {
  public:
    // The counters outlive it.
    Epoll(uint32_t completions, RingCounters& counters);

    Status open();

    // As Ring's.
    void accept(int listener, Shots shots, UserData user_data);
    void receive(int socket, uint16_t group, const ReceiveOptions& options, UserData user_data);
    void receive_into(int socket, char* data, uint32_t size, UserData user_data);
    void send(int socket, const char* data, uint32_t size, UserData user_data);
    void send_gathered(int socket, const msghdr* message, UserData user_data);
    void connect(int socket, const SocketAddress& address, UserData user_data);
    void cancel(int descriptor, UserData target, UserData user_data);
    void poll(int descriptor, uint32_t events, Shots shots, UserData user_data);
    void nothing(UserData user_data);
    Wait wait(Duration timeout);

    [[nodiscard]] bool has_looked() const {
        return looked_ && !is_full_ && ready_.empty() && hungry_.empty();
    }

    uint32_t reap(std::span<Completion> into) { return completions_.take(into); }

    [[nodiscard]] bool has_completions() const { return !completions_.empty(); }

    // The group that receives are served from; false: it has its buffers already.
    [[nodiscard]] bool attach(BufferRing& buffers, uint16_t group);
    void detach(uint16_t group);

  private:
    enum class Input : uint8_t { None, Accept, Receive, ReceiveInto, Poll };
    enum class Output : uint8_t { None, Send, Connect };

    struct Watch {
        UserData input_name;
        UserData output_name;
        const char* unsent = nullptr;  // Send
        char* into = nullptr;          // ReceiveInto
        uint32_t unsent_size = 0;
        uint32_t argument = 0;  // Receive: group; ReceiveInto: size; Poll: events
        uint32_t events = 0;    // that the kernel watches for
        Input input = Input::None;
        Output output = Output::None;
        bool many = false;     // the input goes on
        bool hung_up = false;  // no event will follow: read to the end
        bool is_unix = false;
        bool in_pieces = false;  // a receive may end before the bytes do
        bool hungry = false;     // found no buffer: its next turn is for one
        bool queued = false;     // in ready_ or hungry_

        [[nodiscard]] bool is_idle() const {
            return input == Input::None && output == Output::None;
        }
    };

    static_assert(sizeof(Watch) <= 64, "one per descriptor");

    // What became of a wish to hear of a descriptor.
    struct Watched {
        int error = 0;       // as -errno
        bool fresh = false;  // the kernel reports what is there already
    };

    Watch& watch_of(int descriptor);
    Watched listen_to(int descriptor, Watch& watch, uint32_t events);
    Watch* arm_input(int descriptor, Input input, uint32_t events, UserData user_data);
    Watch* arm_output(int descriptor, Output output, UserData user_data);
    static void queue(int descriptor, Watch& watch, std::vector<int>& into);
    void take_turns();
    void on_event(const epoll_event& event);
    void take_input(Watch& watch, const epoll_event& event);
    void try_input(int descriptor, Watch& watch);
    void try_accept(int listener, Watch& watch);
    void try_receive(int socket, Watch& watch);
    void wait_for_buffer(int socket, Watch& watch, bool hungry);
    void try_receive_into(int socket, Watch& watch);
    void try_poll(int descriptor, Watch& watch);
    void try_output(int socket, Watch& watch);
    void wait_for_room(int socket, std::string_view first, UserData user_data);
    void end_input(Watch& watch, int32_t result);
    void end_output(Watch& watch, int32_t result);
    void complete(UserData user_data, int32_t result, uint32_t flags = 0);

    RingCounters& counters_;
    Descriptor epoll_;
    std::vector<Watch> watches_;  // by descriptor
    std::vector<BufferRing*> groups_;
    std::vector<int> ready_;   // to be tried without an event, in the next turn
    std::vector<int> hungry_;  // the same, before them: there was no buffer
    std::vector<int> turn_;
    std::vector<epoll_event> events_;
    CompletionQueue completions_;
    bool looked_ = true;    // in the last wait()
    bool is_full_ = false;  // its events: there may be more
};

}  // namespace ringmain::uring
