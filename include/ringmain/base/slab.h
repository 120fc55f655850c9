// ringmain/base/slab.h - objects of one type from memory that is reused last in, first out.
//
// Grows by a chunk when empty, up to a limit; never moves an object; gives memory back only when
// destroyed. After the first burst the data path allocates nothing.

#pragma once

#include "ringmain/base/assert.h"

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace ringmain {

template <class T>
class Slab {
  public:
    explicit Slab(size_t count_max) : count_max_(count_max) {}

    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    ~Slab() { RM_DCHECK(live_ == 0); }

    // Null when the limit is reached.
    template <class... Args>
    [[nodiscard]] T* make(Args&&... args) {
        if (free_ == nullptr && !grow()) return nullptr;
        Cell* cell = free_;
        free_ = cell->next;
        live_ += 1;
        return new (cell->storage) T(std::forward<Args>(args)...);
    }

    void free(T* object) {
        object->~T();
        Cell* cell = reinterpret_cast<Cell*>(object);
        cell->next = free_;
        free_ = cell;
        live_ -= 1;
    }

    [[nodiscard]] size_t live() const { return live_; }

    [[nodiscard]] size_t count_max() const { return count_max_; }

  private:
    union Cell {
        Cell* next;
        alignas(T) std::byte storage[sizeof(T)];
    };

    static constexpr size_t chunk_size = 64;

    bool grow() {
        const size_t count = chunks_.size() * chunk_size;
        if (count >= count_max_) return false;
        chunks_.push_back(std::make_unique_for_overwrite<Cell[]>(chunk_size));
        Cell* cells = chunks_.back().get();
        // The limit may end inside the chunk.
        const size_t usable = count_max_ - count < chunk_size ? count_max_ - count : chunk_size;
        for (size_t i = usable; i-- > 0;) {
            cells[i].next = free_;
            free_ = &cells[i];
        }
        return true;
    }

    std::vector<std::unique_ptr<Cell[]>> chunks_;
    Cell* free_ = nullptr;
    size_t live_ = 0;
    size_t count_max_;
};

}  // namespace ringmain
