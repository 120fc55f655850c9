// ringmain/worker/log.h - lines for people, one write(2) each, from any thread.
//
//   2026-11-22T09:30:00.123Z notice: serving pool alpha ...
//
// Not for the data path. What is not printable in a line is replaced, so nothing that came from
// outside can forge one. Nobody waits for whoever reads the log: when a pipe, a socket or a
// terminal takes nothing, or a disk is full, lines are lost, and the next one that goes says how
// many and why. A line has at most 4096 bytes, which a pipe takes whole.
//
// The journal has times of its own and wants levels as sd-daemon(3) has them: where standard error
// leads there (JOURNAL_STREAM), a line is "<5>notice: serving pool alpha ...".

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace ringmain::worker {

class Log {
  public:
    explicit Log(config::LogLevel level);

    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    ~Log();

    // To a file, appended; "" is standard error. `farewell`, if any, is the last of the old one,
    // and not said when there is no new one.
    Status open(const std::string& path, std::string_view farewell = {});

    // As in log_file: where it writes to.
    [[nodiscard]] const std::string& path() const { return path_; }

    // The same file anew, after it was moved away. False when it cannot be: the old one goes on,
    // and has been told why.
    bool reopen();

    void write(config::LogLevel level, std::string_view text) const;

    // Of a process that has no memory and ends now: without the lock, and to standard error, too.
    void write_last(std::string_view line) const;

    // Whether a line of this level is written at all.
    [[nodiscard]] bool sees(config::LogLevel level) const {
        return level <= level_.load(std::memory_order_relaxed);
    }

    void set_level(config::LogLevel level) { level_ = level; }

    // One step more or less to be seen; what the level is now.
    config::LogLevel change_level(int steps);

  private:
    void use(int file);
    [[nodiscard]] std::string line_of(config::LogLevel level, std::string_view text) const;
    [[nodiscard]] bool try_write(std::string_view line) const;

    std::string path_;
    mutable std::mutex mutex_;  // of what follows, and of writing
    mutable uint64_t lost_ = 0;
    mutable int lost_why_ = 0;      // errno of the latest; 0: nobody took it
    mutable bool is_torn_ = false;  // the file ends within a line
    std::atomic<int> file_ = 2;
    size_t at_once_ = 0;  // so much of a line
    bool to_journal_ = false;
    std::atomic<config::LogLevel> level_;
};

}  // namespace ringmain::worker
