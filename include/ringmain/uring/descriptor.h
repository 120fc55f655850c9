// ringmain/uring/descriptor.h - an open file descriptor with one owner.

#pragma once

#include <utility>

namespace ringmain::uring {

class Descriptor {
  public:
    Descriptor() = default;

    explicit Descriptor(int number) : number_(number) {}

    ~Descriptor() { close(); }

    Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}

    Descriptor& operator=(Descriptor&& other) noexcept {
        if (this != &other) {
            close();
            number_ = other.release();
        }
        return *this;
    }

    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    [[nodiscard]] bool is_open() const { return number_ >= 0; }

    [[nodiscard]] int get() const { return number_; }

    [[nodiscard]] int release() { return std::exchange(number_, -1); }

    void close();

  private:
    int number_ = -1;
};

}  // namespace ringmain::uring
