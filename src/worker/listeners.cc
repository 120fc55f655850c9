#include "listeners.h"

#include "ringmain/uring/socket.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <sys/socket.h>

namespace ringmain::worker {

namespace {

// What of ours a new listener may stand in the way of.
std::string rival_text(const config::Config& config, const config::Address& listen) {
    const std::array<std::pair<const char*, const config::Address*>, 2> fixed = {
        {{"[stats]", &config.stats.listen}, {"[admin]", &config.admin.listen}}};
    for (const auto& [section, address] : fixed) {
        if (listen.is_path() || address->empty() || address->port != listen.port) continue;
        return std::string("; this ringmain itself listens there, as ") + section +
               " has it, which is fixed at start: its change needs a restart";
    }
    return {};
}

template <class Ports>
std::string rival_text(const Ports& ports, const config::Address& listen) {
    for (const auto& [address, port] : ports) {
        const bool is_there =
            listen.is_path() ? port.file.is_at(listen.path) : port.number == listen.port;
        if (!is_there) continue;
        return "; this ringmain itself listens on " + address.text();
    }
    return {};
}

}  // namespace

// The mode of a socket's file does not make it another one.
config::Address Listeners::key_of(const config::Pool& pool) {
    config::Address key = pool.listen;
    key.mode = 0;
    return key;
}

std::vector<uint32_t> Listeners::new_places(const config::Config& running,
                                            const config::Config& next) {
    std::set<config::Address> known;
    for (const config::Pool& pool : running.pools) {
        known.insert(key_of(pool));
    }
    std::vector<uint32_t> places;
    for (uint32_t i = 0; i < next.pools.size(); ++i) {
        if (!known.contains(key_of(next.pools[i]))) places.push_back(i);
    }
    return places;
}

void Listeners::shut() const {
    for (const auto& [address, port] : ports_) {
        for (const uring::Descriptor& socket : port.sockets) {
            shutdown(socket.get(), SHUT_RDWR);
        }
    }
}

// Sets the modes of files, and sets them back unless all else has gone well, too.
class Listeners::Modes {
  public:
    Modes() = default;
    Modes(const Modes&) = delete;
    Modes& operator=(const Modes&) = delete;

    ~Modes() {
        for (const Before& before : before_) {
            if (before.of_file.has_value()) before.port->file.restore_mode(*before.of_file);
            before.port->mode = before.asked_for;
        }
    }

    Status set(Port& port, uint32_t mode) {
        if (port.mode == mode) return {};
        const Before before = {.port = &port, .of_file = port.file.mode(), .asked_for = port.mode};
        if (Status done = port.file.set_mode(mode); !done.ok()) return done;
        port.mode = mode;
        before_.push_back(before);
        return {};
    }

    void keep() { before_.clear(); }

  private:
    struct Before {
        Port* port;
        std::optional<uint32_t> of_file;  // which somebody may have changed by hand
        uint32_t asked_for;
    };

    std::vector<Before> before_;
};

std::vector<NameSearch::Question> Listeners::unknown_names(const config::Config& config) const {
    std::vector<NameSearch::Question> names;
    for (const config::Pool& pool : config.pools) {
        const config::Address& listen = pool.listen;
        if (listen.is_path() || ports_.contains(key_of(pool))) continue;
        if (uring::SocketAddress::numeric(listen.host, listen.port).has_value()) continue;
        names.push_back(
            {.asker = "pool '" + pool.name + "'", .host = listen.host, .port = listen.port});
    }
    return names;
}

// Null: it is opened, if only since its file is gone.
Listeners::Port* Listeners::find_kept(const config::Address& key) {
    const auto found = ports_.find(key);
    return found == ports_.end() || found->second.file.is_gone() ? nullptr : &found->second;
}

Status Listeners::set_modes(const config::Config& config,
                            const std::vector<config::Address>& of_pools,
                            Modes& modes) {
    for (size_t i = 0; i < of_pools.size(); ++i) {
        const config::Pool& pool = config.pools[i];
        Port* kept = find_kept(of_pools[i]);
        if (kept == nullptr) continue;
        if (Status done = modes.set(*kept, pool.listen.mode); !done.ok()) {
            return Error{"pool '" + pool.name + "': " + done.error()};
        }
    }
    return {};
}

// What needs a port that is leaving comes last: when anything else fails, nobody has shared one
// yet.
Status Listeners::change_to(const config::Config& config, const NamedAddresses& known) {
    std::vector<config::Address> of_pools;
    of_pools.reserve(config.pools.size());
    for (const config::Pool& pool : config.pools) {
        of_pools.push_back(key_of(pool));
    }
    Modes modes;
    if (Status done = set_modes(config, of_pools, modes); !done.ok()) return done;
    Ports opened;
    for (const bool beside : {false, true}) {
        for (size_t i = 0; i < of_pools.size(); ++i) {
            const config::Pool& pool = config.pools[i];
            if (find_kept(of_pools[i]) != nullptr) continue;
            const std::vector<const Port*> leaving = leaving_ports(pool.listen, of_pools);
            if (leaving.empty() == beside) continue;
            Result<Port> port =
                pool.listen.is_path() ? open_unix(pool) : open_tcp(pool, known, leaving);
            if (!port.ok()) {
                return Error{"pool '" + pool.name + "': " + port.error() +
                             rival_of(port.error(), opened, config, pool.listen)};
            }
            opened.emplace(of_pools[i], std::move(port.value()));
        }
    }
    modes.keep();
    for (size_t i = 0; i < of_pools.size(); ++i) {
        const auto kept = ports_.find(of_pools[i]);
        if (kept != ports_.end()) adjust(kept->second, config.pools[i]);
    }
    for (const auto& [address, port] : opened) {
        if (const auto old = ports_.extract(address); !old.empty()) {
            old.mapped().file.forget();
            unreachable_.push_back(std::move(old.mapped()));
        }
    }
    ports_.merge(opened);
    of_pools_ = std::move(of_pools);
    return {};
}

void Listeners::close_unwanted() {
    unreachable_.clear();
    const std::set<config::Address> wanted(of_pools_.begin(), of_pools_.end());
    std::erase_if(ports_, [&wanted](const auto& entry) { return !wanted.contains(entry.first); });
}

// Those of the same number that nobody wants any more: they stay open until the workers have let go
// of them, and what follows (0.0.0.0 after 127.0.0.1) opens beside them.
std::vector<const Listeners::Port*> Listeners::leaving_ports(
    const config::Address& listen, const std::vector<config::Address>& wanted) const {
    std::vector<const Port*> leaving;
    if (listen.is_path()) return leaving;
    for (const auto& [address, port] : ports_) {
        if (port.number == 0 || port.number != listen.port) continue;
        if (std::ranges::find(wanted, address) == wanted.end()) leaving.push_back(&port);
    }
    return leaving;
}

// Only of a place that is taken does it matter what ours is near.
std::string Listeners::rival_of(std::string_view error,
                                const Ports& opened,
                                const config::Config& config,
                                const config::Address& listen) const {
    if (error.find(" is in use: ") == std::string_view::npos) return {};
    std::string rival = rival_text(opened, listen);
    if (rival.empty()) rival = rival_text(ports_, listen);
    if (rival.empty() && !ports_.empty()) rival = rival_text(config, listen);
    return rival;
}

void Listeners::adjust(const Port& port, const config::Pool& pool) {
    for (const uring::Descriptor& socket : port.sockets) {
        uring::set_backlog(socket.get(), pool.backlog);
        uring::set_keepalive(socket.get(), pool.tcp_keepalive);
    }
}

Result<Listeners::Port> Listeners::open_tcp(const config::Pool& pool,
                                            const NamedAddresses& known,
                                            const std::vector<const Port*>& leaving) const {
    const bool beside = !leaving.empty();
    const auto named = known.find(pool.listen.host);
    const std::string host = named == known.end() ? pool.listen.host : named->second.host();
    Result<uring::TcpListen> found = uring::with_address({.host = host,
                                                          .port = pool.listen.port,
                                                          .backlog = pool.backlog,
                                                          .reuse_port = workers_ > 1 || beside});
    if (!found.ok()) return Error{found.error()};
    uring::TcpListen& options = found.value();
    if (workers_ > 1 && !beside) {
        if (Status free = uring::port_is_free(options); !free.ok()) return Error{free.error()};
    }
    for (const Port* before : leaving) {
        for (const uring::Descriptor& socket : before->sockets) {
            uring::set_reuse_port(socket.get());
        }
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
    port.sockets.push_back(std::move(socket.value()));
    port.file = uring::SocketFile(pool.listen.path);
    port.mode = pool.listen.mode;
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

std::string Listeners::trouble_of(uint32_t pool) const {
    const config::Address& address = of_pools_[pool];
    if (!ports_.at(address).file.is_replaced()) return {};
    return "no client comes in at " + address.text() +
           ": something else stands there in place of the socket; move it away, and the next HUP "
           "makes the socket anew";
}

std::string Listeners::place_of(uint32_t pool) const {
    const config::Address& address = of_pools_[pool];
    std::string text = address.text();
    if (address.is_path()) return text;
    const auto local = uring::local_address(ports_.at(address).sockets[0].get());
    if (!local.ok() || local.value().text() == text) return text;
    return text + " (" + local.value().text() + ")";
}

}  // namespace ringmain::worker
