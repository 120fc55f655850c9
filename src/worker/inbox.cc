#include "ringmain/worker/inbox.h"

#include <utility>

namespace ringmain::worker {

void Inbox::post(Message message) {
    {
        const std::lock_guard lock(mutex_);
        messages_.push_back(std::move(message));
    }
    wake();
}

std::vector<Message> Inbox::take() {
    event_.clear();
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
}

}  // namespace ringmain::worker
