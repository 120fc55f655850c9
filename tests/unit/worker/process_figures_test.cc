#include "src/worker/process_figures.h"

#include <doctest/doctest.h>
#include <unistd.h>

namespace ringmain::worker {

TEST_CASE("how long a thread was ready to run is the second number of schedstat") {
    CHECK(ready_time_in("676315 754374 4\n").ns == 754'374);
    CHECK(ready_time_in("676315 0 4").ns == 0);
    CHECK(ready_time_in("676315").ns == 0);
    CHECK(ready_time_in("").ns == 0);
    CHECK(ready_time_in("a b c").ns == 0);
    CHECK(ready_time(gettid()).ns >= 0);
    CHECK(ready_time(-1).ns == 0);
}

TEST_CASE("what the kernel says about the process") {
    stats::ProcessSnapshot process = describe_process();
    read_process_figures(process);
    CHECK(process.id == getpid());
    CHECK_FALSE(process.kernel.empty());
    CHECK(process.resident_bytes > 100'000);
    CHECK(process.descriptors >= 3);
    CHECK(process.descriptors_max >= process.descriptors);
}

}  // namespace ringmain::worker
