// ringmain/worker/resolver.h - looks up names on a thread of its own.
//
// The system's resolver blocks, for seconds at times; a worker asks here and goes on. One thread
// serves all workers, one question after the other; equal questions that wait are not merged, since
// a worker asks at most once per connection attempt.

#pragma once

#include "ringmain/worker/inbox.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace ringmain::worker {

class Resolver {
  public:
    Resolver() = default;
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    ~Resolver();

    // The answer comes to `inbox` as Resolved with this ticket. The inbox outlives the resolver.
    void ask(std::string host, uint16_t port, uint64_t ticket, Inbox& inbox);

  private:
    struct Question {
        std::string host;
        uint16_t port = 0;
        uint64_t ticket = 0;
        Inbox* inbox = nullptr;
    };

    void run();

    std::mutex mutex_;
    std::condition_variable asked_;
    std::deque<Question> questions_;
    bool ending_ = false;
    std::thread thread_;  // started by the first question
};

}  // namespace ringmain::worker
