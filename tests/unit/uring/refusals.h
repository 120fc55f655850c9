// tests/unit/uring/refusals.h - a kernel that refuses io_uring_enter for a while.
//
// A thread puts itself under a filter that asks this one about every io_uring_enter; the answer is
// an error or "go on". Only that thread is under the filter, and only for its life.

#pragma once

#include "ringmain/uring/descriptor.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <thread>

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ringmain::uring::test {

// One call, before it is made.
struct Enter {
    uint32_t number;        // 0 for the first
    uint32_t submit_count;  // operations to hand over
    uint32_t flags;
};

// In the thread to be watched; the descriptor tells of each call. -1 where that is not allowed.
inline int watch_enters() {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return static_cast<int>(
        syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

// Answers one call, if there is one within a moment; false when nobody is watched any more.
template <class ErrorOf>
bool answer_enter(int watched, uint32_t number, const ErrorOf& error_of) {
    pollfd event = {.fd = watched, .events = POLLIN, .revents = 0};
    if (poll(&event, 1, 1000) <= 0) return true;
    if ((event.revents & POLLIN) == 0) return false;
    seccomp_notif asked = {};
    if (ioctl(watched, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) return errno == EINTR;
    const int error = error_of({.number = number,
                                .submit_count = static_cast<uint32_t>(asked.data.args[1]),
                                .flags = static_cast<uint32_t>(asked.data.args[3])});
    seccomp_notif_resp answer = {};
    answer.id = asked.id;
    answer.error = -error;
    if (error == 0) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(watched, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    return true;
}

// Runs `body`, which calls its argument when the kernel shall begin to refuse, in a thread of its
// own; `error_of` says what each of its io_uring_enter calls fails with (0: it is made). How many
// there were; the result of `body` goes to `result`.
template <class Body, class ErrorOf>
uint32_t run_refused(const Body& body, const ErrorOf& error_of, int* result) {
    std::atomic<int> watched = -1;
    std::atomic<bool> ended = false;
    std::thread thread([&] {
        *result = body([&watched] {
            watched.store(watch_enters());
            return watched.load() >= 0;
        });
        ended.store(true);
    });
    while (watched.load() < 0 && !ended.load()) {
        std::this_thread::yield();
    }
    uint32_t count = 0;
    while (watched.load() >= 0 && !ended.load()) {
        const bool goes_on = answer_enter(watched.load(), count, [&](Enter enter) {
            count += 1;
            return error_of(enter);
        });
        if (!goes_on) break;
    }
    // Whatever the end of the thread still calls.
    while (watched.load() >= 0 && !ended.load()) {
        if (!answer_enter(watched.load(), count, [](Enter) { return 0; })) break;
    }
    thread.join();
    if (watched.load() >= 0) ::close(watched.load());
    return count;
}

inline int64_t thread_cpu_ms() {
    rusage usage = {};
    getrusage(RUSAGE_THREAD, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

}  // namespace ringmain::uring::test
