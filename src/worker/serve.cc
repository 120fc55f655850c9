#include "ringmain/worker/serve.h"

#include "ringmain/base/version.h"
#include "ringmain/config/cpu_list.h"
#include "ringmain/uring/clock.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/preflight.h"
#include "ringmain/uring/self_test.h"
#include "ringmain/uring/socket.h"
#include "ringmain/worker/worker.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

using config::LogLevel;

// The sockets that all pools listen on.
class Listeners {
  public:
    Listeners() = default;
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    ~Listeners() {
        for (const std::string& path : paths_) {
            unlink(path.c_str());
        }
    }

    Status open(const config::Config& config);

    // Those of one worker: its own for TCP, the common one for a unix socket.
    [[nodiscard]] std::vector<Listener> of_worker(uint32_t worker) const;

    // Whoever connects from now on is refused instead of waiting for nobody.
    void shut() const {
        for (const Open& one : open_) {
            shutdown(one.socket.get(), SHUT_RDWR);
        }
    }

    // Of the first pool that has one.
    [[nodiscard]] uint16_t tcp_port() const { return tcp_port_; }

  private:
    struct Open {
        uring::Descriptor socket;
        uint32_t pool;
        uint32_t worker;
        bool shared;
    };

    Status open_tcp(const config::Pool& pool, uint32_t index, uint32_t workers);
    Status open_unix(const config::Pool& pool, uint32_t index);

    std::vector<Open> open_;
    std::vector<std::string> paths_;
    uint16_t tcp_port_ = 0;
};

Status Listeners::open(const config::Config& config) {
    for (uint32_t i = 0; i < config.pools.size(); ++i) {
        const config::Pool& pool = config.pools[i];
        Status status =
            pool.listen.is_path() ? open_unix(pool, i) : open_tcp(pool, i, config.proxy.workers);
        if (!status.ok()) return Error{"pool '" + pool.name + "': " + status.error()};
    }
    return {};
}

Status Listeners::open_tcp(const config::Pool& pool, uint32_t index, uint32_t workers) {
    uring::TcpListen options = {.host = pool.listen.host,
                                .port = pool.listen.port,
                                .backlog = pool.backlog,
                                .reuse_port = workers > 1};
    if (workers > 1) {
        if (Status free = uring::port_is_free(options); !free.ok()) return free;
    }
    for (uint32_t worker = 0; worker < workers; ++worker) {
        Result<uring::Descriptor> socket = uring::listen_tcp(options);
        if (!socket.ok()) return Error{socket.error()};
        // Inherited by every accepted socket.
        if (pool.tcp_keepalive) uring::set_keepalive(socket.value().get());
        if (Result<uring::SocketAddress> local = uring::local_address(socket.value().get());
            local.ok()) {
            options.port = local.value().port();
            if (tcp_port_ == 0) tcp_port_ = options.port;
        }
        open_.push_back({std::move(socket.value()), index, worker, false});
    }
    return {};
}

Status Listeners::open_unix(const config::Pool& pool, uint32_t index) {
    Result<uring::Descriptor> socket = uring::listen_unix(
        {.path = pool.listen.path, .mode = pool.listen.mode, .backlog = pool.backlog});
    if (!socket.ok()) return Error{socket.error()};
    paths_.push_back(pool.listen.path);
    open_.push_back({std::move(socket.value()), index, 0, true});
    return {};
}

std::vector<Listener> Listeners::of_worker(uint32_t worker) const {
    std::vector<Listener> mine;
    for (const Open& one : open_) {
        if (!one.shared && one.worker != worker) continue;
        mine.push_back({.socket = one.socket.get(), .pool = one.pool});
    }
    return mine;
}

// The file exists while the process serves.
class PidFile {
  public:
    PidFile() = default;
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;

    ~PidFile() {
        if (!path_.empty()) unlink(path_.c_str());
    }

    Status write(const std::string& path) {
        const std::string text = std::to_string(getpid()) + "\n";
        const uring::Descriptor file(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (!file.is_open() ||
            ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
            return Error{"cannot write the pid file '" + path + "': " + uring::error_text(errno)};
        }
        path_ = path;
        return {};
    }

  private:
    std::string path_;
};

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGTTIN, SIGTTOU}) {
        sigaddset(&set, number);
    }
    return set;
}

// As many descriptors as the hard limit allows.
void raise_descriptor_limit(uint64_t wanted, const Log& log) {
    rlimit limit = {};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    const uring::Finding finding = uring::judge_descriptors(limit.rlim_cur, limit.rlim_max, wanted);
    if (finding.level != uring::Level::Ok) log.write(LogLevel::Warning, finding_text(finding));
}

std::vector<uint32_t> chosen_cpus(const std::string& text) {
    if (text.empty()) return {};
    if (text != "auto") {
        Result<std::vector<uint32_t>> list = config::parse_cpu_list(text);
        return list.ok() ? list.value() : std::vector<uint32_t>();
    }
    std::vector<uint32_t> cpus;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

void announce(const config::Config& config, const uring::Features& features, const Log& log) {
    log.write(LogLevel::Notice,
              "ringmain " + std::string(version) + ", " + std::to_string(config.proxy.workers) +
                  (config.proxy.workers == 1 ? " worker" : " workers") +
                  ", io_uring: " + features.text());
    for (const config::Pool& pool : config.pools) {
        const bool redis = pool.protocol == config::Protocol::Redis;
        log.write(LogLevel::Notice,
                  "pool " + pool.name + " (" + (redis ? "redis" : "memcached") + ") on " +
                      pool.listen.text() + " over " + std::to_string(pool.servers.size()) +
                      (pool.servers.size() == 1 ? " server" : " servers"));
    }
}

// What a signal that has nothing to do with ending asks for.
void obey(int number, Log& log) {
    if (number == SIGHUP || number == SIGUSR1) {
        log.reopen();
        log.write(LogLevel::Notice,
                  number == SIGHUP ? "HUP: log reopened; a changed configuration needs a restart"
                                   : "USR1: log reopened");
    } else if (number == SIGTTIN || number == SIGTTOU) {
        log.change_level(number == SIGTTIN ? 1 : -1);
        log.write(LogLevel::Error, number == SIGTTIN ? "TTIN: logging more" : "TTOU: logging less");
    }
}

// Waits for signals until every worker has ended.
void wait_for_end(std::vector<std::unique_ptr<Worker>>& workers,
                  const Listeners& listeners,
                  const sigset_t& signals,
                  Log& log) {
    bool draining = false;
    const auto ended = [](const std::unique_ptr<Worker>& worker) { return worker->has_ended(); };
    while (!std::all_of(workers.begin(), workers.end(), ended)) {
        constexpr timespec moment = {.tv_sec = 0, .tv_nsec = 10'000'000};
        constexpr timespec second = {.tv_sec = 1, .tv_nsec = 0};
        const int number = sigtimedwait(&signals, nullptr, draining ? &moment : &second);
        if (number != SIGTERM && number != SIGINT) {
            obey(number, log);
            continue;
        }
        log.write(LogLevel::Notice,
                  draining ? "stopping at once" : "stopping: requests in flight are answered");
        for (const auto& worker : workers) {
            draining ? worker->stop() : worker->drain();
        }
        listeners.shut();
        draining = true;
    }
    for (const auto& worker : workers) {
        worker->join();
    }
}

}  // namespace

Result<uring::Features> choose_features(std::string_view ignored) {
    const uring::Finding finding = uring::check_io_uring();
    if (finding.level == uring::Level::Fail) return Error{finding_text(finding)};
    Result<uring::Features> probed = uring::Features::probe();
    if (!probed.ok()) return probed;
    Result<uring::Features> chosen = probed.value().without(ignored);
    if (!chosen.ok()) return Error{"RINGMAIN_IGNORE_FEATURES: " + chosen.error()};
    if (Status proven = uring::self_test(chosen.value()); !proven.ok()) {
        return Error{"io_uring does not work here as it should: " + proven.error()};
    }
    return chosen;
}

uint64_t descriptors_wanted(const config::Config& config) {
    uint64_t wanted = 64;  // log, rings, eventfds, spare
    for (const config::Pool& pool : config.pools) {
        const uint64_t protocols = pool.protocol == config::Protocol::Redis ? 2 : 1;
        wanted += pool.client_connections;
        wanted +=
            config.proxy.workers * (1 + protocols * pool.servers.size() * pool.server_connections);
    }
    return wanted;
}

Status serve(const config::Config& config, Log& log, const ServeOptions& options) {
    const sigset_t signals = handled_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);

    Result<uring::Features> features = choose_features(options.ignored_features);
    if (!features.ok()) return Error{features.error()};
    raise_descriptor_limit(descriptors_wanted(config), log);

    Listeners listeners;
    if (Status status = listeners.open(config); !status.ok()) return status;
    PidFile pid_file;
    if (!config.proxy.pid_file.empty()) {
        if (Status status = pid_file.write(config.proxy.pid_file); !status.ok()) return status;
    }

    const uint32_t count = config.proxy.workers;
    const std::vector<uint32_t> cpus = chosen_cpus(config.proxy.cpu_affinity);
    const uring::WallTime started = uring::wall_time();
    std::vector<std::unique_ptr<core::Counters>> counters;
    std::vector<const core::Counters*> all_counters;
    for (uint32_t i = 0; i < count; ++i) {
        counters.push_back(std::make_unique<core::Counters>());
        all_counters.push_back(counters.back().get());
    }
    core::Shared shared(config, count);
    // Workers end before the resolver, and that before the inboxes that it posts to.
    std::vector<std::unique_ptr<Inbox>> inboxes;
    Resolver resolver;
    std::vector<std::unique_ptr<Worker>> workers;
    for (uint32_t i = 0; i < count; ++i) {
        WorkerOptions worker;
        worker.config = &config;
        worker.features = features.value();
        worker.environment = {.shared = &shared,
                              .all_counters = all_counters,
                              .started_at_s = started.seconds,
                              .process_id = getpid(),
                              .worker_index = i,
                              .worker_count = count,
                              .seed = static_cast<uint64_t>(uring::now().ns) + i,
                              .tcp_port = listeners.tcp_port()};
        worker.counters = counters[i].get();
        worker.resolver = &resolver;
        inboxes.push_back(std::make_unique<Inbox>());
        worker.inbox = inboxes.back().get();
        worker.log = &log;
        worker.cpu = cpus.empty() ? -1 : static_cast<int>(cpus[i % cpus.size()]);
        worker.listeners = listeners.of_worker(i);
        workers.push_back(std::make_unique<Worker>(std::move(worker)));
        if (Status status = workers.back()->start(); !status.ok()) return status;
    }
    announce(config, features.value(), log);
    if (options.ready_pipe >= 0) {
        const ssize_t written = write(options.ready_pipe, "1", 1);
        static_cast<void>(written);
        close(options.ready_pipe);
        // Nobody reads the terminal any more, and whoever started us may wait for its end.
        const uring::Descriptor nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (nowhere.is_open()) dup2(nowhere.get(), STDERR_FILENO);
    }
    wait_for_end(workers, listeners, signals, log);
    log.write(LogLevel::Notice, "stopped");
    return {};
}

}  // namespace ringmain::worker
