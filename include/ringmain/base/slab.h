// ringmain/base/slab.h - objects of one type from memory that is reused last in, first out.
//
// Never moves an object. Memory of freed objects is kept: a steady load allocates nothing. What
// nobody has needed between two calls of trim() goes back, but for `spare_max` objects' worth, so
// that a burst leaves nothing behind. What will be used next begins its way into the cache.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/base/prefetch.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

namespace ringmain {

template <class T>
class Slab {
  public:
    Slab(size_t count_max, size_t spare_max) : count_max_(count_max), spare_max_(spare_max) {}

    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    ~Slab() {
        RM_DCHECK(live_ == 0);
        for (Cell** list : {&free_, &unused_}) {
            while (*list != nullptr) {
                delete pop(*list);
            }
        }
    }

    // Null when the limit is reached.
    template <class... Args>
    [[nodiscard]] T* make(Args&&... args) {
        if (free_ == nullptr && !refill()) [[unlikely]] {
            return nullptr;
        }
        Cell* cell = free_;
        free_ = cell->next;
        prefetch(free_);
        live_ += 1;
        return new (cell->storage) T(std::forward<Args>(args)...);
    }

    // Beyond the limit, too: for what is bounded by something else.
    template <class... Args>
    [[nodiscard]] T* make_beyond(Args&&... args) {
        if (free_ == nullptr && !refill()) add_cell();
        return make(std::forward<Args>(args)...);
    }

    void free(T* object) {
        object->~T();
        Cell* cell = reinterpret_cast<Cell*>(object);
        push(free_, cell);
        live_ -= 1;
    }

    // A part at a time, so that nobody waits long for it.
    void trim() {
        constexpr size_t at_once = 16384;
        const size_t spare = count_ - live_;
        const size_t excess = spare > spare_max_ ? spare - spare_max_ : 0;
        const size_t part = std::min({unused_count_, excess, at_once});
        for (size_t i = 0; i < part; ++i) {
            delete pop(unused_);
        }
        count_ -= part;
        unused_count_ -= part;
        if (part == at_once) return;
        while (unused_ != nullptr) {  // no more than may be kept
            push(free_, pop(unused_));
        }
        unused_ = std::exchange(free_, nullptr);
        unused_count_ = count_ - live_;
    }

    // There may be something for trim().
    [[nodiscard]] bool has_spare() const { return count_ > live_ + spare_max_; }

    [[nodiscard]] size_t live() const { return live_; }

    // What there is memory for.
    [[nodiscard]] size_t count() const { return count_; }

    [[nodiscard]] size_t count_max() const { return count_max_; }

  private:
    union Cell {
        Cell* next;
        alignas(T) std::byte storage[sizeof(T)];
    };

    static void push(Cell*& list, Cell* cell) {
        cell->next = list;
        list = cell;
    }

    static Cell* pop(Cell*& list) { return std::exchange(list, list->next); }

    bool refill() {
        if (unused_ != nullptr) {
            push(free_, pop(unused_));
            unused_count_ -= 1;
            return true;
        }
        if (count_ >= count_max_) return false;
        add_cell();
        return true;
    }

    void add_cell() {
        push(free_, new Cell{.next = nullptr});
        count_ += 1;
    }

    Cell* free_ = nullptr;
    Cell* unused_ = nullptr;  // free, and not needed since the last trim()
    size_t unused_count_ = 0;
    size_t live_ = 0;
    size_t count_ = 0;  // cells, live and free
    size_t count_max_;
    size_t spare_max_;
};

}  // namespace ringmain
