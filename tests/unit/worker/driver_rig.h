// tests/unit/worker/driver_rig.h - one worker's driver in a thread, behind a port of its own.
//
// As small as a test wants it: rings of a few entries, an arena of a few blocks. Clients are plain
// blocking sockets of the test; what is asked of PING and ECHO needs no server.

#pragma once

#include "ringmain/uring/clock.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/features.h"
#include "ringmain/uring/socket.h"
#include "ringmain/worker/driver.h"
#include "ringmain/worker/roster.h"
#include "tests/files.h"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ringmain::worker::test {

template <class Condition>
bool becomes_true(const Condition& condition, Duration limit = Duration::millis(10'000)) {
    const Instant start = uring::now();
    while (!condition()) {
        if (uring::now() - start > limit) return false;
        uring::pause_for(Duration::millis(2));
    }
    return true;
}

// "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n" and its answer.
inline std::string echo_request(std::string_view text) {
    return "*2\r\n$4\r\nECHO\r\n$" + std::to_string(text.size()) + "\r\n" + std::string(text) +
           "\r\n";
}

inline std::string echo_answer(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// A client. Every read is bounded.
class Client {
  public:
    explicit Client(const uring::SocketAddress& address) {
        Result<uring::Descriptor> connected = uring::connect_and_wait(address);
        REQUIRE_MESSAGE(connected.ok(), connected.error());
        socket_ = std::move(connected.value());
    }

    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            REQUIRE(sent > 0);
            bytes.remove_prefix(static_cast<size_t>(sent));
        }
    }

    // As much as goes without waiting.
    size_t send_some(std::string_view bytes) const {
        size_t total = 0;
        while (total < bytes.size()) {
            const ssize_t sent = ::send(socket_.get(),
                                        bytes.data() + total,
                                        bytes.size() - total,
                                        MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent <= 0) break;
            total += static_cast<size_t>(sent);
        }
        return total;
    }

    // So many bytes, or what came before the end of the stream or ten seconds without a byte.
    [[nodiscard]] std::string read(size_t size) const {
        std::string bytes;
        char part[16384];
        while (bytes.size() < size) {
            pollfd event = {.fd = socket_.get(), .events = POLLIN, .revents = 0};
            if (poll(&event, 1, 10'000) <= 0) break;
            const ssize_t count =
                recv(socket_.get(), part, std::min(sizeof part, size - bytes.size()), 0);
            if (count <= 0) break;
            bytes.append(part, static_cast<size_t>(count));
        }
        return bytes;
    }

    [[nodiscard]] std::string ask(std::string_view request, size_t answer_size) const {
        send(request);
        return read(answer_size);
    }

    // The line that answers, or nothing when the stream has ended or is silent.
    [[nodiscard]] std::string ask_for_line(std::string_view request) const {
        send(request);
        std::string line;
        while (!line.ends_with("\r\n")) {
            const std::string byte = read(1);
            if (byte.empty()) return {};
            line += byte;
        }
        return line;
    }

    [[nodiscard]] bool is_served() const { return ask("PING\r\n", 7) == "+PONG\r\n"; }

    void half_close() const { shutdown(socket_.get(), SHUT_WR); }

    // Closes with RST.
    void reset() {
        uring::set_abort_on_close(socket_.get());
        socket_.close();
    }

    void close() { socket_.close(); }

    [[nodiscard]] int descriptor() const { return socket_.get(); }

  private:
    uring::Descriptor socket_;
};

// A drain may take so long: much longer than any machine sleeps between two of its steps.
constexpr Duration shutdown_timeout = Duration::millis(20'000);

struct RigOptions {
    config::Pool pool = {};
    uint32_t submission_entries = 64;
    uint32_t completion_entries = 512;
    uint32_t receive_buffers = 64;
    uint32_t blocks = 4096;
    std::string_view kernel = "none";  // features of io_uring that are ignored, or "epoll"
    bool starts = true;                // or when start() is called
    uint64_t clients_max = 0;          // what the descriptors allow; 0: any number
    bool moves = false;    // adopts, as soon as it runs, the same pool on another port: moved_to()
    bool renames = false;  // then it is another pool, and the first one is gone
    bool drains_behind = false;  // and is told to drain in the same moment
};

class Rig {
  public:
    explicit Rig(const RigOptions& options) : options_(options), log_(config::LogLevel::Debug) {
        char path[] = "/tmp/ringmain-driver-test-XXXXXX";
        const uring::Descriptor made(mkstemp(path));
        log_path_ = path;
        REQUIRE(log_.open(log_path_).ok());
        Result<uring::Descriptor> listener =
            uring::listen_tcp({.host = "127.0.0.1", .port = 0, .backlog = 4096});
        REQUIRE_MESSAGE(listener.ok(), listener.error());
        listener_ = std::move(listener.value());
        if (options_.moves) {
            next_listener_ = std::move(uring::listen_tcp({.host = "127.0.0.1", .port = 0}).value());
        }
        options_.pool.name = "alpha";
        config_.pools.push_back(options_.pool);
        if (options_.starts) start();
    }

    ~Rig() {
        stop();
        unlink(log_path_.c_str());
    }

    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;

    void start() {
        thread_ = std::thread([this] { run(); });
        REQUIRE(becomes_true([this] { return state_.load() != State::Starting; }));
        REQUIRE(state_.load() == State::Serving);
    }

    // Until a drain begins.
    [[nodiscard]] bool is_listening() const {
        int listens = 0;
        socklen_t size = sizeof listens;
        REQUIRE(getsockopt(listener_.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0);
        return listens != 0;
    }

    // As another worker hands over a client: first it counts here, then it comes.
    void expect_client() { roster_.keep(0); }

    void hand_over(uring::Descriptor socket) {
        Message message(Message::Kind::Client);
        message.pool = "alpha";
        message.socket = std::move(socket);
        roster_.inbox(0).post(std::move(message));
    }

    // May come before the start.
    void drain() { roster_.inbox(0).post(Message(Message::Kind::Drain)); }

    // Until it ends by itself.
    void join() { thread_.join(); }

    void stop() {
        if (!thread_.joinable()) return;
        roster_.inbox(0).post(Message(Message::Kind::Stop));
        thread_.join();
    }

    // Once stopped: what the ring has counted, and blocks that are still held.
    [[nodiscard]] const uring::RingCounters& ring_counters() const { return ring_counters_; }

    [[nodiscard]] uint64_t starvations() const { return starvations_; }

    [[nodiscard]] uint32_t blocks_left() const { return blocks_left_; }

    [[nodiscard]] const core::Counters& counters() const { return counters_; }

    [[nodiscard]] uring::SocketAddress address() const {
        return uring::local_address(listener_.get()).value();
    }

    [[nodiscard]] Client client() const { return Client(address()); }

    [[nodiscard]] uring::SocketAddress moved_to() const {
        return uring::local_address(next_listener_.get()).value();
    }

    // CPU time of the process: of the worker, while the test waits.
    [[nodiscard]] static Instant cpu() {
        rusage usage = {};
        getrusage(RUSAGE_SELF, &usage);
        const int64_t us = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
        return {(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000'000 + us * 1000};
    }

    [[nodiscard]] std::string log_text() const { return ringmain::test::text_in(log_path_); }

  private:
    enum class State : uint8_t { Starting, Serving, Failed };

    [[nodiscard]] uring::RingOptions ring_options() const {
        uring::RingOptions options = {.backend = uring::Backend::Epoll,
                                      .submission_entries = options_.submission_entries,
                                      .completion_entries = options_.completion_entries,
                                      .features = {}};
        if (options_.kernel == "epoll") return options;
        options.backend = uring::Backend::IoUring;
        options.features = uring::Features::probe().value().without(options_.kernel).value();
        return options;
    }

    void move(core::Shared& shared) {
        next_ =
            std::make_unique<Generation>(Generation{.config = config_, .pools = {}, .number = 2});
        if (options_.renames) next_->config.pools[0].name = "beta";
        next_->pools = shared.pools_of(next_->config);
        Message message(Message::Kind::Adopt);
        message.generation = next_.get();
        message.listeners = {{.socket = next_listener_.get(), .pool = 0}};
        roster_.inbox(0).post(std::move(message));
        if (options_.drains_behind) drain();
    }

    void run() {
        core::Shared shared(config_, 1);
        shared.clients_max = options_.clients_max;
        const size_t size = size_t{options_.blocks} * block_size;
        const auto arena = std::make_unique_for_overwrite<char[]>(size);
        BlockPool blocks({arena.get(), size}, {});
        {
            const core::Environment environment = {.shared = &shared,
                                                   .all_counters = all_counters_};
            core::Proxy proxy(config_, blocks, counters_, environment);
            Driver driver(proxy,
                          blocks,
                          {.roster = &roster_,
                           .resolver = &resolver_,
                           .timekeeper = &timekeeper_,
                           .progress = &progress_,
                           .log = &log_});
            const Status opened = driver.open(ring_options(), options_.receive_buffers);
            if (options_.moves) move(shared);
            state_.store(opened.ok() ? State::Serving : State::Failed);
            if (opened.ok()) {
                driver.run({{.socket = listener_.get(), .pool = 0}}, shutdown_timeout);
            }
            ring_counters_ = driver.ring_counters();
            starvations_ = driver.starvations();
        }
        blocks_left_ = blocks.in_use();
    }

    RigOptions options_;
    config::Config config_;
    Log log_;
    std::string log_path_;
    uring::Descriptor listener_;
    uring::Descriptor next_listener_;
    std::unique_ptr<Generation> next_;
    core::Counters counters_;
    const core::Counters* all_counters_[1] = {&counters_};
    Roster roster_ = Roster(1);
    Timekeeper timekeeper_ = Timekeeper(1);  // without its thread: waits end by themselves
    Progress progress_;
    Resolver resolver_;
    uring::RingCounters ring_counters_;
    uint64_t starvations_ = 0;
    uint32_t blocks_left_ = 0;
    std::atomic<State> state_ = State::Starting;
    std::thread thread_;
};

}  // namespace ringmain::worker::test
