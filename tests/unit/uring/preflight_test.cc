#include "ringmain/uring/preflight.h"

#include "tests/unit/uring/rig.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <numeric>
#include <vector>

#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace ringmain::uring::test {
namespace {

struct Row {
    SetupFacts facts;
    std::string_view cause;
    std::string_view remedy;
};

bool forbid_io_uring(uint32_t error) {
    constexpr uint32_t setup_number = __NR_io_uring_setup;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, setup_number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// As many groups as take more of the kernel's text than one read. Only root may.
void join_many_groups() {
    std::vector<gid_t> groups(2000);
    std::iota(groups.begin(), groups.end(), gid_t{1'000'000'000});
    static_cast<void>(setgroups(groups.size(), groups.data()));
}

// In a child whose filter answers like a container runtime's: 0 when the finding says so.
int find_the_filter(uint32_t error) {
    join_many_groups();
    if (!forbid_io_uring(error)) return 1;
    const Finding finding = check_io_uring();
    if (finding.level != Level::Fail) return 2;
    if (!contains(finding.text, "a seccomp filter")) return 3;
    if (!contains(finding.remedy, "--security-opt seccomp=")) return 4;
    const Result<Features> features = Features::probe();
    if (features.ok() || !contains(features.error(), "a seccomp filter")) return 5;
    const std::vector<Finding> all = preflight({});
    return !all.empty() && all.front().level == Level::Fail ? 0 : 6;
}

}  // namespace

TEST_CASE("each cause of a missing io_uring has its own text and remedy") {
    const std::string_view newest = "6.18.44";
    const std::vector<Row> rows = {
        {{.error = EPERM, .io_uring_disabled = 2, .seccomp_mode = 2, .privileged = true},
         "kernel.io_uring_disabled=2",
         "sysctl -w kernel.io_uring_disabled=0"},
        {{.error = EPERM, .io_uring_disabled = 1}, "kernel.io_uring_group", "io_uring_group=GID"},
        {{.error = EPERM, .io_uring_disabled = 1, .seccomp_mode = 2, .privileged = true},
         "a seccomp filter",
         "--security-opt seccomp="},
        {{.error = EPERM, .io_uring_disabled = 0, .seccomp_mode = 2},
         "a seccomp filter",
         "seccompProfile"},
        {{.error = EPERM, .io_uring_disabled = {}, .seccomp_mode = 2},
         "a seccomp filter",
         "@system-service"},
        {{.error = EPERM, .io_uring_disabled = 0}, "security module", "audit log"},
        {{.error = EACCES}, "security module", "audit log"},
        {{.error = ENOSYS, .seccomp_mode = 2}, "a seccomp filter hides it", "docker run"},
        {{.error = ENOSYS}, "CONFIG_IO_URING", "5.19"},
        {{.error = ENOMEM}, "memory limit of the cgroup", "MemoryMax"},
        {{.error = EINVAL}, "does not know", "5.19"},
        {{.error = ENOMEM, .locked_memory = 65'536},
         "RLIMIT_MEMLOCK, 65536 bytes for the rings of all processes of this user",
         "LimitMEMLOCK=infinity"},
        {{.error = EMFILE}, "no descriptor", "LimitNOFILE"},
        {{.error = ENFILE}, "the whole machine", "fs.file-max"},
        {{.error = EIO}, "unknown", "report"},
    };
    for (const Row& row : rows) {
        SetupFacts facts = row.facts;
        facts.kernel_release = newest;
        const Finding finding = judge_io_uring(facts);
        CAPTURE(finding.text);
        CAPTURE(finding.remedy);
        CHECK(finding.level == Level::Fail);
        CHECK(contains(finding.text, "io_uring_setup: "));
        CHECK(contains(finding.text, newest));
        CHECK(contains(finding.text, row.cause));
        CHECK(contains(finding.remedy, row.remedy));
    }
}

TEST_CASE("the version of the kernel matters only where the cause is its age") {
    const auto text_for =
        [](int error, std::string_view release, std::optional<uint64_t> locked_memory = {}) {
            SetupFacts facts;
            facts.error = error;
            facts.locked_memory = locked_memory;
            facts.kernel_release = release;
            return judge_io_uring(facts).text;
        };
    CHECK(contains(text_for(ENOSYS, "4.19.0-27-amd64"), "older than 5.1"));
    CHECK(contains(text_for(ENOSYS, "5.0.1"), "older than 5.1"));
    CHECK_FALSE(contains(text_for(ENOSYS, "5.10.0-28-amd64"), "older than 5.1"));
    CHECK_FALSE(contains(text_for(ENOSYS, "rolling"), "older than 5.1"));
}

TEST_CASE("rings have no memory for want of locked memory only where that is limited") {
    struct Case {
        std::string_view release;
        std::optional<uint64_t> locked_memory;
        bool blames_limit = false;
        bool blames_cgroup = false;
    };

    const std::array<Case, 9> cases = {{
        {"5.10.0-28-amd64", 65'536, true, false},
        {"5.10.0-28-amd64", {}, false, true},
        {"5.12.0", 65'536, true, true},  // rings count there, if a distribution took that back
        {"6.12.41", 65'536, true, true},
        {"6.13.0", 65'536, true, false},
        {"6.18.44", 0, true, false},
        {"6.18.44", {}, false, true},
        {"rolling", 65'536, true, false},
        {"rolling", {}, false, true},
    }};
    for (const Case& known : cases) {
        SetupFacts facts = {.error = ENOMEM, .locked_memory = known.locked_memory};
        facts.kernel_release = known.release;
        const std::string text = why_failed(facts);
        CAPTURE(text);
        CHECK(contains(text, "io_uring_setup: Cannot allocate memory (ENOMEM), kernel "));
        CHECK(contains(text, "RLIMIT_MEMLOCK") == known.blames_limit);
        for (const std::string_view remedy :
             {"LimitMEMLOCK=", "--ulimit memlock=-1", "fewer workers", "CAP_IPC_LOCK"}) {
            CHECK(contains(text, remedy) == known.blames_limit);
        }
        CHECK(contains(text, "cgroup") == known.blames_cgroup);
        CHECK(text.ends_with('.'));
    }
}

TEST_CASE("a working io_uring is no finding") {
    const Finding finding = judge_io_uring({.error = 0, .kernel_release = "6.1.0"});
    CHECK(finding.level == Level::Ok);
    CHECK(finding_text(finding) == "io_uring: works, kernel 6.1.0");
}

TEST_CASE("a finding is one line") {
    const Finding finding = {
        .name = "a", .level = Level::Warn, .text = "b is low", .remedy = "raise b"};
    CHECK(finding_text(finding) == "a: b is low. Fix: raise b.");
}

TEST_CASE("features decide between working, slow and useless") {
    Features features;
    CHECK(judge_features(features).level == Level::Fail);
    features.add(Feature::BufferRing);
    CHECK(judge_features(features).level == Level::Warn);
    features.add(Feature::MultishotReceive);
    CHECK(judge_features(features).level == Level::Warn);
    features.add(Feature::DeferTaskrun);
    CHECK(judge_features(features).level == Level::Ok);
    CHECK(contains(judge_features(features).text, "missing: single_issuer"));
}

TEST_CASE("too few descriptors are a warning that knows whether the limit can be raised") {
    const auto judge = [](uint64_t limit, uint64_t hard_limit, uint64_t wanted) {
        return judge_descriptors({.limit = limit,
                                  .hard_limit = hard_limit,
                                  .nr_open = 1'048'576,
                                  .wanted = wanted,
                                  .needed = 100});
    };
    CHECK(judge(1000, 1000, 1000).level == Level::Ok);
    const Finding soft = judge(1024, 20000, 10000);
    CHECK(soft.level == Level::Warn);
    CHECK(contains(soft.remedy, "ulimit -n 10000"));
    const Finding hard = judge(1024, 4096, 10000);
    CHECK(hard.level == Level::Warn);
    CHECK_FALSE(contains(hard.remedy, "ulimit -n 10000"));
    CHECK(contains(hard.remedy, "LimitNOFILE=10000"));
    CHECK_FALSE(contains(hard.remedy, "nr_open"));
    CHECK(contains(judge(1024, 4096, 2'000'000).remedy,
                   "sysctl -w fs.nr_open=2000000, then LimitNOFILE=2000000 in the unit"));
    // The soft limit is raised at start.
    CHECK(judge(99, 4096, 10000).level == Level::Warn);
    CHECK(judge(100, 100, 10000).level == Level::Warn);
    const Finding hopeless = judge(99, 99, 10000);
    CHECK(hopeless.level == Level::Fail);
    CHECK(contains(hopeless.text, "99 descriptors are too few"));
    CHECK(contains(hopeless.text, "need 100: each worker has server_connections to each server"));
    CHECK(contains(hopeless.remedy,
                   "nofile=10000 (100 at least), or fewer workers, server_connections, servers "
                   "or pools"));
    // What clients may have is not what is too much.
    CHECK_FALSE(contains(hopeless.remedy, "client_connections"));
}

TEST_CASE("the kernel's own limit is named only where more is wanted than it allows") {
    const auto advises = [](std::optional<uint64_t> nr_open) {
        const DescriptorFacts facts = {.limit = 1024,
                                       .hard_limit = 4096,
                                       .nr_open = nr_open,
                                       .wanted = 2'000'000,
                                       .needed = 100};
        return contains(judge_descriptors(facts).remedy, "nr_open");
    };
    CHECK(advises(1'048'576));
    CHECK(advises(1'999'999));
    CHECK_FALSE(advises(2'000'000));
    CHECK_FALSE(advises(1'073'741'816));
    CHECK_FALSE(advises({}));
    const DescriptorFacts limits = descriptor_limits();
    CHECK(limits.nr_open.value_or(UINT64_MAX) >= limits.hard_limit);
    CHECK(limits.limit <= limits.hard_limit);
}

TEST_CASE("where all clients have a descriptor nothing is said of refusing them") {
    const auto judge = [](bool has_room_for_clients) {
        return judge_descriptors({.limit = 3050,
                                  .hard_limit = 3050,
                                  .wanted = 10000,
                                  .needed = 3000,
                                  .has_room_for_clients = has_room_for_clients});
    };
    CHECK(contains(judge(false).text, "clients, and WATCH, commands that wait and SELECT, will"));
    const Finding enough = judge(true);
    CHECK(enough.level == Level::Warn);
    CHECK(contains(enough.text, "3050 descriptors, 10000 wanted: all clients will be served"));
    CHECK(contains(enough.remedy, "or lower workers or server_connections"));
    CHECK_FALSE(contains(enough.remedy, "client_connections"));
}

TEST_CASE("a backlog beyond somaxconn is a warning") {
    CHECK(judge_backlog(4096, 1024).level == Level::Ok);
    CHECK(judge_backlog(1024, 1024).level == Level::Ok);
    CHECK(judge_backlog({}, 1024).level == Level::Ok);
    const Finding finding = judge_backlog(128, 1024);
    CHECK(finding.level == Level::Warn);
    CHECK(contains(finding.remedy, "net.core.somaxconn=1024"));
}

TEST_CASE("more workers than CPUs are a warning") {
    CHECK(judge_cpus({.usable = 4, .cpu_quota = {}, .workers = 4}).level == Level::Ok);
    CHECK(judge_cpus({.usable = 4, .cpu_quota = {}, .workers = 5}).level == Level::Warn);
    CHECK(judge_cpus({.usable = 16, .cpu_quota = 4.0, .workers = 4}).level == Level::Ok);
    CHECK(judge_cpus({.usable = 16, .cpu_quota = 1.5, .workers = 2}).level == Level::Warn);
    CHECK(judge_cpus({.usable = 16, .cpu_quota = 0.5, .workers = 1}).level == Level::Ok);
    CHECK(contains(judge_cpus({.usable = 16, .cpu_quota = 1.5, .workers = 2}).text, "1.5"));
    // As many as that finds in order.
    CHECK(workers_for({.usable = 4, .cpu_quota = {}}) == 4);
    CHECK(workers_for({.usable = 4, .cpu_quota = 8.0}) == 4);
    CHECK(workers_for({.usable = 16, .cpu_quota = 4.0}) == 4);
    CHECK(workers_for({.usable = 16, .cpu_quota = 1.5}) == 1);
    CHECK(workers_for({.usable = 16, .cpu_quota = 0.5}) == 1);
}

TEST_CASE("the kernel's files are read as they are written") {
    CHECK(seccomp_mode_in("Name:\tx\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n") == 2);
    CHECK(seccomp_mode_in("Name:\tx\nSeccomp:\t0\n") == 0);
    CHECK(seccomp_mode_in("Name:\tx\n") == 0);
    CHECK(seccomp_mode_in("Name:\tx\nSeccomp:\t") == 0);
    CHECK(seccomp_mode_in("") == 0);
    CHECK(field_in("a:1\n0:: /b c \n", "\n0::") == "/b c ");
    CHECK(is_initial_user_namespace("         0          0 4294967295\n"));
    CHECK_FALSE(is_initial_user_namespace("         0     100000      65536\n"));
    CHECK_FALSE(is_initial_user_namespace("         0          0 4294967295 1\n"));
    CHECK_FALSE(is_initial_user_namespace(""));
    CHECK(cpu_quota_in("400000 100000\n") == 4.0);
    CHECK(cpu_quota_in("50000 100000") == 0.5);
    CHECK_FALSE(cpu_quota_in("max 100000\n").has_value());
    CHECK_FALSE(cpu_quota_in("100000 0\n").has_value());
    CHECK_FALSE(cpu_quota_in("100000").has_value());
    CHECK_FALSE(cpu_quota_in("").has_value());
}

TEST_CASE("a seccomp filter is found out, whichever error it answers with") {
    for (const uint32_t error : std::array<uint32_t, 2>{EPERM, ENOSYS}) {
        CAPTURE(error);
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) _exit(find_the_filter(error));
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
}

TEST_CASE("features that could not be found out are not missing") {
    for (const Finding& finding : preflight({.features = {}})) {
        CHECK(finding.name != "ring features");
    }
}

TEST_CASE("all findings come with a name and a text, and what is wrong with a remedy") {
    const PreflightOptions options = {.descriptors = {.wanted = UINT64_MAX},
                                      .backlog = UINT32_MAX,
                                      .workers = 100'000,
                                      .features = features_without("none")};
    const std::vector<Finding> findings = preflight(options);
    REQUIRE(findings.size() == 5);
    for (const Finding& finding : findings) {
        CAPTURE(finding_text(finding));
        CHECK_FALSE(finding.name.empty());
        CHECK_FALSE(finding.text.empty());
        CHECK(finding.remedy.empty() == (finding.level == Level::Ok));
    }
    CHECK(findings[0].level == Level::Ok);
    CHECK(findings[2].level == Level::Warn);
    CHECK(findings[3].level == Level::Warn);
    CHECK(findings[4].level == Level::Warn);
}

}  // namespace ringmain::uring::test
