// ringmain/worker/event.h - wakes whoever polls it (an eventfd).

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/descriptor.h"

namespace ringmain::worker {

// A call without which nothing is served, and that the kernel has refused.
[[nodiscard]] Error refused_call(const char* call, int error_number);

class Event {
  public:
    Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() = default;

    // Whether the kernel has given one: asked at start, before anybody waits for it.
    [[nodiscard]] Status status() const;

    // Readable when it was set and is not cleared.
    [[nodiscard]] int descriptor() const { return descriptor_.get(); }

    void set() const;
    void clear() const;

  private:
    uring::Descriptor descriptor_;
    int why_not_;
};

}  // namespace ringmain::worker
