// Who was stopped is told from who is slow.

#include "ringmain/worker/pause.h"

#include <doctest/doctest.h>

namespace ringmain::worker {

namespace {

Instant moment(int64_t ms) {
    return Instant{} + Duration::millis(1'000'000 + ms);
}

}  // namespace

TEST_CASE("waking up on time, or a little late, is no pause") {
    PauseWatch watch;
    CHECK(watch.judge(moment(0), moment(100), moment(50)) == Duration{});
    CHECK(watch.judge(moment(0), moment(100), moment(100)) == Duration{});
    CHECK(watch.judge(moment(0), moment(100), moment(400)) == Duration{});
    CHECK(watch.judge(moment(0), Instant::never(), moment(60'000)) == Duration{});
}

TEST_CASE("waking up much too late moves the deadlines by all that has passed") {
    PauseWatch watch;
    CHECK(watch.judge(moment(0), moment(100), moment(401)) == Duration::millis(401));
    // A deadline that had passed already counts from the batch before.
    CHECK(watch.judge(moment(1000), moment(0), moment(1300)) == Duration{});
    CHECK(watch.judge(moment(1000), moment(0), moment(1301)) == Duration::millis(301));
}

TEST_CASE("a worker that is slow in every batch reaches its deadlines") {
    PauseWatch watch;
    int64_t forgiven = 0;
    int64_t now = 0;
    for (; now < 600'000; now += 500) {
        if (watch.judge(moment(now), moment(now), moment(now + 500)) > Duration{}) forgiven += 1;
    }
    // Three in every minute.
    CHECK(forgiven >= 29);
    CHECK(forgiven <= 31);
}

TEST_CASE("a long pause after others is forgiven when the others are long ago") {
    PauseWatch watch;
    for (int64_t i = 0; i < 3; ++i) {
        CHECK(watch.judge(moment(i * 1000), moment(i * 1000), moment(i * 1000 + 500)) > Duration{});
    }
    CHECK(watch.judge(moment(3000), moment(3000), moment(3500)) == Duration{});
    CHECK(watch.judge(moment(50'000), moment(50'000), moment(55'000)) == Duration{});
    CHECK(watch.judge(moment(61'000), moment(61'000), moment(999'000)) ==
          Duration::millis(938'000));
}

TEST_CASE("a worker's own work is no pause, and is forgiven however often") {
    PauseWatch watch;
    for (int64_t i = 0; i < 10; ++i) {
        const int64_t began = i * 1000;
        watch.note_work(moment(began), moment(began + 500));
        watch.note_work(moment(began + 500), moment(began + 600));
        CHECK(watch.judge(moment(began), moment(began), moment(began + 610)) == Duration{});
        CHECK(watch.take_work() == Duration::millis(600));
        CHECK(watch.take_work() == Duration{});
    }
    // A pause beside it is one.
    watch.note_work(moment(20'000), moment(20'500));
    CHECK(watch.judge(moment(20'000), moment(20'000), moment(21'000)) == Duration::millis(500));
    CHECK(watch.take_work() == Duration::millis(500));
    // What took no time is not counted.
    watch.note_work(moment(30'000), moment(30'000) + Duration::micros(999));
    CHECK(watch.take_work() == Duration{});
}

}  // namespace ringmain::worker
