// src/worker/pid_file.h - a file with our process id, there while the process serves.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/socket.h"

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmain::worker {

class PidFile {
  public:
    PidFile() = default;
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;

    // Of a process that has begun to serve in our place, it is that one's by now.
    ~PidFile() {
        if (path_.empty()) return;
        const uring::Descriptor file(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        if (file.is_open() && text_in(file) == text_) unlink(path_.c_str());
    }

    // Whether it could be written, without a change of what is there: who has it may go on to serve
    // and we may not.
    Status prepare(const std::string& path) {
        const uring::Descriptor made(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
        if (made.is_open()) path_ = path;
        const Result<uring::Descriptor> file = open(path);
        if (!file.ok()) return Error{file.error()};
        // Of a full disk: another error means that this cannot be asked for here.
        const auto size = static_cast<off_t>(own_text().size());
        if (fallocate(file.value().get(), FALLOC_FL_KEEP_SIZE, 0, size) != 0 &&
            (errno == ENOSPC || errno == EDQUOT)) {
            return failure(path, errno);
        }
        return {};
    }

    // What is no pid file stays as it is, and what is one until the new text is in it.
    Status write(const std::string& path) {
        const std::string text = own_text();
        const auto size = static_cast<off_t>(text.size());
        const Result<uring::Descriptor> file = open(path);
        if (!file.ok()) return Error{file.error()};
        const int number = file.value().get();
        if (pwrite(number, text.data(), text.size(), 0) != size || ftruncate(number, size) != 0) {
            return failure(path, errno);
        }
        path_ = path;
        text_ = text;
        return {};
    }

  private:
    static std::string own_text() { return std::to_string(getpid()) + "\n"; }

    static Error failure(const std::string& path, int error_number) {
        return Error{"cannot write the pid file '" + path +
                     "': " + uring::error_text(error_number)};
    }

    static Result<uring::Descriptor> open(const std::string& path) {
        // A FIFO that nobody reads would be waited for.
        uring::Descriptor file(
            ::open(path.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644));
        if (!file.is_open()) return failure(path, errno);
        if (is_pid(text_in(file))) return file;
        return Error{"cannot write the pid file '" + path +
                     "': it is there and holds something else; choose another pid_file, or "
                     "remove it"};
    }

    // Its beginning; of what is no file "?".
    static std::string text_in(const uring::Descriptor& file) {
        struct stat state = {};
        if (fstat(file.get(), &state) != 0 || !S_ISREG(state.st_mode)) return "?";
        std::array<char, 32> text = {};
        const ssize_t size = pread(file.get(), text.data(), text.size(), 0);
        return size < 0 ? "?" : std::string(text.data(), static_cast<size_t>(size));
    }

    // Of any process, with the end of a line or without; or nothing yet.
    static bool is_pid(std::string_view text) {
        constexpr size_t longest = 20;
        return text.size() <= longest &&
               text.find_first_not_of("0123456789 \r\n") == std::string_view::npos;
    }

    std::string path_;  // is removed, should it hold...
    std::string text_;  // ...what we have written, be it nothing yet
};

}  // namespace ringmain::worker
