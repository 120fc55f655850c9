// ringmain/uring/self_test.h - proof, about a millisecond long, that receiving works here.
//
// Kernels have been released whose multishot receive lost bytes or ended without a word. Before
// the first client is accepted, a ring with the chosen features receives patterned chunks of odd
// sizes through a small buffer ring, sees the end of file, runs out of buffers and recovers, and
// cancels a receive.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/uring/features.h"

namespace ringmain::uring {

// The error names the step, and the feature to ignore as a remedy; or what it lacked to begin.
[[nodiscard]] Status self_test(const Features& features);

}  // namespace ringmain::uring
