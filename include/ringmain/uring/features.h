// ringmain/uring/features.h - which parts of io_uring this kernel has, found out by trying them.
//
// The version of a kernel says little: distributions take features back into old ones and leave
// out others. So probe() asks the kernel itself, once, at the start of the process; every ring is
// then set up from the same Features. self_test() (self_test.h) proves that what is left works.
//
// What the rungs of the ladder mean for a ring:
//
//   single_issuer + defer_taskrun   completions are made only while we wait for them (6.1)
//   coop_taskrun                    no interrupt per completion (5.19)
//   none of them                    correct, but slower than epoll
//   multishot_receive               one submission serves a connection for life (6.0); without it
//                                   each completion needs the next submission

#pragma once

#include "ringmain/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::uring {

// A new one also needs its name in features.cc.
enum class Feature : uint8_t {
    SingleIssuer,
    DeferTaskrun,
    CoopTaskrun,
    SubmitAll,
    MultishotAccept,
    MultishotReceive,
    BufferRing,     // cannot be done without
    BufferRecycle,  // cannot be ignored: a receive that brings nothing has used no buffer
    PollFirst,
    RegisteredRing,
    SyncCancel,
    SendZeroCopy,  // reported, not used
    Bundle,        // reported, not used
};

inline constexpr uint32_t feature_count = 13;

class Features {
  public:
    constexpr Features() = default;

    // What the kernel has; an error when no ring can be made at all, or when too little memory or
    // too few descriptors are left to find out (preflight.h has the cause).
    static Result<Features> probe();

    [[nodiscard]] constexpr bool has(Feature feature) const { return (bits_ & mask(feature)) != 0; }

    constexpr void add(Feature feature) { bits_ |= mask(feature); }

    constexpr void remove(Feature feature) { bits_ &= ~mask(feature); }

    // These features less those in `text`: names as printed, separated by commas and blanks, or
    // one of the presets "5.19", "6.0", "6.1" (as if the kernel were that old) and "all" (nothing
    // that can be done without). "" and "none" take nothing away.
    [[nodiscard]] Result<Features> without(std::string_view text) const;

    // "single_issuer defer_taskrun ..."; "none" when empty.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] std::string missing_text() const;

    [[nodiscard]] constexpr uint32_t bits() const { return bits_; }

    constexpr bool operator==(const Features&) const = default;

  private:
    static constexpr uint32_t mask(Feature feature) { return 1U << static_cast<uint32_t>(feature); }

    uint32_t bits_ = 0;
};

}  // namespace ringmain::uring
