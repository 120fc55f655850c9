#include "listeners.h"

#include "ringmain/uring/socket.h"

#include <algorithm>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace ringmain::worker {

Listeners::~Listeners() {
    for (const auto& [address, port] : ports_) {
        close(port);
    }
}

// The mode of a socket's file does not make it another one.
config::Address Listeners::key_of(const config::Pool& pool) {
    config::Address key = pool.listen;
    key.mode = 0;
    return key;
}

void Listeners::close(const Port& port) {
    if (!port.path.empty()) unlink(port.path.c_str());
}

void Listeners::shut() const {
    for (const auto& [address, port] : ports_) {
        for (const uring::Descriptor& socket : port.sockets) {
            shutdown(socket.get(), SHUT_RDWR);
        }
    }
}

Status Listeners::change_to(const config::Config& config) {
    std::map<config::Address, Port> opened;
    std::vector<config::Address> of_pools;
    for (const config::Pool& pool : config.pools) {
        of_pools.push_back(key_of(pool));
        if (ports_.contains(of_pools.back())) continue;
        Result<Port> port = open(pool);
        if (!port.ok()) {
            for (const auto& [address, fresh] : opened) {
                close(fresh);
            }
            return Error{"pool '" + pool.name + "': " + port.error()};
        }
        opened.emplace(of_pools.back(), std::move(port.value()));
    }
    ports_.merge(opened);
    of_pools_ = std::move(of_pools);
    return {};
}

void Listeners::close_unwanted() {
    std::erase_if(ports_, [this](const auto& entry) {
        if (std::ranges::find(of_pools_, entry.first) != of_pools_.end()) return false;
        close(entry.second);
        return true;
    });
}

Result<Listeners::Port> Listeners::open(const config::Pool& pool) const {
    return pool.listen.is_path() ? open_unix(pool) : open_tcp(pool);
}

Result<Listeners::Port> Listeners::open_tcp(const config::Pool& pool) const {
    uring::TcpListen options = {.host = pool.listen.host,
                                .port = pool.listen.port,
                                .backlog = pool.backlog,
                                .reuse_port = workers_ > 1};
    if (workers_ > 1) {
        if (Status free = uring::port_is_free(options); !free.ok()) return Error{free.error()};
    }
    Port port;
    for (uint32_t worker = 0; worker < workers_; ++worker) {
        Result<uring::Descriptor> socket = uring::listen_tcp(options);
        if (!socket.ok()) return Error{socket.error()};
        // Inherited by every accepted socket.
        if (pool.tcp_keepalive) uring::set_keepalive(socket.value().get());
        if (Result<uring::SocketAddress> local = uring::local_address(socket.value().get());
            local.ok()) {
            options.port = local.value().port();
            port.number = options.port;
        }
        port.sockets.push_back(std::move(socket.value()));
    }
    return port;
}

Result<Listeners::Port> Listeners::open_unix(const config::Pool& pool) {
    Result<uring::Descriptor> socket = uring::listen_unix(
        {.path = pool.listen.path, .mode = pool.listen.mode, .backlog = pool.backlog});
    if (!socket.ok()) return Error{socket.error()};
    Port port;
    port.path = pool.listen.path;
    port.sockets.push_back(std::move(socket.value()));
    return port;
}

std::vector<Listener> Listeners::of_worker(uint32_t worker) const {
    std::vector<Listener> mine;
    for (uint32_t pool = 0; pool < of_pools_.size(); ++pool) {
        const std::vector<uring::Descriptor>& sockets = ports_.at(of_pools_[pool]).sockets;
        const uring::Descriptor& socket = sockets.size() == 1 ? sockets[0] : sockets[worker];
        mine.push_back({.socket = socket.get(), .pool = pool});
    }
    return mine;
}

uint16_t Listeners::tcp_port() const {
    for (const config::Address& address : of_pools_) {
        if (const uint16_t number = ports_.at(address).number; number != 0) return number;
    }
    return 0;
}

}  // namespace ringmain::worker
