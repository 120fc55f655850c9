// src/core/lock.h - for what workers share and seldom touch: held for a look-up, seldom met.

#pragma once

#include <atomic>

namespace ringmain::core {

class Lock {
  public:
    explicit Lock(std::atomic_flag& flag) : flag_(&flag) {
        while (flag_->test_and_set(std::memory_order_acquire)) {
            flag_->wait(true, std::memory_order_relaxed);
        }
    }

    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    ~Lock() {
        flag_->clear(std::memory_order_release);
        flag_->notify_one();
    }

  private:
    std::atomic_flag* flag_;
};

}  // namespace ringmain::core
