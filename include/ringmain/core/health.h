// ringmain/core/health.h - whether a server gets traffic: one decision for all workers.

#pragma once

#include <atomic>
#include <cstdint>

namespace ringmain::core {

class Health {
  public:
    enum class State : uint8_t { Alive, Ejected };

    [[nodiscard]] State state() const { return state_.load(std::memory_order_acquire); }

    [[nodiscard]] bool accepts_traffic() const { return state() != State::Ejected; }

  private:
    std::atomic<State> state_ = State::Alive;
};

}  // namespace ringmain::core
