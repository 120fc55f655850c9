#include "control.h"

#include "ringmain/uring/clock.h"

#include <algorithm>
#include <csignal>
#include <string>

#include <poll.h>

namespace ringmain::worker {

namespace {

using config::LogLevel;

constexpr Duration look_interval = Duration::millis(1000);

// A batch takes microseconds, a huge one milliseconds.
constexpr Duration stuck_after = Duration::millis(2000);

}  // namespace

Control::Control(const ControlOptions& options)
    : options_(options), batch_(uring::Ring::batch_max), watched_(options.workers.size()) {}

Status Control::open(const uring::Features& features) {
    if (Status status =
            ring_.open({.submission_entries = 64, .completion_entries = 256, .features = features});
        !status.ok()) {
        return Error{"the timer ring: " + status.error()};
    }
    arm(Operation::Signal);
    arm(Operation::Wake);
    now_ = uring::now();
    next_look_ = now_ + look_interval;
    return {};
}

void Control::run() {
    while (!all_ended()) {
        round();
    }
    for (const auto& worker : options_.workers) {
        worker->join();
    }
}

void Control::round() {
    const Instant until = options_.timekeeper->arm(now_, next_look_);
    ring_.submit_and_wait(until - now_);
    options_.timekeeper->awake();
    const uint32_t count = ring_.reap(batch_);
    for (uint32_t i = 0; i < count; ++i) {
        on_completion(batch_[i]);
    }
    now_ = uring::now();
    for (uint32_t i = 0; i < options_.workers.size(); ++i) {
        if (options_.timekeeper->take_due(i, now_)) options_.workers[i]->inbox().wake();
    }
    if (now_ >= next_look_) {
        next_look_ = now_ + look_interval;
        watch();
    }
}

void Control::arm(Operation operation) {
    const int descriptor = operation == Operation::Signal ? options_.signals->descriptor()
                                                          : options_.timekeeper->descriptor();
    ring_.poll(descriptor, POLLIN, uring::Shots::Many, {.kind = static_cast<uint8_t>(operation)});
}

void Control::on_completion(const uring::Completion& done) {
    const auto operation = static_cast<Operation>(done.user_data.kind);
    // Armed before anything is taken: what comes in between is seen on arming.
    if (!done.more()) arm(operation);
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
            log.reopen();
            log.write(LogLevel::Notice,
                      "HUP: log reopened; a changed configuration needs a restart");
            break;
        case SIGUSR1:
            log.reopen();
            log.write(LogLevel::Notice, "USR1: log reopened");
            break;
        case SIGTTIN:
            log.change_level(1);
            log.write(LogLevel::Error, "TTIN: logging more");
            break;
        case SIGTTOU:
            log.change_level(-1);
            log.write(LogLevel::Error, "TTOU: logging less");
            break;
        default:
            break;
    }
}

// The first time gently, then at once.
void Control::stop() {
    options_.log->write(
        LogLevel::Notice,
        draining_ ? "stopping at once" : "stopping: requests in flight are answered");
    for (const auto& worker : options_.workers) {
        draining_ ? worker->stop() : worker->drain();
    }
    options_.listeners->shut();
    draining_ = true;
}

// A worker that is neither waiting nor getting on serves nobody: people should know.
void Control::watch() {
    for (uint32_t i = 0; i < watched_.size(); ++i) {
        Watched& seen = watched_[i];
        const uint64_t batches = options_.timekeeper->batches(i);
        const bool moves = batches != seen.batches || options_.timekeeper->is_waiting(i) ||
                           seen.since == Instant{};
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
    }
}

bool Control::all_ended() const {
    return std::all_of(options_.workers.begin(), options_.workers.end(), [](const auto& worker) {
        return worker->has_ended();
    });
}

}  // namespace ringmain::worker
