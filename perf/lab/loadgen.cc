// Load for memcached: C connections, each with P requests under way, until N have their answers.
//
//   loadgen PORT get|set CLIENTS PIPELINE VALUE_SIZE REQUESTS KEYS
//
// Sends prebuilt batches and checks every answer's length and kind, so a proxy cannot win by being
// wrong. Keys are key:0000000000 to key:KEYS-1; run `set` first. Prints requests per second.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

struct Options {
    uint16_t port;
    bool set;
    uint32_t clients;
    uint32_t pipeline;
    uint32_t value_size;
    uint64_t requests;
    uint32_t keys;
};

struct Client {
    int socket = -1;
    uint32_t next_key = 0;
    uint64_t expected = 0;  // bytes of the answers under way
    std::string received;   // only the end of what came, to check it
};

[[noreturn]] void stop(const char* text) {
    std::fprintf(stderr, "loadgen: %s\n", text);
    std::exit(1);
}

std::string key_of(uint32_t index) {
    char text[32];
    std::snprintf(text, sizeof text, "key:%010u", index);
    return text;
}

int connect_to(uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        stop("cannot connect");
    }
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

// Sends one batch and notes how many bytes its answers have.
void send_batch(Client& client, const Options& options, const std::string& value) {
    std::string batch;
    for (uint32_t i = 0; i < options.pipeline; ++i) {
        const std::string key = key_of(client.next_key);
        client.next_key = (client.next_key + 1) % options.keys;
        const std::string size = std::to_string(options.value_size);
        if (options.set) {
            batch += "set " + key + " 0 0 " + size + "\r\n" + value + "\r\n";
            client.expected += std::strlen("STORED\r\n");
        } else {
            batch += "get " + key + "\r\n";
            client.expected += std::strlen("VALUE ") + key.size() + std::strlen(" 0 ") +
                               size.size() + 2 + options.value_size + 2 + std::strlen("END\r\n");
        }
    }
    for (size_t sent = 0; sent < batch.size();) {
        const ssize_t n = ::send(client.socket, batch.data() + sent, batch.size() - sent, 0);
        if (n <= 0) stop("cannot send");
        sent += static_cast<size_t>(n);
    }
}

// True when all answers of the batch are in.
bool take_answers(Client& client, const Options& options, std::vector<char>& buffer) {
    const ssize_t n = ::recv(client.socket, buffer.data(), buffer.size(), 0);
    if (n <= 0) stop("connection lost");
    const auto count = static_cast<uint64_t>(n);
    if (count > client.expected) stop("more bytes than asked for: a wrong answer");
    client.expected -= count;
    if (client.expected > 0) return false;
    const std::string end = options.set ? "STORED\r\n" : "END\r\n";
    if (count < end.size() ||
        std::memcmp(buffer.data() + count - end.size(), end.data(), end.size()) != 0) {
        stop("the last answer does not end as it should");
    }
    return true;
}

void run(const Options& options) {
    const std::string value(options.value_size, 'v');
    std::vector<Client> clients(options.clients);
    std::vector<char> buffer(1 << 20);
    const int events = epoll_create1(0);
    for (uint32_t i = 0; i < options.clients; ++i) {
        clients[i].socket = connect_to(options.port);
        // Apart, so that `set` with twice as many requests as keys leaves none out.
        clients[i].next_key = static_cast<uint32_t>(uint64_t{i} * options.keys / options.clients);
        epoll_event event = {};
        event.events = EPOLLIN;
        event.data.u32 = i;
        epoll_ctl(events, EPOLL_CTL_ADD, clients[i].socket, &event);
    }
    const auto begin = std::chrono::steady_clock::now();
    uint64_t started = 0;
    uint64_t done = 0;
    for (Client& client : clients) {
        send_batch(client, options, value);
        started += options.pipeline;
    }
    std::vector<epoll_event> ready(256);
    while (done < started) {
        const int count = epoll_wait(events, ready.data(), 256, 10000);
        if (count <= 0) stop("no answer within 10 s");
        for (int i = 0; i < count; ++i) {
            Client& client = clients[ready[static_cast<size_t>(i)].data.u32];
            if (!take_answers(client, options, buffer)) continue;
            done += options.pipeline;
            if (started >= options.requests) continue;
            send_batch(client, options, value);
            started += options.pipeline;
        }
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%llu requests, %.0f per second\n",
                static_cast<unsigned long long>(done),  // NOLINT(google-runtime-int)
                static_cast<double>(done) / seconds.count());
}

uint64_t number(const char* text) {
    return std::strtoull(text, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 8) stop("PORT get|set CLIENTS PIPELINE VALUE_SIZE REQUESTS KEYS");
    run({.port = static_cast<uint16_t>(number(argv[1])),
         .set = std::string(argv[2]) == "set",
         .clients = static_cast<uint32_t>(number(argv[3])),
         .pipeline = static_cast<uint32_t>(number(argv[4])),
         .value_size = static_cast<uint32_t>(number(argv[5])),
         .requests = number(argv[6]),
         .keys = static_cast<uint32_t>(number(argv[7]))});
    return 0;
}
