#include "ringmain/worker/resolver.h"

#include <utility>

namespace ringmain::worker {

Resolver::~Resolver() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    asked_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Resolver::ask(std::string host, uint16_t port, uint64_t ticket, Inbox& inbox) {
    const std::lock_guard lock(mutex_);
    questions_.push_back({std::move(host), port, ticket, &inbox});
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    asked_.notify_one();
}

void Resolver::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        asked_.wait(lock, [this] { return ending_ || !questions_.empty(); });
        if (ending_) return;
        const Question question = std::move(questions_.front());
        questions_.pop_front();
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
        question.inbox->post(std::move(answer));
        lock.lock();
    }
}

}  // namespace ringmain::worker
