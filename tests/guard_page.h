// tests/guard_page.h - bytes with an unreadable page right behind them.
//
// A parser that looks one byte past the piece it was given crashes here, under any compiler and
// without a sanitizer.

#pragma once

#include "ringmain/base/assert.h"

#include <cstddef>
#include <cstring>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

namespace ringmain::test {

class GuardedBytes {
  public:
    explicit GuardedBytes(std::string_view bytes) : size_(bytes.size()) {
        const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        const size_t readable = (bytes.size() + page - 1) / page * page;
        mapped_size_ = readable + page;
        void* mapped =
            mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        RM_ASSERT(mapped != MAP_FAILED);
        mapping_ = static_cast<char*>(mapped);
        RM_ASSERT(mprotect(mapping_ + readable, page, PROT_NONE) == 0);
        data_ = mapping_ + readable - bytes.size();
        if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
    }

    GuardedBytes(const GuardedBytes&) = delete;
    GuardedBytes& operator=(const GuardedBytes&) = delete;

    ~GuardedBytes() { munmap(mapping_, mapped_size_); }

    [[nodiscard]] std::string_view view() const { return {data_, size_}; }

  private:
    size_t size_;
    size_t mapped_size_ = 0;
    char* mapping_ = nullptr;
    char* data_ = nullptr;
};

// The same for one piece after the other, without a mapping for each.
class GuardedPieces {
  public:
    explicit GuardedPieces(size_t size_max) : size_max_(size_max) {
        const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        const size_t readable = (size_max + page - 1) / page * page;
        mapped_size_ = readable + page;
        void* mapped =
            mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        RM_ASSERT(mapped != MAP_FAILED);
        mapping_ = static_cast<char*>(mapped);
        end_ = mapping_ + readable;
        RM_ASSERT(mprotect(end_, page, PROT_NONE) == 0);
    }

    GuardedPieces(const GuardedPieces&) = delete;
    GuardedPieces& operator=(const GuardedPieces&) = delete;

    ~GuardedPieces() { munmap(mapping_, mapped_size_); }

    // Valid until the next call.
    std::string_view place(std::string_view bytes) {
        RM_ASSERT(bytes.size() <= size_max_);
        if (!bytes.empty()) std::memcpy(end_ - bytes.size(), bytes.data(), bytes.size());
        return {end_ - bytes.size(), bytes.size()};
    }

  private:
    size_t size_max_;
    size_t mapped_size_ = 0;
    char* mapping_ = nullptr;
    char* end_ = nullptr;
};

}  // namespace ringmain::test
