// src/worker/signals.h - the signals that ask something of the process, read like a file.
//
// Blocked in the thread that opens it and in all threads that are made later.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/descriptor.h"

namespace ringmain::worker {

class Signals {
  public:
    Signals() = default;
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    ~Signals() = default;

    Status open();

    // Readable when there is one.
    [[nodiscard]] int descriptor() const { return descriptor_.get(); }

    // TERM or INT has come and was not taken.
    [[nodiscard]] bool has_stop() const;

    // The next one that has come; 0: no more.
    [[nodiscard]] int take() const;

  private:
    uring::Descriptor descriptor_;
};

}  // namespace ringmain::worker
