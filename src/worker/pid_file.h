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

    Status write(const std::string& path) {
        const std::string text = own_text();
        const uring::Descriptor file(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (!file.is_open() ||
            ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
            return Error{"cannot write the pid file '" + path + "': " + uring::error_text(errno)};
        }
        path_ = path;
        return {};
    }

  private:
    static std::string own_text() { return std::to_string(getpid()) + "\n"; }

    [[nodiscard]] bool is_ours() const {
        const uring::Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
        std::array<char, 32> text = {};
        const ssize_t size = file.is_open() ? ::read(file.get(), text.data(), text.size()) : 0;
        return size > 0 && std::string_view(text.data(), static_cast<size_t>(size)) == own_text();
    }

    std::string path_;
};

}  // namespace ringmain::worker
