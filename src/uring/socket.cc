#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmain::uring {
namespace {

void set_option(int socket, int level, int option, int value) {
    setsockopt(socket, level, option, &value, sizeof value);
}

std::string out_of_descriptors() {
    return "no descriptor is left: raise the limit (ulimit -n, LimitNOFILE= in a systemd unit)";
}

std::string bind_error(const SocketAddress& address, int error) {
    const std::string where = address.text();
    switch (error) {
        case EADDRINUSE:
            if (address.is_path()) {
                return where +
                       " is in use: another process listens there (`ss -lxp` shows who): "
                       "stop it, or choose another path";
            }
            return where +
                   " is in use: another process listens there (`ss -ltnxp` shows who; stop it), or "
                   "an outgoing connection has the port (`ss -tan`; ports within "
                   "net.ipv4.ip_local_port_range may be taken at any time, unless "
                   "net.ipv4.ip_local_reserved_ports has them); or choose another address";
        case EADDRNOTAVAIL:
            return where + " is not an address of this machine: choose one that `ip address` shows";
        case EACCES:
            if (address.is_path()) {
                return where + " may not be created: " + error_text(error) +
                       ": give the user of this process the right to write to the folder";
            }
            return where + " is not allowed: ports below 1024 need the capability " +
                   "CAP_NET_BIND_SERVICE (AmbientCapabilities= in a systemd unit), or choose a "
                   "higher port";
        case ENOENT:
        case ENOTDIR:
            return where + " cannot be created: its folder does not exist: create it " +
                   "(RuntimeDirectory= in a systemd unit)";
        case EROFS:
            return where + " cannot be created: the file system is read-only";
        default:
            return "cannot listen on " + where + ": " + error_text(error);
    }
}

Result<Descriptor> open_socket(const SocketAddress& address) {
    Descriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket.is_open()) return socket;
    const int error = errno;
    if (error == EMFILE || error == ENFILE) {
        return Error{"no socket for " + address.text() + ": " + out_of_descriptors()};
    }
    if (error == EAFNOSUPPORT) {
        return Error{"no socket for " + address.text() +
                     ": this machine has no such protocol: enable it, or use another address"};
    }
    return Error{"no socket for " + address.text() + ": " + error_text(error)};
}

Result<SocketAddress> address_of(const TcpListen& options) {
    if (options.host.empty() || options.host == "*") {
        return *SocketAddress::numeric("0.0.0.0", options.port);
    }
    Result<std::vector<SocketAddress>> found = resolve(options.host, options.port);
    if (!found.ok()) return Error{found.error()};
    return found.value().front();
}

Result<Descriptor> bound_tcp(const SocketAddress& address, bool reuse_port) {
    Result<Descriptor> opened = open_socket(address);
    if (!opened.ok()) return opened;
    const int socket = opened.value().get();
    // A restart need not wait until the connections of the last run are forgotten.
    set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuse_port) set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1);
    // [::] is every address of both families, whatever the sysctl bindv6only says.
    if (address.get()->sa_family == AF_INET6) set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    set_no_delay(socket);
    if (bind(socket, address.get(), address.length) != 0) return Error{bind_error(address, errno)};
    return opened;
}

int limited(uint32_t backlog) {
    const uint32_t backlog_max = INT32_MAX;
    return static_cast<int>(std::min(backlog, backlog_max));
}

Status start_listening(int socket, const SocketAddress& address, uint32_t backlog) {
    if (listen(socket, limited(backlog)) == 0) return {};
    return Error{bind_error(address, errno)};
}

enum class Leftover : uint8_t { Stale, Answers, NoSocket, Unclear };

// What the path, which could not be bound, belongs to.
Leftover look_at(const SocketAddress& address) {
    struct stat file = {};
    // Gone in between: bind() decides.
    if (lstat(address.text().c_str(), &file) != 0) {
        return errno == ENOENT ? Leftover::Stale : Leftover::Unclear;
    }
    if (!S_ISSOCK(file.st_mode)) return Leftover::NoSocket;
    // Non-blocking: a listener with a full backlog answers EAGAIN, so it is alive.
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe.is_open()) return Leftover::Unclear;
    if (connect(probe.get(), address.get(), address.length) == 0) return Leftover::Answers;
    if (errno == EAGAIN) return Leftover::Answers;
    if (errno == ECONNREFUSED || errno == ENOENT) return Leftover::Stale;
    return Leftover::Unclear;
}

// Makes the path free, if it is only a leftover.
Status clear_path(const SocketAddress& address) {
    const std::string path = address.text();
    switch (look_at(address)) {
        case Leftover::Stale:
            break;
        case Leftover::Answers:
            return Error{bind_error(address, EADDRINUSE)};
        case Leftover::NoSocket:
            return Error{path + " exists and is not a socket: remove it or choose another path"};
        case Leftover::Unclear:
            return Error{path + " exists, and whether anybody listens on it cannot be found out (" +
                         error_text(errno) + "): remove it or choose another path"};
    }
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return Error{path + " is a leftover of another run and cannot be removed: " +
                 error_text(errno) + ": remove it"};
}

Result<SocketAddress> name_of(int socket, int (*read_name)(int, sockaddr*, socklen_t*)) {
    SocketAddress address;
    address.length = sizeof address.storage;
    auto* storage = reinterpret_cast<sockaddr*>(&address.storage);
    if (read_name(socket, storage, &address.length) == 0) return address;
    return Error{"the address of a socket cannot be read: " + error_text(errno)};
}

uint64_t waiting_bytes(int socket) {
    int bytes = 0;
    if (ioctl(socket, FIONREAD, &bytes) != 0 || bytes < 0) return 0;
    return static_cast<uint64_t>(bytes);
}

// FIONREAD stops at the urgent mark, unless SO_OOBINLINE is on; so it is on for the moment of
// counting.
uint64_t unread_of_tcp(int socket) {
    set_option(socket, SOL_SOCKET, SO_OOBINLINE, 1);
    const uint64_t all = waiting_bytes(socket);
    set_option(socket, SOL_SOCKET, SO_OOBINLINE, 0);
    return waiting_bytes(socket) < all ? all - 1 : all;
}

// An urgent byte counts, and is never received with the others. One that has been passed over goes
// on counting (6.18), so that there is something at all is asked, too.
uint64_t unread_of_unix(int socket) {
    char urgent = 0;
    static_cast<void>(recv(socket, &urgent, sizeof urgent, MSG_OOB | MSG_DONTWAIT));
    pollfd state = {.fd = socket, .events = POLLIN, .revents = 0};
    return poll(&state, 1, 0) > 0 ? waiting_bytes(socket) : 0;
}

}  // namespace

Result<TcpListen> with_address(TcpListen options) {
    const Result<SocketAddress> address = address_of(options);
    if (!address.ok()) return Error{address.error()};
    options.host = address.value().host();
    return options;
}

Status port_is_free(const TcpListen& options) {
    const Result<SocketAddress> address = address_of(options);
    if (!address.ok()) return Error{address.error()};
    const Result<Descriptor> bound = bound_tcp(address.value(), false);
    if (!bound.ok()) return Error{bound.error()};
    return start_listening(bound.value().get(), address.value(), 1);
}

Result<Descriptor> listen_tcp(const TcpListen& options) {
    const Result<SocketAddress> address = address_of(options);
    if (!address.ok()) return Error{address.error()};
    Result<Descriptor> bound = bound_tcp(address.value(), options.reuse_port);
    if (!bound.ok()) return bound;
    Status listening = start_listening(bound.value().get(), address.value(), options.backlog);
    if (!listening.ok()) return Error{listening.error()};
    return bound;
}

Result<Descriptor> listen_unix(const UnixListen& options) {
    const Result<SocketAddress> made = SocketAddress::path(options.path);
    if (!made.ok()) return Error{made.error()};
    const SocketAddress& address = made.value();
    Result<Descriptor> opened = open_socket(address);
    if (!opened.ok()) return opened;
    const int socket = opened.value().get();

    int bound = bind(socket, address.get(), address.length);
    if (bound != 0 && errno == EADDRINUSE) {
        const Status cleared = clear_path(address);
        if (!cleared.ok()) return Error{cleared.error()};
        bound = bind(socket, address.get(), address.length);
    }
    if (bound != 0) return Error{bind_error(address, errno)};
    // Before listen(): nobody connects under the wrong mode.
    if (options.mode != 0 && chmod(options.path.c_str(), options.mode) != 0) {
        return Error{"the mode of " + options.path + " cannot be set: " + error_text(errno)};
    }
    Status listening = start_listening(socket, address, options.backlog);
    if (!listening.ok()) return Error{listening.error()};
    return opened;
}

Result<Descriptor> socket_for(const SocketAddress& address) {
    Result<Descriptor> opened = open_socket(address);
    if (opened.ok() && !address.is_path()) set_no_delay(opened.value().get());
    return opened;
}

// A datagram socket takes none of TCP's ports: those may be used up.
bool has_way_to(const SocketAddress& address) {
    if (address.is_path()) return true;
    const Descriptor probe(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!probe.is_open()) return errno != EAFNOSUPPORT;
    if (connect(probe.get(), address.get(), address.length) == 0) return true;
    return errno != EADDRNOTAVAIL && errno != ENETUNREACH;
}

int connect_at_once(int socket, const SocketAddress& address) {
    const int flags = fcntl(socket, F_GETFL);
    fcntl(socket, F_SETFL, flags | O_NONBLOCK);
    const int result = connect(socket, address.get(), address.length) == 0 ? 0 : -errno;
    fcntl(socket, F_SETFL, flags);
    return result;
}

Result<Descriptor> connect_and_wait(const SocketAddress& address) {
    Result<Descriptor> opened = socket_for(address);
    if (!opened.ok()) return opened;
    if (connect(opened.value().get(), address.get(), address.length) == 0) return opened;
    return Error{"cannot connect to " + address.text() + ": " + error_text(errno)};
}

int accept_waiting(int listener) {
    const int flags = fcntl(listener, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) == 0) fcntl(listener, F_SETFL, flags | O_NONBLOCK);
    const int accepted = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    return accepted >= 0 ? accepted : -errno;
}

void set_no_delay(int socket) {
    set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
}

// The kernel's own times are 2 hours, and 11 minutes to give up: for so long a client that is gone
// would be given what a BLPOP of its pops.
void set_keepalive(int socket, bool on) {
    set_option(socket, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
    if (!on) return;
    set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
    set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
    set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, keepalive_count);
}

void set_reuse_port(int socket) {
    set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1);
}

void set_backlog(int socket, uint32_t backlog) {
    static_cast<void>(listen(socket, limited(backlog)));
}

bool is_unix_socket(int socket) {
    int domain = 0;
    socklen_t size = sizeof domain;
    return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

uint64_t unread_bytes(int socket) {
    return is_unix_socket(socket) ? unread_of_unix(socket) : unread_of_tcp(socket);
}

uint64_t untaken_bytes(int socket) {
    int bytes = 0;
    if (ioctl(socket, TIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
    return static_cast<uint64_t>(bytes);
}

void set_abort_on_close(int socket) {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

Result<SocketAddress> local_address(int socket) {
    return name_of(socket, getsockname);
}

Result<SocketAddress> peer_address(int socket) {
    return name_of(socket, getpeername);
}

std::string peer_text(int socket) {
    const Result<SocketAddress> peer = peer_address(socket);
    if (!peer.ok() || peer.value().is_path()) return "?:0";
    return peer.value().text();
}

std::string error_text(int error_number) {
    const int number = error_number < 0 ? -error_number : error_number;
    const char* text = strerrordesc_np(number);
    const char* name = strerrorname_np(number);
    if (text == nullptr || name == nullptr) return "error " + std::to_string(number);
    return std::string(text) + " (" + name + ")";
}

}  // namespace ringmain::uring
