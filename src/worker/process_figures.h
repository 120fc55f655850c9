// src/worker/process_figures.h - what the kernel says about this process.

#pragma once

#include "ringmain/stats/snapshot.h"

namespace ringmain::worker {

// What does not change: version, kernel, host, process id.
[[nodiscard]] stats::ProcessSnapshot describe_process();

// What does: CPU time, memory, descriptors.
void read_process_figures(stats::ProcessSnapshot& process);

}  // namespace ringmain::worker
