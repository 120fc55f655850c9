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
        if (!path_.empty() && is_ours()) unlink(path_.c_str());
    }

    // What is no pid file stays as it is.
    Status write(const std::string& path) {
        const std::string text = own_text();
        // A FIFO that nobody reads would be waited for.
        const uring::Descriptor file(
            ::open(path.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644));
        if (file.is_open() && !is_pid(text_in(file))) {
            return Error{"cannot write the pid file '" + path +
                         "': it is there and holds something else; choose another pid_file, or "
                         "remove it"};
        }
        if (!file.is_open() || ftruncate(file.get(), 0) != 0 ||
            pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
            return Error{"cannot write the pid file '" + path + "': " + uring::error_text(errno)};
        }
        path_ = path;
        return {};
    }

  private:
    static std::string own_text() { return std::to_string(getpid()) + "\n"; }

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

    [[nodiscard]] bool is_ours() const {
        const uring::Descriptor file(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        return file.is_open() && text_in(file) == own_text();
    }

    std::string path_;
};

}  // namespace ringmain::worker
