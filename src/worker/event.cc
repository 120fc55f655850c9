#include "ringmain/worker/event.h"

#include "ringmain/uring/socket.h"

#include <cerrno>
#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

namespace ringmain::worker {

Error refused_call(const char* call, int error_number) {
    return Error{std::string("the kernel refuses ") + call + ": " +
                 uring::error_text(error_number) +
                 "; allow it (the seccomp profile of a container, SystemCallFilter= in a systemd "
                 "unit), or raise the limit that is named here"};
}

Event::Event() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), why_not_(errno) {}

Status Event::status() const {
    if (descriptor_.is_open()) return {};
    return refused_call("eventfd", why_not_);
}

void Event::set() const {
    const uint64_t one = 1;
    // Can fail only when the counter is full, and then whoever polls it is awake anyway.
    const ssize_t written = write(descriptor(), &one, sizeof one);
    static_cast<void>(written);
}

void Event::clear() const {
    uint64_t count = 0;
    const ssize_t got = read(descriptor(), &count, sizeof count);
    static_cast<void>(got);
}

}  // namespace ringmain::worker
