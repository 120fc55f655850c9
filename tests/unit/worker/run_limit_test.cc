// What ends by the time a worker runs does not end while it is stopped.

#include "ringmain/worker/run_limit.h"

#include <doctest/doctest.h>

namespace ringmain::worker {

namespace {

Instant moment(int64_t ms) {
    return Instant{} + Duration::millis(1'000'000 + ms);
}

}  // namespace

TEST_CASE("rounds that follow each other count in full") {
    RunLimit limit;
    limit.begin(moment(0), Duration::millis(25));
    CHECK(limit.next() == moment(10));
    limit.count(moment(5));
    limit.count(moment(14));
    CHECK_FALSE(limit.is_over());
    CHECK(limit.next() == moment(24));
    limit.count(moment(24));
    CHECK_FALSE(limit.is_over());
    CHECK(limit.next() == moment(25));
    limit.count(moment(25));
    CHECK(limit.is_over());
}

TEST_CASE("of a stop only a little counts") {
    RunLimit limit;
    limit.begin(moment(0), Duration::millis(25));
    limit.count(moment(60'000));
    limit.count(moment(120'000));
    CHECK_FALSE(limit.is_over());
    CHECK(limit.next() == moment(120'005));
    limit.count(moment(120'005));
    CHECK(limit.is_over());
}

TEST_CASE("without any time it is over at once") {
    RunLimit limit;
    limit.begin(moment(0), Duration{});
    CHECK(limit.is_over());
    CHECK(limit.next() == moment(0));
}

}  // namespace ringmain::worker
