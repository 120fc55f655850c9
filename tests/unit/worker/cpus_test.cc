#include "ringmain/worker/cpus.h"

#include <vector>

#include <doctest/doctest.h>

namespace ringmain::worker {

TEST_CASE("workers are pinned to the CPUs that are named, to all that there are, or to none") {
    const std::vector<uint32_t> usable = {2, 3, 5};
    CHECK(chosen_cpus("", usable).empty());
    CHECK(chosen_cpus("auto", usable) == usable);
    CHECK(chosen_cpus("5,2", usable) == std::vector<uint32_t>{5, 2});
    CHECK_FALSE(usable_cpus().empty());
}

TEST_CASE("a CPU that the process may not use is named, with those that it may") {
    const std::vector<uint32_t> usable = {0, 1, 2, 5};
    for (const char* affinity : {"", "auto", "0-2", "5,1"}) {
        CHECK(judge_affinity(affinity, usable).level == uring::Level::Ok);
    }
    const uring::Finding finding = judge_affinity("2-4", usable);
    CHECK(finding.level == uring::Level::Fail);
    CHECK(finding.text == "CPU 3 is not one that this process may use: 0-2,5");
    CHECK_FALSE(finding.remedy.empty());
}

}  // namespace ringmain::worker
