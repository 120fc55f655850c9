#include "ringmain/uring/clock.h"

#include <doctest/doctest.h>

namespace ringmain::uring {

TEST_CASE("the clock never goes back") {
    Instant last = now();
    for (int i = 0; i < 1000; ++i) {
        const Instant next = now();
        REQUIRE(next >= last);
        last = next;
    }
    CHECK(last < Instant::never());
}

TEST_CASE("the wall clock is written so that it sorts") {
    CHECK(WallTime{}.text() == "1970-01-01T00:00:00.000Z");
    CHECK(WallTime{.seconds = 1'700'000'000, .nanoseconds = 7'999'999}.text() ==
          "2023-11-14T22:13:20.007Z");
    CHECK(wall_time().text() > "2024");
}

}  // namespace ringmain::uring
