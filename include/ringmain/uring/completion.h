// ringmain/uring/completion.h - what the kernel says about one operation, and whose it was.

#pragma once

#include "ringmain/base/assert.h"

#include <cstdint>

namespace ringmain::uring {

// Travels with an operation through the kernel and comes back with each of its completions.
// `kind` is the owner's enumeration of operations, `index` its slot, and `generation` tells the
// users of one slot apart.
struct UserData {
    uint8_t kind = 0;
    uint32_t generation = 0;  // below generation_end
    uint32_t index = 0;

    static constexpr uint32_t generation_end = 1U << 24;

    [[nodiscard]] constexpr uint64_t pack() const {
        RM_DCHECK(generation < generation_end);
        return uint64_t{kind} << 56 | uint64_t{generation} << 32 | index;
    }

    [[nodiscard]] static constexpr UserData unpack(uint64_t bits) {
        return {.kind = static_cast<uint8_t>(bits >> 56),
                .generation = static_cast<uint32_t>(bits >> 32) & (generation_end - 1),
                .index = static_cast<uint32_t>(bits)};
    }

    constexpr bool operator==(const UserData&) const = default;
};

static_assert(
    UserData::unpack(UserData{.kind = 0xAB, .generation = 0xCDEF01, .index = 0x23456789}.pack()) ==
    UserData{.kind = 0xAB, .generation = 0xCDEF01, .index = 0x23456789});
static_assert(UserData{.kind = 0xFF, .generation = 0xFFFFFF, .index = 0xFFFFFFFF}.pack() ==
              UINT64_MAX);

struct Completion {
    UserData user_data;
    int32_t result = 0;  // as of the system call; -errno on failure
    uint32_t flags = 0;

    // The operation goes on and will complete again. Without it the operation is over, whatever
    // the result, and has to be submitted again to continue.
    [[nodiscard]] constexpr bool more() const { return (flags & 2U) != 0; }

    // As an entry of the kernel's queue says it. Kernels with Feature::BufferRecycle may set the
    // flag of a buffer on failed and empty receives as well, and keep the buffer: it is taken away
    // here.
    [[nodiscard]] static constexpr Completion of(uint64_t bits,
                                                 int32_t result,
                                                 uint32_t flags,
                                                 bool recycles_buffers) {
        const bool keeps = recycles_buffers && result <= 0;
        return {.user_data = UserData::unpack(bits),
                .result = result,
                .flags = keeps ? flags & ~1U : flags};
    }

    // A buffer of the operation's group now belongs to the receiver, with `result` bytes in it, or
    // none where that is an error.
    [[nodiscard]] constexpr bool has_buffer() const { return (flags & 1U) != 0; }

    [[nodiscard]] constexpr uint16_t buffer() const {
        RM_DCHECK(has_buffer());
        return static_cast<uint16_t>(flags >> 16);
    }
};

}  // namespace ringmain::uring
