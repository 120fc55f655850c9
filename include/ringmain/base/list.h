// ringmain/base/list.h - intrusive queues: the link lives in the element, nothing allocates.
//
// Fifo is singly linked: push at the back, pop at the front; to pop at the back walks it. List is
// doubly linked: an element can leave from anywhere, and knows whether it is in. Neither owns its
// elements.

#pragma once

#include "ringmain/base/assert.h"

#include <cstddef>
#include <iterator>
#include <utility>

namespace ringmain {

// T has a public member `T* next`, given as `Next`, null while the element is outside.
template <class T, T* T::*Next>
class Fifo {
  public:
    [[nodiscard]] bool empty() const { return head_ == nullptr; }

    [[nodiscard]] T* front() const { return head_; }

    [[nodiscard]] T* back() const { return tail_; }

    [[nodiscard]] size_t size() const { return size_; }

    void push_back(T* element) {
        element->*Next = nullptr;
        if (tail_ == nullptr) {
            head_ = element;
        } else {
            tail_->*Next = element;
        }
        tail_ = element;
        size_ += 1;
    }

    T* pop_front() {
        RM_DCHECK(head_ != nullptr);
        T* element = head_;
        head_ = element->*Next;
        if (head_ == nullptr) tail_ = nullptr;
        size_ -= 1;
        return element;
    }

    T* pop_back() {
        RM_DCHECK(head_ != nullptr);
        T* before = nullptr;
        for (T* element = head_; element != tail_; element = element->*Next) {
            before = element;
        }
        T* element = tail_;
        tail_ = before;
        (before == nullptr ? head_ : before->*Next) = nullptr;
        size_ -= 1;
        return element;
    }

  private:
    T* head_ = nullptr;
    T* tail_ = nullptr;
    size_t size_ = 0;
};

template <class T>
struct ListLink {
    [[nodiscard]] bool is_linked() const { return previous != nullptr; }

    T* previous = nullptr;  // of the first one: the last one
    T* next = nullptr;
};

// T has a public member `ListLink<T> link`, given as `Link`.
template <class T, ListLink<T> T::*Link>
class List {
  public:
    // Steps on when the loop's body has been done: that must not take the element out.
    class Iterator {
      public:
        // NOLINTBEGIN(readability-identifier-naming): the library's names.
        using iterator_category = std::forward_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = T*;
        using reference = T&;
        // NOLINTEND(readability-identifier-naming)

        Iterator() = default;

        explicit Iterator(T* element) : element_(element) {}

        T& operator*() const { return *element_; }

        T* operator->() const { return element_; }

        Iterator& operator++() {
            element_ = after(*element_);
            return *this;
        }

        Iterator operator++(int) { return std::exchange(*this, Iterator(after(*element_))); }

        bool operator==(const Iterator&) const = default;

      private:
        T* element_ = nullptr;
    };

    [[nodiscard]] Iterator begin() const { return Iterator(head_); }

    [[nodiscard]] Iterator end() const { return {}; }

    [[nodiscard]] bool empty() const { return head_ == nullptr; }

    [[nodiscard]] T* front() const { return head_; }

    [[nodiscard]] T* back() const { return head_ == nullptr ? nullptr : (head_->*Link).previous; }

    [[nodiscard]] static bool contains(const T& element) { return (element.*Link).is_linked(); }

    [[nodiscard]] static T* after(const T& element) { return (element.*Link).next; }

    [[nodiscard]] T* before(const T& element) const {
        return &element == head_ ? nullptr : (element.*Link).previous;
    }

    // Does nothing when the element is in already.
    void add(T& element) {
        ListLink<T>& link = element.*Link;
        if (link.is_linked()) return;
        if (head_ == nullptr) {
            head_ = &element;
            link.previous = &element;
            return;
        }
        T*& last = (head_->*Link).previous;
        RM_DCHECK(last != nullptr);
        link.previous = last;
        (last->*Link).next = &element;
        last = &element;
    }

    // Does nothing when the element is not in.
    void remove(T& element) {
        ListLink<T>& link = element.*Link;
        if (!link.is_linked()) return;
        if (&element == head_) {
            head_ = link.next;
        } else {
            (link.previous->*Link).next = link.next;
        }
        T* behind = link.next == nullptr ? head_ : link.next;
        if (behind != nullptr) (behind->*Link).previous = link.previous;
        link = {};
    }

    T* pop_front() {
        T* element = head_;
        if (element != nullptr) remove(*element);
        return element;
    }

  private:
    T* head_ = nullptr;
};

}  // namespace ringmain
