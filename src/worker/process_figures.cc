#include "process_figures.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/version.h"
#include "ringmain/uring/descriptor.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

// The second of a line of numbers.
uint64_t second_number(std::string_view text) {
    text = ascii::trimmed(text.substr(std::min(text.find(' '), text.size())));
    return ascii::parse_uint64(text.substr(0, text.find(' '))).value_or(0);
}

// The beginning of a small file; empty when there is none.
std::string beginning_of(const char* path) {
    const uring::Descriptor file(open(path, O_RDONLY | O_CLOEXEC));
    std::array<char, 128> bytes = {};
    const ssize_t size = file.is_open() ? read(file.get(), bytes.data(), bytes.size()) : 0;
    return {bytes.data(), size > 0 ? static_cast<size_t>(size) : 0};
}

// Pages.
uint64_t resident_pages() {
    return second_number(beginning_of("/proc/self/statm"));
}

// Since Linux 6.2 the folder's size says it; before, its entries are counted.
uint64_t open_descriptors() {
    struct stat folder = {};
    if (stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0) {
        return static_cast<uint64_t>(folder.st_size);
    }
    DIR* entries = opendir("/proc/self/fd");
    if (entries == nullptr) return 0;
    uint64_t count = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own.
    while (readdir(entries) != nullptr) {
        count += 1;
    }
    closedir(entries);
    constexpr uint64_t not_ours = 3;  // ".", ".." and the stream
    return count > not_ours ? count - not_ours : 0;
}

uint64_t to_us(const timeval& time) {
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_usec);
}

}  // namespace

stats::ProcessSnapshot describe_process() {
    stats::ProcessSnapshot process;
    process.version = version;
    process.id = getpid();
    utsname names = {};
    if (uname(&names) == 0) {
        process.kernel = names.release;
        process.host = names.nodename;
    }
    return process;
}

void read_process_figures(stats::ProcessSnapshot& process) {
    rusage usage = {};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        process.cpu_us = to_us(usage.ru_utime) + to_us(usage.ru_stime);
    }
    process.resident_bytes = resident_pages() * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    process.descriptors = open_descriptors();
    rlimit limit = {};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) process.descriptors_max = limit.rlim_cur;
}

Duration ready_time(int thread) {
    const std::string path = "/proc/self/task/" + std::to_string(thread) + "/schedstat";
    return ready_time_in(beginning_of(path.c_str()));
}

Duration ready_time_in(std::string_view schedstat) {
    return {static_cast<int64_t>(second_number(schedstat))};
}

}  // namespace ringmain::worker
