#include "ringmain/worker/resolver.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace ringmain::worker {

namespace {

struct Question {
    std::string host;
    uint16_t port = 0;
    uint64_t ticket = 0;
    Inbox* inbox = nullptr;
};

}  // namespace

struct Resolver::Shared {
    std::mutex mutex;
    std::condition_variable asked;
    std::deque<Question> questions;
    uint32_t threads = 0;
    uint32_t idle = 0;     // of them, waiting for a question
    uint32_t holders = 1;  // the resolver and its threads
    bool ending = false;
};

Resolver::Resolver() : shared_(new Shared) {}

Resolver::~Resolver() {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->ending = true;
        shared_->questions.clear();
    }
    shared_->asked.notify_all();
    leave(shared_);
}

void Resolver::leave(Shared* shared) {
    bool last = false;
    {
        const std::lock_guard lock(shared->mutex);
        shared->holders -= 1;
        last = shared->holders == 0;
    }
    if (last) {
        delete shared;
    }
}

void Resolver::ask(std::string host, uint16_t port, uint64_t ticket, Inbox& inbox) {
    const std::lock_guard lock(shared_->mutex);
    shared_->questions.push_back({std::move(host), port, ticket, &inbox});
    if (shared_->questions.size() > shared_->idle && shared_->threads < threads_max) {
        shared_->threads += 1;
        shared_->holders += 1;
        std::thread(run, shared_).detach();
    }
    shared_->asked.notify_one();
}

void Resolver::run(Shared* shared) {
    std::unique_lock lock(shared->mutex);
    while (true) {
        shared->idle += 1;
        shared->asked.wait(lock, [shared] { return shared->ending || !shared->questions.empty(); });
        shared->idle -= 1;
        if (shared->ending) {
            break;
        }
        const Question question = std::move(shared->questions.front());
        shared->questions.pop_front();
        lock.unlock();
        Result<std::vector<uring::SocketAddress>> found =
            uring::resolve(question.host, question.port);
        Message answer(Message::Kind::Resolved);
        answer.ticket = question.ticket;
        if (found.ok()) {
            answer.addresses = std::move(found.value());
        } else {
            answer.error = found.error();
        }
        lock.lock();
        // The inbox lives while the resolver does, and that cannot end while we hold the mutex.
        if (!shared->ending) {
            question.inbox->post(std::move(answer));
        }
    }
    lock.unlock();
    leave(shared);
}

}  // namespace ringmain::worker
