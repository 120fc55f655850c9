// src/worker/pid_file.h - a file with our process id, there while the process serves.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/socket.h"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
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
        if (file.is_open() && text_in(file) == own_text()) unlink(path_.c_str());
    }

    // Whether it could be written, without a change of what is there: who has it may go on to serve
    // and we may not.
    static Status prepare(const std::string& path) {
        const Result<Opened> opened = open(path);
        if (!opened.ok()) return Error{opened.error()};
        // Of a full disk: another error means that this cannot be asked for here.
        const auto size = static_cast<off_t>(own_text().size());
        const int number = opened.value().file.get();
        const bool is_full = fallocate(number, FALLOC_FL_KEEP_SIZE, 0, size) != 0 &&
                             (errno == ENOSPC || errno == EDQUOT);
        return ended(path, opened.value().draft, is_full);
    }

    // What is no pid file stays as it is, and what is one until the new text is in it.
    Status write(const std::string& path) {
        const std::string text = own_text();
        const auto size = static_cast<off_t>(text.size());
        const Result<Opened> opened = open(path);
        if (!opened.ok()) return Error{opened.error()};
        const auto& [file, draft, target] = opened.value();
        const bool is_written = pwrite(file.get(), text.data(), text.size(), 0) == size &&
                                ftruncate(file.get(), size) == 0;
        const bool is_there =
            is_written && (draft.empty() || rename(draft.c_str(), target.c_str()) == 0);
        if (is_there) path_ = behind_links(path);
        return ended(path, draft, !is_there);
    }

  private:
    static std::string own_text() { return std::to_string(getpid()) + "\n"; }

    static Error failure(const std::string& path, int error_number) {
        return Error{"cannot write the pid file '" + path +
                     "': " + uring::error_text(error_number)};
    }

    // A file that is not there yet is made beside its place, and moved there with its text: whoever
    // waits for it reads no empty one.
    struct Opened {
        uring::Descriptor file;
        std::string draft;  // empty: it is there
        std::string target;
    };

    static Result<Opened> open(const std::string& path) {
        Opened opened;
        // A FIFO that nobody reads would be waited for.
        opened.file = uring::Descriptor(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
        if (!opened.file.is_open() && errno == ENOENT) {
            opened.target = behind_links(path);
            opened.draft = opened.target + "." + std::to_string(getpid());
            opened.file = uring::Descriptor(::open(
                opened.draft.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
        }
        if (!opened.file.is_open()) return failure(path, errno);
        if (is_pid(text_in(opened.file))) return opened;
        return Error{"cannot write the pid file '" + path +
                     "': it is there and holds something else; choose another pid_file, or "
                     "remove it"};
    }

    // No draft stays; what failed has told why in errno.
    static Status ended(const std::string& path, const std::string& draft, bool failed) {
        const int error_number = errno;
        if (!draft.empty()) unlink(draft.c_str());
        if (failed) return failure(path, error_number);
        return {};
    }

    // As open() follows them, be there nothing yet.
    static std::string behind_links(std::string path) {
        std::array<char, PATH_MAX> to = {};
        for (;;) {
            const ssize_t size = readlink(path.c_str(), to.data(), to.size());
            if (size <= 0) return path;
            path.resize(to[0] == '/' ? 0 : path.rfind('/') + 1);
            path.append(to.data(), static_cast<size_t>(size));
        }
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

    std::string path_;  // of the file itself; is removed, should it hold what we have written
};

}  // namespace ringmain::worker
