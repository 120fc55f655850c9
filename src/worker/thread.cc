#include "ringmain/worker/thread.h"

#include "ringmain/base/assert.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <utility>

namespace ringmain::worker {

namespace {

// Only reserved; what is not touched takes no memory. Without a size of its own a thread has that
// of the limit on the stack (ulimit -s), which may be too small for any.
constexpr size_t stack_size = 8ULL << 20;

}  // namespace

Result<Thread> Thread::start(Main main, void* argument) {
    pthread_t id = {};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size);
    const int error = pthread_create(&id, &attributes, main, argument);
    pthread_attr_destroy(&attributes);
    if (error == 0) return Thread(id);
    return Error{"no thread can be made (" + uring::error_text(error) +
                 "): raise the limit on processes and threads (ulimit -u, TasksMax= in a systemd "
                 "unit, pids.max of a container), or on memory"};
}

Thread::Thread(Thread&& other) noexcept
    : id_(other.id_), is_joinable_(std::exchange(other.is_joinable_, false)) {}

Thread& Thread::operator=(Thread&& other) noexcept {
    RM_ASSERT(!is_joinable_);
    id_ = other.id_;
    is_joinable_ = std::exchange(other.is_joinable_, false);
    return *this;
}

Thread::~Thread() {
    RM_ASSERT(!is_joinable_);
}

void Thread::set_name(std::string name) const {
    constexpr size_t longest = 15;  // TASK_COMM_LEN of the kernel, with its zero
    name.resize(std::min(name.size(), longest));
    pthread_setname_np(id_, name.c_str());
}

void Thread::join() {
    RM_ASSERT(is_joinable_);
    const int error = pthread_join(id_, nullptr);
    RM_ASSERT(error == 0);
    is_joinable_ = false;
}

void Thread::let_go() {
    RM_ASSERT(is_joinable_);
    const int error = pthread_detach(id_);
    RM_ASSERT(error == 0);
    is_joinable_ = false;
}

}  // namespace ringmain::worker
