#include "ringmain/core/fragment_fifo.h"

#include <deque>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::core {

TEST_CASE("a fragment knows the request four places behind it, and none when there are fewer") {
    std::vector<char> memory(block_size);
    BlockPool blocks(memory, {});
    std::deque<Request> requests;
    FragmentFifo fifo;
    const auto push = [&] {
        Request& request = requests.emplace_back(blocks, nullptr);
        request.only.request = &request;
        fifo.push_back(&request.only);
    };
    // One at a time: nobody is ahead of anybody, and those that have left are not touched.
    for (int i = 0; i < 10; ++i) {
        push();
        CHECK(fifo.size() == 1);
        CHECK(fifo.front() == fifo.back());
        CHECK(fifo.pop_front() == &requests.back().only);
        CHECK(requests.back().only.ahead == nullptr);
        requests.clear();
    }
    for (int i = 0; i < 20; ++i) {
        push();
    }
    for (size_t i = 0; i < requests.size(); ++i) {
        const Fragment* fragment = fifo.pop_front();
        CHECK(fragment == &requests[i].only);
        CHECK(fragment->ahead == (i + 4 < requests.size() ? &requests[i + 4] : nullptr));
    }
    CHECK(fifo.empty());
}

}  // namespace ringmain::core
