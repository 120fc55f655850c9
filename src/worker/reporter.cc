#include "reporter.h"

#include "ringmain/config/options.h"
#include "ringmain/uring/clock.h"
#include "ringmain/uring/socket.h"
#include "ringmain/worker/descriptors.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collect.h"
#include "listeners.h"
#include "process_figures.h"

namespace ringmain::worker {

Reporter::Reporter(uring::Ring& ring, uint8_t first_kind, const ReporterOptions& options)
    : options_(options),
      process_(describe_process()),
      listeners_opened_(options.config->pools.size()),
      slow_log_(options.config->stats.slow_log_size),
      statistics_(
          ring, sources_, Port::Speech::Json, first_kind, port_connections_max(descriptor_limit())),
      admin_(ring,
             sources_,
             Port::Speech::Http,
             static_cast<uint8_t>(first_kind + Port::kinds),
             port_connections_max(descriptor_limit())) {
    process_.started_at_s = uring::wall_time().seconds;
    process_.reloaded_at_s = process_.started_at_s;
    process_.io_backend = uring::backend_name(options.io_backend);
    sources_.slow_log = &slow_log_;
    show(*options.config);
}

namespace {

Status in_section(std::string_view section, Status status) {
    if (status.ok()) return status;
    return Error{std::string(section) + " listen: " + status.error()};
}

Status is_free(const config::Address& address) {
    if (address.empty() || address.is_path()) return {};
    return uring::port_is_free({.host = address.host, .port = address.port});
}

}  // namespace

Status Reporter::ports_are_free(const config::Config& config) {
    if (Status free = is_free(config.stats.listen); !free.ok()) return in_section("[stats]", free);
    return in_section("[admin]", is_free(config.admin.listen));
}

Status Reporter::open(Instant now) {
    const config::Config& config = *options_.config;
    if (config.stats.listen.empty() && config.admin.listen.empty()) return {};
    publish(now);
    if (!config.stats.listen.empty()) {
        Status opened = statistics_.open(config.stats.listen);
        if (!opened.ok()) return in_section("[stats]", opened);
    }
    if (config.admin.listen.empty()) return {};
    return in_section("[admin]", admin_.open(config.admin.listen));
}

void Reporter::on_completion(const uring::Completion& done, Instant now) {
    Port& port = statistics_.owns(done) ? statistics_ : admin_;
    port.on_completion(done, now);
}

Instant Reporter::next_deadline() const {
    if (!is_open()) return Instant::never();
    const Instant next = taken_at_ + Duration::millis(options_.config->stats.interval_ms);
    return std::min({next, statistics_.next_deadline(), admin_.next_deadline()});
}

void Reporter::on_time(Instant now) {
    if (!is_open() || now < next_deadline()) return;
    statistics_.on_time(now);
    admin_.on_time(now);
    if (now - taken_at_ >= Duration::millis(options_.config->stats.interval_ms)) publish(now);
}

void Reporter::adopt(const config::Config& config,
                     std::span<const core::PoolShared> pools,
                     Instant now) {
    listeners_opened_ += Listeners::new_places(*options_.config, config).size();
    options_.config = &config;
    options_.pools = pools;
    process_.reload_succeeded = true;
    process_.reloaded_at_s = uring::wall_time().seconds;
    show(config);
    if (is_open()) publish(now);
}

void Reporter::note_refused_reload() {
    process_.reload_succeeded = false;
}

void Reporter::show(const config::Config& config) {
    config_text_ = config::running_toml(config);
    sources_.config = config_text_;
    sources_.edition += 1;
    sources_.slow_threshold_us = static_cast<uint64_t>(config.stats.slow_log_threshold_ms) * 1000;
}

void Reporter::publish(Instant now) {
    take_slow_requests();
    read_process_figures(process_);
    process_.draining = sources_.draining;

    std::vector<WorkerFigures> workers;
    for (uint32_t i = 0; i < options_.workers.size(); ++i) {
        const Worker& worker = *options_.workers[i];
        workers.push_back({.counters = &worker.counters(),
                           .batches = options_.timekeeper->batches(i),
                           .lived = now - worker.began(),
                           .cpu_time = worker.cpu_time(),
                           .ready_time = ready_time(worker.thread_id())});
    }
    process_.uptime_s = (now - options_.started_at).to_millis() / 1000;
    process_.client_limit = clients_max(*options_.config, descriptor_limit());
    if (spare_ == nullptr) spare_ = std::make_unique<stats::Snapshot>();
    *spare_ = collect({.config = options_.config,
                       .pools = options_.pools,
                       .workers = workers,
                       .process = process_,
                       .listeners_opened = listeners_opened_,
                       .now = now,
                       .wall_offset = uring::wall_offset(now),
                       .before = snapshot_.get(),
                       .before_at = taken_at_},
                      std::move(*spare_));
    std::swap(snapshot_, spare_);
    sources_.snapshot = snapshot_.get();
    sources_.edition += 1;
    taken_at_ = now;
}

void Reporter::take_slow_requests() {
    uint64_t dropped = 0;
    std::vector<stats::SlowRequest> requests;
    for (const auto& worker : options_.workers) {
        stats::SlowQueue& queue = worker->counters().slow_requests;
        stats::SlowRequest request;
        // At most what fits: a worker in trouble may add as fast as this takes.
        for (uint32_t i = 0; i < stats::SlowQueue::capacity && queue.pop(request); ++i) {
            requests.push_back(request);
        }
        dropped += queue.dropped();
    }
    slow_log_.add_all(requests);
    sources_.slow_dropped = dropped;
}

}  // namespace ringmain::worker
