// src/worker/worker.h - one thread with everything of its own: ring, memory, proxy.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"
#include "ringmain/core/counters.h"
#include "ringmain/core/proxy.h"
#include "ringmain/worker/driver.h"
#include "ringmain/worker/inbox.h"
#include "ringmain/worker/io_choice.h"
#include "ringmain/worker/log.h"
#include "ringmain/worker/resolver.h"
#include "ringmain/worker/roster.h"
#include "ringmain/worker/thread.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace ringmain::worker {

struct WorkerOptions {
    const config::Config* config = nullptr;  // outlives the worker
    IoChoice io;
    core::Environment environment;
    core::Counters* counters = nullptr;
    Surroundings surroundings;  // its inbox outlives the resolver, which posts to it
    int cpu = -1;               // -1: wherever the scheduler likes
};

class Worker {
  public:
    explicit Worker(WorkerOptions options) : options_(std::move(options)) {
        options_.surroundings.progress = &progress_;
    }

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker();

    // Starts the thread and waits until it could serve, or says why it cannot.
    Status start();

    // After start(): from now on it serves those who come in there, which are borrowed.
    void begin(std::vector<Listener> listeners);

    // From any thread: stop accepting, answer what is in flight, end.
    void drain() const { inbox().post(Message(Message::Kind::Drain)); }

    void stop() const { inbox().post(Message(Message::Kind::Stop)); }

    [[nodiscard]] Inbox& inbox() const {
        return options_.surroundings.roster->inbox(options_.surroundings.worker);
    }

    void join();

    [[nodiscard]] const Progress& progress() const { return progress_; }

    [[nodiscard]] core::Counters& counters() const { return *options_.counters; }

    // CPU time of its thread; zero before it serves and when it has ended.
    [[nodiscard]] Duration cpu_time() const;

    // The kernel's number of its thread, and since when it runs. Once it serves.
    [[nodiscard]] int thread_id() const { return thread_id_.load(std::memory_order_relaxed); }

    [[nodiscard]] Instant began() const { return {began_ns_.load(std::memory_order_relaxed)}; }

    [[nodiscard]] bool has_ended() const { return ended_.load(std::memory_order_acquire); }

  private:
    void run();
    void report(Status status);
    // False: it is to end without having begun.
    bool wait_for_begin();

    WorkerOptions options_;
    Thread thread_;
    std::atomic<bool> ended_ = false;
    Progress progress_;
    std::atomic<int> cpu_clock_ = 0;  // 0: not known
    std::atomic<int> thread_id_ = 0;
    std::atomic<int64_t> began_ns_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Status> status_;
    std::vector<Listener> listeners_;
    bool begins_ = false;
    bool leaves_ = false;
};

}  // namespace ringmain::worker
