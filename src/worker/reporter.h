// src/worker/reporter.h - keeps the snapshot fresh, and the two ports that show it.
//
// The control thread's: it takes a new snapshot each [stats] interval, empties the workers' queues
// of slow requests into the slow log, and hands completions to the ports. Without a port that is
// open it does nothing.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"
#include "ringmain/core/shared.h"
#include "ringmain/stats/pages.h"
#include "ringmain/uring/backend.h"
#include "ringmain/uring/ring.h"
#include "ringmain/worker/timekeeper.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "port.h"
#include "worker.h"

namespace ringmain::worker {

struct ReporterOptions {
    const config::Config* config = nullptr;
    std::span<const core::PoolShared> pools;  // of that configuration
    const Timekeeper* timekeeper = nullptr;
    uring::Backend io_backend = uring::Backend::IoUring;
    Instant started_at = {};
    std::span<const std::unique_ptr<Worker>> workers;
};

class Reporter {
  public:
    // Whether open() would find the TCP ports of [stats] and [admin] free.
    [[nodiscard]] static Status ports_are_free(const config::Config& config);

    // Uses kinds of user data from `first_kind` on, Port::kinds for each of two ports. The ring is
    // closed before the reporter goes.
    Reporter(uring::Ring& ring, uint8_t first_kind, const ReporterOptions& options);

    Reporter(const Reporter&) = delete;
    Reporter& operator=(const Reporter&) = delete;
    ~Reporter() = default;

    // Opens the ports that the configuration has.
    Status open(Instant now);

    [[nodiscard]] bool owns(const uring::Completion& done) const {
        return statistics_.owns(done) || admin_.owns(done);
    }

    void on_completion(const uring::Completion& done, Instant now);

    [[nodiscard]] Instant next_deadline() const;
    void on_time(Instant now);

    // The configuration in use is another one; both outlive the reporter or the next call.
    void adopt(const config::Config& config, std::span<const core::PoolShared> pools, Instant now);
    void note_refused_reload();

    // No clients are accepted any more: not ready.
    void note_drain() {
        sources_.draining = true;
        sources_.edition += 1;
    }

  private:
    [[nodiscard]] bool is_open() const { return statistics_.is_open() || admin_.is_open(); }

    void show(const config::Config& config);
    void publish(Instant now);
    void take_slow_requests();

    ReporterOptions options_;
    stats::ProcessSnapshot process_;
    uint64_t listeners_opened_;
    // The one that is shown, and the one before it, whose memory the next one has. Not one without
    // a port that is open.
    std::unique_ptr<stats::Snapshot> snapshot_;
    std::unique_ptr<stats::Snapshot> spare_;
    Instant taken_at_;
    stats::SlowLog slow_log_;
    std::string config_text_;
    stats::PageSources sources_;
    Port statistics_;
    Port admin_;
};

}  // namespace ringmain::worker
