// src/worker/port.h - a port on the control thread's ring that tells how things are.
//
// Two manners of speaking (Speech): the statistics port writes its JSON as soon as somebody
// connects and closes, as twemproxy does; the admin port answers HTTP requests.
//
//   Free --accepted--> Reading --a request--> Writing --all sent--> Lingering --EOF--> Free
//                         ^                      |
//                         +------ keep-alive ----+
//   any of them --deadline--> Closing --> Free
//
// Nothing waits: not for a reader who does not read, nor for one who says nothing. Each connection
// has a deadline, there are at most so many of them as it has places, and who takes the last free
// place costs the one that has asked nothing for longest its own. Lingering lets the reader take
// the end of what was sent before the connection goes.
//
// One thread. A port uses four kinds of user data from `first_kind` on. It outlives the ring, or is
// destroyed when the ring is closed.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/base/time.h"
#include "ringmain/config/config.h"
#include "ringmain/stats/pages.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/ring.h"
#include "ringmain/uring/socket_file.h"

#include <array>
#include <cstdint>
#include <vector>

namespace ringmain::worker {

class Port {
  public:
    enum class Speech : uint8_t { Json, Http };

    static constexpr uint8_t kinds = 4;
    static constexpr uint32_t connections_max = 64;  // of any port

    // To say a request; to take a response; to say nothing between two; to read the end.
    static constexpr Duration read_limit = Duration::millis(5'000);
    static constexpr Duration write_limit = Duration::millis(10'000);
    static constexpr Duration idle_limit = Duration::millis(30'000);
    static constexpr Duration linger_limit = Duration::millis(1'000);

    // `sources` outlives the port; what it points to may be exchanged between two calls, with
    // another edition then.
    Port(uring::Ring& ring,
         const stats::PageSources& sources,
         Speech speech,
         uint8_t first_kind,
         uint32_t places = connections_max);
    ~Port() = default;

    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    Status open(const config::Address& address);

    [[nodiscard]] bool is_open() const { return listener_.is_open(); }

    [[nodiscard]] uint16_t tcp_port() const { return tcp_port_; }

    [[nodiscard]] bool owns(const uring::Completion& done) const {
        return done.user_data.kind >= first_kind_ && done.user_data.kind < first_kind_ + kinds;
    }

    void on_completion(const uring::Completion& done, Instant now);

    // When on_time() has something to do next.
    [[nodiscard]] Instant next_deadline() const;
    void on_time(Instant now);

    [[nodiscard]] size_t connections() const { return connections_.size() - free_; }

  private:
    enum class Operation : uint8_t { Accept, Receive, Send, Cancel };
    enum class State : uint8_t { Free, Reading, Writing, Lingering, Closing };

    struct Connection {
        uint32_t index = 0;
        uint32_t generation = 0;
        State state = State::Free;
        uint8_t operations = 0;  // that the kernel holds
        bool keep_alive = false;
        uring::Descriptor socket;
        Instant since;  // it last asked for something
        Instant deadline = Instant::never();
        stats::HttpReader reader;
        std::array<char, 2048> input = {};
        size_t input_begin = 0;  // of what was received and not yet read
        size_t input_end = 0;
        stats::Pages::Reading output;
        size_t sent = 0;
    };

    void accept();
    void on_accept(int32_t result, Instant now);
    void begin(uring::Descriptor socket, Instant now);
    void make_room();
    void receive(Connection& connection);
    void on_receive(Connection& connection, int32_t result, Instant now);
    void take_requests(Connection& connection, Instant now);
    void write(Connection& connection, stats::Pages::Reading page, Instant now);
    void send(Connection& connection);
    void on_send(Connection& connection, int32_t result, Instant now);
    void close(Connection& connection);
    void release(Connection& connection);
    [[nodiscard]] uring::UserData name(const Connection& connection, Operation operation) const;

    uring::Ring& ring_;
    stats::Pages pages_;
    Speech speech_;
    uint8_t first_kind_;
    uring::Descriptor listener_;
    uring::SocketFile file_;  // behind the listener: it goes first
    uint16_t tcp_port_ = 0;
    bool accepting_ = false;
    Instant accept_at_ = Instant::never();  // accepting failed for lack of descriptors or memory
    size_t free_;
    std::vector<Connection> connections_;
};

}  // namespace ringmain::worker
