// ringmain/core/silence.h - when a server that takes connections and requests answers nothing.
//
//   Heard --- a request is late, and nothing was heard since it was queued ---> Doubted
//   Doubted --- one that was queued later is late, on a connection made later, and still nothing
//               was heard ---> Silent
//   Doubted, Silent --- a byte from the server, on any connection ---> Heard
//
// The first late request may be the fault of its connection, which is replaced for it, and what
// took that may have taken others: so there are two steps, and the second is of a connection made
// since. To a server that is silent nothing is queued any more, for it would only wait in vain,
// one timeout for every window of a client's pipeline; what waits there already keeps its time. An
// answer to that, however late, ends the silence, and when the connections are given up the next
// one asks (PING, version) before it takes requests.
//
// What one worker has seen of one server. No clock.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/core/time_shift.h"

namespace ringmain::core {

class Silence {
  public:
    // A byte has come. True when that ends the silence.
    [[nodiscard]] bool on_heard(Instant now) {
        heard_at_ = now;
        if (!silent_) return false;
        silent_ = false;
        return true;
    }

    // The time of a request is up, on a connection whose connect began then. True when the server
    // is silent from now on.
    [[nodiscard]] bool on_late(Instant queued, Instant connected, Instant now) {
        if (silent_ || queued < heard_at_) return false;
        if (doubted_at_ <= heard_at_) {
            doubted_at_ = now;
            since_ = queued;
            return false;
        }
        if (queued < doubted_at_ || connected < doubted_at_) return false;
        silent_ = true;
        return true;
    }

    [[nodiscard]] Instant heard_at() const { return heard_at_; }

    [[nodiscard]] bool is_silent() const { return silent_; }

    // Of a silence: when the first request was queued that got no answer.
    [[nodiscard]] Instant since() const { return since_; }

    void move_times(const TimeShift& shift) {
        shift.move(heard_at_);
        shift.move(doubted_at_);
        shift.move(since_);
    }

  private:
    Instant heard_at_;  // last
    // Before heard_at_, or at that time: not doubted.
    Instant doubted_at_;
    Instant since_;
    bool silent_ = false;
};

}  // namespace ringmain::core
