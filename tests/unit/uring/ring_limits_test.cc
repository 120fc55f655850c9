// What happens when a queue is full.

#include "tests/unit/uring/rig.h"

#include <cerrno>
#include <cstddef>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace ringmain::uring::test {
namespace {

constexpr RingOptions small = {.submission_entries = 4, .completion_entries = 8, .features = {}};

// Makes io_uring_enter fail with EBUSY whenever it is asked for neither waiting nor completions:
// what a kernel that is short of room does.
bool refuse_plain_submissions() {
    constexpr uint32_t enter_number = __NR_io_uring_enter;
    constexpr uint32_t get_events = 1;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, enter_number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, get_events, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EBUSY),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// In the child: 0 when all completions come in order, each once.
int count_through_refusals() {
    Ring ring;
    RingOptions options = small;
    options.features = Features::probe().value();
    if (!ring.open(options).ok()) return 1;
    if (!refuse_plain_submissions()) return 2;
    constexpr uint32_t total = 100;
    for (uint32_t i = 0; i < total; ++i)
        ring.nothing(named(1, i));
    if (ring.counters().refused == 0) return 3;
    uint32_t next = 0;
    for (uint32_t round = 0; next < total; ++round) {
        if (round > total) return 4;
        ring.submit_and_wait(Duration::millis(100));
        std::array<Completion, 7> batch;
        const uint32_t count = ring.reap(batch);
        for (uint32_t i = 0; i < count; ++i) {
            if (batch[i].user_data != named(1, next)) return 5;
            next += 1;
        }
    }
    return ring.counters().completed == total ? 0 : 6;
}

}  // namespace

TEST_CASE("preparing more than the submission queue holds submits in between") {
    for (const std::string_view preset : presets) {
        CAPTURE(preset);
        RingOptions options = small;
        options.completion_entries = 64;
        Rig rig(preset, options);
        for (uint32_t i = 0; i < 21; ++i)
            rig.ring.nothing(named(1, i));
        CHECK(rig.ring.counters().queue_full == 5);
        CHECK(rig.ring.counters().submitted == 20);
        const std::vector<Completion> all = rig.wait_for(21);
        for (uint32_t i = 0; i < 21; ++i)
            CHECK(all[i].user_data == named(1, i));
        CHECK(rig.ring.counters().refused == 0);
        CHECK(rig.is_quiet());
    }
}

TEST_CASE("an overflow of the completion queue loses nothing and keeps the order") {
    for (const std::string_view preset : presets) {
        CAPTURE(preset);
        Rig rig(preset, small);
        for (uint32_t i = 0; i < 100; ++i)
            rig.ring.nothing(named(1, i));
        const std::vector<Completion> all = rig.wait_for(100);
        for (uint32_t i = 0; i < 100; ++i)
            CHECK(all[i].user_data == named(1, i));
        CHECK(rig.ring.counters().overflows > 0);
        CHECK(rig.is_quiet());
    }
}

TEST_CASE("a receive that overflows the completion queue is armed again and loses no byte") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset, small);
        const Pair pair;
        Buffers buffers(rig, 32, 3);
        buffers.provide_all();
        const std::string sent = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz";
        pair.write(sent);
        std::string received;
        bool armed = false;
        while (received.size() < sent.size()) {
            if (!armed) rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
            armed = true;
            for (const Completion& done : rig.wait_for(1)) {
                REQUIRE(done.result > 0);
                received += buffers.take(done);
                if (!done.more()) armed = false;
            }
        }
        CHECK(received == sent);
    }
}

TEST_CASE("one batch is bounded, the rest comes with the next") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset, {.submission_entries = 1024, .completion_entries = 2048, .features = {}});
        for (uint32_t i = 0; i < 900; ++i)
            rig.ring.nothing(named(1, i));
        std::vector<Completion> batch(1000);
        REQUIRE(rig.ring.submit_and_wait(Duration::millis(1000)) == Wait::Ready);
        CHECK(rig.ring.reap(batch) == Ring::batch_max);
        CHECK(batch[Ring::batch_max - 1].user_data == named(1, Ring::batch_max - 1));
        REQUIRE(rig.ring.submit_and_wait(Ring::forever) == Wait::Ready);
        CHECK(rig.ring.reap(batch) == 900 - Ring::batch_max);
        CHECK(batch[0].user_data == named(1, Ring::batch_max));
    }
}

TEST_CASE("a kernel that refuses submissions delays them and loses nothing") {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(count_through_refusals());
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace ringmain::uring::test
