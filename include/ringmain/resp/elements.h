// ringmain/resp/elements.h - elements of sets, numbered in the order in which they were first met.
//
// An open table of numbers over one list of elements: no allocation per element, since a worker
// serves nobody else while it fills. The hash is keyed, so that nobody can choose elements that
// collide. Elements are borrowed.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/base/siphash.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ringmain::resp {

class Elements {
  public:
    static constexpr uint32_t none = UINT32_MAX;

    struct Added {
        uint32_t number = 0;
        bool is_new = false;
    };

    // For at most `count_max` elements.
    Elements(size_t count_max, SipKey key)
        : key_(key), mask_(std::bit_ceil(2 * count_max + 2) - 1), slots_(mask_ + 1) {
        names_.reserve(count_max);
    }

    Added add(std::string_view element) {
        const uint64_t hash = siphash13(key_, element);
        size_t at = slot_of(element, hash);
        if (slots_[at].number != none) return {.number = slots_[at].number, .is_new = false};
        RM_DCHECK(names_.size() < none);
        const auto number = static_cast<uint32_t>(names_.size());
        slots_[at] = {.hash = high(hash), .number = number};
        names_.push_back(element);
        return {.number = number, .is_new = true};
    }

    // `none` when it is not there.
    [[nodiscard]] uint32_t find(std::string_view element) const {
        return slots_[slot_of(element, siphash13(key_, element))].number;
    }

    [[nodiscard]] bool contains(std::string_view element) const { return find(element) != none; }

    [[nodiscard]] size_t size() const { return names_.size(); }

    [[nodiscard]] const std::vector<std::string_view>& names() const { return names_; }

  private:
    struct Slot {
        uint32_t hash = 0;
        uint32_t number = none;
    };

    static uint32_t high(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

    // Where it is, or where it belongs.
    [[nodiscard]] size_t slot_of(std::string_view element, uint64_t hash) const {
        size_t at = hash & mask_;
        while (slots_[at].number != none &&
               (slots_[at].hash != high(hash) || names_[slots_[at].number] != element)) {
            at = (at + 1) & mask_;
        }
        return at;
    }

    SipKey key_;
    size_t mask_;
    std::vector<Slot> slots_;
    std::vector<std::string_view> names_;
};

}  // namespace ringmain::resp
