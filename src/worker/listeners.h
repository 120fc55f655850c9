// src/worker/listeners.h - the sockets that all pools listen on.
//
// Opened and closed by the control thread; the workers borrow them. A reload opens what is new
// first, tells the workers, and closes what is unwanted when they have let go of it.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/socket_file.h"
#include "ringmain/worker/inbox.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "name_search.h"

namespace ringmain::worker {

class Listeners {
  public:
    explicit Listeners(uint32_t workers) : workers_(workers) {}

    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    ~Listeners() = default;  // and the files of unix sockets go

    // Opens what is not open yet, anew where somebody has removed the file of a unix socket, and
    // gives what is the mode, the backlog and the keepalive that it shall have now. On error
    // everything is as before. Blocks where a name has to be looked up that is not among `known`.
    Status change_to(const config::Config& config, const NamedAddresses& known = {});

    // What has to be looked up for change_to().
    [[nodiscard]] std::vector<NameSearch::Question> unknown_names(
        const config::Config& config) const;

    // Closes what the configuration does not have.
    void close_unwanted();

    // Those of one worker: its own for TCP, the common one for a unix socket.
    [[nodiscard]] std::vector<Listener> of_worker(uint32_t worker) const;

    // Whoever connects from now on is refused instead of waiting for nobody.
    void shut() const;

    // Why nobody comes in to a pool; empty: they do.
    [[nodiscard]] std::string trouble_of(uint32_t pool) const;

    // Which pools of `next` listen where none of `running` does, in their order.
    [[nodiscard]] static std::vector<uint32_t> new_places(const config::Config& running,
                                                          const config::Config& next);

    // Where a pool listens: "127.0.0.1:22121"; of a name, "localhost:22121 (127.0.0.1:22121)".
    [[nodiscard]] std::string place_of(uint32_t pool) const;

  private:
    struct Port {
        std::vector<uring::Descriptor> sockets;  // one per worker, or one for all
        uring::SocketFile file;                  // of a unix socket; behind it: it goes first
        uint32_t mode = 0;                       // of that file, as it was asked for
        uint16_t number = 0;                     // of TCP
    };

    using Ports = std::map<config::Address, Port>;
    class Modes;

    [[nodiscard]] Result<Port> open_tcp(const config::Pool& pool,
                                        const NamedAddresses& known,
                                        const std::vector<const Port*>& leaving) const;
    [[nodiscard]] static Result<Port> open_unix(const config::Pool& pool);
    static config::Address key_of(const config::Pool& pool);
    [[nodiscard]] std::vector<const Port*> leaving_ports(
        const config::Address& listen, const std::vector<config::Address>& wanted) const;
    [[nodiscard]] std::string rival_of(std::string_view error,
                                       const Ports& opened,
                                       const config::Config& config,
                                       const config::Address& listen) const;
    static void adjust(const Port& port, const config::Pool& pool);
    [[nodiscard]] Port* find_kept(const config::Address& key);
    [[nodiscard]] Status set_modes(const config::Config& config,
                                   const std::vector<config::Address>& of_pools,
                                   Modes& modes);

    uint32_t workers_;
    Ports ports_;
    std::vector<Port> unreachable_;  // whose file is gone; until the workers have let go of them
    std::vector<config::Address> of_pools_;  // by pool
};

}  // namespace ringmain::worker
