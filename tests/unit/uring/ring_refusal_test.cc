// What io_uring_enter may answer instead of doing it.

#include "ringmain/uring/clock.h"
#include "tests/unit/uring/refusals.h"
#include "tests/unit/uring/rig.h"

#include <csignal>
#include <cstdio>
#include <string_view>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ringmain::uring::test {
namespace {

constexpr uint32_t total = 100;

// Opens a ring, lets the kernel refuse and prepares more operations than the ring holds.
// 0 when every completion comes, in order and once. `counters` is of the end.
template <class Begin>
int count_to_total(const Begin& begin, RingCounters* counters) {
    Ring ring;
    const Status opened = ring.open(
        {.submission_entries = 4, .completion_entries = 8, .features = Features::probe().value()});
    if (!opened.ok()) return 1;
    if (!begin()) return 2;
    for (uint32_t i = 0; i < total; ++i)
        ring.nothing(named(1, i));
    uint32_t next = 0;
    for (uint32_t round = 0; next < total; ++round) {
        if (round > 10 * total) return 3;
        ring.submit_and_wait(Duration::millis(100));
        std::array<Completion, 7> batch;
        const uint32_t count = ring.reap(batch);
        for (uint32_t i = 0; i < count; ++i) {
            if (batch[i].user_data != named(1, next)) return 4;
            next += 1;
        }
    }
    *counters = ring.counters();
    return 0;
}

}  // namespace

TEST_CASE("a kernel that is short of memory or room is asked again until it takes everything") {
    for (const int error : {EAGAIN, EBUSY, ENOMEM}) {
        CAPTURE(error);
        RingCounters counters;
        int result = -1;
        run_refused([&](const auto& begin) { return count_to_total(begin, &counters); },
                    [&](Enter enter) { return enter.number % 7 < 4 ? error : 0; },
                    &result);
        CHECK(result == 0);
        CHECK(counters.refused >= 10);
        CHECK(counters.submitted == total);
        CHECK(counters.completed == total);
    }
}

TEST_CASE("a kernel that refuses everything for a while is not asked without a pause") {
    constexpr Duration span = Duration::millis(300);
    RingCounters counters;
    Instant first = {};
    int64_t cpu_ms = 0;
    int result = -1;
    uint32_t refused = 0;
    run_refused(
        [&](const auto& begin) {
            const int64_t before = thread_cpu_ms();
            const int outcome = count_to_total(begin, &counters);
            cpu_ms = thread_cpu_ms() - before;
            return outcome;
        },
        [&](Enter) {
            if (first == Instant{}) first = now();
            if (now() - first >= span) return 0;
            refused += 1;
            return ENOMEM;
        },
        &result);
    CHECK(result == 0);
    CHECK(counters.completed == total);
    // At first every millisecond, then less often.
    CHECK(refused > 4);
    CHECK(refused < 100);
    CHECK(cpu_ms < 100);
}

TEST_CASE("a wait that is refused with nothing to hand over takes its time too") {
    int result = -1;
    const uint32_t calls = run_refused(
        [](const auto& begin) {
            Ring ring;
            if (!ring.open({.features = Features::probe().value()}).ok()) return 1;
            if (!begin()) return 2;
            const Instant start = now();
            while (now() - start < Duration::millis(50))
                ring.submit_and_wait(Duration::millis(1000));
            return ring.counters().refused > 0 ? 0 : 3;
        },
        [](Enter) { return EAGAIN; },
        &result);
    CHECK(result == 0);
    CHECK(calls < 100);
}

TEST_CASE("a signal ends a wait, and completions that the kernel had no memory for are counted") {
    int result = -1;
    run_refused(
        [](const auto& begin) {
            Ring ring;
            if (!ring.open({.features = Features::probe().value()}).ok()) return 1;
            if (!begin()) return 2;
            if (ring.submit_and_wait(Duration::millis(1000)) != Wait::Interrupted) return 3;
            ring.submit_and_wait(Duration::millis(1));
            if (ring.counters().dropped != 1) return 4;
            return ring.submit_and_wait(Duration::millis(1)) == Wait::TimedOut ? 0 : 5;
        },
        [](Enter enter) { return enter.number == 0   ? EINTR
                                 : enter.number == 1 ? EBADR
                                                     : 0; },
        &result);
    CHECK(result == 0);
}

namespace {

// The kernel forbids it midway; what is said goes to `into`.
[[noreturn]] void serve_until_forbidden(int into) {
    signal(SIGABRT, SIG_DFL);
    const rlimit no_core = {};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(into, STDERR_FILENO);
    int result = 0;
    run_refused(
        [](const auto& begin) {
            Ring ring;
            if (!ring.open({.features = Features::probe().value()}).ok() || !begin()) return 1;
            ring.submit_and_wait(Duration::millis(1000));
            return 0;
        },
        [](Enter) { return EPERM; },
        &result);
    _exit(result);
}

}  // namespace

TEST_CASE("when io_uring_enter is forbidden midway, it says so and ends") {
    int ends[2] = {-1, -1};
    REQUIRE(pipe(ends) == 0);
    const Descriptor said(ends[0]);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) serve_until_forbidden(ends[1]);
    ::close(ends[1]);
    char text[1000] = {};
    CHECK(read(said.get(), text, sizeof text - 1) > 0);
    CHECK(std::string_view(text) ==
          "ringmain: io_uring_enter failed: Operation not permitted (EPERM): nothing can be served "
          "without it; if it is forbidden (seccomp), allow it, or set io_backend = \"epoll\"\n");
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
}

}  // namespace ringmain::uring::test
