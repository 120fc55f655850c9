// ringmain/worker/inbox.h - what other threads tell a worker: rare, never on the data path.
//
// A mutex and an eventfd: posting wakes the worker's ring, which polls the eventfd.

#pragma once

#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/socket_address.h"

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace ringmain::worker {

struct Message {
    enum class Kind : uint8_t {
        Drain,     // stop accepting, answer what is in flight, end
        Stop,      // end now
        Resolved,  // a name was looked up
    };

    explicit Message(Kind what) : kind(what) {}

    Kind kind;
    uint64_t ticket = 0;  // Resolved: what the question was
    std::vector<uring::SocketAddress> addresses;
    std::string error;  // Resolved: why there are none
};

class Inbox {
  public:
    Inbox();
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox() = default;

    void post(Message message);

    // The worker looks at its clock.
    void wake() const;

    // All that was posted since the last call.
    [[nodiscard]] std::vector<Message> take();

    // Readable when there is something to take.
    [[nodiscard]] int descriptor() const { return wake_.get(); }

  private:
    std::mutex mutex_;
    std::vector<Message> messages_;
    uring::Descriptor wake_;
};

}  // namespace ringmain::worker
