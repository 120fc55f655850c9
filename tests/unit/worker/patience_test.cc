#include "src/worker/patience.h"

#include <doctest/doctest.h>

namespace ringmain::worker {

TEST_CASE("what comes alone or with a few is not kept waiting for others") {
    for (size_t in_flight = 0; in_flight < gather_min * gather_share; ++in_flight) {
        CHECK(completions_to_gather(0, in_flight) == 1);
        CHECK(completions_to_gather(3, in_flight) == 1);
    }
}

TEST_CASE("with much in flight several events come together, besides the sends handed over") {
    CHECK(completions_to_gather(0, 10 * gather_share) == 10);
    CHECK(completions_to_gather(7, 10 * gather_share) == 17);
    CHECK(completions_to_gather(7, 1'000'000) == 7 + gather_max);
}

}  // namespace ringmain::worker
