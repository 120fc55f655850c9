// src/worker/supervisor.h - tells whoever started ringmain how it is doing, as sd_notify(3) says.
//
// A service manager names a socket in NOTIFY_SOCKET and, if it wants to hear regularly that all is
// well, the time after which it takes ringmain for hung in WATCHDOG_USEC. Each message is one
// datagram of NAME=value lines. Without the first nothing is told. Not for several threads.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/uring/descriptor.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/un.h>

namespace ringmain::worker {

class Supervisor {
  public:
    // From the environment.
    Supervisor();

    // Why the supervisor hears nothing though it asked to; empty: nothing is wrong.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

    // Clients are served. `status` is a line for people.
    void tell_ready(std::string_view status);

    // Another configuration is read; tell_ready() follows, whatever comes of it.
    void tell_reloading(Instant now);

    void tell_stopping(std::string_view status);

    // That nothing hangs: to be said at least so often; `never` where nobody asked.
    void tell_alive();

    [[nodiscard]] Duration alive_interval() const { return alive_interval_; }

    static constexpr Duration never = {INT64_MAX};

  private:
    void open(std::string_view name);
    void tell(const std::string& lines, int flags = 0);

    uring::Descriptor socket_;
    sockaddr_un address_ = {};
    socklen_t address_size_ = 0;
    Duration alive_interval_ = never;
    std::string trouble_;
};

}  // namespace ringmain::worker
