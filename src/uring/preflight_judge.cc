// What the findings of preflight.h follow from: plain values in, sentences out.

#include "ringmain/base/ascii.h"
#include "ringmain/uring/preflight.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace ringmain::uring {
namespace {

constexpr int seccomp_filter = 2;

constexpr std::string_view allow_in_profile =
    "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile: "
    "docker run --security-opt seccomp=PROFILE.json; Kubernetes: seccompProfile type Localhost; "
    "systemd: SystemCallFilter=@system-service";

struct Version {
    uint64_t major = 0;
    uint64_t minor = 0;
    auto operator<=>(const Version&) const = default;
};

// "5.10.0-28-amd64" is 5.10. An unreadable one counts as new: no blame is laid on it.
Version version_in(std::string_view release) {
    constexpr Version unknown = {.major = UINT64_MAX, .minor = 0};
    const size_t dot = release.find('.');
    if (dot == std::string_view::npos) return unknown;
    const std::string_view rest = release.substr(dot + 1);
    const size_t end = rest.find_first_not_of("0123456789");
    const std::optional<uint64_t> major = ascii::parse_uint64(release.substr(0, dot));
    const std::optional<uint64_t> minor = ascii::parse_uint64(rest.substr(0, end));
    if (!major.has_value() || !minor.has_value()) return unknown;
    return {.major = *major, .minor = *minor};
}

struct Diagnosis {
    std::string cause;
    std::string remedy;
};

Diagnosis not_permitted(const SetupFacts& facts) {
    const int disabled = facts.io_uring_disabled.value_or(0);
    if (disabled >= 2) {
        return {.cause = "kernel.io_uring_disabled=" + std::to_string(disabled) +
                         " forbids io_uring to everybody",
                .remedy =
                    "sysctl -w kernel.io_uring_disabled=0 (and in /etc/sysctl.d to keep "
                    "it), or =1 with the group of this user in kernel.io_uring_group"};
    }
    if (disabled == 1 && !facts.privileged) {
        return {.cause =
                    "kernel.io_uring_disabled=1 allows io_uring only to CAP_SYS_ADMIN and to "
                    "the group kernel.io_uring_group, which this user is not in",
                .remedy =
                    "sysctl -w kernel.io_uring_group=GID with a group of this user, or "
                    "kernel.io_uring_disabled=0"};
    }
    if (facts.seccomp_mode == seccomp_filter) {
        return {.cause =
                    "a seccomp filter blocks it (the default profile of Docker 25 and later, "
                    "containerd 2 and Podman does)",
                .remedy = std::string(allow_in_profile)};
    }
    return {.cause =
                "neither kernel.io_uring_disabled nor a seccomp filter of this process "
                "explains it: a security module (SELinux, AppArmor) is likely",
            .remedy =
                "look for the denial in the audit log (ausearch -m avc, journalctl -k) and "
                "allow io_uring to this program"};
}

Diagnosis not_implemented(const SetupFacts& facts) {
    if (version_in(facts.kernel_release) < Version{.major = 5, .minor = 1}) {
        return {.cause = "the kernel is older than 5.1",
                .remedy = "use Linux 5.19 or later, best 6.1 or later"};
    }
    if (facts.seccomp_mode == seccomp_filter) {
        return {.cause = "a seccomp filter hides it", .remedy = std::string(allow_in_profile)};
    }
    return {.cause =
                "the kernel was built without it (CONFIG_IO_URING=n), or this is a sandbox "
                "such as gVisor that does not have it",
            .remedy = "use a kernel with CONFIG_IO_URING=y, Linux 5.19 or later"};
}

Diagnosis no_memory(const SetupFacts& facts) {
    Diagnosis memory = {
        .cause = "the memory limit of the cgroup, or the machine's memory, is exhausted",
        .remedy = "raise the memory limit (MemoryMax= in a systemd unit, docker run --memory)"};
    if (!facts.locked_memory.has_value()) return memory;
    Diagnosis locked = {
        .cause = "RLIMIT_MEMLOCK, " + std::to_string(*facts.locked_memory) +
                 " bytes for the rings of all processes of this user, is too low or used up",
        .remedy =
            "raise it (LimitMEMLOCK=infinity in a systemd unit, docker run --ulimit "
            "memlock=-1, ulimit -l unlimited), or fewer workers, or a smaller ring_entries, "
            "or the capability CAP_IPC_LOCK"};
    // Kernels between these count only buffers, though distributions take much back into them.
    const Version version = version_in(facts.kernel_release);
    if (version < Version{.major = 5, .minor = 12} || version >= Version{.major = 6, .minor = 13}) {
        return locked;
    }
    return {.cause = memory.cause + "; or " + locked.cause,
            .remedy = memory.remedy + "; or " + locked.remedy};
}

Diagnosis diagnose(const SetupFacts& facts) {
    switch (facts.error) {
        case EPERM:
        case EACCES:
            return not_permitted(facts);
        case ENOSYS:
            return not_implemented(facts);
        case ENOMEM:
            return no_memory(facts);
        case EINVAL:
            return {.cause = "the kernel does not know what is asked of it",
                    .remedy = "use Linux 5.19 or later, best 6.1 or later"};
        case EMFILE:
            return {.cause = "no descriptor is left",
                    .remedy = "raise the limit: ulimit -n, LimitNOFILE= in a systemd unit"};
        case ENFILE:
            return {.cause = "the whole machine has no descriptor left",
                    .remedy = "raise its limit: sysctl -w fs.file-max=NUMBER"};
        default:
            return {.cause = "unknown",
                    .remedy = "report it with the kernel's release, " + facts.kernel_release};
    }
}

std::string symptom(const SetupFacts& facts, const Diagnosis& diagnosis) {
    return facts.call + ": " + error_text(facts.error) + ", kernel " + facts.kernel_release +
           ". Cause: " + diagnosis.cause + ".";
}

std::string one_decimal(double value) {
    char text[32] = {};
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

}  // namespace

Finding judge_io_uring(const SetupFacts& facts) {
    const std::string name = "io_uring";
    if (facts.error == 0) {
        return {.name = name,
                .level = Level::Ok,
                .text = "works, kernel " + facts.kernel_release,
                .remedy = ""};
    }
    const Diagnosis diagnosis = diagnose(facts);
    return {.name = name,
            .level = Level::Fail,
            .text = "io_uring is not available: " + symptom(facts, diagnosis),
            .remedy = diagnosis.remedy};
}

std::string why_failed(const SetupFacts& facts) {
    const Diagnosis diagnosis = diagnose(facts);
    return symptom(facts, diagnosis) + " Fix: " + diagnosis.remedy + ".";
}

Finding judge_features(const Features& features) {
    const std::string list = features.text() + "; missing: " + features.missing_text();
    Finding finding = {.name = "ring features", .level = Level::Ok, .text = list, .remedy = ""};
    if (!features.has(Feature::BufferRing)) {
        finding.level = Level::Fail;
        finding.text = "the kernel lacks rings of provided buffers (5.19); it has: " + list;
        finding.remedy = "use Linux 5.19 or later, best 6.1 or later";
    } else if (!features.has(Feature::DeferTaskrun) || !features.has(Feature::MultishotReceive)) {
        finding.level = Level::Warn;
        finding.text = "works, but not at full speed; it has: " + list;
        finding.remedy = "use Linux 6.1 or later, which has defer_taskrun and multishot_receive";
    }
    return finding;
}

Finding judge_descriptors(const DescriptorFacts& facts) {
    Finding finding = {.name = "nofile",
                       .level = Level::Ok,
                       .text = std::to_string(facts.limit) + " descriptors, " +
                               std::to_string(facts.wanted) + " wanted",
                       .remedy = ""};
    if (facts.limit >= facts.wanted) return finding;
    const std::string number = std::to_string(facts.wanted);
    const std::string least = std::to_string(facts.needed);
    std::string lower;
    finding.level = Level::Warn;
    if (facts.hard_limit < facts.needed) {
        finding.level = Level::Fail;
        finding.text = std::to_string(facts.limit) + " descriptors are too few for the servers, " +
                       "listeners and a handful of clients, which need " + least +
                       ": each worker has server_connections to each server of each pool";
        lower = " (" + least + " at least), or fewer workers, server_connections, servers or pools";
    } else if (facts.has_room_for_clients) {
        finding.text +=
            ": all clients will be served, but connections to servers that come on top (for "
            "RESP3, messages and probes, and in place of late ones) may find none left";
        lower = ", or lower workers or server_connections";
    } else {
        finding.text +=
            ": clients, and WATCH, commands that wait and SELECT, will be refused before "
            "client_connections, leases_max or databases_max is reached";
        lower = ", or lower client_connections, leases_max or databases_max";
    }
    const std::string in_unit = "LimitNOFILE=" + number + " in the unit";
    if (facts.hard_limit >= facts.wanted) {
        finding.remedy = "ulimit -n " + number + ", or " + in_unit;
        return finding;
    }
    const bool is_beyond_kernel = facts.wanted > facts.nr_open.value_or(UINT64_MAX);
    if (is_beyond_kernel) finding.remedy = "sysctl -w fs.nr_open=" + number + ", then ";
    finding.remedy += in_unit + ", docker run --ulimit nofile=" + number + lower;
    return finding;
}

Finding judge_backlog(std::optional<uint64_t> somaxconn, uint32_t backlog) {
    Finding finding = {.name = "somaxconn", .level = Level::Ok, .text = "", .remedy = ""};
    if (!somaxconn.has_value()) {
        finding.text = "net.core.somaxconn cannot be read";
        return finding;
    }
    finding.text =
        "net.core.somaxconn " + std::to_string(*somaxconn) + ", backlog " + std::to_string(backlog);
    if (*somaxconn >= backlog) return finding;
    finding.level = Level::Warn;
    finding.text += ": the kernel cuts the backlog down to its own limit";
    finding.remedy = "sysctl -w net.core.somaxconn=" + std::to_string(backlog);
    return finding;
}

Finding judge_cpus(const CpuFacts& facts) {
    Finding finding = {.name = "cpus",
                       .level = Level::Ok,
                       .text = std::to_string(facts.usable) + " usable",
                       .remedy = ""};
    double available = facts.usable;
    if (facts.cpu_quota.has_value()) {
        finding.text += ", the cgroup allows the time of " + one_decimal(*facts.cpu_quota);
        if (*facts.cpu_quota < available) available = *facts.cpu_quota;
    }
    finding.text += ", " + std::to_string(facts.workers) + " workers";
    // One worker is always right: there is no smaller number.
    if (facts.workers <= 1 || facts.workers <= available) return finding;
    finding.level = Level::Warn;
    finding.text += ": they will take turns, and the slowest response waits for a turn";
    finding.remedy = "fewer workers, or more CPUs for this process";
    return finding;
}

uint32_t workers_for(const CpuFacts& facts) {
    if (!facts.cpu_quota.has_value() || *facts.cpu_quota >= facts.usable) return facts.usable;
    return std::max(1U, static_cast<uint32_t>(*facts.cpu_quota));
}

std::string finding_text(const Finding& finding) {
    std::string text = finding.name + ": " + finding.text;
    if (finding.remedy.empty()) return text;
    if (!text.ends_with('.')) text += '.';
    return text + " Fix: " + finding.remedy + ".";
}

std::string_view field_in(std::string_view text, std::string_view key) {
    const size_t found = text.find(key);
    if (found == std::string_view::npos) return {};
    const std::string_view rest = text.substr(found + key.size());
    const std::string_view line = rest.substr(0, rest.find('\n'));
    return line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
}

int seccomp_mode_in(std::string_view status) {
    return static_cast<int>(ascii::parse_int64(field_in(status, "\nSeccomp:")).value_or(0));
}

bool is_initial_user_namespace(std::string_view uid_map) {
    std::string fields;
    for (const char c : uid_map.substr(0, uid_map.find('\n'))) {
        if (c != ' ' || (!fields.empty() && fields.back() != ' ')) fields += c;
    }
    return fields == "0 0 4294967295";
}

std::optional<double> cpu_quota_in(std::string_view cpu_max) {
    const size_t blank = cpu_max.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    const size_t end = cpu_max.find_first_of(" \n", blank + 1);
    const std::optional<uint64_t> quota = ascii::parse_uint64(cpu_max.substr(0, blank));
    const std::optional<uint64_t> period = ascii::parse_uint64(
        cpu_max.substr(blank + 1, end == std::string_view::npos ? end : end - blank - 1));
    if (!quota.has_value() || !period.has_value() || *period == 0) return std::nullopt;
    return static_cast<double>(*quota) / static_cast<double>(*period);
}

}  // namespace ringmain::uring
