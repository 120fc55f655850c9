// ringmain/core/throttle.h - of events that may come by the thousand the first is told, and a while
// later how many there were more.

#pragma once

#include "ringmain/base/time.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ringmain::core {

class Throttle {
  public:
    explicit Throttle(Duration interval) : interval_(interval) {}

    // True: this one is to be told. False: it is counted.
    [[nodiscard]] bool admit(Instant now) {
        if (untold_ > 0 || now < next_at_) {
            untold_ += 1;
            return false;
        }
        next_at_ = now + interval_;
        return true;
    }

    // How many were counted, when it is time to tell; 0: none, or it is not.
    [[nodiscard]] uint64_t take_untold(Instant now) {
        if (untold_ == 0 || now < next_at_) return 0;
        next_at_ = now + interval_;
        return std::exchange(untold_, 0);
    }

    // However early it is.
    [[nodiscard]] uint64_t take_all() { return std::exchange(untold_, 0); }

    [[nodiscard]] bool has_untold() const { return untold_ > 0; }

    // When take_untold() is to be asked, after admit() was false.
    [[nodiscard]] Instant next_at() const { return next_at_; }

  private:
    Duration interval_;
    Instant next_at_ = {};
    uint64_t untold_ = 0;
};

// Clients of a pool that were refused, or closed.
struct TurnedOut {
    std::string_view what;
    Throttle throttle = Throttle(Duration::millis(1000));
    std::string why = {};  // of the last one that is untold
};

}  // namespace ringmain::core
