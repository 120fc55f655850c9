// ringmain/base/prng.h - the only random numbers in the program, from a seed that is passed in.
//
// splitmix64 (Steele, Lea, Flood 2014): one addition and three mixes, full period 2^64. Good
// enough for jitter, `random` distribution and simulation; not for secrets.

#pragma once

#include "ringmain/base/assert.h"

#include <cstdint>

namespace ringmain {

class Prng {
  public:
    explicit Prng(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        state_ += 0x9E3779B97F4A7C15U;
        uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31);
    }

    // Uniform enough below `bound`: the bias is under bound / 2^64.
    uint64_t below(uint64_t bound) {
        RM_ASSERT(bound > 0);
        return next() % bound;
    }

  private:
    uint64_t state_;
};

}  // namespace ringmain
