// src/worker/listeners.h - the sockets that all pools listen on.
//
// Opened and closed by the control thread; the workers borrow them. A reload opens what is new
// first, tells the workers, and closes what is unwanted when they have let go of it.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/worker/inbox.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ringmain::worker {

class Listeners {
  public:
    explicit Listeners(uint32_t workers) : workers_(workers) {}

    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    ~Listeners();  // and the files of unix sockets go

    // Opens what is not open yet. On error nothing has changed.
    Status change_to(const config::Config& config);

    // Closes what the configuration does not have.
    void close_unwanted();

    // Those of one worker: its own for TCP, the common one for a unix socket.
    [[nodiscard]] std::vector<Listener> of_worker(uint32_t worker) const;

    // Whoever connects from now on is refused instead of waiting for nobody.
    void shut() const;

    // Of the first pool that has one.
    [[nodiscard]] uint16_t tcp_port() const;

  private:
    struct Port {
        std::vector<uring::Descriptor> sockets;  // one per worker, or one for all
        std::string path;                        // of a unix socket
        uint16_t number = 0;                     // of TCP
    };

    [[nodiscard]] Result<Port> open(const config::Pool& pool) const;
    [[nodiscard]] Result<Port> open_tcp(const config::Pool& pool) const;
    [[nodiscard]] static Result<Port> open_unix(const config::Pool& pool);
    static config::Address key_of(const config::Pool& pool);
    static void close(const Port& port);

    uint32_t workers_;
    std::map<config::Address, Port> ports_;
    std::vector<config::Address> of_pools_;  // by pool
};

}  // namespace ringmain::worker
