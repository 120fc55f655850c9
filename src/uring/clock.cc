#include "ringmain/uring/clock.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace ringmain::uring {

Instant now() {
    timespec time = {};
    // Without a copy into the kernel (vDSO); it cannot fail for this clock.
    clock_gettime(CLOCK_MONOTONIC, &time);
    return {int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec};
}

void pause_for(Duration span) {
    constexpr int64_t ns_per_second = 1'000'000'000;
    const timespec time = {.tv_sec = span.ns / ns_per_second, .tv_nsec = span.ns % ns_per_second};
    nanosleep(&time, nullptr);
}

WallTime wall_time() {
    timespec time = {};
    clock_gettime(CLOCK_REALTIME, &time);
    return {.seconds = std::max<time_t>(time.tv_sec, 0),
            .nanoseconds = static_cast<int32_t>(time.tv_nsec)};
}

Duration wall_offset(Instant now) {
    const WallTime wall = wall_time();
    return {wall.seconds * 1'000'000'000 + wall.nanoseconds - now.ns};
}

Duration cpu_time(int clock) {
    timespec time = {};
    if (clock_gettime(clock, &time) != 0) return {};
    return {int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec};
}

std::string WallTime::text() const {
    const time_t whole = seconds;
    tm calendar = {};
    if (gmtime_r(&whole, &calendar) == nullptr) return "?";
    char day[32] = {};
    const size_t size = std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &calendar);
    RM_ASSERT(size > 0);
    char text[48] = {};
    std::snprintf(text, sizeof text, "%s.%03dZ", day, nanoseconds / 1'000'000);
    return text;
}

}  // namespace ringmain::uring
