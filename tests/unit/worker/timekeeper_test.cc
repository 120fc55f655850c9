#include "ringmain/worker/timekeeper.h"

#include <cstdint>
#include <thread>

#include <doctest/doctest.h>
#include <poll.h>

namespace ringmain::worker {

namespace {

constexpr Instant at(int64_t ms) {
    return {ms * 1'000'000};
}

bool is_woken(const Timekeeper& keeper) {
    pollfd entry = {.fd = keeper.descriptor(), .events = POLLIN, .revents = 0};
    return poll(&entry, 1, 0) == 1;
}

}  // namespace

TEST_CASE("the control thread sleeps until the earliest deadline, or as long as it likes") {
    Timekeeper keeper(2);
    CHECK(keeper.arm(at(0), at(1000)) == at(1000));
    keeper.set(0, at(300));
    keeper.set(1, at(200));
    keeper.awake();
    CHECK(keeper.arm(at(0), at(1000)) == at(200));
    CHECK(keeper.arm(at(0), at(100)) == at(100));
}

TEST_CASE("an earlier deadline wakes it, once; a later one does not") {
    Timekeeper keeper(2);
    CHECK(keeper.arm(at(0), at(1000)) == at(1000));
    keeper.set(0, at(2000));
    CHECK(!is_woken(keeper));
    keeper.set(0, at(400));
    CHECK(is_woken(keeper));
    keeper.awake();
    CHECK(!is_woken(keeper));
    CHECK(keeper.arm(at(1), at(1000)) == at(400));
    keeper.set(1, at(400));
    keeper.set(1, at(500));
    CHECK(!is_woken(keeper));
    keeper.set(1, at(100));
    keeper.awake();
    keeper.set(1, at(50));  // it is awake: no need
    CHECK(!is_woken(keeper));
}

TEST_CASE("it never sleeps less than the resolution, and is not woken in that time") {
    Timekeeper keeper(1);
    keeper.set(0, at(1));
    CHECK(keeper.arm(at(0), at(1000)) == at(5));
    keeper.set(0, at(2));
    CHECK(!is_woken(keeper));
}

TEST_CASE("a worker is told once that its deadline has passed") {
    Timekeeper keeper(1);
    keeper.set(0, at(10));
    CHECK(!keeper.take_due(0, at(9)));
    CHECK(keeper.take_due(0, at(10)));
    CHECK(!keeper.take_due(0, at(11)));
    CHECK(keeper.arm(at(11), at(1000)) == at(1000));  // it knows
    keeper.set(0, at(12));
    CHECK(keeper.take_due(0, at(13)));
}

TEST_CASE("no deadline is overslept, whoever is faster") {
    constexpr int rounds = 1000;
    Timekeeper keeper(1);
    std::atomic<int> round = 0;
    std::thread worker([&] {
        for (int i = 1; i <= rounds; ++i) {
            while (round.load() != i) {
                std::this_thread::yield();
            }
            keeper.set(0, at(500 + i % 2));
            round.store(-i);
        }
    });
    uint64_t overslept = 0;
    for (int i = 1; i <= rounds; ++i) {
        keeper.set(0, Instant::never());
        round.store(i);
        const Instant until = keeper.arm(at(0), at(1000));
        while (round.load() != -i) {
            std::this_thread::yield();
        }
        if (until > at(501) && !is_woken(keeper)) overslept += 1;
        keeper.awake();
    }
    worker.join();
    CHECK(overslept == 0);
}

}  // namespace ringmain::worker
