// src/worker/control.h - the control thread: the timer ring beside the workers' rings.
//
// It drives time (worker/timekeeper.h), takes signals, and watches the workers. It owns nothing of
// theirs: what it wants of one goes through its inbox. See src/design/0005-time.md.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/load.h"
#include "ringmain/core/shared.h"
#include "ringmain/uring/ring.h"
#include "ringmain/worker/io_choice.h"
#include "ringmain/worker/log.h"
#include "ringmain/worker/serve.h"
#include "ringmain/worker/timekeeper.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "listeners.h"
#include "name_search.h"
#include "reporter.h"
#include "signals.h"
#include "supervisor.h"
#include "worker.h"

namespace ringmain::worker {

struct ControlOptions {
    Log* log = nullptr;
    const Signals* signals = nullptr;
    Timekeeper* timekeeper = nullptr;
    Listeners* listeners = nullptr;
    Resolver* resolver = nullptr;
    Inbox* inbox = nullptr;  // for its answers
    core::Shared* shared = nullptr;
    const config::Config* config = nullptr;  // that the process started with
    Overrides overrides = {};
    uring::Backend io_backend = uring::Backend::IoUring;
    Instant started_at = {};  // as the workers have it
    std::span<const std::unique_ptr<Worker>> workers;
};

class Control {
  public:
    explicit Control(const ControlOptions& options);

    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;
    ~Control() = default;

    // In the thread that will run it.
    Status open(const IoChoice& io);

    // Until every worker has ended.
    void run();

  private:
    enum class Operation : uint8_t { Signal, Wake, Answer };

    // A configuration that was read and has no mistake, while names in it are looked up.
    struct Reload {
        config::Config next;
        std::string reopened;  // what has become of the log
    };

    // What was seen of a worker at the last look.
    struct Watched {
        uint64_t batches = 0;
        Instant since;  // it has been in that batch
        bool stuck = false;
    };

    void round();
    void on_completion(const uring::Completion& done);
    void arm(Operation operation);
    void obey(int signal);
    void stop();
    void reload();
    void follow_search();
    void finish_reload();
    void refuse_reload(const std::string& reopened, const std::string& reason);
    void tell_ready(const std::string& status);
    void tell_level(std::string_view signal, config::LogLevel level) const;
    void tell_findings(const config::Loaded& loaded, const std::string& file) const;
    [[nodiscard]] bool change_log(const config::Config& running, const config::Config& next) const;
    void announce(const config::Config& running,
                  const config::Config& next,
                  const std::string& reopened);
    void hand_out(config::Config next);
    void follow_progress();
    void free_before(uint64_t settled);
    void watch();
    [[nodiscard]] bool all_ended() const;
    [[nodiscard]] const config::Config& running() const;

    ControlOptions options_;
    Reporter reporter_;  // before the ring, which is closed first
    uring::Ring ring_;
    std::vector<uring::Completion> batch_;
    Supervisor supervisor_;
    std::vector<Watched> watched_;
    // Oldest first, the newest is in force; empty before the first reload.
    std::deque<std::unique_ptr<Generation>> generations_;
    uint64_t last_number_ = 1;  // of configurations
    uint64_t epoch_ = 0;        // of the servers: what the workers were woken for
    bool adopting_ = false;     // some worker has not got the newest yet
    NameSearch search_;
    std::optional<Reload> reload_;
    bool reload_again_ = false;    // asked for meanwhile
    std::string in_use_text_;      // to be said when all have it
    std::string few_descriptors_;  // the warning that was told last; empty: there are enough
    Instant now_;
    Instant next_look_;
    bool draining_ = false;
};

}  // namespace ringmain::worker
