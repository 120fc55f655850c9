// ringmain/core/pairing.h - when a connection finds out whether each answer met its own request.
//
// Answers are paired with requests by nothing but their order. A server, or what stands before it,
// that leaves one out moves all that follow to others' requests, for as long as some request is
// always under way. At rest it shows: one answer is missing. So a connection that has not been seen
// at rest for two intervals holds back what is new until all that has left is answered. That takes
// one round trip; on a long way it is done more rarely, for a hundredth of the time at most. (An
// answer too many shows whenever it comes while nothing is under way.)

#pragma once

#include "ringmain/base/time.h"

#include <algorithm>

namespace ringmain::core {

inline constexpr Duration pairing_interval = Duration::millis(500);

class Pairing {
  public:
    // Something is to leave: must_wait() is to be asked.
    [[nodiscard]] bool is_due(Instant now) const { return now >= look_at_; }

    [[nodiscard]] bool must_wait(bool is_at_rest, Instant now, Duration interval) {
        if (is_at_rest) {
            holds_ = false;
            look_at_ = now + interval;
        } else if (!holds_ && now >= look_at_ + interval) {
            holds_ = true;
            held_since_ = now;
        }
        return holds_;
    }

    [[nodiscard]] bool holds() const { return holds_; }

    // All is answered: what was held back leaves.
    void release(Instant now, Duration interval) {
        constexpr int64_t rest_times = 100;
        const Duration took = now - held_since_;
        holds_ = false;
        look_at_ = now + std::max(interval, Duration{took.ns * rest_times});
    }

  private:
    Instant look_at_ = {};  // whether it is at rest
    Instant held_since_ = {};
    bool holds_ = false;
};

}  // namespace ringmain::core
