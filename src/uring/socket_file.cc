#include "ringmain/uring/socket_file.h"

#include "ringmain/uring/socket.h"

#include <cerrno>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace ringmain::uring {

SocketFile::SocketFile(std::string path) {
    struct stat file = {};
    if (path.empty() || lstat(path.c_str(), &file) != 0) return;
    path_ = std::move(path);
    device_ = file.st_dev;
    number_ = file.st_ino;
}

SocketFile::SocketFile(SocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), device_(other.device_), number_(other.number_) {}

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
    if (this == &other) return *this;
    remove();
    path_ = std::exchange(other.path_, {});
    device_ = other.device_;
    number_ = other.number_;
    return *this;
}

bool SocketFile::is_same(const struct stat& file) const {
    return file.st_dev == device_ && file.st_ino == number_;
}

bool SocketFile::is_ours() const {
    struct stat file = {};
    return !path_.empty() && lstat(path_.c_str(), &file) == 0 && is_same(file);
}

bool SocketFile::is_at(const std::string& path) const {
    struct stat file = {};
    return !path_.empty() && stat(path.c_str(), &file) == 0 && is_same(file);
}

bool SocketFile::is_gone() const {
    struct stat file = {};
    return !path_.empty() && lstat(path_.c_str(), &file) != 0 && errno == ENOENT;
}

bool SocketFile::is_replaced() const {
    struct stat file = {};
    return !path_.empty() && lstat(path_.c_str(), &file) == 0 && !is_same(file);
}

void SocketFile::remove() {
    if (is_ours()) unlink(path_.c_str());
    path_.clear();
}

Status SocketFile::set_mode(uint32_t mode) const {
    if (!is_ours()) return {};
    if (mode == 0) {
        // It can only be read by setting it. Who opens files meanwhile is this thread.
        const mode_t mask = umask(077);
        umask(mask);
        mode = 0777U & ~mask;
    }
    if (chmod(path_.c_str(), mode) == 0) return {};
    const int error = errno;
    const std::string text = "the mode of " + path_ + " cannot be set: " + error_text(error);
    struct stat file = {};
    if (error != EPERM || lstat(path_.c_str(), &file) != 0) return Error{text};
    return Error{text + ": it belongs to the user " + std::to_string(file.st_uid) +
                 " by now, and ringmain is " + std::to_string(geteuid()) +
                 ": give it back (chown), or remove it, and a reload makes it anew"};
}

std::optional<uint32_t> SocketFile::mode() const {
    struct stat file = {};
    if (path_.empty() || lstat(path_.c_str(), &file) != 0 || !is_same(file)) return std::nullopt;
    return file.st_mode & 0777U;
}

void SocketFile::restore_mode(uint32_t mode) const {
    if (is_ours()) static_cast<void>(chmod(path_.c_str(), mode));
}

}  // namespace ringmain::uring
