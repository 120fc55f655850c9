// ringmain/worker/cpus.h - the CPUs that workers are pinned to (cpu_affinity).

#pragma once

#include "ringmain/uring/preflight.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ringmain::worker {

// That this process may run on, in order.
[[nodiscard]] std::vector<uint32_t> usable_cpus();

// One for each worker in turn. Empty: workers are not pinned.
[[nodiscard]] std::vector<uint32_t> chosen_cpus(const std::string& affinity,
                                                std::span<const uint32_t> usable);

// Whether those that are named may be used: the kernel pins nothing to others.
[[nodiscard]] uring::Finding judge_affinity(const std::string& affinity,
                                            std::span<const uint32_t> usable);

}  // namespace ringmain::worker
