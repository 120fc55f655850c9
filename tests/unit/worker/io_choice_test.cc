// Which backend a process gets, here and where io_uring is forbidden.

#include "ringmain/worker/io_choice.h"

#include "tests/contains.h"

#include <cerrno>
#include <cstddef>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace ringmain::worker {

namespace {

using config::IoBackend;
using ringmain::test::contains;

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

struct Chosen {
    bool filtered = false;
    Result<IoChoice> choice = Error{"not asked"};
};

Chosen choose_under(uint32_t answer, IoBackend wanted) {
    Chosen chosen;
    std::thread asker([&] {
        chosen.filtered = answer_setup(answer);
        chosen.choice = choose_io(wanted, "");
    });
    asker.join();
    return chosen;
}

}  // namespace

TEST_CASE("io_uring is chosen where it works, unless epoll is asked for") {
    for (const IoBackend wanted : {IoBackend::Auto, IoBackend::IoUring}) {
        const Result<IoChoice> choice = choose_io(wanted, "");
        REQUIRE_MESSAGE(choice.ok(), choice.error());
        CHECK(choice.value().backend == uring::Backend::IoUring);
        CHECK(choice.value().features.has(uring::Feature::BufferRing));
        CHECK(choice.value().why_not.empty());
    }
    const Result<IoChoice> choice = choose_io(IoBackend::Epoll, "");
    REQUIRE(choice.ok());
    CHECK(choice.value().backend == uring::Backend::Epoll);
    CHECK(choice.value().features == uring::Features());
    CHECK(choice.value().why_not.empty());
}

TEST_CASE("features that are to be ignored are left out, and their names are checked always") {
    const Result<IoChoice> choice = choose_io(IoBackend::Auto, "5.19");
    REQUIRE(choice.ok());
    CHECK_FALSE(choice.value().features.has(uring::Feature::MultishotReceive));
    for (const IoBackend wanted : {IoBackend::Auto, IoBackend::IoUring, IoBackend::Epoll}) {
        const Result<IoChoice> refused = choose_io(wanted, "nonsense");
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

TEST_CASE("asking for epoll makes no ring, not even to try") {
    // The filter would end the process.
    const Chosen chosen = choose_under(SECCOMP_RET_KILL_PROCESS, IoBackend::Epoll);
    REQUIRE(chosen.filtered);
    REQUIRE(chosen.choice.ok());
    CHECK(chosen.choice.value().backend == uring::Backend::Epoll);
}

}  // namespace ringmain::worker
