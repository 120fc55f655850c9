// ringmain/core/large_keys.h - which keys of a server had large values lately (src/design/0013).
//
// A key is known with the command that was answered with much: what others answer (TTL, or HGET
// where it was HGETALL) says nothing of that. One that was written is known for whichever command
// reads it first. A table of hashes of fixed size: a key may push another out, and none is
// forgotten otherwise until the command was answered with little. Nothing is looked up before the
// first large value has been seen.

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

    // What a key is known by, never 0. `command` is the number of the one that reads it; 0: it was
    // written.
    [[nodiscard]] static uint64_t hash_of(uint64_t key_hash, uint8_t command = 0) {
        return (key_hash & ~command_bits) | uint64_t{command} << 1 | 1;
    }

    void note(uint64_t hash) {
        forget(hash);
        use();
        (*places_)[place_of(hash)] = hash;
    }

    void forget(uint64_t hash) {
        for (const uint64_t one : {hash, hash_of(hash)}) {
            if (has(one)) (*places_)[place_of(one)] = 0;
        }
    }

    [[nodiscard]] bool contains(uint64_t hash) const { return has(hash) || has(hash_of(hash)); }

  private:
    static constexpr size_t count = 1024;
    static constexpr uint64_t command_bits = 0x1ff;  // and the one that is always set
    using Places = std::array<uint64_t, count>;

    [[nodiscard]] static size_t place_of(uint64_t hash) { return (hash >> 9 ^ hash >> 1) % count; }

    [[nodiscard]] bool has(uint64_t hash) const {
        return places_ != nullptr && (*places_)[place_of(hash)] == hash;
    }

    std::unique_ptr<Places> places_;
};

}  // namespace ringmain::core
