// ringmain/uring/socket.h - the plain system calls around sockets: to make, name and adjust them.
//
// All sockets are close-on-exec and in blocking mode, as rings want them (ring.h). Errors are
// sentences for people: they name the address, the cause and the remedy.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/socket_address.h"

#include <cstdint>
#include <string>

namespace ringmain::uring {

struct TcpListen {
    std::string host;   // a name is looked up; "" and "*": every IPv4 address; "::": IPv6, too
    uint16_t port = 0;  // 0: the kernel chooses, local_address() tells
    uint32_t backlog = 1024;
    bool reuse_port = false;  // one listener per worker on the same port
};

struct UnixListen {
    std::string path = {};
    uint32_t mode = 0;  // of the file; 0: as the umask says
    uint32_t backlog = 1024;
};

// With the address that the name has now in its place, for several sockets at the same one. Blocks
// as resolve() does.
Result<TcpListen> with_address(TcpListen options);

// Listeners with reuse_port share a port without a word even with another process of the same
// user: to notice a second start, try this first.
Status port_is_free(const TcpListen& options);

// TCP_NODELAY is set and inherited by what is accepted.
Result<Descriptor> listen_tcp(const TcpListen& options);

// A socket file left behind by a process that is gone is replaced; a file of another kind, or a
// socket that somebody answers on, is an error. To be removed at the end (socket_file.h).
Result<Descriptor> listen_unix(const UnixListen& options);

// A socket of the address's family, not yet connected (Ring::connect); TCP_NODELAY is set.
Result<Descriptor> socket_for(const SocketAddress& address);

// Whether a connection to it can begin here: there is such a protocol, an address of our own and a
// route. Nothing is sent, and nothing waits.
[[nodiscard]] bool has_way_to(const SocketAddress& address);

// To a path, without waiting: 0 or -errno (-EAGAIN when too many wait there to be accepted). The
// socket is as blocking afterwards as it was.
[[nodiscard]] int connect_at_once(int socket, const SocketAddress& address);

// Connects and waits. For tools and tests.
Result<Descriptor> connect_and_wait(const SocketAddress& address);

// Takes one connection out of the backlog without waiting: a descriptor, or -errno (-EAGAIN when
// there is none). It leaves the listener non-blocking, so it is for draining before the end.
[[nodiscard]] int accept_waiting(int listener);

// Failures of these do no harm and are ignored: the option is not there for unix sockets.
void set_no_delay(int socket);
// A peer that has said nothing for that long is asked, so often, and is gone when it says nothing:
// after two minutes in all. Sockets that are accepted inherit it from their listener.
inline constexpr int keepalive_idle_s = 60;
inline constexpr int keepalive_interval_s = 20;
inline constexpr int keepalive_count = 3;
void set_keepalive(int socket, bool on = true);

// Of a listener: others of this user may listen beside it, those who ask for it (reuse_port).
void set_reuse_port(int socket);

// Of a listener: how many may wait to be accepted from now on.
void set_backlog(int socket, uint32_t backlog);

[[nodiscard]] bool is_unix_socket(int socket);

// Bytes that have arrived and wait to be received, urgent ones not among them: that of a unix
// socket is taken out of it, for it is never received with the others. There the number may be too
// large: Linux 6.18 goes on counting one that a receive has passed over.
[[nodiscard]] uint64_t unread_bytes(int socket);

// Bytes that were sent and that the peer's kernel has not taken.
[[nodiscard]] uint64_t untaken_bytes(int socket);

// The next close() sends a reset and drops what is unsent.
void set_abort_on_close(int socket);

Result<SocketAddress> local_address(int socket);
Result<SocketAddress> peer_address(int socket);

// "?:0", as redis has it, when the peer has no address (unix sockets) or is gone.
[[nodiscard]] std::string peer_text(int socket);

// "Connection refused (ECONNREFUSED)". Takes errno values, positive or negated.
[[nodiscard]] std::string error_text(int error_number);

}  // namespace ringmain::uring
