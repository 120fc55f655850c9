#include "ringmain/config/file.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace ringmain::config {

namespace {

struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

Error unreadable(const std::string& path, int error) {
    return {"cannot read '" + path + "': " + std::generic_category().message(error)};
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
    errno = 0;
    const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rbe"));
    if (file == nullptr) return unreadable(path, errno);

    std::string text;
    char block[64 * 1024];
    while (true) {
        // A folder opens like a file; it is the read that says so (EISDIR).
        const size_t size = std::fread(block, 1, sizeof block, file.get());
        text.append(block, size);
        if (text.size() > file_size_max) {
            return Error{"cannot read '" + path + "': it is larger than 8 MiB, which no " +
                         "configuration is"};
        }
        if (size < sizeof block) break;
    }
    if (std::ferror(file.get()) != 0) return unreadable(path, errno);
    return text;
}

}  // namespace ringmain::config
