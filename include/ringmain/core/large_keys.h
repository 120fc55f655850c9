// ringmain/core/large_keys.h - which keys of a server had large values lately (src/design/0013).
//
// A table of hashes of fixed size: a key may push another out, and none is forgotten otherwise
// until its value was found to be small. Nothing is looked up before the first large value has
// been seen.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace ringmain::core {

class LargeKeys {
  public:
    // There was a large value: keys are worth looking at.
    [[nodiscard]] bool is_used() const { return places_ != nullptr; }

    void use() {
        if (places_ == nullptr) places_ = std::make_unique<Places>();
    }

    // `hash` is odd.
    void note(uint64_t hash) {
        use();
        (*places_)[place_of(hash)] = hash;
    }

    void forget(uint64_t hash) {
        if (contains(hash)) (*places_)[place_of(hash)] = 0;
    }

    [[nodiscard]] bool contains(uint64_t hash) const {
        return places_ != nullptr && (*places_)[place_of(hash)] == hash;
    }

  private:
    static constexpr size_t count = 1024;
    using Places = std::array<uint64_t, count>;

    // Its lowest bit is always set.
    [[nodiscard]] static size_t place_of(uint64_t hash) { return (hash >> 1) % count; }

    std::unique_ptr<Places> places_;
};

}  // namespace ringmain::core
