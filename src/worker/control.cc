#include "control.h"

#include "ringmain/base/counted.h"
#include "ringmain/config/file.h"
#include "ringmain/config/load.h"
#include "ringmain/config/reload.h"
#include "ringmain/uring/clock.h"
#include "ringmain/worker/descriptors.h"

#include <algorithm>
#include <csignal>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/stat.h>

namespace ringmain::worker {

namespace {

using config::LogLevel;

constexpr uint64_t first_number = 1;  // of the configuration of the start
constexpr Duration look_interval = Duration::millis(1000);

constexpr const char* log_not_reopened = "HUP: log not reopened";
constexpr const char* is_stopping = "; ringmain is stopping: no configuration is read";

// Behind Operation.
constexpr uint8_t first_kind_of_ports = 8;

// A batch takes microseconds, a huge one milliseconds.
constexpr Duration stuck_after = Duration::millis(2000);

// A pipe that nobody writes to would hold up who opens it, and with it all signals.
Result<std::string> read_again(const std::string& file) {
    struct stat found = {};
    const bool is_there = stat(file.c_str(), &found) == 0;
    if (is_there && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) {
        return Error{"cannot read '" + file +
                     "' a second time: it is no file but a pipe or a device"};
    }
    return config::read_file(file);
}

std::string pools_text(const config::Config& config) {
    return counted(config.pools.size(), "pool");
}

// Empty: all is well.
std::string warning_of(const uring::Finding& finding) {
    return finding.level == uring::Level::Ok ? std::string() : finding_text(finding);
}

}  // namespace

Control::Control(const ControlOptions& options)
    : options_(options),
      reporter_(ring_,
                first_kind_of_ports,
                {.config = options.config,
                 .pools = options.shared->pools,
                 .timekeeper = options.timekeeper,
                 .io_backend = options.io_backend,
                 .started_at = options.started_at,
                 .workers = options.workers}),
      batch_(uring::Ring::batch_max),
      watched_(options.workers.size()),
      search_(*options.resolver, *options.inbox),
      few_descriptors_(warning_of(judge_descriptors(*options.config))) {}

Status Control::open(const IoChoice& io) {
    if (Status status = ring_.open(timer_ring(io)); !status.ok()) {
        return Error{"the timer ring: " + status.error()};
    }
    arm(Operation::Signal);
    arm(Operation::Wake);
    arm(Operation::Answer);
    now_ = uring::now();
    next_look_ = now_;
    return reporter_.open(now_);
}

void Control::run() {
    tell_ready(pools_text(*options_.config) + " served");
    while (!all_ended()) {
        round();
    }
    for (const auto& worker : options_.workers) {
        worker->join();
    }
}

void Control::round() {
    now_ = uring::now();
    Instant latest = std::min(next_look_, reporter_.next_deadline());
    if (reload_.has_value()) latest = std::min(latest, search_.deadline());
    const Instant until = options_.timekeeper->arm(now_, latest);
    ring_.submit_and_wait(until - now_);
    options_.timekeeper->awake();
    now_ = uring::now();
    const uint32_t count = ring_.reap(batch_);
    for (uint32_t i = 0; i < count; ++i) {
        on_completion(batch_[i]);
    }
    if (reload_.has_value()) follow_search();
    if (!generations_.empty()) follow_progress();
    // A worker follows when it wakes up, and one of them has to probe the server that is out.
    const uint64_t epoch = options_.shared->epoch();
    const bool servers_changed = std::exchange(epoch_, epoch) != epoch;
    for (uint32_t i = 0; i < options_.workers.size(); ++i) {
        const bool due = options_.timekeeper->take_due(i, now_);
        if (due || servers_changed) options_.workers[i]->inbox().wake();
    }
    reporter_.on_time(now_);
    if (now_ >= next_look_) {
        next_look_ = now_ + std::min(look_interval, supervisor_.alive_interval());
        watch();
    }
}

void Control::tell_ready(const std::string& status) {
    if (draining_) return;
    supervisor_.tell_ready(status);
    if (!supervisor_.trouble().empty()) {
        options_.log->write(LogLevel::Warning, supervisor_.trouble());
    }
}

void Control::arm(Operation operation) {
    int descriptor = options_.signals->descriptor();
    if (operation == Operation::Wake) descriptor = options_.timekeeper->descriptor();
    if (operation == Operation::Answer) descriptor = search_.descriptor();
    ring_.poll(descriptor, POLLIN, uring::Shots::Many, {.kind = static_cast<uint8_t>(operation)});
}

void Control::on_completion(const uring::Completion& done) {
    if (reporter_.owns(done)) {
        reporter_.on_completion(done, now_);
        return;
    }
    const auto operation = static_cast<Operation>(done.user_data.kind);
    // Armed before anything is taken: what comes in between is seen on arming.
    if (!done.more()) arm(operation);
    if (operation == Operation::Answer) search_.take();
    if (operation != Operation::Signal) return;
    while (const int signal = options_.signals->take()) {
        obey(signal);
    }
}

void Control::obey(int signal) {
    Log& log = *options_.log;
    switch (signal) {
        case SIGTERM:
        case SIGINT:
            stop();
            break;
        case SIGHUP:
            reload();
            break;
        case SIGUSR1:
            if (log.reopen()) log.write(LogLevel::Notice, "USR1: log reopened");
            break;
        case SIGUSR2:
            log.write(LogLevel::Notice, "USR2: means nothing here; HUP reads the configuration");
            break;
        case SIGTTIN:
            tell_level("TTIN", log.change_level(1));
            break;
        case SIGTTOU:
            tell_level("TTOU", log.change_level(-1));
            break;
        default:
            break;
    }
}

// As an error: it is to be seen whatever the level has become.
void Control::tell_level(std::string_view signal, LogLevel level) const {
    options_.log->write(
        LogLevel::Error,
        std::string(signal) + ": log_level is " + std::string(config::name_of(level)) + " now");
}

// The first time gently, then at once. Each worker lets in who waits before it shuts its listeners.
void Control::stop() {
    options_.log->write(
        LogLevel::Notice,
        draining_ ? "stopping at once" : "stopping: requests in flight are answered");
    if (reload_.has_value()) {
        options_.log->write(LogLevel::Notice, reload_->reopened + is_stopping);
        reload_.reset();
    }
    if (!draining_) supervisor_.tell_stopping("requests in flight are answered");
    for (const auto& worker : options_.workers) {
        draining_ ? worker->stop() : worker->drain();
    }
    if (draining_) options_.listeners->shut();
    reporter_.note_drain();
    draining_ = true;
}

// Reads the file again. What is wrong with it is told, and changes nothing.
void Control::reload() {
    Log& log = *options_.log;
    const std::string reopened = log.reopen() ? "HUP: log reopened" : log_not_reopened;
    if (draining_) {
        log.write(LogLevel::Notice, reopened + is_stopping);
        return;
    }
    if (adopting_ || reload_.has_value()) {
        reload_again_ = true;
        return;
    }
    supervisor_.tell_reloading(uring::now());
    const std::string& file = running().file;
    const Result<std::string> text = read_again(file);
    if (!text.ok()) return refuse_reload(reopened, text.error());
    config::Loaded loaded =
        config::load(text.value(), file, static_cast<uint32_t>(options_.workers.size()));
    tell_findings(loaded, file);
    if (!loaded.accepted()) {
        return refuse_reload(
            reopened,
            config::count_text(loaded.diagnostics, loaded.warnings_left_out) + ", see above");
    }
    options_.overrides.apply(loaded.config);
    search_.begin(options_.listeners->unknown_names(loaded.config), uring::now());
    reload_ = Reload{.next = std::move(loaded.config), .reopened = reopened};
    if (search_.has_ended(uring::now())) finish_reload();
}

void Control::refuse_reload(const std::string& reopened, const std::string& reason) {
    reporter_.note_refused_reload();
    tell_ready(pools_text(running()) + " served as before: HUP was refused, the log says why");
    options_.log->write(LogLevel::Error, reopened + "; configuration not changed: " + reason);
}

void Control::follow_search() {
    if (!search_.has_ended(now_)) return;
    finish_reload();
    if (!adopting_ && std::exchange(reload_again_, false)) reload();
}

// All names are known, or it is known that they will not be.
void Control::finish_reload() {
    Log& log = *options_.log;
    auto [next, reopened] = std::move(*reload_);
    reload_.reset();
    const Result<NamedAddresses> names = search_.result();
    if (!names.ok()) return refuse_reload(reopened, names.error());
    const std::vector<std::string> kept = config::keep_fixed(running(), next);
    if (Status apart = check_files(next); !apart.ok()) {
        return refuse_reload(reopened, apart.error());
    }
    const uring::Finding descriptors = judge_descriptors(next);
    if (descriptors.level == uring::Level::Fail) {
        return refuse_reload(reopened, finding_text(descriptors));
    }
    if (Status opened = options_.listeners->change_to(next, names.value()); !opened.ok()) {
        return refuse_reload(reopened, opened.error());
    }
    const std::string few = warning_of(descriptors);
    const std::string told = std::exchange(few_descriptors_, few);
    if (!few.empty() && few != told) log.write(LogLevel::Warning, few);
    options_.shared->clients_max = clients_max(next, descriptor_limit());
    if (!change_log(running(), next)) reopened = log_not_reopened;
    for (const std::string& name : kept) {
        log.write(LogLevel::Warning, name + " is fixed at start: its change needs a restart");
    }
    announce(running(), next, reopened);
    hand_out(std::move(next));
}

const config::Config& Control::running() const {
    return generations_.empty() ? *options_.config : generations_.back()->config;
}

void Control::tell_findings(const config::Loaded& loaded, const std::string& file) const {
    for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
        options_.log->write(
            diagnostic.severity == config::Severity::Error ? LogLevel::Error : LogLevel::Warning,
            file + ":" + std::to_string(diagnostic.place.line) + ":" +
                std::to_string(diagnostic.place.column) + ": " + diagnostic.message);
    }
    if (loaded.warnings_left_out == 0) return;
    options_.log->write(LogLevel::Warning,
                        file + ": and " + std::to_string(loaded.warnings_left_out) +
                            " more warnings, which are not shown");
}

// False when the log is not where it is to be.
bool Control::change_log(const config::Config& running, const config::Config& next) const {
    Log& log = *options_.log;
    bool is_there = true;
    if (next.proxy.log_file != log.path()) {  // which an earlier reload may have failed to open
        const std::string place =
            next.proxy.log_file.empty() ? "on standard error" : "in '" + next.proxy.log_file + "'";
        const Status opened = log.open(next.proxy.log_file, "HUP: the log goes on " + place);
        is_there = opened.ok();
        if (!is_there) {
            log.write(LogLevel::Error, opened.error() + "; the old one is still written to");
        }
    }
    if (next.proxy.log_level != running.proxy.log_level) log.set_level(next.proxy.log_level);
    return is_there;
}

void Control::announce(const config::Config& running,
                       const config::Config& next,
                       const std::string& reopened) {
    const std::vector<std::string> changes = config::changes(running, next);
    for (const std::string& change : changes) {
        options_.log->write(LogLevel::Notice, "HUP: " + change);
    }
    const std::vector<uint32_t> new_places = Listeners::new_places(running, next);
    for (uint32_t i = 0; i < next.pools.size(); ++i) {
        const std::string trouble = options_.listeners->trouble_of(i);
        if (!trouble.empty()) {
            options_.log->write(LogLevel::Warning,
                                "HUP: pool " + next.pools[i].name + ": " + trouble);
            continue;
        }
        if (!std::ranges::binary_search(new_places, i)) continue;
        options_.log->write(
            LogLevel::Notice,
            "HUP: pool " + next.pools[i].name + ": listens on " + options_.listeners->place_of(i));
    }
    const auto pools = std::ranges::count_if(
        changes, [](const std::string& change) { return change.starts_with("pool "); });
    in_use_text_ = reopened + ", configuration read from " + next.file +
                   (pools == 0 ? ": no pool changed"
                               : ": " + counted(static_cast<uint64_t>(pools), "pool") + " changed");
}

// To the workers, each of which adopts it between two batches.
void Control::hand_out(config::Config next) {
    last_number_ += 1;
    std::vector<core::PoolShared> pools = options_.shared->pools_of(next);
    generations_.push_back(std::make_unique<Generation>(
        Generation{.config = std::move(next), .pools = std::move(pools), .number = last_number_}));
    adopting_ = true;
    reporter_.adopt(generations_.back()->config, generations_.back()->pools, now_);
    for (uint32_t i = 0; i < options_.workers.size(); ++i) {
        Message message(Message::Kind::Adopt);
        message.generation = generations_.back().get();
        message.listeners = options_.listeners->of_worker(i);
        options_.workers[i]->inbox().post(std::move(message));
    }
}

// Configurations, and the servers that only those had.
void Control::free_before(uint64_t settled) {
    const size_t count = generations_.size();
    while (generations_.size() > 1 && generations_.front()->number < settled) {
        generations_.pop_front();
    }
    std::vector<core::PoolShared>& started_with = options_.shared->pools;
    const bool is_start_over = settled > first_number && !started_with.empty();
    if (generations_.size() == count && !is_start_over) return;
    if (is_start_over) started_with.clear();
    std::vector<const std::vector<core::PoolShared>*> used;
    for (const auto& generation : generations_) {
        used.push_back(&generation->pools);
    }
    options_.shared->forget_others(used);
}

// When all workers have the newest configuration, what only older ones had is closed, and what no
// worker uses any more is freed.
void Control::follow_progress() {
    uint64_t adopted = UINT64_MAX;
    uint64_t settled = UINT64_MAX;
    for (const auto& worker : options_.workers) {
        adopted = std::min(adopted, worker->progress().adopted.load(std::memory_order_acquire));
        settled = std::min(settled, worker->progress().settled.load(std::memory_order_acquire));
    }
    free_before(settled);
    if (!adopting_ || adopted != last_number_) return;
    adopting_ = false;
    options_.listeners->close_unwanted();
    options_.log->write(LogLevel::Notice, in_use_text_);
    tell_ready(pools_text(generations_.back()->config) + " served");
    if (std::exchange(reload_again_, false)) reload();
}

// A worker that is neither waiting nor getting on serves nobody: people should know, and a service
// manager that wants to.
void Control::watch() {
    bool all_move = true;
    for (uint32_t i = 0; i < watched_.size(); ++i) {
        Watched& seen = watched_[i];
        const uint64_t batches = options_.timekeeper->batches(i);
        const bool moves = batches != seen.batches || options_.timekeeper->is_waiting(i) ||
                           options_.workers[i]->has_ended() || seen.since == Instant{};
        const std::string name = "worker " + std::to_string(i);
        if (moves) {
            if (seen.stuck) options_.log->write(LogLevel::Notice, name + " goes on");
            seen = {.batches = batches, .since = now_};
        } else if (!seen.stuck && now_ - seen.since >= stuck_after) {
            seen.stuck = true;
            options_.log->write(LogLevel::Warning,
                                name + " has been busy with one batch for " +
                                    std::to_string((now_ - seen.since).to_millis()) +
                                    " ms and serves nobody");
        }
        all_move = all_move && !seen.stuck;
    }
    if (all_move) supervisor_.tell_alive();
}

bool Control::all_ended() const {
    return std::all_of(options_.workers.begin(), options_.workers.end(), [](const auto& worker) {
        return worker->has_ended();
    });
}

}  // namespace ringmain::worker
