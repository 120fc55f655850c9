// ringmain/worker/thread.h - a thread, or the reason why there is none.
//
// A container or a unit may have as many threads as its limit says (pids.max, TasksMax, ulimit -u),
// and others use some of them: making one can fail at any time. std::thread would end the process.

#pragma once

#include "ringmain/base/result.h"

#include <string>

#include <pthread.h>

namespace ringmain::worker {

// Its owner has joined or let go of it when it is destroyed.
class Thread {
  public:
    using Main = void* (*)(void* argument);

    // The argument outlives the thread, whose result nobody reads.
    [[nodiscard]] static Result<Thread> start(Main main, void* argument);

    Thread() = default;
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;
    Thread(Thread&& other) noexcept;
    Thread& operator=(Thread&& other) noexcept;
    ~Thread();

    // What `top -H`, perf and gdb call it; of more than 15 bytes the rest is not shown.
    void set_name(std::string name) const;

    [[nodiscard]] bool is_joinable() const { return is_joinable_; }

    // Waits until it has ended.
    void join();

    // It ends when it likes.
    void let_go();

  private:
    explicit Thread(pthread_t id) : id_(id), is_joinable_(true) {}

    pthread_t id_ = {};
    bool is_joinable_ = false;
};

}  // namespace ringmain::worker
