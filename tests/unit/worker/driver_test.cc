// The driver under stress: queues that overflow, buffers that run out, clients that come and go.

#include "tests/unit/worker/driver_rig.h"

#include <algorithm>
#include <deque>
#include <filesystem>

#include <sys/resource.h>

namespace ringmain::worker::test {

namespace {

constexpr std::array<std::string_view, 4> kernels = {"none", "6.0", "5.19", "epoll"};
constexpr std::array<std::string_view, 2> both = {"none", "epoll"};

// Fewer than the receives that some kernels complete in one go (20, since 6.13).
constexpr uint32_t few_buffers = 4;

const auto loopback = uring::SocketAddress::numeric("127.0.0.1", 1);

// Different for each client and each request, so that a byte in the wrong place is seen.
std::string pattern(size_t client, size_t request, size_t size) {
    std::string text = "<" + std::to_string(client) + "." + std::to_string(request) + ">";
    while (text.size() < size) {
        text += text;
    }
    text.resize(size);
    return text;
}

void send_all(const std::deque<Client>& clients, size_t requests, size_t size) {
    for (size_t i = 0; i < clients.size(); ++i) {
        std::string text;
        for (size_t request = 0; request < requests; ++request) {
            text += echo_request(pattern(i, request, size));
        }
        clients[i].send(text);
    }
}

// All must get exactly what they asked for.
void read_all(const std::deque<Client>& clients, size_t requests, size_t size) {
    for (size_t i = 0; i < clients.size(); ++i) {
        CAPTURE(i);
        std::string wanted;
        for (size_t request = 0; request < requests; ++request) {
            wanted += echo_answer(pattern(i, request, size));
        }
        REQUIRE(clients[i].read(wanted.size()) == wanted);
    }
}

void ask_all(const std::deque<Client>& clients, size_t requests, size_t size) {
    send_all(clients, requests, size);
    read_all(clients, requests, size);
}

// The soft limit of descriptors, lowered for a while.
class DescriptorLimit {
  public:
    DescriptorLimit() { getrlimit(RLIMIT_NOFILE, &before_); }

    ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;

    // From now on `count` more descriptors can be opened, roughly: the lowest free ones.
    void allow(uint64_t count) const {
        const uring::Descriptor next(dup(0));
        rlimit limit = before_;
        limit.rlim_cur = static_cast<uint64_t>(next.get()) + count;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    }

    void restore() const { setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_ = {};
};

size_t count_of(std::string_view text, std::string_view part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
        count += 1;
    }
    return count;
}

}  // namespace

TEST_CASE("an overflowing completion queue loses no connection, no byte and no order") {
    for (const std::string_view kernel : kernels) {
        CAPTURE(kernel);
        Rig rig({.pool = {},
                 .submission_entries = 4,
                 .completion_entries = 8,
                 .receive_buffers = 256,
                 .kernel = kernel,
                 .starts = false});
        std::deque<Client> clients;
        for (int i = 0; i < 200; ++i) {
            clients.push_back(rig.client());
        }
        // All connections and their bytes wait when it starts: one batch, much longer than a queue.
        send_all(clients, 1, 500);
        rig.start();
        read_all(clients, 1, 500);
        for (int round = 0; round < 3; ++round) {
            ask_all(clients, 10, 500);
        }
        ask_all(clients, 1, 50'000);
        CHECK(rig.counters().clients_accepted.get() == 200);
        clients.clear();
        CHECK(becomes_true([&rig] { return rig.counters().clients.get() == 0; }));
        rig.stop();
        if (kernel != "epoll") {  // which has no limits of this kind
            CHECK(rig.ring_counters().overflows > 10);
            CHECK(rig.ring_counters().queue_full > 0);
        }
        CHECK(rig.ring_counters().dropped == 0);
        CHECK(rig.blocks_left() == 0);
    }
}

TEST_CASE("clients that find no receive buffer wait their turn and lose no byte") {
    for (const std::string_view kernel : kernels) {
        CAPTURE(kernel);
        Rig rig({.pool = {}, .receive_buffers = few_buffers, .kernel = kernel, .starts = false});
        std::deque<Client> clients;
        for (int i = 0; i < 100; ++i) {
            clients.push_back(rig.client());
        }
        // Their bytes wait when it starts: more in one batch than there are buffers.
        send_all(clients, 2, 300);
        rig.start();
        read_all(clients, 2, 300);
        ask_all(clients, 2, 100'000);
        ask_all(clients, 100, 300);
        const Instant before = Rig::cpu();
        uring::pause_for(Duration::millis(300));
        CHECK((Rig::cpu() - before).to_millis() < 50);
        rig.stop();
        // On epoll whoever finds none has his turn with the next batch, before the driver hears of
        // it.
        if (kernel != "epoll") CHECK(rig.starvations() > 0);
        CHECK(rig.blocks_left() == 0);
    }
}

namespace {

uint64_t blocks_used(const Rig& rig) {
    return rig.counters().worker.buffer_memory.get() / block_size;
}

}  // namespace

TEST_CASE("the kernel holds few receive buffers as long as few are needed") {
    for (const std::string_view kernel : kernels) {
        CAPTURE(kernel);
        Rig rig({.pool = {}, .receive_buffers = 256, .kernel = kernel});
        std::deque<Client> clients;
        for (int i = 0; i < 200; ++i) {
            clients.push_back(rig.client());
            REQUIRE(clients.back().is_served());
        }
        CHECK(becomes_true([&rig] { return blocks_used(rig) > 0; }));
        CHECK(blocks_used(rig) < 48);  // 32, and what answers are written into
        rig.stop();
        CHECK(rig.blocks_left() == 0);
    }
}

TEST_CASE("the kernel holds as many receive buffers as were needed at once") {
    for (const std::string_view kernel : kernels) {
        CAPTURE(kernel);
        Rig rig({.pool = {}, .receive_buffers = 256, .kernel = kernel, .starts = false});
        std::deque<Client> clients;
        for (int i = 0; i < 200; ++i) {
            clients.push_back(rig.client());
        }
        // All of it waits when it starts, so that no batch is small because the clients are slow.
        send_all(clients, 10, 3000);
        rig.start();
        read_all(clients, 10, 3000);
        CHECK(becomes_true([&rig] { return blocks_used(rig) >= 64; }));
        rig.stop();
        CHECK(rig.blocks_left() == 0);
    }
}

namespace {

// Asks without end, as fast as it is answered, in a thread of its own.
class Flood {
  public:
    Flood(const Rig& rig, size_t clients) {
        for (size_t i = 0; i < clients; ++i) {
            clients_.push_back(rig.client());
        }
        thread_ = std::thread([this] { run(); });
    }

    ~Flood() {
        ends_.store(true);
        thread_.join();
    }

    Flood(const Flood&) = delete;
    Flood& operator=(const Flood&) = delete;

  private:
    void run() const {
        // Long enough that a slow build has answered soon what one batch takes.
        const std::string request = "PING " + std::string(50, 'x') + "\r\n";
        std::string requests;
        for (int i = 0; i < 4000; ++i) {
            requests += request;
        }
        std::vector<size_t> sent(clients_.size());
        std::vector<char> answers(1 << 20);
        while (!ends_.load()) {
            for (size_t i = 0; i < clients_.size(); ++i) {
                const std::string_view rest = std::string_view(requests).substr(sent[i]);
                sent[i] = (sent[i] + clients_[i].send_some(rest)) % requests.size();
                const int socket = clients_[i].descriptor();
                while (recv(socket, answers.data(), answers.size(), MSG_DONTWAIT) > 0) {
                }
            }
        }
    }

    std::deque<Client> clients_;
    std::atomic<bool> ends_ = false;
    std::thread thread_;
};

}  // namespace

// A receive that goes on takes what it can get, and those that have one would share all buffers.
TEST_CASE("whoever found no receive buffer has one before those who had some") {
    for (const std::string_view kernel : kernels) {
        CAPTURE(kernel);
        Rig rig({.pool = {}, .receive_buffers = 4, .kernel = kernel});
        std::deque<Client> quiet;
        for (int i = 0; i < 3; ++i) {
            quiet.push_back(rig.client());
        }
        {
            const Flood flood(rig, 16);
            const Instant end = uring::now() + Duration::millis(800);
            while (uring::now() < end) {
                for (const Client& client : quiet) {
                    REQUIRE(client.is_served());  // not once within ten seconds, before
                }
                uring::pause_for(Duration::millis(1));
            }
        }
        rig.stop();
        CHECK(rig.blocks_left() == 0);
    }
}

namespace {

// The rig, which is to end, expects it.
void check_handed_over_is_served(Rig& rig) {
    REQUIRE(becomes_true([&rig] { return !rig.is_listening(); }));
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const uring::Descriptor own(ends[0]);
    REQUIRE(::send(own.get(), "PING\r\n", 6, MSG_NOSIGNAL) == 6);
    rig.hand_over(uring::Descriptor(ends[1]));
    rig.join();
    char answer[16];
    CHECK(recv(own.get(), answer, sizeof answer, MSG_DONTWAIT) == 7);
    CHECK(std::string_view(answer, 7) == "+PONG\r\n");
}

}  // namespace

TEST_CASE("a client that another worker hands over when a drain begins is served") {
    for (const std::string_view kernel : both) {
        CAPTURE(kernel);
        Rig rig({.pool = {}, .kernel = kernel});
        rig.expect_client();
        rig.drain();
        check_handed_over_is_served(rig);
    }
}

TEST_CASE("a client behind idle ones in the line for buffers does not wait for them") {
    for (const std::string_view kernel : both) {
        CAPTURE(kernel);
        Rig rig({.pool = {}, .receive_buffers = few_buffers, .kernel = kernel, .starts = false});
        std::deque<Client> clients;
        for (int i = 0; i < 600; ++i) {
            clients.push_back(rig.client());
        }
        send_all(clients, 1, 3000);
        rig.start();
        read_all(clients, 1, 3000);
        const Instant start = uring::now();
        for (int round = 0; round < 3; ++round) {
            ask_all(clients, 1, 3000);
        }
        CHECK((uring::now() - start).to_millis() < 3000);
        rig.stop();
        if (kernel != "epoll") CHECK(rig.starvations() > 0);
    }
}

TEST_CASE("with the arena full of unread answers it does not spin, and recovers by itself") {
    for (const std::string_view kernel : both) {
        CAPTURE(kernel);
        RigOptions options = {.pool = {}, .receive_buffers = 16, .blocks = 256, .kernel = kernel};
        options.pool.output_pause_size = 16ULL * 1024;
        Rig rig(options);
        const Client healthy = rig.client();
        CHECK(healthy.is_served());
        // Each leaves less than 1/64 of the arena unread in it, beyond what fits into its socket.
        std::deque<Client> slow;
        const std::string request = echo_request(std::string(15'000, 's'));
        for (int i = 0; i < 150; ++i) {
            slow.push_back(rig.client());
            const int small = 4096;
            setsockopt(slow.back().descriptor(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        }
        const auto fills = [&] {
            for (const Client& client : slow) {
                static_cast<void>(client.send_some(request));
            }
            return rig.log_text().find("(buffer_memory)") != std::string::npos;
        };
        CHECK(becomes_true(fills, Duration::millis(60'000)));
        CHECK(becomes_true([&rig] { return rig.client().is_served(); }));
        // A request that finds no memory is refused, which is no reason to close its client.
        CHECK(becomes_true([&healthy] {
            const std::string answer = healthy.ask_for_line("PING\r\n");
            REQUIRE(!answer.empty());
            return answer == "+PONG\r\n";
        }));
        // What waits in their sockets is work; but when there is no memory for it, it waits.
        CHECK(becomes_true([] {
            const Instant before = Rig::cpu();
            uring::pause_for(Duration::millis(100));
            return (Rig::cpu() - before).to_millis() < 30;
        }));
        slow.clear();
        CHECK(becomes_true([&rig] { return rig.counters().clients.get() <= 1; }));
        CHECK(becomes_true(
            [&rig] { return rig.counters().worker.buffer_memory.get() < 24ULL * block_size; }));
        rig.stop();
        CHECK(rig.blocks_left() == 0);
    }
}

TEST_CASE("ten thousand connections come and go in bursts, in every way") {
    for (const std::string_view kernel : both) {
        CAPTURE(kernel);
        Rig rig({.pool = {},
                 .submission_entries = 64,
                 .completion_entries = 128,
                 .receive_buffers = 64,
                 .kernel = kernel});
        const Client steady = rig.client();
        const std::string large = echo_request(std::string(300'000, 'l'));
        size_t opened = 0;
        for (int burst = 0; burst < 25; ++burst) {
            std::deque<Client> clients;
            for (size_t i = 0; i < 400; ++i) {
                clients.push_back(rig.client());
                Client& client = clients.back();
                opened += 1;
                switch (i % 8) {
                    case 0:
                        client.reset();  // at once
                        break;
                    case 1:
                        client.send(std::string_view(large).substr(0, 1000));
                        client.reset();  // in mid request
                        break;
                    case 2:
                        client.send("PING\r\nPING\r\n");
                        client.reset();  // while the answers are on their way
                        break;
                    case 3:
                        client.send("PING\r\nQUIT\r\n");
                        break;
                    case 4:
                        client.send(echo_request("half"));
                        client.half_close();
                        break;
                    case 5:
                        if (i < 40) client.send(large + large + large);
                        break;
                    case 6:
                        client.close();
                        break;
                    default:
                        client.send(echo_request(pattern(i, 0, 100)));
                        break;
                }
            }
            for (size_t i = 0; i < 400; ++i) {
                if (i % 8 == 4) CHECK(clients[i].read(1000) == echo_answer("half"));
                if (i % 8 == 3) CHECK(clients[i].read(1000) == "+PONG\r\n+OK\r\n");
                if (i % 8 == 5 && i < 40) clients[i].reset();  // large answers are unsent
                if (i % 8 == 7) {
                    const std::string wanted = echo_answer(pattern(i, 0, 100));
                    CHECK(clients[i].read(wanted.size()) == wanted);
                }
            }
            REQUIRE(steady.is_served());
        }
        CHECK(opened == 10'000);
        CHECK(becomes_true([&rig] { return rig.counters().clients.get() == 1; }));
        CHECK(becomes_true(
            [&rig] { return rig.counters().worker.buffer_memory.get() < 70ULL * block_size; }));
        CHECK(steady.is_served());
        rig.stop();
        CHECK(rig.blocks_left() == 0);
    }
}

TEST_CASE("clients that have said goodbye and do not leave hold few descriptors") {
    Rig rig({});
    const auto descriptors = [] {
        const std::filesystem::directory_iterator all("/proc/self/fd");
        return std::distance(begin(all), end(all));
    };
    const auto before = descriptors();
    std::deque<Client> clients;
    for (int i = 0; i < 300; ++i) {
        clients.push_back(rig.client());
        CHECK(clients.back().ask("QUIT\r\n", 100) == "+OK\r\n");
    }
    // 300 of ours, and 256 of theirs; all would be gone after a second.
    CHECK(becomes_true([&] { return descriptors() - before <= 300 + 256 + 2; },
                       Duration::millis(300)));
    CHECK(rig.client().is_served());
}

namespace {

// A closed socket answers what is sent to it with a reset.
bool is_read(const Client& client) {
    for (int i = 0; i < 2; ++i) {
        if (client.send_some("PING\r\n") == 0) return false;
        uring::pause_for(Duration::millis(20));
    }
    return true;
}

}  // namespace

TEST_CASE("who lingers is not cut off for those who have left already") {
    Rig rig({.clients_max = 100});  // four may linger
    const Client stays = rig.client();
    CHECK(stays.ask("QUIT\r\n", 100) == "+OK\r\n");
    for (int i = 0; i < 20; ++i) {
        const Client leaves = rig.client();
        CHECK(leaves.ask("QUIT\r\n", 100) == "+OK\r\n");
    }
    CHECK(is_read(stays));
    std::deque<Client> others;  // of which all stay
    for (int i = 0; i < 5; ++i) {
        others.push_back(rig.client());
        CHECK(others.back().ask("QUIT\r\n", 100) == "+OK\r\n");
    }
    CHECK_FALSE(is_read(stays));
    CHECK(is_read(others.back()));
}

TEST_CASE("a drain cuts nobody off for want of descriptors") {
    // They linger for a fifth of a second, which a busy machine may sleep through.
    bool all_are_read = false;
    for (int i = 0; i < 5 && !all_are_read; ++i) {
        Rig rig({.clients_max = 100});
        std::deque<Client> clients;
        for (int k = 0; k < 50; ++k) {
            clients.push_back(rig.client());
            CHECK(clients.back().is_served());
        }
        rig.drain();
        for (const Client& client : clients) {
            CHECK(client.read(1).empty());
        }
        const auto goes = [](const Client& client) { return client.send_some("PING\r\n") > 0; };
        all_are_read = std::ranges::all_of(clients, goes);
        uring::pause_for(Duration::millis(20));
        all_are_read = std::ranges::all_of(clients, goes) && all_are_read;
        rig.join();
    }
    CHECK(all_are_read);
}

TEST_CASE("a drain serves those who wait to be accepted, and refuses whoever comes later") {
    for (const std::string_view kernel : kernels) {
        CAPTURE(kernel);
        // So few completions that the kernel does not accept all at once.
        Rig rig({.pool = {},
                 .submission_entries = 4,
                 .completion_entries = 8,
                 .kernel = kernel,
                 .starts = false});
        const uring::SocketAddress address = rig.address();
        std::deque<Client> clients;
        for (size_t i = 0; i < 300; ++i) {
            clients.push_back(rig.client());
            if (i % 3 != 0) clients.back().send(echo_request(pattern(i, 0, 100 * (i % 3))));
        }
        rig.drain();
        rig.start();
        for (size_t i = 0; i < clients.size(); ++i) {
            CAPTURE(i);
            const std::string wanted = i % 3 == 0 ? "" : echo_answer(pattern(i, 0, 100 * (i % 3)));
            REQUIRE(clients[i].read(1000) == wanted);
        }
        CHECK_FALSE(uring::connect_and_wait(address).ok());
        rig.join();
        CHECK(rig.counters().clients_accepted.get() == 300);
        CHECK(rig.counters().clients.get() == 0);
        CHECK(rig.blocks_left() == 0);
    }
}

TEST_CASE("who connected before the pool moved to another port stays with it") {
    for (const std::string_view kernel : kernels) {
        CAPTURE(kernel);
        // So few completions that not all are accepted at once.
        Rig rig({.pool = {},
                 .submission_entries = 4,
                 .completion_entries = 8,
                 .kernel = kernel,
                 .starts = false,
                 .moves = true});
        std::deque<Client> clients;
        for (int i = 0; i < 300; ++i) {
            clients.push_back(rig.client());
        }
        send_all(clients, 1, 100);
        rig.start();
        read_all(clients, 1, 100);
        CHECK(Client(rig.moved_to()).is_served());
        CHECK(rig.counters().clients_accepted.get() == 301);
    }
}

TEST_CASE("a drain right behind a reload serves those who came to either port") {
    for (const std::string_view kernel : kernels) {
        CAPTURE(kernel);
        // So few completions that not all are accepted at once.
        Rig rig({.pool = {},
                 .submission_entries = 4,
                 .completion_entries = 8,
                 .kernel = kernel,
                 .starts = false,
                 .moves = true,
                 .drains_behind = true});
        const uring::SocketAddress before = rig.address();
        const uring::SocketAddress behind = rig.moved_to();
        std::deque<Client> clients;
        for (int i = 0; i < 300; ++i) {
            clients.emplace_back(i % 3 == 0 ? behind : before);
        }
        send_all(clients, 1, 100);
        rig.start();
        read_all(clients, 1, 100);
        for (const Client& client : clients) {
            CHECK(client.read(1).empty());
        }
        CHECK_FALSE(uring::connect_and_wait(before).ok());
        CHECK_FALSE(uring::connect_and_wait(behind).ok());
        rig.join();
        CHECK(rig.counters().clients_accepted.get() == 300);
        CHECK(rig.blocks_left() == 0);
    }
}

TEST_CASE("what had been sent to a pool that goes is answered, with a drain behind it too") {
    for (const std::string_view kernel : kernels) {
        for (const bool drains : {false, true}) {
            CAPTURE(kernel);
            CAPTURE(drains);
            // So few completions and buffers that neither all are accepted at once nor all is read.
            Rig rig({.pool = {},
                     .submission_entries = 4,
                     .completion_entries = 8,
                     .receive_buffers = few_buffers,
                     .kernel = kernel,
                     .starts = false,
                     .moves = true,
                     .renames = true,
                     .drains_behind = drains});
            std::deque<Client> clients;
            for (int i = 0; i < 300; ++i) {
                clients.push_back(rig.client());
            }
            send_all(clients, 10, 300);
            rig.start();
            read_all(clients, 10, 300);
            for (const Client& client : clients) {
                CHECK(client.read(1).empty());
            }
            if (drains) {
                rig.join();
            } else {
                CHECK(Client(rig.moved_to()).is_served());
            }
            CHECK(rig.counters().clients_accepted.get() == (drains ? 300 : 301));
        }
    }
}

TEST_CASE("a client that another worker hands over when its pool goes is served") {
    for (const std::string_view kernel : both) {
        CAPTURE(kernel);
        Rig rig({.pool = {},
                 .kernel = kernel,
                 .starts = false,
                 .moves = true,
                 .renames = true,
                 .drains_behind = true});
        rig.expect_client();
        rig.start();
        check_handed_over_is_served(rig);
    }
}

TEST_CASE("a listener without descriptors waits, says so, and goes on when there are some") {
    for (const std::string_view kernel : both) {
        CAPTURE(kernel);
        // Sockets of the test are made before; connecting needs no descriptor.
        std::vector<uring::Descriptor> sockets;
        for (int i = 0; i < 40; ++i) {
            sockets.push_back(std::move(uring::socket_for(*loopback).value()));
        }
        const DescriptorLimit limit;
        limit.allow(20);
        Rig rig({.kernel = kernel});
        const Client client = rig.client();
        CHECK(client.is_served());
        const uring::SocketAddress address = rig.address();
        for (const uring::Descriptor& socket : sockets) {
            REQUIRE(connect(socket.get(), address.get(), address.length) == 0);
        }
        CHECK(becomes_true([&rig] { return rig.counters().worker.accept_failures.get() >= 3; }));
        CHECK(rig.counters().clients.get() < 30);
        const Instant before = Rig::cpu();
        const uint64_t failures = rig.counters().worker.accept_failures.get();
        uring::pause_for(Duration::millis(1200));
        CHECK((Rig::cpu() - before).to_millis() < 100);
        CHECK(rig.counters().worker.accept_failures.get() - failures <= 15);
        CHECK(client.is_served());
        limit.restore();
        CHECK(becomes_true([&rig] { return rig.counters().clients.get() == 41; }));
        const std::string text = rig.log_text();
        CHECK(count_of(text, "no descriptor is left") >= 1);
        CHECK(count_of(text, "no descriptor is left") <= 3);
        CHECK(count_of(text, "ulimit -n") >= 1);
    }
}

TEST_CASE("a server that cannot be connected to for want of descriptors has not failed") {
    for (const std::string_view kernel : both) {
        CAPTURE(kernel);
        Result<uring::Descriptor> server = uring::listen_tcp({.host = "127.0.0.1", .port = 0});
        REQUIRE(server.ok());
        RigOptions options = {.kernel = kernel};
        options.pool.preconnect = false;
        config::Server line;
        line.address.host = "127.0.0.1";
        line.address.port = uring::local_address(server.value().get()).value().port();
        line.ring_name = "s0";
        options.pool.servers.push_back(line);
        Rig rig(options);
        const Client client = rig.client();
        CHECK(client.is_served());
        const DescriptorLimit limit;
        limit.allow(0);
        for (int i = 0; i < 20; ++i) {
            client.send("GET a\r\n");
            const std::string answer = client.read(1);
            CHECK(answer == "-");
            std::string rest;
            while (!rest.ends_with("\r\n")) {
                rest += client.read(1);
            }
            CHECK(rest.find("no descriptor is left") != std::string::npos);
        }
        CHECK(rig.counters().server_failures.get() == 0);
        limit.restore();
        CHECK(count_of(rig.log_text(), "no descriptor is left") == 1);
        client.send("GET a\r\n");
        pollfd event = {.fd = server.value().get(), .events = POLLIN, .revents = 0};
        REQUIRE(poll(&event, 1, 5000) == 1);
        const uring::Descriptor accepted(accept(server.value().get(), nullptr, nullptr));
        REQUIRE(accepted.is_open());
        char request[64];
        CHECK(recv(accepted.get(), request, sizeof request, 0) > 0);
        REQUIRE(::send(accepted.get(), "$-1\r\n", 5, 0) == 5);
        CHECK(client.read(5) == "$-1\r\n");
    }
}

}  // namespace ringmain::worker::test
