// ringmain/uring/preflight.h - what the machine must allow, with cause and remedy where it does
// not.
//
// io_uring is switched off in many places: by sysctl, by the seccomp profile of container
// runtimes, in old kernels. The kernel's answer is a bare errno; the cause is worked out from it
// here, by judge_*() functions of plain values. `ringmain doctor` prints all findings, and the
// start of the proxy stops at the first Fail.

#pragma once

#include "ringmain/uring/features.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::uring {

enum class Level : uint8_t { Ok, Warn, Fail };

struct Finding {
    std::string name;
    Level level = Level::Ok;
    std::string text = {};
    std::string remedy = {};      // empty when Ok
    bool about_io_uring = false;  // where epoll serves, it does not matter
};

// What judge_descriptors() goes by.
struct DescriptorFacts {
    uint64_t limit = 0;  // RLIMIT_NOFILE, the soft one
    uint64_t hard_limit = 0;
    std::optional<uint64_t> nr_open = {};  // fs.nr_open, which no limit can exceed
    uint64_t wanted = 0;                   // client and server connections, listeners, spare
    uint64_t needed = 0;                   // without which it does not start
    bool has_room_for_clients = false;     // for all that are admitted, and what they make more of
};

// Of this process: its limits, and the kernel's.
[[nodiscard]] DescriptorFacts descriptor_limits();

struct PreflightOptions {
    DescriptorFacts descriptors = {};
    uint32_t backlog = 0;  // the largest of all pools
    uint32_t workers = 1;
    std::optional<Features> features = {};  // as probed; none where that failed
    bool tries_io_uring = true;             // false: no ring is made
};

[[nodiscard]] std::vector<Finding> preflight(const PreflightOptions& options);

// What could stand in the way, said also where it does not: kernel, sysctl, seccomp, memlock.
[[nodiscard]] std::vector<Finding> machine_facts();

// Only the first and decisive one: can a ring be made?
[[nodiscard]] Finding check_io_uring();

// The limit of locked memory that the rings of this process count towards, with those of all
// processes of its user; none: there is no limit, or it has CAP_IPC_LOCK.
[[nodiscard]] std::optional<uint64_t> locked_memory_limit();

// What a call's errno comes from: "call: error, kernel. Cause: cause. Fix: remedy."
[[nodiscard]] std::string why_failed(std::string_view call, int error);

// "name: text Fix: remedy" on one line, for the log.
[[nodiscard]] std::string finding_text(const Finding& finding);

// What judge_io_uring() goes by.
struct SetupFacts {
    int error = 0;                              // errno of `call`; 0: io_uring works
    std::string call = "io_uring_setup";        // of its three calls, the first that failed
    std::optional<int> io_uring_disabled = {};  // kernel.io_uring_disabled; none before 6.6
    int seccomp_mode = 0;                       // "Seccomp:" of /proc/self/status; 2: a filter
    bool privileged = false;  // CAP_SYS_ADMIN or the group of kernel.io_uring_group
    std::optional<uint64_t> locked_memory = {};  // locked_memory_limit()
    std::string kernel_release = {};             // as of uname -r
};

struct CpuFacts {
    uint32_t usable = 1;                   // in the affinity mask
    std::optional<double> cpu_quota = {};  // CPUs' worth of time that the cgroup allows
    uint32_t workers = 1;
};

[[nodiscard]] CpuFacts cpu_facts(uint32_t workers);  // of this process

[[nodiscard]] Finding judge_io_uring(const SetupFacts& facts);
[[nodiscard]] std::string why_failed(const SetupFacts& facts);
[[nodiscard]] Finding judge_features(const Features& features);
[[nodiscard]] Finding judge_descriptors(const DescriptorFacts& facts);
[[nodiscard]] Finding judge_backlog(std::optional<uint64_t> somaxconn, uint32_t backlog);
[[nodiscard]] Finding judge_cpus(const CpuFacts& facts);

// How many workers use all that this process may use of the CPUs; at least 1.
[[nodiscard]] uint32_t workers_for(const CpuFacts& facts);

// Readers of the kernel's text files. What follows the key and blanks on its line, "2" of
// "\nSeccomp:"; empty where there is none.
[[nodiscard]] std::string_view field_in(std::string_view text, std::string_view key);
[[nodiscard]] int seccomp_mode_in(std::string_view status);
[[nodiscard]] bool is_initial_user_namespace(std::string_view uid_map);
[[nodiscard]] std::optional<double> cpu_quota_in(std::string_view cpu_max);  // none: "max"

}  // namespace ringmain::uring
