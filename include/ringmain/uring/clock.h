// ringmain/uring/clock.h - the only clock. Everything below takes `now` as an argument.

#pragma once

#include "ringmain/base/time.h"

#include <cstdint>
#include <string>

namespace ringmain::uring {

// Never goes back; about 25 ns. Once per batch is enough.
[[nodiscard]] Instant now();

// Does nothing for a while, less when a signal comes. Never on the data path.
void pause_for(Duration span);

// What the calendar says, for people: it may jump. Never compute with it. A time
// before 1970 reads as its beginning.
struct WallTime {
    int64_t seconds = 0;  // since 1970, UTC
    int32_t nanoseconds = 0;

    [[nodiscard]] std::string text() const;  // "2026-11-22T09:30:00.123Z"
};

[[nodiscard]] WallTime wall_time();

// From what now() says to what the calendar does.
[[nodiscard]] Duration wall_offset(Instant now);

// CPU time of a thread, by the number that pthread_getcpuclockid() gives; zero when it has ended.
[[nodiscard]] Duration cpu_time(int clock);

}  // namespace ringmain::uring
