// ringmain/worker/resolver.h - looks up names on threads of its own.
//
// The system's resolver blocks, for seconds at times; a worker asks here and goes on. A few threads
// serve all workers, so that one name that takes long does not hold up the others. A worker has at
// most one question per server connection under way.
//
// A look-up cannot be interrupted. Ending does not wait for one: its thread finds that nobody wants
// the answer any more, and the last one to leave frees what they share.

#pragma once

#include "ringmain/worker/inbox.h"

#include <cstdint>
#include <string>

namespace ringmain::worker {

class Resolver {
  public:
    static constexpr uint32_t threads_max = 8;

    Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    ~Resolver();

    // The answer comes to `inbox` as Resolved with this ticket. The inbox outlives the resolver.
    void ask(std::string host, uint16_t port, uint64_t ticket, Inbox& inbox);

  private:
    struct Shared;

    static void run(Shared* shared);
    static void leave(Shared* shared);

    Shared* shared_;
};

}  // namespace ringmain::worker
