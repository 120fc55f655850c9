// ringmain/worker/serve.h - the running process: listeners, workers, signals.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"
#include "ringmain/worker/log.h"

#include <optional>
#include <string>

namespace ringmain::worker {

// What the command line says goes before the file, at start and at each reload.
struct Overrides {
    std::optional<config::LogLevel> log_level;
    std::string log_file;
    std::string pid_file;

    void apply(config::Config& config) const;
};

struct ServeOptions {
    std::string ignored_features;
    Overrides overrides;
    int ready_pipe = -1;  // gets one byte when clients can connect; -1: nobody waits for it
};

// Signals wait for serve() from now on, but for INT: whoever types it may wait for a file to be
// read.
void hold_signals();

// Refuses a log or a pid file that is the configuration, and a log that is the pid file: one would
// be written over the other. Before any of them is opened.
Status check_files(const config::Config& config);

// Serves until told to stop by a signal. The calling thread becomes the control thread; signals:
//   TERM INT   drain and stop, a second one stops at once
//   HUP        read the configuration again and reopen the log
//   USR1       reopen the log          TTIN TTOU   log more, log less
// An error means that serving did not begin.
Status serve(const config::Config& config, Log& log, const ServeOptions& options);

}  // namespace ringmain::worker
