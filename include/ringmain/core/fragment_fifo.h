// ringmain/core/fragment_fifo.h - the fragments on one server connection, in the order of their
// responses.
//
// With many requests under way each has left the cache when its response comes, and the next one is
// known only when the one before it is read. So a fragment knows, beside the next, the request of
// the one `ahead` places behind it, and when a fragment leaves, that request begins its way back.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/base/prefetch.h"
#include "ringmain/core/request.h"

#include <array>
#include <cstddef>

namespace ringmain::core {

class FragmentFifo {
  public:
    [[nodiscard]] bool empty() const { return fifo_.empty(); }

    [[nodiscard]] Fragment* front() const { return fifo_.front(); }

    [[nodiscard]] Fragment* back() const { return fifo_.back(); }

    [[nodiscard]] size_t size() const { return fifo_.size(); }

    void push_back(Fragment* fragment) {
        Fragment*& before = last_[place_];
        // Those that have left may not even exist.
        if (fifo_.size() >= ahead) before->ahead = fragment->request;
        before = fragment;
        place_ = (place_ + 1) % ahead;
        fragment->ahead = nullptr;
        fifo_.push_back(fragment);
    }

    Fragment* pop_front() {
        Fragment* fragment = fifo_.pop_front();
        prefetch(fragment->ahead);
        return fragment;
    }

  private:
    static constexpr size_t ahead = 4;

    Fifo<Fragment, &Fragment::next> fifo_;
    std::array<Fragment*, ahead> last_ = {};  // that were pushed, in turn
    size_t place_ = 0;                        // of the oldest of them
};

}  // namespace ringmain::core
