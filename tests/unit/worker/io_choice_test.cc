// Which backend a process gets, here and where io_uring is forbidden.

#include "ringmain/worker/io_choice.h"

#include "ringmain/uring/ring.h"
#include "tests/contains.h"

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

using config::IoBackend;
using ringmain::test::contains;

Result<IoChoice> choose(IoBackend wanted, std::string_view ignored = "", uint32_t workers = 1) {
    config::Proxy settings;
    settings.io_backend = wanted;
    settings.workers = workers;
    return choose_io(settings, ignored);
}

// For the rest of the thread's life io_uring_setup gets that answer of the filter.
bool answer_setup(uint32_t answer) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Root has no limit of locked memory while it has this.
bool give_up_ipc_lock() {
    __user_cap_header_struct self = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct sets[2] = {};
    if (syscall(SYS_capget, &self, sets) != 0) return false;
    sets[0].effective &= ~(1U << CAP_IPC_LOCK);
    return syscall(SYS_capset, &self, sets) == 0;
}

// In a child, since a process gives its capabilities up for good. True, too, where rings do not
// count, in older kernels.
template <typename Check>
bool holds_under_locked_memory(uint64_t bytes, Check check) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
        if (!give_up_ipc_lock() || setrlimit(RLIMIT_MEMLOCK, &limit) != 0) _exit(1);
        uring::Ring large;
        if (large.open({.submission_entries = 32'768}).ok()) _exit(0);
        _exit(check() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool is_about_locked_memory(std::string_view text) {
    return contains(text, "(ENOMEM)") && contains(text, "RLIMIT_MEMLOCK") &&
           contains(text, "LimitMEMLOCK=") && !contains(text, "cgroup") && !contains(text, "lacks");
}

struct Chosen {
    bool filtered = false;
    Result<IoChoice> choice = Error{"not asked"};
};

Chosen choose_under(uint32_t answer, IoBackend wanted) {
    Chosen chosen;
    std::thread asker([&] {
        chosen.filtered = answer_setup(answer);
        chosen.choice = choose(wanted);
    });
    asker.join();
    return chosen;
}

}  // namespace

TEST_CASE("io_uring is chosen where it works, unless epoll is asked for") {
    for (const IoBackend wanted : {IoBackend::Auto, IoBackend::IoUring}) {
        const Result<IoChoice> choice = choose(wanted);
        REQUIRE_MESSAGE(choice.ok(), choice.error());
        CHECK(choice.value().backend == uring::Backend::IoUring);
        CHECK(choice.value().features.has(uring::Feature::BufferRing));
        CHECK(choice.value().why_not.empty());
    }
    const Result<IoChoice> choice = choose(IoBackend::Epoll);
    REQUIRE(choice.ok());
    CHECK(choice.value().backend == uring::Backend::Epoll);
    CHECK(choice.value().features == uring::Features());
    CHECK(choice.value().why_not.empty());
}

TEST_CASE("features that are to be ignored are left out, and their names are checked always") {
    const Result<IoChoice> choice = choose(IoBackend::Auto, "5.19");
    REQUIRE(choice.ok());
    CHECK_FALSE(choice.value().features.has(uring::Feature::MultishotReceive));
    for (const IoBackend wanted : {IoBackend::Auto, IoBackend::IoUring, IoBackend::Epoll}) {
        const Result<IoChoice> refused = choose(wanted, "nonsense");
        REQUIRE_FALSE(refused.ok());
        CHECK(contains(refused.error(), "RINGMAIN_IGNORE_FEATURES"));
        CHECK(contains(refused.error(), "nonsense"));
    }
}

TEST_CASE("where io_uring is forbidden, auto takes epoll and says why and what to do") {
    const Chosen chosen = choose_under(SECCOMP_RET_ERRNO | EPERM, IoBackend::Auto);
    REQUIRE(chosen.filtered);
    REQUIRE(chosen.choice.ok());
    CHECK(chosen.choice.value().backend == uring::Backend::Epoll);
    const std::string text = fallback_text(chosen.choice.value());
    CHECK(contains(text, "epoll is used in place of io_uring"));
    CHECK(contains(text, "EPERM"));
    CHECK(contains(text, "Fix: "));
    CHECK(contains(text, "io_backend = \"epoll\""));
    CHECK_FALSE(contains(text, "\n"));
}

TEST_CASE("where io_uring is forbidden, asking for it is refused with cause and remedy") {
    const Chosen chosen = choose_under(SECCOMP_RET_ERRNO | ENOSYS, IoBackend::IoUring);
    REQUIRE(chosen.filtered);
    REQUIRE_FALSE(chosen.choice.ok());
    CHECK(contains(chosen.choice.error(), "ENOSYS"));
    CHECK(contains(chosen.choice.error(), "Fix: "));
    CHECK(contains(chosen.choice.error(), "io_backend = \"auto\""));
}

TEST_CASE("rings that have no room in locked memory are found out before the start") {
    // Too little for one ring, for those of the probe, for the timer's, for the workers'.
    for (const uint64_t kib : {0U, 16U, 32U, 64U, 128U, 256U}) {
        CAPTURE(kib);
        CHECK(holds_under_locked_memory(kib * 1024, [] {
            const Result<IoChoice> choice = choose(IoBackend::Auto, "", 2);
            if (!choice.ok() || choice.value().backend != uring::Backend::Epoll) return false;
            const Result<IoChoice> refused = choose(IoBackend::IoUring, "", 2);
            return is_about_locked_memory(choice.value().why_not) && !refused.ok() &&
                   is_about_locked_memory(refused.error()) &&
                   contains(refused.error(), "io_backend = \"auto\"");
        }));
    }
}

TEST_CASE("locked memory that is about to be given back is waited for") {
    // Each time the rings take more than half of it.
    CHECK(holds_under_locked_memory(1024 * 1024, [] {
        for (int i = 0; i < 3; ++i) {
            const Result<IoChoice> choice = choose(IoBackend::Auto, "", 3);
            if (!choice.ok() || choice.value().backend != uring::Backend::IoUring) return false;
        }
        return true;
    }));
}

TEST_CASE("asking for epoll makes no ring, not even to try") {
    // The filter would end the process.
    const Chosen chosen = choose_under(SECCOMP_RET_KILL_PROCESS, IoBackend::Epoll);
    REQUIRE(chosen.filtered);
    REQUIRE(chosen.choice.ok());
    CHECK(chosen.choice.value().backend == uring::Backend::Epoll);
}

}  // namespace ringmain::worker
