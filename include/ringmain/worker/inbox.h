// ringmain/worker/inbox.h - what other threads tell a worker: rare, never on the data path.
//
// A mutex and an event: posting wakes the worker's ring, which polls the event.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/base/time.h"
#include "ringmain/config/config.h"
#include "ringmain/core/shared.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/socket_address.h"
#include "ringmain/worker/event.h"

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace ringmain::worker {

struct Listener {
    int socket = -1;    // -1: nobody's any more
    uint32_t pool = 0;  // index in the configuration
    bool armed = false;
    bool leaving = false;  // is not among those of the next configuration
    uint32_t generation = 0;
    Instant retry_at = {};  // accepting failed for lack of descriptors or memory
};

// A configuration as all workers get it. The control thread's, for as long as one of them uses it.
struct Generation {
    config::Config config;
    std::vector<core::PoolShared> pools;
    uint64_t number = 1;
};

struct Message {
    enum class Kind : uint8_t {
        Drain,     // stop accepting, answer what is in flight, end
        Stop,      // end now
        Resolved,  // a name was looked up
        Adopt,     // another configuration from now on
        Client,    // another worker has accepted it, and this one is to serve it
    };

    explicit Message(Kind what) : kind(what) {}

    Kind kind;
    uint64_t ticket = 0;  // Resolved: what the question was
    std::vector<uring::SocketAddress> addresses;
    std::string error;                       // Resolved: why there are none
    int shortage = 0;                        // Resolved: what we lacked for it, an errno
    const Generation* generation = nullptr;  // Adopt
    std::vector<Listener> listeners;         // Adopt: all that the worker has from now on
    std::string pool;                        // Client: its pool's name
    uint32_t place = 0;                      // Client: where that is, with who sends it
    uring::Descriptor socket;                // Client
};

class Inbox {
  public:
    Inbox() = default;
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox() = default;

    void post(Message message);

    // Whether it can wake anybody.
    [[nodiscard]] Status status() const { return event_.status(); }

    // The worker looks at its clock.
    void wake() const { event_.set(); }

    // All that was posted since the last call.
    [[nodiscard]] std::vector<Message> take();

    // Readable when there is something to take.
    [[nodiscard]] int descriptor() const { return event_.descriptor(); }

  private:
    std::mutex mutex_;
    std::vector<Message> messages_;
    Event event_;
};

}  // namespace ringmain::worker
