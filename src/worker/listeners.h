// src/worker/listeners.h - the sockets that all pools listen on.
//
// Opened and closed by the control thread; the workers borrow them.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/worker/driver.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ringmain::worker {

class Listeners {
  public:
    Listeners() = default;
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    ~Listeners();  // and the files of unix sockets go

    Status open(const config::Config& config);

    // Those of one worker: its own for TCP, the common one for a unix socket.
    [[nodiscard]] std::vector<Listener> of_worker(uint32_t worker) const;

    // Whoever connects from now on is refused instead of waiting for nobody.
    void shut() const;

    // Of the first pool that has one.
    [[nodiscard]] uint16_t tcp_port() const { return tcp_port_; }

  private:
    struct Open {
        uring::Descriptor socket;
        uint32_t pool;
        uint32_t worker;
        bool shared;
    };

    Status open_tcp(const config::Pool& pool, uint32_t index, uint32_t workers);
    Status open_unix(const config::Pool& pool, uint32_t index);

    std::vector<Open> open_;
    std::vector<std::string> paths_;
    uint16_t tcp_port_ = 0;
};

}  // namespace ringmain::worker
