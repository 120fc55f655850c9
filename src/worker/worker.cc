#include "worker.h"

#include "ringmain/buffer/block_pool.h"
#include "ringmain/uring/clock.h"

#include <span>
#include <utility>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

// Address space for all buffers of a worker, from the middle of a page on (src/design/0004). Pages
// come when they are first used.
class Arena {
  public:
    explicit Arena(uint64_t size) : size_(size - size % block_size), mapped_(size_ + block_skew) {
        void* memory = mmap(nullptr,
                            mapped_,
                            PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                            -1,
                            0);
        if (memory == MAP_FAILED) return;
        memory_ = static_cast<char*>(memory);
        // A huge page would make 2 MiB resident for one block.
        madvise(memory_, mapped_, MADV_NOHUGEPAGE);
    }

    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    ~Arena() {
        if (memory_ != nullptr) munmap(memory_, mapped_);
    }

    [[nodiscard]] bool ok() const { return memory_ != nullptr; }

    [[nodiscard]] std::span<char> bytes() const { return {memory_ + block_skew, size_}; }

  private:
    char* memory_ = nullptr;
    uint64_t size_;
    uint64_t mapped_;
};

void pin_to(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<size_t>(cpu), &set);
    // It was allowed at the start (judge_affinity); should that have changed since, any will do.
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

}  // namespace

Worker::~Worker() {
    if (!thread_.is_joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        leaves_ = true;
        changed_.notify_all();
    }
    stop();
    thread_.join();
}

Status Worker::start() {
    Result<Thread> made = Thread::start(
        [](void* worker) -> void* {
            static_cast<Worker*>(worker)->run();
            return nullptr;
        },
        this);
    if (!made.ok()) {
        return Error{"cannot start worker " + std::to_string(options_.surroundings.worker) + ": " +
                     made.error() + ", or lower workers"};
    }
    thread_ = std::move(made.value());
    thread_.set_name("ringmain-w" + std::to_string(options_.surroundings.worker));
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
}

void Worker::begin(std::vector<Listener> listeners) {
    const std::lock_guard lock(mutex_);
    listeners_ = std::move(listeners);
    begins_ = true;
    changed_.notify_all();
}

bool Worker::wait_for_begin() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return begins_ || leaves_; });
    return begins_;
}

void Worker::join() {
    if (thread_.is_joinable()) thread_.join();
}

void Worker::report(Status status) {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    changed_.notify_all();
}

Duration Worker::cpu_time() const {
    const int clock = cpu_clock_.load(std::memory_order_relaxed);
    return clock == 0 || has_ended() ? Duration{} : uring::cpu_time(clock);
}

void Worker::run() {
    began_ns_.store(uring::now().ns, std::memory_order_relaxed);
    thread_id_.store(gettid(), std::memory_order_relaxed);
    clockid_t clock = 0;
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0) {
        cpu_clock_.store(clock, std::memory_order_relaxed);
    }
    if (options_.cpu >= 0) pin_to(options_.cpu);
    const config::Proxy& settings = options_.config->proxy;
    const Arena arena(settings.buffer_memory);
    if (!arena.ok()) {
        report(Error{"cannot map " + std::to_string(settings.buffer_memory) +
                     " bytes of address space for buffers; lower buffer_memory or raise the "
                     "limit (ulimit -v)"});
        return;
    }
    BlockPool blocks(arena.bytes(), {.page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE))});
    {
        core::Proxy proxy(*options_.config, blocks, *options_.counters, options_.environment);
        Driver driver(proxy, blocks, options_.surroundings);
        Status opened = driver.open(worker_ring(settings, options_.io), settings.receive_buffers);
        const bool serves = opened.ok();
        report(std::move(opened));
        if (serves && wait_for_begin()) {
            driver.run(std::move(listeners_), Duration::millis(settings.shutdown_timeout_ms));
        }
    }
    ended_.store(true, std::memory_order_release);
    options_.surroundings.timekeeper->wake();
}

}  // namespace ringmain::worker
