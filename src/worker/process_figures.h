// src/worker/process_figures.h - what the kernel says about this process.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/stats/snapshot.h"

#include <string_view>

namespace ringmain::worker {

// What does not change: version, kernel, host, process id.
[[nodiscard]] stats::ProcessSnapshot describe_process();

// What does: CPU time, memory, descriptors.
void read_process_figures(stats::ProcessSnapshot& process);

// How long a thread of this process was able to run and had no CPU, since it began; zero where the
// kernel does not say (CONFIG_SCHED_INFO). `thread`: its kernel's number.
[[nodiscard]] Duration ready_time(int thread);

// The same, of what /proc/PID/schedstat holds.
[[nodiscard]] Duration ready_time_in(std::string_view schedstat);

}  // namespace ringmain::worker
