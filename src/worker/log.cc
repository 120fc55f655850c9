#include "ringmain/worker/log.h"

#include "ringmain/uring/clock.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

std::string_view name_of(config::LogLevel level) {
    switch (level) {
        case config::LogLevel::Error:
            return "error";
        case config::LogLevel::Warning:
            return "warning";
        case config::LogLevel::Notice:
            return "notice";
        case config::LogLevel::Info:
            return "info";
        case config::LogLevel::Debug:
            return "debug";
    }
    return "";
}

int open_file(const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

}  // namespace

Status Log::open(const std::string& path) {
    if (path.empty()) {
        path_.clear();
        file_ = STDERR_FILENO;
        return {};
    }
    const int file = open_file(path);
    if (file < 0) {
        return Error{"cannot open the log file '" + path + "': " + uring::error_text(errno)};
    }
    path_ = path;
    if (file_ == STDERR_FILENO) {
        file_ = file;
        return {};
    }
    // Same number, new file: writers of other threads never see a closed one.
    dup3(file, file_, O_CLOEXEC);
    ::close(file);
    return {};
}

void Log::reopen() {
    if (path_.empty()) return;
    if (const Status opened = open(path_); !opened.ok()) {
        write(config::LogLevel::Error, opened.error() + "; the old one is still written to");
    }
}

void Log::write(config::LogLevel level, std::string_view text) const {
    if (level > level_.load(std::memory_order_relaxed)) return;
    std::string line = uring::wall_time().text();
    line.append(" ").append(name_of(level)).append(": ").append(text);
    std::replace_if(
        line.begin(),
        line.end(),
        [](char byte) { return static_cast<unsigned char>(byte) < ' ' || byte == '\x7f'; },
        '?');
    line += '\n';
    const ssize_t written = ::write(file_, line.data(), line.size());
    static_cast<void>(written);  // a full disk must not stop the proxy
}

config::LogLevel Log::change_level(int steps) {
    const int level = std::clamp(static_cast<int>(level_.load()) + steps,
                                 static_cast<int>(config::LogLevel::Error),
                                 static_cast<int>(config::LogLevel::Debug));
    level_ = static_cast<config::LogLevel>(level);
    return level_;
}

}  // namespace ringmain::worker
