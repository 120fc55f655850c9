#include "perf/lab/load.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace ringmain::lab {

namespace {

constexpr size_t buffer_size = size_t{256} << 10;
constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t patience = 10 * second;
constexpr size_t shown_max = 60;  // bytes of an answer in a message

uint64_t clock_now() {
    const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<uint64_t>(now.count());
}

int connect_to(uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) stop(std::string("cannot make a socket: ") + std::strerror(errno));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        stop("cannot connect to port " + std::to_string(port) + ": " + std::strerror(errno));
    }
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

std::string shown(std::string_view bytes) {
    std::string text;
    for (const char c : bytes.substr(0, shown_max)) {
        text += c == '\r' ? "\\r" : c == '\n' ? "\\n" : std::string(1, c);
    }
    return text;
}

}  // namespace

Load::Load(const Script& script, const LoadOptions& options)
    : script_(script), options_(options), clients_(options.clients), buffer_(buffer_size) {
    if (options.clients == 0 || options.pipeline == 0 || options.ports.empty()) {
        stop("a load needs a port, a client and a request at a time");
    }
    events_ = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < options.clients; ++i) {
        Client& client = clients_[i];
        client.socket = connect_to(options.ports[i % options.ports.size()]);
        // Apart from each other, so that a `set` of every key needs little more than one each.
        client.next_request = static_cast<uint32_t>(uint64_t{i} * script.count() / options.clients);
        client.next_answer = client.next_request;
        client.send_at = script.requests().begin(client.next_request);
        client.answer_at = script.answers().begin(client.next_answer);
        epoll_event event = {.events = EPOLLIN, .data = {.u32 = i}};
        epoll_ctl(events_, EPOLL_CTL_ADD, client.socket, &event);
    }
}

Load::~Load() {
    for (const Client& client : clients_)
        ::close(client.socket);
    ::close(events_);
}

Outcome Load::run(const Limit& limit) {
    limit_ = limit;
    outcome_ = {};
    started_ = 0;
    planned_ = 0;
    for (Client& client : clients_)
        client.answered = 0;
    begin_ = last_answer_ = clock_now();
    end_ = limit.seconds > 0 ? begin_ + static_cast<uint64_t>(limit.seconds * double{second})
                             : UINT64_MAX;
    if (!open()) {
        for (Client& client : clients_)
            start(client, options_.pipeline);
    }
    while (true) {
        const uint64_t now = clock_now();
        if (open()) start_what_is_due(now);
        if (outcome_.requests == started_ && !(open() && may_start(now))) break;
        wait(now);
    }
    outcome_.seconds = static_cast<double>(last_answer_ - begin_) / double{second};
    return outcome_;
}

bool Load::may_start(uint64_t now) const {
    const uint64_t count = open() ? planned_ : started_;
    if (limit_.requests > 0 && count >= limit_.requests) return false;
    return open() ? due_time(planned_) < end_ : now < end_;
}

uint64_t Load::due_time(uint64_t number) const {
    return begin_ +
           static_cast<uint64_t>(static_cast<double>(number) * double{second} / options_.rate);
}

void Load::start_what_is_due(uint64_t now) {
    for (; may_start(now) && due_time(planned_) <= now; ++planned_) {
        Client& client = clients_[planned_ % clients_.size()];
        if (client.under_way < options_.pipeline) {
            start(client, 1);
        } else {
            ++client.overdue;
            ++started_;  // it has to be answered as well
        }
    }
}

void Load::start(Client& client, uint32_t requests) {
    const Pieces& all = script_.requests();
    started_ += requests;
    client.under_way += requests;
    for (uint32_t left = requests; left > 0;) {
        const uint32_t count = std::min(left, all.count() - client.next_request);
        const uint32_t last = client.next_request + count - 1;
        client.unsent += all.end(last) - all.begin(client.next_request);
        client.next_request = (last + 1) % all.count();
        left -= count;
    }
    if (!open()) client.sent_time = clock_now();
    if (!client.waits_for_room) flush(client);
}

void Load::flush(Client& client) {
    const std::string_view all = script_.requests().bytes();
    while (client.unsent > 0) {
        // From where it stands to the end, and on from the beginning.
        const size_t first = std::min<size_t>(client.unsent, all.size() - client.send_at);
        std::array<iovec, 2> pieces = {};
        pieces[0] = {.iov_base = const_cast<char*>(all.data()) + client.send_at,  // NOLINT
                     .iov_len = first};
        pieces[1] = {.iov_base = const_cast<char*>(all.data()),  // NOLINT: sending changes nothing
                     .iov_len = std::min<size_t>(client.unsent - first, all.size())};
        msghdr message = {};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces[1].iov_len > 0 ? 2 : 1;
        const ssize_t n = ::sendmsg(client.socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) stop(std::string("cannot send: ") + std::strerror(errno));
        client.send_at = (client.send_at + static_cast<uint64_t>(n)) % all.size();
        client.unsent -= static_cast<uint64_t>(n);
    }
    const bool full = client.unsent > 0;
    if (full == client.waits_for_room) return;
    client.waits_for_room = full;
    watch(client, full);
}

void Load::watch(const Client& client, bool for_room) {
    epoll_event event = {};
    event.events = for_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(&client - clients_.data());
    epoll_ctl(events_, EPOLL_CTL_MOD, client.socket, &event);
}

void Load::wait(uint64_t now) {
    uint64_t span = patience;
    if (open() && may_start(now)) {
        const uint64_t due = due_time(planned_);
        span = due > now ? due - now : 0;
    }
    const timespec timeout = {.tv_sec = static_cast<time_t>(span / second),
                              .tv_nsec = static_cast<int64_t>(span % second)};
    std::array<epoll_event, 256> ready;
    const int count = epoll_pwait2(events_, ready.data(), ready.size(), &timeout, nullptr);
    if (count < 0 && errno != EINTR) stop(std::string("cannot wait: ") + std::strerror(errno));
    if (outcome_.requests < started_ && now > last_answer_ + patience && count <= 0) {
        stop("no answer within 10 s");
    }
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = ready[static_cast<size_t>(i)];
        if ((event.events & EPOLLOUT) != 0) flush(clients_[event.data.u32]);
        if ((event.events & ~uint32_t{EPOLLOUT}) != 0) receive(event.data.u32);
    }
}

void Load::receive(uint32_t index) {
    Client& client = clients_[index];
    const ssize_t n = ::recv(client.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) stop(std::string("a connection is lost: ") + std::strerror(errno));
    if (n == 0) stop("a connection was closed by the other side");
    const std::string_view bytes(buffer_.data(), static_cast<size_t>(n));
    const uint32_t answers =
        script_.unordered() ? take_unordered(client, bytes) : take(client, bytes);
    if (answers > 0) count_answers(index, answers, clock_now());
}

uint32_t Load::take(Client& client, std::string_view bytes) {
    const Pieces& all = script_.answers();
    uint32_t answers = 0;
    while (!bytes.empty()) {
        const std::string_view wanted = all.bytes().substr(client.answer_at, bytes.size());
        if (std::memcmp(bytes.data(), wanted.data(), wanted.size()) != 0) {
            wrong(client, bytes, wanted);
        }
        client.answer_at += wanted.size();
        bytes.remove_prefix(wanted.size());
        while (client.next_answer < all.count() &&
               all.end(client.next_answer) <= client.answer_at) {
            ++client.next_answer;
            ++answers;
        }
        if (client.next_answer < all.count()) continue;
        client.next_answer = 0;
        client.answer_at = 0;
    }
    const bool begun = client.answer_at > all.begin(client.next_answer);
    if (answers + (begun ? 1U : 0U) > client.under_way) {
        stop("a wrong answer: more than was asked for");
    }
    return answers;
}

uint32_t Load::take_unordered(Client& client, std::string_view bytes) {
    const Pieces& all = script_.answers();
    client.partial += bytes;
    uint32_t answers = 0;
    size_t read = 0;
    while (true) {
        const uint64_t begin = all.begin(client.next_answer);
        const size_t size = all.end(client.next_answer) - begin;
        if (client.partial.size() - read < size) break;
        const std::string_view answer = std::string_view(client.partial).substr(read, size);
        if (!script_.check_unordered(client.next_answer, answer)) {
            wrong(client, answer, all.bytes().substr(begin, size));
        }
        read += size;
        client.next_answer = (client.next_answer + 1) % all.count();
        ++answers;
    }
    client.partial.erase(0, read);
    if (answers + (client.partial.empty() ? 0U : 1U) > client.under_way) {
        stop("a wrong answer: more than was asked for");
    }
    return answers;
}

void Load::count_answers(uint32_t index, uint32_t answers, uint64_t now) {
    Client& client = clients_[index];
    last_answer_ = now;
    outcome_.requests += answers;
    client.under_way -= answers;
    if (!open()) {
        outcome_.latency.record(now - client.sent_time, answers);
        if (client.under_way == 0 && may_start(now)) start(client, options_.pipeline);
        return;
    }
    for (uint32_t i = 0; i < answers; ++i) {
        const uint64_t due = due_time(client.answered * clients_.size() + index);
        outcome_.latency.record(now - due, 1);
        ++client.answered;
    }
    const uint32_t more = std::min(client.overdue, options_.pipeline - client.under_way);
    if (more == 0) return;
    client.overdue -= more;
    started_ -= more;  // start() counts them
    start(client, more);
}

void Load::wrong(const Client& client, std::string_view got, std::string_view wanted) {
    const auto [here, there] = std::mismatch(got.begin(), got.end(), wanted.begin(), wanted.end());
    const auto at = static_cast<size_t>(here - got.begin());
    const size_t from = at > 20 ? at - 20 : 0;
    stop("a wrong answer to request " + std::to_string(client.next_answer) +
         " of the script:\n  \"" + shown(got.substr(from)) + "\"\ninstead of\n  \"" +
         shown(wanted.substr(from)) + "\"");
}

}  // namespace ringmain::lab
