// ringmain/worker/log.h - lines for people, one write(2) each, from any thread.
//
//   2026-11-22T09:30:00.123Z notice: serving pool alpha ...
//
// Not for the data path. Control characters in a line are replaced, so nothing that came from
// outside can forge one.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"

#include <atomic>
#include <string>
#include <string_view>

namespace ringmain::worker {

class Log {
  public:
    explicit Log(config::LogLevel level) : level_(level) {}

    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    ~Log() = default;

    // To a file, appended; "" is standard error.
    Status open(const std::string& path);

    // The same file anew, after it was moved away.
    void reopen();

    void write(config::LogLevel level, std::string_view text) const;

    void set_level(config::LogLevel level) { level_ = level; }

    // One step more or less to be seen; what the level is now.
    config::LogLevel change_level(int steps);

  private:
    std::string path_;
    std::atomic<int> file_ = 2;
    std::atomic<config::LogLevel> level_;
};

}  // namespace ringmain::worker
