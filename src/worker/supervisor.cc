#include "supervisor.h"

#include "ringmain/base/ascii.h"
#include "ringmain/uring/clock.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <sys/select.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

// Only that ringmain is ready is worth waiting for, and not for longer.
constexpr Duration patience = Duration::millis(1000);

std::string_view variable(const char* name) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes it
    return text == nullptr ? std::string_view() : text;
}

// Half of what is granted, so that one message may be late.
Duration interval_asked_for() {
    const std::optional<int64_t> granted_us = ascii::parse_int64(variable("WATCHDOG_USEC"));
    const std::string_view whom = variable("WATCHDOG_PID");
    const bool is_ours = whom.empty() || whom == std::to_string(getpid());
    constexpr int64_t most_us = 3'600'000'000;
    if (!is_ours || !granted_us.has_value() || *granted_us <= 0) return Supervisor::never;
    return Duration::micros(std::min(*granted_us, most_us) / 2);
}

// A status is one line.
std::string status_line(std::string_view status) {
    std::string line = "\nSTATUS=" + std::string(status);
    std::replace(line.begin() + 1, line.end(), '\n', ' ');
    return line;
}

}  // namespace

Supervisor::Supervisor() {
    const std::string_view name = variable("NOTIFY_SOCKET");
    if (!name.empty()) open(name);
    if (socket_.is_open()) alive_interval_ = interval_asked_for();
}

// A path, or "@name" for an abstract one.
void Supervisor::open(std::string_view name) {
    const bool is_abstract = name.starts_with('@');
    if ((!is_abstract && !name.starts_with('/')) || name.size() >= sizeof address_.sun_path) {
        trouble_ = "NOTIFY_SOCKET is '" + std::string(name) +
                   "', which is neither a path nor @ and a name, of at most " +
                   std::to_string(sizeof address_.sun_path - 1) +
                   " bytes: no service manager is told how ringmain is doing";
        return;
    }
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path, name.data(), name.size());
    if (is_abstract) address_.sun_path[0] = '\0';
    address_size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    socket_ = uring::Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket_.is_open()) {
        trouble_ = "no service manager is told how ringmain is doing: " + uring::error_text(errno);
        return;
    }
    const timeval limit = {.tv_sec = patience.to_millis() / 1000, .tv_usec = 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

void Supervisor::tell_ready(std::string_view status) {
    tell("READY=1\nMAINPID=" + std::to_string(getpid()) + status_line(status));
}

void Supervisor::tell_reloading(Instant now) {
    tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.ns / 1000) +
             status_line("reading the configuration"),
         MSG_DONTWAIT);
}

void Supervisor::tell_stopping(std::string_view status) {
    tell("STOPPING=1" + status_line(status), MSG_DONTWAIT);
}

void Supervisor::tell_alive() {
    if (alive_interval_ != never) tell("WATCHDOG=1", MSG_DONTWAIT);
}

void Supervisor::tell(const std::string& lines, int flags) {
    if (!socket_.is_open()) return;
    const auto* address = reinterpret_cast<const sockaddr*>(&address_);
    flags |= MSG_NOSIGNAL;
    ssize_t sent = -1;
    // The ring's work interrupts a call that waits.
    const Instant until = uring::now() + patience;
    do {
        sent = sendto(socket_.get(), lines.data(), lines.size(), flags, address, address_size_);
    } while (sent < 0 && errno == EINTR && uring::now() < until);
    trouble_ = sent >= 0 ? ""
                         : "the service manager at NOTIFY_SOCKET cannot be told how ringmain is "
                           "doing: " +
                               uring::error_text(errno);
}

}  // namespace ringmain::worker
