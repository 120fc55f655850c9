#include "ringmain/worker/serve.h"

#include "ringmain/base/counted.h"
#include "ringmain/base/version.h"
#include "ringmain/uring/clock.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/preflight.h"
#include "ringmain/uring/socket.h"
#include "ringmain/worker/cpus.h"
#include "ringmain/worker/descriptors.h"
#include "ringmain/worker/event.h"
#include "ringmain/worker/io_choice.h"
#include "ringmain/worker/roster.h"
#include "ringmain/worker/timekeeper.h"

#include <cerrno>
#include <csignal>
#include <memory>
#include <vector>

#include "control.h"
#include "listeners.h"
#include "pid_file.h"
#include "worker.h"
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

using config::LogLevel;

Status check_descriptors(const config::Config& config, const Log& log) {
    raise_descriptor_limit();
    const uring::Finding finding = judge_descriptors(config);
    if (finding.level == uring::Level::Fail) return Error{finding_text(finding)};
    if (finding.level != uring::Level::Ok) log.write(LogLevel::Warning, finding_text(finding));
    return {};
}

Status check_cpus(const config::Config& config, const Log& log) {
    const uring::Finding affinity = judge_affinity(config.proxy.cpu_affinity, usable_cpus());
    if (affinity.level == uring::Level::Fail) return Error{finding_text(affinity)};
    const uring::Finding enough = judge_cpus(uring::cpu_facts(config.proxy.workers));
    if (enough.level != uring::Level::Ok) log.write(LogLevel::Warning, finding_text(enough));
    return {};
}

void announce(const config::Config& config,
              const IoChoice& io,
              const Listeners& listeners,
              const Log& log) {
    const bool on_epoll = io.backend == uring::Backend::Epoll;
    log.write(LogLevel::Notice,
              "ringmain " + std::string(version) + ", " + counted(config.proxy.workers, "worker") +
                  (on_epoll ? ", epoll" : ", io_uring: " + io.features.text()));
    for (uint32_t i = 0; i < config.pools.size(); ++i) {
        const config::Pool& pool = config.pools[i];
        const bool redis = pool.protocol == config::Protocol::Redis;
        log.write(LogLevel::Notice,
                  "pool " + pool.name + " (" + (redis ? "redis" : "memcached") + ") on " +
                      listeners.place_of(i) + " over " + counted(pool.servers.size(), "server"));
    }
}

// Nobody can know it. The kernel gives bytes from the first moments of its life on.
Result<SipKey> secret_key() {
    SipKey key;
    if (getrandom(&key, sizeof key, 0) != sizeof key) return refused_call("getrandom", errno);
    return key;
}

// All workers, and what they share.
struct Crew {
    explicit Crew(const config::Config& config)
        : shared(config, config.proxy.workers),
          timekeeper(config.proxy.workers),
          roster(config.proxy.workers) {}

    // Whether all who wait can be woken.
    [[nodiscard]] Status status();
    Status make_workers(const config::Config& config, const IoChoice& io, const Log& log);
    Status start(const Signals& signals);
    void begin(const Listeners& listeners);

    Instant started_at = uring::now();
    std::vector<std::unique_ptr<core::Counters>> counters;
    std::vector<const core::Counters*> all_counters;
    core::Shared shared;
    Timekeeper timekeeper;
    Roster roster;
    Inbox control_inbox;
    // Workers end before the resolver, and that before the inboxes that it posts to.
    Resolver resolver;
    std::vector<std::unique_ptr<Worker>> workers;
};

Status Crew::status() {
    Status status = timekeeper.status();
    if (status.ok()) status = control_inbox.status();
    for (uint32_t i = 0; i < roster.size() && status.ok(); ++i) {
        status = roster.inbox(i).status();
    }
    return status;
}

Status Crew::make_workers(const config::Config& config, const IoChoice& io, const Log& log) {
    const uint32_t count = config.proxy.workers;
    const std::vector<uint32_t> cpus = chosen_cpus(config.proxy.cpu_affinity, usable_cpus());
    for (uint32_t i = 0; i < count; ++i) {
        counters.push_back(std::make_unique<core::Counters>());
        all_counters.push_back(counters.back().get());
    }
    for (uint32_t i = 0; i < count; ++i) {
        const Result<SipKey> key = secret_key();
        if (!key.ok()) return Error{key.error()};
        WorkerOptions worker;
        worker.config = &config;
        worker.io = io;
        worker.environment = {.shared = &shared,
                              .all_counters = all_counters,
                              .started_at = started_at,
                              .process_id = getpid(),
                              .worker_index = i,
                              .worker_count = count,
                              .seed = static_cast<uint64_t>(uring::now().ns) + i,
                              .hash_key = key.value(),
                              .io_backend = uring::backend_name(io.backend)};
        worker.counters = counters[i].get();
        worker.surroundings = {.roster = &roster,
                               .resolver = &resolver,
                               .timekeeper = &timekeeper,
                               .log = &log,
                               .worker = i};
        worker.cpu = cpus.empty() ? -1 : static_cast<int>(cpus[i % cpus.size()]);
        workers.push_back(std::make_unique<Worker>(std::move(worker)));
    }
    return {};
}

// Hundreds take their time: a stop in between is looked for.
Status Crew::start(const Signals& signals) {
    for (const auto& worker : workers) {
        if (signals.has_stop()) return {};
        if (Status status = worker->start(); !status.ok()) return status;
    }
    return {};
}

// Only now that it is known that all can, since they hand clients to each other.
void Crew::begin(const Listeners& listeners) {
    for (uint32_t i = 0; i < workers.size(); ++i) {
        workers[i]->begin(listeners.of_worker(i));
    }
}

}  // namespace

void Overrides::apply(config::Config& config) const {
    if (log_level.has_value()) config.proxy.log_level = *log_level;
    if (!log_file.empty()) config.proxy.log_file = log_file;
    if (!pid_file.empty()) config.proxy.pid_file = pid_file;
}

Status serve(const config::Config& config, Log& log, const ServeOptions& options) {
    Signals signals;  // before the first thread, so that none of them gets one
    if (Status status = signals.open(); !status.ok()) return status;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);  // a log that may not grow (ulimit -f) ends nobody but itself

    // Before the first ring, which is made of descriptors.
    if (Status enough = check_descriptors(config, log); !enough.ok()) return enough;
    const Result<IoChoice> io = choose_io(config.proxy, options.ignored_features);
    if (!io.ok()) return Error{io.error()};
    if (!io.value().why_not.empty()) log.write(LogLevel::Warning, fallback_text(io.value()));
    if (Status usable = check_cpus(config, log); !usable.ok()) return usable;

    // Who cannot start takes no clients, and leaves the file to who has it: all that may fail comes
    // before the listeners, and what is written behind them.
    if (Status free = Reporter::ports_are_free(config); !free.ok()) return free;
    const std::string& pid_path = config.proxy.pid_file;
    if (!pid_path.empty()) {
        if (Status status = PidFile::prepare(pid_path); !status.ok()) return status;
    }

    PidFile pid_file;                           // goes last, when the ports are free
    Listeners listeners(config.proxy.workers);  // outlive the workers

    Crew crew(config);
    if (Status status = crew.status(); !status.ok()) return status;
    crew.shared.clients_max = clients_max(config, descriptor_limit());
    if (Status status = crew.make_workers(config, io.value(), log); !status.ok()) return status;
    if (Status status = crew.start(signals); !status.ok()) return status;
    // The control thread's files come first: later the clients may have taken the last one.
    Control control({.log = &log,
                     .signals = &signals,
                     .timekeeper = &crew.timekeeper,
                     .listeners = &listeners,
                     .resolver = &crew.resolver,
                     .inbox = &crew.control_inbox,
                     .shared = &crew.shared,
                     .config = &config,
                     .overrides = options.overrides,
                     .io_backend = io.value().backend,
                     .started_at = crew.started_at,
                     .workers = crew.workers});
    if (Status status = control.open(io.value()); !status.ok()) return status;
    if (signals.has_stop()) {
        log.write(LogLevel::Notice, "stopped before any client came");
        return {};
    }
    if (Status status = listeners.change_to(config); !status.ok()) return status;
    if (!pid_path.empty()) {
        if (Status status = pid_file.write(pid_path); !status.ok()) return status;
    }
    crew.begin(listeners);
    announce(config, io.value(), listeners, log);
    if (options.ready_pipe >= 0) {
        const ssize_t written = write(options.ready_pipe, "1", 1);
        static_cast<void>(written);
        close(options.ready_pipe);
        // Nobody reads the terminal any more, and whoever started us may wait for its end.
        const uring::Descriptor nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (nowhere.is_open()) dup2(nowhere.get(), STDERR_FILENO);
        if (log.path().empty()) static_cast<void>(log.open({}));  // a terminal's own descriptor
    }
    control.run();
    log.write(LogLevel::Notice, "stopped");
    return {};
}

}  // namespace ringmain::worker
