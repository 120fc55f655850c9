#include "ringmain/stats/snapshot.h"

#include <doctest/doctest.h>

namespace ringmain::stats {

TEST_CASE("quantiles name the end of the bucket that holds them") {
    HistogramValues values;
    CHECK(values.quantile_us(0.99) == 0);
    Histogram histogram;
    histogram.prepare();
    for (int i = 0; i < 98; ++i) {
        histogram.record(Duration{5'000});  // 5 us, the bucket ends at 6
    }
    histogram.record(Duration::millis(1));
    histogram.record(Duration::millis(100));
    values.add(histogram);
    CHECK(values.total() == 100);
    CHECK(values.quantile_us(0) == 6);
    CHECK(values.quantile_us(0.5) == 6);
    CHECK(values.quantile_us(0.98) == 6);
    CHECK(values.quantile_us(0.99) == Histogram::end_of(Histogram::bucket_of(1'000)));
    CHECK(values.quantile_us(1) == Histogram::end_of(Histogram::bucket_of(100'000)));
}

TEST_CASE("who has recorded nothing takes no part") {
    HistogramValues values;
    const Histogram untouched;
    values.add(untouched);
    CHECK(values.counts.empty());
    CHECK(values.total() == 0);
    CHECK(values.count_below(UINT64_MAX) == 0);
    Histogram histogram;
    histogram.prepare();
    histogram.record(Duration{5'000});
    values.add(histogram);
    values.add(untouched);
    CHECK(values.total() == 1);
}

TEST_CASE("what is below a bucket's end is counted exactly") {
    Histogram histogram;
    histogram.prepare();
    for (const int64_t us : {0, 49, 50, 99, 100, 5'000'000}) {
        histogram.record(Duration{us * 1000});
    }
    HistogramValues values;
    values.add(histogram);
    CHECK(values.count_below(50) == 2);
    CHECK(values.count_below(100) == 4);
    CHECK(values.count_below(UINT64_MAX) == 6);
}

TEST_CASE("the workers' figures are added up, field by field") {
    PoolCounters first;
    PoolCounters second;
    uint64_t value = 1;
#define POOL(kind, field, text) \
    first.field.set(value);     \
    second.field.set(100 * value++);
#include "ringmain/stats/counters.def"
    first.errors[0].set(3);
    second.errors[7].set(4);
    first.latency.prepare();
    second.latency.prepare();
    first.latency.record(Duration::millis(1));
    second.latency.record(Duration::millis(1));

    PoolValues sum;
    sum.add(first);
    sum.add(second);
    value = 1;
#define POOL(kind, field, text) CHECK(sum.field == 101 * value++);
#include "ringmain/stats/counters.def"
    CHECK(sum.errors[0] == 3);
    CHECK(sum.errors[7] == 4);
    CHECK(sum.latency.total() == 2);
    CHECK(sum.latency.sum_us == 2000);
}

TEST_CASE("a pool knows how many of its servers are up") {
    PoolSnapshot pool;
    pool.servers.resize(3);
    pool.servers[1].state = ServerState::Ejected;
    pool.servers[2].state = ServerState::Down;
    CHECK(pool.servers_up() == 1);
}

}  // namespace ringmain::stats
