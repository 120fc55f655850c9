#include "trouble.h"

#include "ringmain/core/server_conn.h"
#include "ringmain/uring/socket.h"

#include <cerrno>

namespace ringmain::worker {

std::string describe_loss(int error) {
    switch (error) {
        case 0:
        case EPIPE:
            return std::string(core::end_of_stream_reason);
        case ECONNREFUSED:
            return "refused the connection";
        case ECONNRESET:
            return std::string(core::reset_reason);
        case ETIMEDOUT:
            return "does not answer: Connection timed out";
        case ENOENT:
            return "cannot be reached: its socket does not exist";
        case EAFNOSUPPORT:
            return "cannot be reached: this machine has no address of its kind (IPv6 or IPv4) to "
                   "connect from: enable that here, or use another address of the server";
        case EHOSTUNREACH:
        case ENETUNREACH:
        case EACCES:
        case EPERM:
            return "cannot be reached: " + uring::error_text(error);
        default:
            return "failed: " + uring::error_text(error);
    }
}

bool is_local_shortage(int error) {
    switch (error) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EADDRNOTAVAIL:
            return true;
        default:
            return false;
    }
}

std::string describe_shortage(int error) {
    switch (error) {
        case EMFILE:
            return "no descriptor is left: raise the limit (ulimit -n, LimitNOFILE= in a systemd "
                   "unit), or lower client_connections";
        case ENFILE:
            return "no descriptor is left on this machine: raise the sysctl fs.file-max";
        case EADDRNOTAVAIL:
            return "no port is left to connect from: widen the sysctl net.ipv4.ip_local_port_range";
        default:
            return "the kernel is short of memory: " + uring::error_text(error);
    }
}

}  // namespace ringmain::worker
