#include "listeners.h"

#include "ringmain/uring/socket.h"

#include <sys/socket.h>
#include <unistd.h>

namespace ringmain::worker {

Listeners::~Listeners() {
    for (const std::string& path : paths_) {
        unlink(path.c_str());
    }
}

void Listeners::shut() const {
    for (const Open& one : open_) {
        shutdown(one.socket.get(), SHUT_RDWR);
    }
}

Status Listeners::open(const config::Config& config) {
    for (uint32_t i = 0; i < config.pools.size(); ++i) {
        const config::Pool& pool = config.pools[i];
        Status status =
            pool.listen.is_path() ? open_unix(pool, i) : open_tcp(pool, i, config.proxy.workers);
        if (!status.ok()) return Error{"pool '" + pool.name + "': " + status.error()};
    }
    return {};
}

Status Listeners::open_tcp(const config::Pool& pool, uint32_t index, uint32_t workers) {
    uring::TcpListen options = {.host = pool.listen.host,
                                .port = pool.listen.port,
                                .backlog = pool.backlog,
                                .reuse_port = workers > 1};
    if (workers > 1) {
        if (Status free = uring::port_is_free(options); !free.ok()) return free;
    }
    for (uint32_t worker = 0; worker < workers; ++worker) {
        Result<uring::Descriptor> socket = uring::listen_tcp(options);
        if (!socket.ok()) return Error{socket.error()};
        // Inherited by every accepted socket.
        if (pool.tcp_keepalive) uring::set_keepalive(socket.value().get());
        if (Result<uring::SocketAddress> local = uring::local_address(socket.value().get());
            local.ok()) {
            options.port = local.value().port();
            if (tcp_port_ == 0) tcp_port_ = options.port;
        }
        open_.push_back({std::move(socket.value()), index, worker, false});
    }
    return {};
}

Status Listeners::open_unix(const config::Pool& pool, uint32_t index) {
    Result<uring::Descriptor> socket = uring::listen_unix(
        {.path = pool.listen.path, .mode = pool.listen.mode, .backlog = pool.backlog});
    if (!socket.ok()) return Error{socket.error()};
    paths_.push_back(pool.listen.path);
    open_.push_back({std::move(socket.value()), index, 0, true});
    return {};
}

std::vector<Listener> Listeners::of_worker(uint32_t worker) const {
    std::vector<Listener> mine;
    for (const Open& one : open_) {
        if (!one.shared && one.worker != worker) continue;
        mine.push_back({.socket = one.socket.get(), .pool = one.pool});
    }
    return mine;
}

}  // namespace ringmain::worker
