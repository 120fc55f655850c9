#include "ringmain/stats/histogram.h"

#include <cstdint>

#include <doctest/doctest.h>

namespace ringmain::stats {

TEST_CASE("every microsecond lies in the bucket that says so, and buckets have no gaps") {
    uint32_t last = 0;
    for (uint64_t us = 0; us < 100'000; ++us) {
        const uint32_t bucket = Histogram::bucket_of(us);
        CHECK(us < Histogram::end_of(bucket));
        if (bucket > 0) CHECK(us >= Histogram::end_of(bucket - 1));
        CHECK(bucket - last <= 1);
        last = bucket;
    }
}

TEST_CASE("a bucket is within six percent of what it holds, up to a hundred seconds") {
    for (uint32_t bucket = Histogram::steps; bucket < Histogram::buckets; ++bucket) {
        const uint64_t begin = Histogram::end_of(bucket - 1);
        CHECK(Histogram::bucket_of(begin) == bucket);
        CHECK(Histogram::bucket_of(Histogram::end_of(bucket) - 1) == bucket);
        CHECK((Histogram::end_of(bucket) - begin) * 16 <= begin);
    }
    CHECK(Histogram::end_of(Histogram::buckets - 1) > 100'000'000);
    CHECK(Histogram::bucket_of(UINT64_MAX) == Histogram::buckets - 1);
}

TEST_CASE("buckets come once, with prepare()") {
    Histogram histogram;
    CHECK_FALSE(histogram.is_prepared());
    CHECK(histogram.count_in(7) == 0);
    histogram.prepare();
    CHECK(histogram.is_prepared());
    histogram.record(Duration{7'000});
    histogram.prepare();
    CHECK(histogram.count_in(7) == 1);
}

TEST_CASE("what is recorded is found again") {
    Histogram histogram;
    histogram.prepare();
    histogram.record(Duration{-5});
    histogram.record(Duration::millis(3));
    histogram.record(Duration::millis(3));
    CHECK(histogram.count_in(0) == 1);
    CHECK(histogram.count_in(Histogram::bucket_of(3000)) == 2);
    CHECK(histogram.sum_us() == 6000);
}

}  // namespace ringmain::stats
