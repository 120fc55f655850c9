// ringmain/worker/driver.h - turns completions into events and pending output into submissions.
//
// The only code that stands between the ring and the proxy. One round of its loop:
//
//   wait -> reap all -> feed all -> flush clients -> flush servers -> give buffers back -> submit
//
// Rules that keep it right:
//  1. One send under way per socket; what becomes ready meanwhile leaves with the next one.
//  2. A receive that ran out of buffers is armed again when buffers have come back, oldest first,
//     never from its own completion. Those behind idle ones in that line come on in the next round,
//     which then does not wait.
//  3. A socket is closed when the kernel holds no operation on it any more.
//  4. A slot's generation is in every operation's name; a completion of an earlier user is ignored.
//  5. No completion is trusted to come: a socket that was silent for a while is looked at.
//  6. A send that fails ends no server connection whose receive is armed: answers may be on
//     their way to it, and the end behind them.

#pragma once

#include "ringmain/base/slab.h"
#include "ringmain/buffer/block_pool.h"
#include "ringmain/core/proxy.h"
#include "ringmain/uring/buffer_ring.h"
#include "ringmain/uring/ring.h"
#include "ringmain/uring/socket_address.h"
#include "ringmain/worker/inbox.h"
#include "ringmain/worker/log.h"
#include "ringmain/worker/pause.h"
#include "ringmain/worker/resolver.h"
#include "ringmain/worker/run_limit.h"
#include "ringmain/worker/timekeeper.h"

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <poll.h>

namespace ringmain::worker {

struct Channel;
class Roster;

// How far a worker has got with the configurations that it was given, by their numbers.
struct Progress {
    std::atomic<uint64_t> adopted = 1;  // this one is in force
    std::atomic<uint64_t> settled = 1;  // and nothing of those before it is in use
};

// What a driver needs of the process; all of it outlives the driver.
struct Surroundings {
    Roster* roster = nullptr;  // has this worker's inbox
    Resolver* resolver = nullptr;
    Timekeeper* timekeeper = nullptr;
    Progress* progress = nullptr;  // this worker's
    const Log* log = nullptr;
    uint32_t worker = 0;  // index
};

class Driver {
  public:
    Driver(core::Proxy& proxy, BlockPool& blocks, const Surroundings& surroundings);
    ~Driver();
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    Status open(const uring::RingOptions& options, uint32_t receive_buffers);

    // Until told to stop by the inbox. Listeners are borrowed: a drain shuts them when all who had
    // connected are in; they are closed by the caller afterwards.
    void run(std::vector<Listener> listeners, Duration shutdown_timeout);

    [[nodiscard]] const uring::RingCounters& ring_counters() const { return ring_.counters(); }

    // How often a receive found none of all buffers and had to wait for one.
    [[nodiscard]] uint64_t starvations() const { return starvations_; }

  private:
    struct Found {
        std::vector<uring::SocketAddress> addresses;
        Instant at;
        size_t tried = 0;  // since then
        size_t next = 0;
        bool has_failed = false;  // the one that its connection was at last
    };

    enum class Operation : uint8_t { Accept, Receive, Send, Connect, Cancel, End, Wake };

    // What the kernel may take addresses of until submission.
    struct SendSpace {
        std::vector<msghdr> messages;
        std::vector<iovec> entries;
        size_t messages_used = 0;
        size_t entries_used = 0;
    };

    // waiting.cc
    void read_clock();
    void give_time();
    void note_look();
    void wait();
    [[nodiscard]] bool look_busily();
    [[nodiscard]] Instant next_deadline() const;
    void on_time();

    // driver.cc: the loop and completions
    uint32_t round();  // how much had happened
    void take_what_is_there();
    void publish_counters();
    void tell_cut_off() const;
    void on_completion(const uring::Completion& done);
    void on_accept(const uring::Completion& done);
    void place_client(const Listener& listener, int socket);
    void take_client(uint32_t pool, int socket);
    void take_over(Message& message);
    void let_in(const Listener& listener);
    void stop_accepting(const Listener& listener);
    void close_door(const Listener& listener);
    void on_receive(Channel& channel, const uring::Completion& done);
    [[nodiscard]] Block* take_buffer(const uring::Completion& done);
    void feed(Channel& channel, Slice slice);
    void on_stream_end(Channel& channel, int error);
    void on_send(Channel& channel, int32_t result);
    void on_send_failed(Channel& channel, int error);
    void make_room_to_linger();
    void on_wake();
    void arm_listeners();
    void arm_wake();
    void begin_drain();
    [[nodiscard]] bool note_unread(const RunLimit& patience);
    void end_clients_when_fed();
    [[nodiscard]] bool is_drained() const;

    // adopt.cc: another configuration
    void prepare_to_adopt(Message& message);
    void adopt_when_all_are_in();
    void adopt();
    void change_listeners(const std::vector<Listener>& wanted);
    void report_progress();
    void forget(core::Pool& pool);

    // connecting.cc: the way to the servers
    void preconnect();
    void connect(core::ServerConn& conn);
    void on_resolved(const Message& message);
    [[nodiscard]] Found* untried(const core::ServerConn& conn);
    Found& note_found(const core::ServerConn& conn,
                      const std::vector<uring::SocketAddress>& addresses);
    [[nodiscard]] const uring::SocketAddress* known_address(const core::ServerConn& conn) const;
    [[nodiscard]] const uring::SocketAddress* failed_address(const core::ServerConn& conn) const;
    [[nodiscard]] const uring::SocketAddress* working_address(const core::ServerConn& conn) const;
    [[nodiscard]] bool is_deaf(const core::ServerConn& conn,
                               const uring::SocketAddress& address) const;
    void note_end(const core::ServerConn& conn, bool was_connected);
    void connect_to_next(core::ServerConn& conn, Found& known);
    void connect_to(core::ServerConn& conn, const uring::SocketAddress& address);
    [[nodiscard]] bool is_own_end(const Channel& channel) const;
    void begin_connect(Channel& channel);
    void on_connect(Channel& channel, int32_t result);
    void knock_again();
    void end_patience();
    void disconnect(core::ServerConn& conn);
    void lose_server(core::ServerConn& conn, const std::string& why);
    void lose_server(const Channel& channel, int error);

    // output.cc: what the proxy wants done
    void flush();
    void flush_clients();
    bool flush_hearers();
    void flush_client(core::ClientConn& client);
    void flush_server(core::ServerConn& conn);
    void send(Channel& channel);
    void throttle(Channel& channel);
    [[nodiscard]] static bool wants_receive(const Channel& channel);
    void receive(Channel& channel, uring::Shots shots = uring::Shots::Many);
    void listen_for_end(Channel& channel);
    void starve(Channel& channel);
    void cancel_receive(Channel& channel);
    void cancel(Channel& channel, Operation operation);
    void watch(Channel& channel);
    void nudge_quiet();
    void find_ended();
    void on_silence(Channel& channel);
    [[nodiscard]] static bool is_left_waiting(const Channel& channel);
    void end_wait(Channel& channel, int events);
    void lose_client(Channel& channel);
    void close_client(Channel& channel);
    void forget_client(Channel& channel);
    void close(Channel& channel);
    void close_if_quiet(Channel& channel);
    void fill_buffers();
    void refill_buffers();
    void give_back_memory();

    void tell_shortage(std::string_view text);
    void tell(const core::ServerConn& conn, std::string_view what) const;
    void tell(const core::ClientConn& client, std::string_view what) const;
    void tell_loss(const core::ServerConn& conn) const;
    void fail_locally(core::ServerConn& conn, const std::string& why);
    Channel& make_channel(int socket);
    [[nodiscard]] uring::UserData name(const Channel& channel, Operation operation) const;
    [[nodiscard]] uring::UserData name(const Listener& listener) const;

    core::Proxy& proxy_;
    BlockPool& blocks_;
    Roster& roster_;
    Inbox& inbox_;
    Resolver& resolver_;
    Timekeeper& timekeeper_;
    Progress& progress_;
    const Log& log_;
    uint32_t worker_;
    uring::Ring ring_;
    uring::BufferRing buffers_;
    std::vector<Block*> block_of_buffer_;  // by buffer id; null while not with the kernel
    std::vector<uint16_t> empty_buffers_;  // ids without a block
    uint32_t buffers_wanted_ = 0;          // with the kernel; grows to all there are
    std::vector<uring::Completion> batch_;
    SendSpace space_;

    std::vector<std::unique_ptr<Channel>> channels_;  // by index; 0 is nobody's
    std::vector<uint32_t> free_channels_;
    std::deque<Channel*> starved_;  // their receive found no buffer; oldest first
    uint64_t starvations_ = 0;
    uint64_t handed_over_ = 0;
    uint32_t sends_pending_ = 0;
    Instant look_again_at_;                     // nudge_quiet()
    Instant find_ended_at_ = Instant::never();  // a client was refused for want of a place
    Instant found_ended_at_;
    Instant knock_at_;
    std::vector<pollfd> polled_;
    std::vector<Channel*> polled_channels_;
    std::vector<Listener> listeners_;
    Instant arm_at_;  // no listener is to be armed before; never() when all are

    struct Watched {
        Channel* channel = nullptr;
        uint32_t generation = 0;
    };

    struct Linger {
        Channel* channel = nullptr;
        uint32_t generation = 0;
        Instant until = {};
    };

    std::unordered_map<uint64_t, core::ServerConn*> questions_;  // to the resolver, by ticket
    std::unordered_set<const core::ServerConn*> asking_;
    // When those who wait for a look-up try the address that works without it.
    std::multimap<Instant, core::ServerConn*> patience_;
    std::unordered_map<const core::ServerConn*, Found> found_;  // by the last look-up
    // Of the addresses of its name, the one that answered last.
    std::unordered_map<const core::Server*, uring::SocketAddress> working_;
    // The address that a connection attempt uses; stable while the kernel reads it.
    std::unordered_map<const core::ServerConn*, uring::SocketAddress> addresses_;
    uint64_t next_ticket_ = 1;
    std::vector<Watched> watched_;   // have received lately (nudge_quiet)
    std::vector<Watched> knocking_;  // servers on whose socket too many wait to be accepted
    uint32_t clients_here_ = 0;      // the roster counts those on their way, too
    std::deque<Linger> lingering_;   // clients that have their last response and not left yet

    Instant now_;
    Duration wall_offset_;  // from the monotonic clock to the calendar
    PauseWatch pause_watch_;
    Duration paused_for_;  // before this batch
    // The last batch: when it began, and how long it took, the wait behind it apart.
    Instant busy_from_;
    Duration busy_for_;
    bool held_looking_ = false;    // a deadline has passed since the last look may have been
    uint32_t unsure_batches_ = 0;  // in a row: more may have arrived than was read
    Instant active_at_;            // a socket had something, last
    // Between two looks at the calendar, and at memory that can go back.
    static constexpr Duration trim_interval = Duration::millis(100);
    Instant last_trim_;
    Duration shutdown_timeout_;
    uint64_t generation_ = 1;        // number of the configuration
    std::unique_ptr<Message> next_;  // says which is the next
    RunLimit adopts_within_;
    bool all_stay_ = false;  // each pool is there in next_, too
    Instant tell_again_at_;  // that descriptors or memory are short
    Instant drain_until_ = Instant::never();
    RunLimit clients_end_within_;
    bool is_to_drain_ = false;  // when the next configuration is adopted, if there is one
    bool draining_ = false;
    bool clients_end_ = false;  // the proxy knows how much of each client still counts
    bool stopping_ = false;
    uint32_t closing_channels_ = 0;
};

}  // namespace ringmain::worker
