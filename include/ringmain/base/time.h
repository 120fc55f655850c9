// ringmain/base/time.h - points in time and spans of it, as types that cannot be mixed up.
//
// Nothing here reads a clock. The worker reads it once per batch and passes `now` down,
// so every layer below uring/ gives the same result for the same inputs.

#pragma once

#include <compare>
#include <cstdint>

namespace ringmain {

struct Duration {
    int64_t ns = 0;

    static constexpr Duration micros(int64_t us) { return {us * 1000}; }

    static constexpr Duration millis(int64_t ms) { return {ms * 1'000'000}; }

    [[nodiscard]] constexpr int64_t to_millis() const { return ns / 1'000'000; }

    auto operator<=>(const Duration&) const = default;
};

struct Instant {
    int64_t ns = 0;

    // Later than every real instant: "no deadline".
    static constexpr Instant never() { return {INT64_MAX}; }

    auto operator<=>(const Instant&) const = default;

    friend constexpr Instant operator+(Instant at, Duration span) { return {at.ns + span.ns}; }

    friend constexpr Duration operator-(Instant to, Instant from) { return {to.ns - from.ns}; }
};

}  // namespace ringmain
