// tests/mapped.h - memory for an arena, as a worker's: what is never used costs nothing, whatever
// malloc is told to fill it with.

#pragma once

#include "ringmain/base/assert.h"

#include <cstddef>
#include <span>

#include <sys/mman.h>

namespace ringmain::test {

class Mapped {
  public:
    explicit Mapped(size_t size)
        : size_(size),
          data_(static_cast<char*>(
              mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
        RM_ASSERT(data_ != MAP_FAILED);
    }

    ~Mapped() { munmap(data_, size_); }

    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;

    [[nodiscard]] std::span<char> bytes() const { return {data_, size_}; }

  private:
    size_t size_;
    char* data_;
};

}  // namespace ringmain::test
