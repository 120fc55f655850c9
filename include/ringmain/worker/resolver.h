// ringmain/worker/resolver.h - looks up names on threads of its own.
//
// The system's resolver blocks, for seconds at times; a worker asks here and goes on. The threads
// serve all workers, so that one name that takes long does not hold up the others: who asks for a
// name that is being looked up gets the answer to that. A worker has at most one question per
// server connection under way.
//
// A look-up cannot be interrupted. Ending does not wait for one: its thread finds that nobody wants
// the answer any more, and the last one to leave frees what they share.
//
// Threads are made when there are questions for them, and a few stay. Where no more can be made,
// those that there are answer one question after the other.

#pragma once

#include "ringmain/uring/socket_address.h"
#include "ringmain/worker/inbox.h"
#include "ringmain/worker/thread.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ringmain::worker {

class Resolver {
  public:
    static constexpr uint32_t threads_max = 64;
    // Of them, for names that were found when they were looked up last; those go in front, too. As
    // many names as there are other threads, of which no name server says anything, hold up nobody;
    // more of them hold up each other and new ones, and none that is known.
    static constexpr uint32_t threads_for_known = 16;
    // With nothing to do, those beyond end.
    static constexpr uint32_t threads_kept = 4;

    using LookUp = Result<std::vector<uring::SocketAddress>> (*)(const std::string&, uint16_t);

    // Other ways of making threads and of looking up are for tests.
    explicit Resolver(Result<Thread> (*start_thread)(Thread::Main, void*) = &Thread::start,
                      LookUp look_up = &uring::resolve);
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    ~Resolver();

    // The answer comes to `inbox` as Resolved with this ticket. The inbox outlives the resolver.
    // Without a single thread nothing is asked, and no answer comes: the reason, at once.
    [[nodiscard]] Status ask(std::string host, uint16_t port, uint64_t ticket, Inbox& inbox);

  private:
    struct Shared;

    static void run(Shared* shared);
    static void* thread_main(void* shared);
    static void leave(Shared* shared);

    Result<Thread> (*start_thread_)(Thread::Main, void*);
    Shared* shared_;
};

}  // namespace ringmain::worker
