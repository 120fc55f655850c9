#include "port.h"

#include "ringmain/base/assert.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include <sys/socket.h>

namespace ringmain::worker {

namespace {

constexpr Duration accept_pause = Duration::millis(100);
constexpr uint32_t send_size_max = 256 * 1024;

}  // namespace

Port::Port(uring::Ring& ring,
           const stats::PageSources& sources,
           Speech speech,
           uint8_t first_kind,
           uint32_t places)
    : ring_(ring),
      pages_(sources),
      speech_(speech),
      first_kind_(first_kind),
      free_(places),
      connections_(places) {
    for (uint32_t i = 0; i < places; ++i) {
        connections_[i].index = i;
    }
}

Status Port::open(const config::Address& address) {
    Result<uring::Descriptor> listener =
        address.is_path()
            ? uring::listen_unix({.path = address.path, .mode = address.mode})
            : uring::listen_tcp({.host = address.host, .port = address.port, .backlog = 128});
    if (!listener.ok()) return Error{listener.error()};
    listener_ = std::move(listener.value());
    file_ = uring::SocketFile(address.path);
    if (const Result<uring::SocketAddress> local = uring::local_address(listener_.get());
        local.ok() && !address.is_path()) {
        tcp_port_ = local.value().port();
    }
    accept();
    return {};
}

uring::UserData Port::name(const Connection& connection, Operation operation) const {
    return {.kind = static_cast<uint8_t>(first_kind_ + static_cast<uint8_t>(operation)),
            .generation = connection.generation,
            .index = connection.index};
}

void Port::on_completion(const uring::Completion& done, Instant now) {
    RM_ASSERT(owns(done));
    const auto operation = static_cast<Operation>(done.user_data.kind - first_kind_);
    if (operation == Operation::Accept) {
        on_accept(done.result, now);
        return;
    }
    Connection& connection = connections_[done.user_data.index];
    // A place is given away when the kernel holds nothing of it any more.
    RM_ASSERT(connection.generation == done.user_data.generation);
    connection.operations -= 1;
    if (connection.state == State::Closing) {
        if (connection.operations == 0) {
            release(connection);
        } else if (operation == Operation::Cancel && done.result < 0) {
            // Some kernels (6.11) miss what is there.
            ::shutdown(connection.socket.get(), SHUT_RDWR);
        }
        return;
    }
    switch (operation) {
        case Operation::Receive:
            on_receive(connection, done.result, now);
            break;
        case Operation::Send:
            on_send(connection, done.result, now);
            break;
        case Operation::Accept:
        case Operation::Cancel:
            RM_ASSERT(false);
    }
}

// --- connections come ----------------------------------------------------------------------------

// One at a time, and only while there is a place for it.
void Port::accept() {
    if (accepting_ || free_ == 0) return;
    accepting_ = true;
    accept_at_ = Instant::never();
    ring_.accept(
        listener_.get(), uring::Shots::One, {.kind = first_kind_, .generation = 0, .index = 0});
}

void Port::on_accept(int32_t result, Instant now) {
    accepting_ = false;
    if (result >= 0) {
        begin(uring::Descriptor(result), now);
        if (free_ == 0) make_room();
        accept();
    } else if (result == -ECONNABORTED || result == -EINTR || result == -EAGAIN) {
        accept();
    } else {
        accept_at_ = now + accept_pause;
    }
}

void Port::begin(uring::Descriptor socket, Instant now) {
    const auto found = std::ranges::find(connections_, State::Free, &Connection::state);
    RM_ASSERT(found != connections_.end());
    Connection& connection = *found;
    free_ -= 1;
    connection.socket = std::move(socket);
    connection.keep_alive = false;
    connection.input_begin = 0;
    connection.input_end = 0;
    connection.reader.next();
    if (speech_ == Speech::Json) {
        write(connection, pages_.statistics(), now);
        return;
    }
    connection.state = State::Reading;
    connection.since = now;
    connection.deadline = now + read_limit;
    receive(connection);
}

// Whoever has asked nothing for longest goes.
void Port::make_room() {
    const auto is_open = [](const Connection& connection) {
        return connection.state != State::Free && connection.state != State::Closing;
    };
    if (!std::ranges::all_of(connections_, is_open)) return;  // one is about to be free
    close(*std::ranges::min_element(connections_, {}, &Connection::since));
}

// --- and read ------------------------------------------------------------------------------------

void Port::receive(Connection& connection) {
    connection.operations += 1;
    ring_.receive_into(connection.socket.get(),
                       connection.input.data(),
                       static_cast<uint32_t>(connection.input.size()),
                       name(connection, Operation::Receive));
}

void Port::on_receive(Connection& connection, int32_t result, Instant now) {
    if (result <= 0) {
        close(connection);
        return;
    }
    if (connection.state == State::Lingering) {
        receive(connection);  // and dropped
        return;
    }
    connection.since = now;
    connection.input_begin = 0;
    connection.input_end = static_cast<size_t>(result);
    take_requests(connection, now);
}

// Answers the next request, if it is there; the one behind it when that answer is sent.
void Port::take_requests(Connection& connection, Instant now) {
    const std::string_view bytes(connection.input.data() + connection.input_begin,
                                 connection.input_end - connection.input_begin);
    const stats::HttpReader::Fed fed = connection.reader.feed(bytes);
    connection.input_begin += fed.consumed;
    switch (fed.status) {
        case stats::HttpReader::Status::NeedMore:
            connection.state = State::Reading;
            if (!connection.reader.is_idle()) {
                connection.deadline = std::min(connection.deadline, now + read_limit);
            }
            receive(connection);
            break;
        case stats::HttpReader::Status::Complete: {
            connection.keep_alive = connection.reader.request().keep_alive;
            stats::Pages::Reading page = pages_.answer(connection.reader.request());
            connection.reader.next();
            write(connection, std::move(page), now);
            break;
        }
        case stats::HttpReader::Status::Error:
            connection.keep_alive = false;
            write(connection,
                  pages_.refusal(connection.reader.error(), connection.reader.why()),
                  now);
            break;
    }
}

void Port::write(Connection& connection, stats::Pages::Reading page, Instant now) {
    connection.state = State::Writing;
    connection.since = now;
    connection.deadline = now + write_limit;
    connection.output = std::move(page);
    connection.sent = 0;
    send(connection);
}

void Port::send(Connection& connection) {
    const size_t size =
        std::min<size_t>(connection.output->text.size() - connection.sent, send_size_max);
    connection.operations += 1;
    ring_.send(connection.socket.get(),
               connection.output->text.data() + connection.sent,
               static_cast<uint32_t>(size),
               name(connection, Operation::Send));
}

void Port::on_send(Connection& connection, int32_t result, Instant now) {
    if (result <= 0) {
        close(connection);
        return;
    }
    connection.sent += static_cast<size_t>(result);
    if (connection.sent < connection.output->text.size()) {
        send(connection);
        return;
    }
    connection.output.reset();
    if (connection.keep_alive) {
        connection.deadline = now + idle_limit;
        take_requests(connection, now);
        return;
    }
    connection.state = State::Lingering;
    connection.deadline = now + linger_limit;
    shutdown(connection.socket.get(), SHUT_WR);
    receive(connection);
}

// --- and go --------------------------------------------------------------------------------------

// A socket is closed when the kernel holds no operation on it: its number may be another's next.
void Port::close(Connection& connection) {
    const bool sends = connection.state == State::Writing;
    connection.state = State::Closing;
    connection.deadline = Instant::never();
    if (connection.operations == 0) {
        release(connection);
        return;
    }
    connection.operations += 1;
    ring_.cancel(connection.socket.get(),
                 name(connection, sends ? Operation::Send : Operation::Receive),
                 name(connection, Operation::Cancel));
}

void Port::release(Connection& connection) {
    connection.socket.close();
    connection.output.reset();
    connection.state = State::Free;
    connection.generation = (connection.generation + 1) % uring::UserData::generation_end;
    free_ += 1;
    if (accept_at_ == Instant::never()) accept();
}

Instant Port::next_deadline() const {
    Instant next = accept_at_;
    for (const Connection& connection : connections_) {
        if (connection.state != State::Free) next = std::min(next, connection.deadline);
    }
    return next;
}

void Port::on_time(Instant now) {
    if (now >= accept_at_) accept();
    for (Connection& connection : connections_) {
        const bool is_open = connection.state != State::Free && connection.state != State::Closing;
        if (is_open && now >= connection.deadline) close(connection);
    }
}

}  // namespace ringmain::worker
