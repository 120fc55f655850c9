// Which files are one.

#include "ringmain/worker/serve.h"

#include <string>
#include <utility>

#include <sys/stat.h>

namespace ringmain::worker {

namespace {

// Devices and pipes may be written to by anybody.
bool is_one(const struct stat& a, const struct stat& b) {
    const bool may_be_shared = !S_ISREG(a.st_mode) && !S_ISDIR(a.st_mode);
    return !may_be_shared && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

std::string folder_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// Of what is not there yet the folder and the name are looked at.
bool are_one_file(const std::string& a, const std::string& b) {
    if (a.empty() || b.empty()) return false;
    struct stat first = {};
    struct stat second = {};
    const bool has_first = stat(a.c_str(), &first) == 0;
    const bool has_second = stat(b.c_str(), &second) == 0;
    if (has_first && has_second) return is_one(first, second);
    if (has_first || has_second) return false;
    return a.substr(a.rfind('/') + 1) == b.substr(b.rfind('/') + 1) &&
           stat(folder_of(a).c_str(), &first) == 0 && stat(folder_of(b).c_str(), &second) == 0 &&
           is_one(first, second);
}

}  // namespace

Status check_files(const config::Config& config) {
    const std::string& log = config.proxy.log_file;
    const std::string& pid = config.proxy.pid_file;
    for (const auto& [name, path] : {std::pair("log_file", log), std::pair("pid_file", pid)}) {
        if (!are_one_file(path, config.file)) continue;
        return Error{std::string(name) + " '" + path + "' is the configuration file '" +
                     config.file + "': it would be written over; choose another path"};
    }
    if (!are_one_file(log, pid)) return {};
    return Error{"log_file '" + log + "' and pid_file '" + pid +
                 "' are one file: choose another path for one of them"};
}

}  // namespace ringmain::worker
