#include "trouble.h"

#include "ringmain/uring/socket.h"

#include <cerrno>

namespace ringmain::worker {

std::string describe_loss(int error) {
    switch (error) {
        case 0:
        case EPIPE:
            return "closed the connection";
        case ECONNREFUSED:
            return "refused the connection";
        case ECONNRESET:
            return "reset the connection";
        case ETIMEDOUT:
            return "does not answer: Connection timed out";
        case ENOENT:
            return "cannot be reached: its socket does not exist";
        case EHOSTUNREACH:
        case ENETUNREACH:
        case EADDRNOTAVAIL:
        case EACCES:
        case EPERM:
            return "cannot be reached: " + uring::error_text(error);
        default:
            return "failed: " + uring::error_text(error);
    }
}

}  // namespace ringmain::worker
