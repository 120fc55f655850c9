#include "ringmain/uring/preflight.h"

#include "ringmain/base/ascii.h"
#include "ringmain/uring/descriptor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "patience.h"
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace ringmain::uring {
namespace {

constexpr uint32_t cap_ipc_lock = 14;
constexpr uint32_t cap_sys_admin = 21;

// Of a file of the kernel's; empty where there is none. The groups of a process alone may fill
// hundreds of KiB of its status, and what is asked of that stands behind them.
std::string file_text(const std::string& path) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) return "";
    std::string text;
    std::array<char, 8192> part = {};
    for (ssize_t size = 1; size > 0;) {
        size = read(file.get(), part.data(), part.size());
        if (size > 0) text.append(part.data(), static_cast<size_t>(size));
    }
    return text;
}

std::optional<int64_t> number_in_file(const std::string& path) {
    const std::string text = file_text(path);
    return ascii::parse_int64(std::string_view(text).substr(0, text.find('\n')));
}

bool has_capability(std::string_view status, uint32_t capability) {
    uint64_t mask = 0;
    const std::string_view digits = field_in(status, "\nCapEff:");
    std::from_chars(digits.data(), digits.data() + digits.size(), mask, 16);
    return (mask >> capability & 1U) != 0;
}

bool is_in_group(int64_t group) {
    if (group < 0) return false;
    if (static_cast<int64_t>(getegid()) == group) return true;
    const int count = getgroups(0, nullptr);
    if (count <= 0) return false;
    std::vector<gid_t> groups(static_cast<size_t>(count));
    if (getgroups(count, groups.data()) < 0) return false;
    return std::find(groups.begin(), groups.end(), static_cast<gid_t>(group)) != groups.end();
}

// Each of the three calls once; a filter may forbid one alone.
void try_calls(SetupFacts& facts) {
    io_uring ring = {};
    facts.error = -with_patience([&] { return io_uring_queue_init(1, &ring, 0); });
    if (facts.error != 0) return;
    // A probe that has room for no operation.
    alignas(io_uring_probe) std::array<char, sizeof(io_uring_probe)> probe = {};
    facts.call = "io_uring_register";
    facts.error = std::max(
        0, -io_uring_register_probe(&ring, reinterpret_cast<io_uring_probe*>(probe.data()), 0));
    if (facts.error == 0) {
        io_uring_prep_nop(io_uring_get_sqe(&ring));
        facts.call = "io_uring_enter";
        facts.error = std::max(0, -io_uring_submit_and_wait(&ring, 1));
    }
    io_uring_queue_exit(&ring);
}

SetupFacts facts_without_trying() {
    SetupFacts facts;
    const std::optional<int64_t> disabled = number_in_file("/proc/sys/kernel/io_uring_disabled");
    if (disabled.has_value()) facts.io_uring_disabled = static_cast<int>(*disabled);
    const std::string status = file_text("/proc/self/status");
    facts.seccomp_mode = seccomp_mode_in(status);
    const std::optional<int64_t> group = number_in_file("/proc/sys/kernel/io_uring_group");
    facts.privileged = has_capability(status, cap_sys_admin) || is_in_group(group.value_or(-1));
    facts.locked_memory = locked_memory_limit();
    utsname system = {};
    if (uname(&system) == 0) facts.kernel_release = system.release;
    return facts;
}

std::optional<double> cgroup_quota() {
    // In a container the own cgroup is the root of what is mounted; elsewhere the path leads there.
    const std::string membership = file_text("/proc/self/cgroup");
    const std::string path(field_in("\n" + membership, "\n0::"));
    const std::string root = "/sys/fs/cgroup";
    const std::optional<double> own = cpu_quota_in(file_text(root + path + "/cpu.max"));
    return own.has_value() ? own : cpu_quota_in(file_text(root + "/cpu.max"));
}

std::optional<uint64_t> limit_in_file(const std::string& path) {
    const std::optional<int64_t> limit = number_in_file(path);
    if (!limit.has_value()) return std::nullopt;
    return static_cast<uint64_t>(std::max<int64_t>(*limit, 0));
}

}  // namespace

DescriptorFacts descriptor_limits() {
    rlimit limit = {};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    }
    return {.limit = limit.rlim_cur,
            .hard_limit = limit.rlim_max,
            .nr_open = limit_in_file("/proc/sys/fs/nr_open")};
}

Finding check_io_uring() {
    SetupFacts facts = facts_without_trying();
    try_calls(facts);
    return judge_io_uring(facts);
}

// The kernel looks for the capability in the initial namespace: that of a container without root
// counts for nothing.
std::optional<uint64_t> locked_memory_limit() {
    rlimit limit = {};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
    const bool is_exempt = has_capability(file_text("/proc/self/status"), cap_ipc_lock) &&
                           is_initial_user_namespace(file_text("/proc/self/uid_map"));
    if (is_exempt) return std::nullopt;
    return limit.rlim_cur;
}

std::string why_failed(std::string_view call, int error) {
    SetupFacts facts = facts_without_trying();
    facts.call = call;
    facts.error = std::abs(error);
    return why_failed(facts);
}

std::vector<Finding> machine_facts() {
    const SetupFacts facts = facts_without_trying();
    return {
        {.name = "kernel", .level = Level::Ok, .text = facts.kernel_release, .remedy = ""},
        {.name = "io_uring_disabled",
         .level = Level::Ok,
         .text = facts.io_uring_disabled.has_value()
                     ? "kernel.io_uring_disabled = " + std::to_string(*facts.io_uring_disabled)
                     : "this kernel has no kernel.io_uring_disabled",
         .remedy = ""},
        {.name = "seccomp",
         .level = Level::Ok,
         .text = facts.seccomp_mode == 2 ? "a filter is active" : "no filter",
         .remedy = ""},
        {.name = "memlock",
         .level = Level::Ok,
         .text = facts.locked_memory.has_value()
                     ? std::to_string(*facts.locked_memory) +
                           " bytes for the rings of all processes of this user"
                     : "unlimited",
         .remedy = ""},
    };
}

CpuFacts cpu_facts(uint32_t workers) {
    CpuFacts facts = {.usable = 1, .cpu_quota = cgroup_quota(), .workers = workers};
    cpu_set_t set = {};
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        facts.usable = static_cast<uint32_t>(CPU_COUNT(&set));
    }
    return facts;
}

std::vector<Finding> preflight(const PreflightOptions& options) {
    std::vector<Finding> findings;
    if (options.tries_io_uring) {
        findings.push_back(check_io_uring());
        // Without a ring there are no features to speak of.
        if (findings.back().level == Level::Ok && options.features.has_value()) {
            findings.push_back(judge_features(*options.features));
        }
        for (Finding& finding : findings) {
            finding.about_io_uring = true;
        }
    }
    findings.push_back(judge_descriptors(options.descriptors));
    findings.push_back(
        judge_backlog(limit_in_file("/proc/sys/net/core/somaxconn"), options.backlog));
    findings.push_back(judge_cpus(cpu_facts(options.workers)));
    return findings;
}

}  // namespace ringmain::uring
