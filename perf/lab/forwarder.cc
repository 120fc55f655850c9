#include "perf/lab/forwarder.h"

#include "ringmain/base/assert.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace ringmain::lab {

namespace {

[[noreturn]] void stop(const std::string& text) {
    std::fprintf(stderr, "forwarder: %s\n", text.c_str());
    std::exit(1);
}

}  // namespace

Status Forwarder::open() {
    Result<uring::Features> features = uring::Features::probe();
    if (!features.ok()) return Error{features.error()};
    if (Status status = ring_.open({.features = features.value()}); !status.ok()) return status;
    if (Status status = buffers_.open(ring_, {.entries = buffer_count}); !status.ok()) {
        return status;
    }
    memory_ = std::make_unique<char[]>(size_t{buffer_count} * buffer_size);
    for (uint32_t id = 0; id < buffer_count; ++id)
        give_back(static_cast<uint16_t>(id));
    batch_.resize(uring::Ring::batch_max);

    for (const uint16_t port : options_.servers) {
        if (!shared()) break;
        Result<uint32_t> server = connect_to(port);
        if (!server.ok()) return Error{server.error()};
        servers_.push_back(server.value());
        arm(server.value());
    }
    Result<uring::Descriptor> listener =
        uring::listen_tcp({.host = "127.0.0.1", .port = options_.port, .backlog = 4096});
    if (!listener.ok()) return Error{listener.error()};
    listener_ = std::move(listener.value());
    ring_.accept(listener_.get(), uring::Shots::Many, user_data(Operation::Accept, 0));
    return {};
}

void Forwarder::run() {
    while (true) {
        flush();
        buffers_.publish();
        arm_starved();
        ring_.submit_and_wait(uring::Ring::forever);
        const uint32_t count = ring_.reap(batch_);
        for (uint32_t i = 0; i < count; ++i)
            on_completion(batch_[i]);
    }
}

uring::UserData Forwarder::user_data(Operation operation, uint32_t index) const {
    const uint32_t generation =
        operation == Operation::Accept ? 0 : connections_[index]->generation;
    return {.kind = static_cast<uint8_t>(operation), .generation = generation, .index = index};
}

Result<uint32_t> Forwarder::connect_to(uint16_t port) {
    const auto address = uring::SocketAddress::numeric("127.0.0.1", port);
    RM_ASSERT(address.has_value());
    Result<uring::Descriptor> socket = uring::connect_and_wait(*address);
    if (!socket.ok()) return Error{socket.error()};
    const uint32_t index = take_slot(std::move(socket.value()));
    connections_[index]->is_server = true;
    return index;
}

uint32_t Forwarder::take_slot(uring::Descriptor socket) {
    if (free_.empty()) {
        free_.push_back(static_cast<uint32_t>(connections_.size()));
        connections_.push_back(std::make_unique<Connection>());
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    const uint32_t generation =
        (connections_[index]->generation + 1) % uring::UserData::generation_end;
    *connections_[index] = Connection{};
    connections_[index]->generation = generation;
    connections_[index]->socket = std::move(socket);
    return index;
}

void Forwarder::on_completion(const uring::Completion& done) {
    const uint32_t index = done.user_data.index;
    switch (static_cast<Operation>(done.user_data.kind)) {
        case Operation::Accept:
            return on_accepted(done);
        case Operation::Receive:
            return on_received(index, done);
        case Operation::Send:
            return on_sent(index, done.result);
    }
    RM_ASSERT(false);
}

void Forwarder::on_accepted(const uring::Completion& done) {
    if (!done.more()) {
        ring_.accept(listener_.get(), uring::Shots::Many, user_data(Operation::Accept, 0));
    }
    if (done.result < 0) stop("cannot accept: " + uring::error_text(done.result));
    uring::Descriptor socket(done.result);
    const uint32_t turn = next_server_++ % static_cast<uint32_t>(options_.servers.size());
    uint32_t server = nobody;
    if (shared()) {
        server = servers_[turn];
    } else {
        Result<uint32_t> connected = connect_to(options_.servers[turn]);
        if (!connected.ok()) stop(connected.error());
        server = connected.value();
    }
    const uint32_t client = take_slot(std::move(socket));
    connections_[client]->peer = server;
    arm(client);
    if (shared()) return;
    connections_[server]->peer = client;
    arm(server);
}

void Forwarder::arm(uint32_t index) {
    Connection& connection = *connections_[index];
    connection.operations += 1;
    ring_.receive(connection.socket.get(),
                  buffers_.group(),
                  {.poll_first = true},
                  user_data(Operation::Receive, index));
}

void Forwarder::give_back(uint16_t buffer) {
    buffers_.provide(buffer, buffer_at(buffer), buffer_size);
}

// Not from the completion: without a buffer a receive would only fail again.
void Forwarder::arm_starved() {
    for (size_t count = std::min<size_t>(starved_.size(), buffers_.held() / 2); count > 0;
         --count) {
        const uint32_t index = starved_.front();
        starved_.pop_front();
        arm(index);
    }
}

void Forwarder::on_received(uint32_t index, const uring::Completion& done) {
    Connection& connection = *connections_[index];
    RM_ASSERT(connection.generation == done.user_data.generation);
    if (!done.more()) connection.operations -= 1;
    if (done.has_buffer()) {
        buffers_.taken(done.buffer());
        const std::string_view bytes(buffer_at(done.buffer()),
                                     static_cast<size_t>(std::max(done.result, 0)));
        if (connection.closing || done.result <= 0) {
            give_back(done.buffer());
        } else if (!shared()) {
            forward_piece(index, done);
        } else {
            if (connection.is_server) {
                share_answer(index, bytes);
            } else {
                share_request(index, bytes);
            }
            give_back(done.buffer());
        }
    }
    if (done.more()) return;
    if (connection.closing) return release(index);
    if (done.result > 0) return arm(index);
    if (done.result == -ENOBUFS) return starved_.push_back(index);
    if (shared() && connection.is_server) stop("a server closed its connection");
    close(index);
}

void Forwarder::forward_piece(uint32_t index, const uring::Completion& done) {
    const uint32_t to = connections_[index]->peer;
    if (to == nobody) return give_back(done.buffer());
    connections_[to]->pieces.push_back(
        {.buffer = done.buffer(), .offset = 0, .size = static_cast<uint32_t>(done.result)});
    mark(to);
}

// Whole requests only: those of several clients share a connection.
void Forwarder::share_request(uint32_t index, std::string_view bytes) {
    Connection& client = *connections_[index];
    Connection& server = *connections_[client.peer];
    const uint64_t size = client.tail.size() + bytes.size();
    const uint64_t requests = size / options_.request_size;
    if (requests == 0) {
        client.tail += bytes;
        return;
    }
    const size_t taken = requests * options_.request_size - client.tail.size();
    server.next += client.tail;
    server.next += bytes.substr(0, taken);
    client.tail = bytes.substr(taken);
    server.due.push_back({.client = index,
                          .generation = client.generation,
                          .bytes = requests * options_.answer_size});
    mark(client.peer);
}

void Forwarder::share_answer(uint32_t index, std::string_view bytes) {
    Connection& server = *connections_[index];
    while (!bytes.empty()) {
        if (server.due.empty()) stop("a server sent more than it was asked for: wrong sizes?");
        Due& due = server.due.front();
        const uint64_t size = std::min<uint64_t>(due.bytes, bytes.size());
        Connection& client = *connections_[due.client];
        if (client.generation == due.generation && !client.closing) {
            client.next += bytes.substr(0, size);
            mark(due.client);
        }
        due.bytes -= size;
        bytes.remove_prefix(size);
        if (due.bytes == 0) server.due.pop_front();
    }
}

void Forwarder::mark(uint32_t index) {
    Connection& connection = *connections_[index];
    if (connection.marked || connection.sending) return;  // on_sent() marks it again
    connection.marked = true;
    ready_.push_back(index);
}

void Forwarder::flush() {
    for (const uint32_t index : ready_) {
        connections_[index]->marked = false;
        // The slot may have changed hands since it was marked.
        if (connections_[index]->closing || connections_[index]->sending) continue;
        if (shared()) {
            send_text(index);
        } else {
            send_pieces(index);
        }
    }
    ready_.clear();
}

void Forwarder::send_pieces(uint32_t index) {
    Connection& to = *connections_[index];
    if (to.pieces.empty()) return;
    to.flying = static_cast<uint32_t>(std::min<size_t>(to.pieces.size(), pieces_max));
    for (uint32_t i = 0; i < to.flying; ++i) {
        const Piece& piece = to.pieces[i];
        to.vector[i] = {.iov_base = buffer_at(piece.buffer) + piece.offset, .iov_len = piece.size};
    }
    to.sending = true;
    to.operations += 1;
    if (to.flying == 1) {
        ring_.send(to.socket.get(),
                   static_cast<const char*>(to.vector[0].iov_base),
                   static_cast<uint32_t>(to.vector[0].iov_len),
                   user_data(Operation::Send, index));
        return;
    }
    to.message = {};
    to.message.msg_iov = to.vector.data();
    to.message.msg_iovlen = to.flying;
    ring_.send_gathered(to.socket.get(), &to.message, user_data(Operation::Send, index));
}

void Forwarder::send_text(uint32_t index) {
    Connection& to = *connections_[index];
    if (to.sent == to.now.size()) {
        to.now.clear();
        to.sent = 0;
        std::swap(to.now, to.next);
    }
    if (to.now.empty()) return;
    to.sending = true;
    to.operations += 1;
    ring_.send(to.socket.get(),
               to.now.data() + to.sent,
               static_cast<uint32_t>(to.now.size() - to.sent),
               user_data(Operation::Send, index));
}

void Forwarder::on_sent(uint32_t index, int32_t result) {
    Connection& connection = *connections_[index];
    connection.operations -= 1;
    connection.sending = false;
    if (connection.closing) return release(index);
    if (result <= 0) {
        if (shared() && connection.is_server) stop("cannot send to a server");
        return close(index);
    }
    auto left = static_cast<uint32_t>(result);
    if (shared()) connection.sent += left;
    while (left > 0 && !shared()) {
        Piece& piece = connection.pieces.front();
        const uint32_t size = std::min(left, piece.size);
        piece.offset += size;
        piece.size -= size;
        left -= size;
        if (piece.size > 0) continue;
        give_back(piece.buffer);
        connection.pieces.pop_front();
    }
    const bool more = shared() ? connection.sent < connection.now.size() || !connection.next.empty()
                               : !connection.pieces.empty();
    if (more) mark(index);
}

// A client, and with it the server connection of its own; either may be the first to go.
void Forwarder::close(uint32_t index) {
    const uint32_t peer = shared() ? nobody : std::exchange(connections_[index]->peer, nobody);
    close_one(index);
    if (peer == nobody) return;
    connections_[peer]->peer = nobody;
    close_one(peer);
}

void Forwarder::close_one(uint32_t index) {
    Connection& connection = *connections_[index];
    if (connection.closing) return;
    connection.closing = true;
    std::erase(starved_, index);
    // Ends what is in flight on it; closing the descriptor would not.
    ::shutdown(connection.socket.get(), SHUT_RDWR);
    release(index);
}

void Forwarder::release(uint32_t index) {
    Connection& connection = *connections_[index];
    if (connection.operations > 0) return;
    for (const Piece& piece : connection.pieces)
        give_back(piece.buffer);
    connection.pieces.clear();
    connection.socket.close();
    // Whoever still owes it an answer knows it by its generation.
    connection.generation = (connection.generation + 1) % uring::UserData::generation_end;
    free_.push_back(index);
}

}  // namespace ringmain::lab
