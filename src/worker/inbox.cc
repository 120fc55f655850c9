#include "ringmain/worker/inbox.h"

#include "ringmain/base/assert.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace ringmain::worker {

Inbox::Inbox() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    RM_ASSERT(wake_.is_open());
}

void Inbox::post(Message message) {
    {
        const std::lock_guard lock(mutex_);
        messages_.push_back(std::move(message));
    }
    wake();
}

void Inbox::wake() const {
    const uint64_t one = 1;
    // Can fail only when the counter is full, and then the worker is awake anyway.
    const ssize_t written = write(wake_.get(), &one, sizeof one);
    static_cast<void>(written);
}

std::vector<Message> Inbox::take() {
    uint64_t count = 0;
    const ssize_t got = read(wake_.get(), &count, sizeof count);
    static_cast<void>(got);
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
}

}  // namespace ringmain::worker
