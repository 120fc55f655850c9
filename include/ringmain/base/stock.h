// ringmain/base/stock.h - objects that are built once and used again, last in first out.
//
// For what keeps memory of its own between uses; base/slab.h is for the rest. Gives back as a Slab
// does.

#pragma once

#include "ringmain/base/assert.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace ringmain {

template <class T>
class Stock {
  public:
    explicit Stock(size_t spare_max) : spare_max_(spare_max) {}

    Stock(const Stock&) = delete;
    Stock& operator=(const Stock&) = delete;

    ~Stock() {
        RM_DCHECK(live_ == 0);
        for (T* object : spare_) {
            delete object;
        }
    }

    // One as put() left it, or a new one.
    template <class... Args>
    [[nodiscard]] T& take(Args&&... args) {
        live_ += 1;
        if (live_ > peak_) peak_ = live_;
        if (spare_.empty()) return *new T(std::forward<Args>(args)...);
        T* object = spare_.back();
        spare_.pop_back();
        return *object;
    }

    void put(T& object) {
        live_ -= 1;
        spare_.push_back(&object);
    }

    // Is not to be used again.
    void drop(T& object) {
        live_ -= 1;
        delete &object;
    }

    void trim() {
        constexpr size_t at_once = 4096;
        const size_t count = live_ + spare_.size();
        const size_t kept = std::exchange(peak_, live_) + spare_max_;
        if (count <= kept) return;
        for (size_t i = std::min({count - kept, spare_.size(), at_once}); i > 0; --i) {
            delete spare_.back();
            spare_.pop_back();
        }
        if (spare_.capacity() > 4 * (spare_.size() + spare_max_)) spare_.shrink_to_fit();
    }

    [[nodiscard]] bool has_spare() const { return spare_.size() > spare_max_; }

    [[nodiscard]] size_t live() const { return live_; }

    [[nodiscard]] size_t spare() const { return spare_.size(); }

  private:
    std::vector<T*> spare_;
    size_t live_ = 0;
    size_t peak_ = 0;  // most live ones since the last trim()
    size_t spare_max_;
};

}  // namespace ringmain
