// ringmain/uring/socket_file.h - the file of a unix socket that this process listens on.
//
// It is removed with this object, unless another process has put its own in that place: the one
// that comes after a process which is about to end takes over the path.
//
// Made when the socket is bound, and destroyed before the socket is closed: until then the kernel
// gives the file's number to no other file. One thread.

#pragma once

#include "ringmain/base/result.h"

#include <cstdint>
#include <optional>
#include <string>

#include <sys/stat.h>

namespace ringmain::uring {

class SocketFile {
  public:
    SocketFile() = default;

    // The file that is at `path` now.
    explicit SocketFile(std::string path);

    ~SocketFile() { remove(); }

    SocketFile(SocketFile&& other) noexcept;
    SocketFile& operator=(SocketFile&& other) noexcept;
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;

    void remove();

    // That is the way to it, too: a folder has two names.
    [[nodiscard]] bool is_at(const std::string& path) const;

    // Somebody has removed it, and put nothing in its place.
    [[nodiscard]] bool is_gone() const;

    // Something is there, and it is not our file.
    [[nodiscard]] bool is_replaced() const;

    // It is gone: what is there later is another, even if the system gives it the same number.
    void forget() { path_.clear(); }

    // 0: as the umask says. What is another's by now is left alone.
    [[nodiscard]] Status set_mode(uint32_t mode) const;

    // As it is now; none of what is another's.
    [[nodiscard]] std::optional<uint32_t> mode() const;

    // Back to what mode() was.
    void restore_mode(uint32_t mode) const;

  private:
    [[nodiscard]] bool is_ours() const;
    [[nodiscard]] bool is_same(const struct stat& file) const;

    std::string path_;  // empty: no file
    uint64_t device_ = 0;
    uint64_t number_ = 0;
};

}  // namespace ringmain::uring
