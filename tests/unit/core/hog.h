// tests/unit/core/hog.h - an arena that is nearly empty.

#pragma once

#include "ringmain/buffer/block_pool.h"

#include <cstdint>
#include <vector>

namespace ringmain::test {

// All blocks but `left` are taken while it lives.
class Hog {
  public:
    Hog(BlockPool& pool, uint32_t left) : pool_(&pool) {
        while (pool.available() > left) {
            taken_.push_back(pool.take());
        }
    }

    ~Hog() {
        for (Block* block : taken_) {
            pool_->release(block);
        }
    }

    Hog(const Hog&) = delete;
    Hog& operator=(const Hog&) = delete;

  private:
    BlockPool* pool_;
    std::vector<Block*> taken_;
};

}  // namespace ringmain::test
