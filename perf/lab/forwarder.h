// perf/lab/forwarder.h - what a proxy on this ring would cost if it had nothing to think about.
//
// It receives bytes and sends them on; it knows no protocol, keys, errors, timeouts or statistics.
// Same ring, same buffers, same waiting as the proxy's: multishot receives into
// provided buffers, at most one send in flight per connection, one system call per batch.
//
//   Own     each client gets a connection of its own to one of the servers, in turn, as in a
//           layer-4 proxy. What was received is sent from where it lies, without a copy. It pays
//           one send to a server per batch of a client: with many clients a proxy that shares
//           connections can be cheaper.
//   Shared  one connection per server, shared by all clients that are assigned to it, in turn:
//           what is ready together goes out in one send, as in a proxy that multiplexes. To find
//           the answers' ends without a parser it is told the sizes: all requests have
//           request_size bytes, all answers answer_size. Bytes are copied once on each way. It
//           neither looks at keys nor spreads one client's requests over several servers, and so
//           needs every key on every server.
//
// When a client goes, so does its own server connection; a shared one outlives it. A server that
// goes ends the program. Half-closed connections are closed.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/buffer_ring.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/ring.h"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/uio.h>

namespace ringmain::lab {

struct ForwarderOptions {
    uint16_t port = 0;
    std::vector<uint16_t> servers = {};
    // Of each request and each answer, in bytes: shared connections; 0: own ones.
    uint32_t request_size = 0;
    uint32_t answer_size = 0;
};

class Forwarder {
  public:
    explicit Forwarder(const ForwarderOptions& options) : options_(options) {}

    Status open();
    [[noreturn]] void run();

  private:
    static constexpr uint32_t buffer_count = 256;  // as the proxy's `receive_buffers`
    static constexpr uint32_t buffer_size = 16384;
    static constexpr uint32_t pieces_max = 16;  // per send
    static constexpr uint32_t nobody = UINT32_MAX;

    enum class Operation : uint8_t { Accept, Receive, Send };

    struct Piece {  // of a receive buffer
        uint16_t buffer;
        uint32_t offset;
        uint32_t size;
    };

    struct Due {  // the next answer bytes of a shared server connection belong to this client
        uint32_t client;
        uint32_t generation;
        uint64_t bytes;
    };

    struct Connection {
        uring::Descriptor socket = {};
        uint32_t generation = 0;
        uint32_t operations = 0;  // in flight: the slot is in use until they have completed
        uint32_t peer = nobody;   // own: the other side; shared: a client's server
        bool is_server = false;
        bool sending = false;
        bool closing = false;
        bool marked = false;            // is in ready_
        std::deque<Piece> pieces = {};  // own: to be sent, the first `flying` of them on their way
        uint32_t flying = 0;
        std::array<iovec, pieces_max> vector = {};
        msghdr message = {};
        std::string next = {};  // shared: to be sent after `now`
        std::string now = {};   // shared: on its way, from sent_ on
        size_t sent = 0;
        std::string tail = {};  // shared: the beginning of a client's request
        std::deque<Due> due = {};
    };

    [[nodiscard]] bool shared() const { return options_.request_size > 0; }

    Result<uint32_t> connect_to(uint16_t port);
    uint32_t take_slot(uring::Descriptor socket);
    void on_completion(const uring::Completion& done);
    void on_accepted(const uring::Completion& done);
    void on_received(uint32_t index, const uring::Completion& done);
    void on_sent(uint32_t index, int32_t result);
    void forward_piece(uint32_t index, const uring::Completion& done);
    void share_request(uint32_t index, std::string_view bytes);
    void share_answer(uint32_t index, std::string_view bytes);
    void mark(uint32_t index);
    void flush();
    void send_pieces(uint32_t index);
    void send_text(uint32_t index);
    void arm(uint32_t index);
    void give_back(uint16_t buffer);
    void arm_starved();
    void close(uint32_t index);
    void close_one(uint32_t index);
    void release(uint32_t index);
    [[nodiscard]] uring::UserData user_data(Operation operation, uint32_t index) const;

    char* buffer_at(uint16_t id) { return memory_.get() + size_t{id} * buffer_size; }

    ForwarderOptions options_;
    uring::Ring ring_;
    uring::BufferRing buffers_;
    std::unique_ptr<char[]> memory_;
    uring::Descriptor listener_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<uint32_t> free_;
    std::vector<uint32_t> ready_;    // have something to send
    std::deque<uint32_t> starved_;   // wait for a receive buffer
    std::vector<uint32_t> servers_;  // shared
    std::vector<uring::Completion> batch_;
    uint32_t next_server_ = 0;
};

}  // namespace ringmain::lab
