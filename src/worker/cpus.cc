#include "ringmain/worker/cpus.h"

#include "ringmain/config/cpu_list.h"

#include <algorithm>

#include <sched.h>

namespace ringmain::worker {

std::vector<uint32_t> usable_cpus() {
    std::vector<uint32_t> cpus;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

std::vector<uint32_t> chosen_cpus(const std::string& affinity, std::span<const uint32_t> usable) {
    if (affinity.empty()) return {};
    if (affinity == "auto") return {usable.begin(), usable.end()};
    const Result<std::vector<uint32_t>> list = config::parse_cpu_list(affinity);
    return list.ok() ? list.value() : std::vector<uint32_t>();
}

uring::Finding judge_affinity(const std::string& affinity, std::span<const uint32_t> usable) {
    uring::Finding finding = {.name = "cpu_affinity",
                              .text = affinity.empty() ? "workers are not pinned" : affinity};
    for (const uint32_t cpu : chosen_cpus(affinity, usable)) {
        if (std::ranges::find(usable, cpu) != usable.end()) continue;
        finding.level = uring::Level::Fail;
        finding.text = "CPU " + std::to_string(cpu) +
                       " is not one that this process may use: " + config::cpu_list_text(usable);
        finding.remedy =
            "name others in cpu_affinity, \"auto\" for all, or allow it to the process (taskset, "
            "docker run --cpuset-cpus, AllowedCPUs in the unit)";
        return finding;
    }
    return finding;
}

}  // namespace ringmain::worker
