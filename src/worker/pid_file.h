// src/worker/pid_file.h - a file with our process id, there while the process serves.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/socket.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace ringmain::worker {

class PidFile {
  public:
    PidFile() = default;
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;

    ~PidFile() {
        if (!path_.empty()) unlink(path_.c_str());
    }

    Status write(const std::string& path) {
        const std::string text = std::to_string(getpid()) + "\n";
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
    std::string path_;
};

}  // namespace ringmain::worker
