#include "ringmain/worker/log.h"

#include "ringmain/base/counted.h"
#include "ringmain/base/printable.h"
#include "ringmain/uring/clock.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

// As syslog(3) numbers them, from 3 for an error to 7 for debugging.
std::string priority_of(config::LogLevel level) {
    return "<" + std::to_string(3 + static_cast<int>(level)) + ">";
}

// The journal says "device:inode" of the stream that it reads.
bool is_journal(const struct stat& file) {
    const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe)
    return stream != nullptr &&
           stream == std::to_string(file.st_dev) + ":" + std::to_string(file.st_ino);
}

// To open a named pipe for writing alone waits until somebody reads it: at a start that is not
// begun, at a reopening no signal is taken any more. Whoever reads later gets what fits until then.
int open_file(const std::string& path) {
    struct stat found = {};
    const bool is_there = stat(path.c_str(), &found) == 0;
    const int direction = is_there && S_ISFIFO(found.st_mode) ? O_RDWR : O_WRONLY;
    const int patience = is_there && !S_ISREG(found.st_mode) ? O_NONBLOCK : 0;
    return ::open(
        path.c_str(), direction | patience | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0644);
}

// A terminal is opened anew: O_NONBLOCK on standard error would be everybody's who has it, too.
int open_standard_error() {
    if (isatty(STDERR_FILENO) == 0) return STDERR_FILENO;
    const int own = ::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return own < 0 ? STDERR_FILENO : own;
}

// A terminal says that it takes something when it takes a byte, and waits with the rest of a line.
size_t size_at_once(int file) {
    const bool waits = isatty(file) != 0 && (fcntl(file, F_GETFL) & O_NONBLOCK) == 0;
    return waits ? 1 : PIPE_BUF;  // which a pipe takes whole if it takes anything
}

// What is left when nothing more is taken without waiting; errno says why.
std::string_view put(std::string_view text, int file, size_t at_once) {
    while (!text.empty()) {
        pollfd ready = {.fd = file, .events = POLLOUT, .revents = 0};
        errno = EAGAIN;
        if (poll(&ready, 1, 0) == 0) break;
        errno = ENOSPC;
        const ssize_t written = ::write(file, text.data(), std::min(text.size(), at_once));
        if (written <= 0) break;
        text.remove_prefix(static_cast<size_t>(written));
    }
    return text;
}

}  // namespace

Log::Log(config::LogLevel level) : level_(level) {
    use(open_standard_error());
}

Log::~Log() {
    use(STDERR_FILENO);
}

Status Log::open(const std::string& path, std::string_view farewell) {
    const int file = path.empty() ? open_standard_error() : open_file(path);
    if (file < 0) {
        const int why = errno;
        const bool is_socket = why == ENXIO;  // a pipe is opened whoever reads it
        return Error{"cannot open the log file '" + path + "': " + uring::error_text(why) +
                     (is_socket ? "; a socket is not opened: without log_file and -o the log goes "
                                  "to standard error, wherever that leads"
                                : "")};
    }
    if (!farewell.empty()) write(config::LogLevel::Notice, farewell);
    path_ = path;
    use(file);
    return {};
}

// Under the lock: nobody writes to a number that is closed, or another file's by now.
void Log::use(int file) {
    const std::lock_guard lock(mutex_);
    const int old = file_.exchange(file);
    if (old != STDERR_FILENO) ::close(old);
    struct stat found = {};
    const bool is_known = fstat(file, &found) == 0;
    if (is_known && found.st_size == 0) is_torn_ = false;
    to_journal_ = is_known && is_journal(found);
    at_once_ = size_at_once(file);
}

bool Log::reopen() {
    if (path_.empty()) return true;
    const Status opened = open(path_);
    if (opened.ok()) return true;
    write(config::LogLevel::Error, opened.error() + "; the old one is still written to");
    return false;
}

std::string Log::line_of(config::LogLevel level, std::string_view text) const {
    std::string line = to_journal_ ? priority_of(level) : uring::wall_time().text() + " ";
    line.append(config::name_of(level)).append(": ").append(text);
    return printable(std::string_view(line).substr(0, PIPE_BUF - 1)) + '\n';
}

void Log::write(config::LogLevel level, std::string_view text) const {
    if (!sees(level)) return;
    const std::lock_guard lock(mutex_);
    const std::string line = line_of(level, text);
    if (lost_ > 0) {
        const std::string told = line_of(
            config::LogLevel::Warning,
            counted(lost_, "line") + " of the log lost here: " +
                (lost_why_ == 0 ? "whoever reads it was too slow" : uring::error_text(lost_why_)));
        if (try_write(told)) lost_ = 0;
    }
    if (lost_ > 0 || !try_write(line)) lost_ += 1;
}

// A full disk and a terminal may take the beginning of a line, which is then ended before the next.
bool Log::try_write(std::string_view line) const {
    std::string text;
    if (is_torn_) text += '\n';
    text += line;
    const std::string_view left = put(text, file_, at_once_);
    if (left.empty()) {
        is_torn_ = false;
        return true;
    }
    lost_why_ = errno == EAGAIN ? 0 : errno;
    if (left.size() < text.size()) is_torn_ = text[text.size() - left.size() - 1] != '\n';
    return false;
}

void Log::write_last(std::string_view line) const {
    const int file = file_;
    put(line, file, size_at_once(file));
    struct stat log = {};
    struct stat standard = {};
    const bool is_one = fstat(file, &log) == 0 && fstat(STDERR_FILENO, &standard) == 0 &&
                        log.st_dev == standard.st_dev && log.st_ino == standard.st_ino;
    if (!is_one) put(line, STDERR_FILENO, size_at_once(STDERR_FILENO));
}

config::LogLevel Log::change_level(int steps) {
    const int level = std::clamp(static_cast<int>(level_.load()) + steps,
                                 static_cast<int>(config::LogLevel::Error),
                                 static_cast<int>(config::LogLevel::Debug));
    level_ = static_cast<config::LogLevel>(level);
    return level_;
}

}  // namespace ringmain::worker
