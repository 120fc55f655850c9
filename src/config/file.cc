#include "ringmain/config/file.h"

#include "ringmain/base/printable.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace ringmain::config {

namespace {

struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

Error unreadable(const std::string& name, int error) {
    return {"cannot read " + name + ": " + std::generic_category().message(error)};
}

Result<std::string> read_stream(std::FILE* file, const std::string& name) {
    std::string text;
    char block[64 * 1024];
    while (true) {
        // A folder opens like a file; it is the read that says so (EISDIR).
        const size_t size = std::fread(block, 1, sizeof block, file);
        text.append(block, size);
        if (text.size() > file_size_max) {
            return Error{"cannot read " + name + ": it is larger than 8 MiB, which no " +
                         "configuration is"};
        }
        if (size < sizeof block) break;
    }
    if (std::ferror(file) != 0) return unreadable(name, errno);
    return text;
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
    const std::string name = "'" + printable(path) + "'";
    errno = 0;
    const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rbe"));
    if (file == nullptr) return unreadable(name, errno);
    return read_stream(file.get(), name);
}

Result<std::string> read_standard_input() {
    errno = 0;
    return read_stream(stdin, "standard input");
}

}  // namespace ringmain::config
