#include "ringmain/worker/resolver.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace ringmain::worker {

struct Resolver::Shared {
    struct Asker {
        uint64_t ticket = 0;
        Inbox* inbox = nullptr;
    };

    struct Question {
        std::string host;
        uint16_t port = 0;
        bool is_known = false;
        std::vector<Asker> askers;
    };

    // The same question, where somebody has asked it and has no answer yet; null: nobody has.
    [[nodiscard]] Question* find(const std::string& host, uint16_t port);

    // Whether a thread may take the first one: those that are known come first.
    [[nodiscard]] bool has_work() const {
        return !questions.empty() &&
               (questions.front().is_known || unknown < threads_max - threads_for_known);
    }

    LookUp look_up = nullptr;
    std::mutex mutex;
    std::condition_variable asked;
    std::list<Question> questions;
    std::list<Question> under_way;
    std::set<std::string> known;  // hosts that were found when they were looked up last
    uint32_t unknown = 0;         // of those under way
    uint32_t threads = 0;
    uint32_t idle = 0;     // of them, waiting for a question
    uint32_t holders = 1;  // the resolver and its threads
    bool ending = false;
};

Resolver::Shared::Question* Resolver::Shared::find(const std::string& host, uint16_t port) {
    for (std::list<Question>* some : {&under_way, &questions}) {
        const auto found = std::ranges::find_if(*some, [&host, port](const Question& one) {
            return one.port == port && one.host == host;
        });
        if (found != some->end()) return &*found;
    }
    return nullptr;
}

Resolver::Resolver(Result<Thread> (*start_thread)(Thread::Main, void*), LookUp look_up)
    : start_thread_(start_thread), shared_(new Shared) {
    shared_->look_up = look_up;
}

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

Status Resolver::ask(std::string host, uint16_t port, uint64_t ticket, Inbox& inbox) {
    const std::lock_guard lock(shared_->mutex);
    if (Shared::Question* same = shared_->find(host, port); same != nullptr) {
        same->askers.push_back({ticket, &inbox});
        return {};
    }
    // The thread waits for the mutex, and so does not see what is not there yet.
    if (shared_->questions.size() >= shared_->idle && shared_->threads < threads_max) {
        Result<Thread> made = start_thread_(thread_main, shared_);
        if (made.ok()) {
            made.value().set_name("ringmain-names");
            made.value().let_go();
            shared_->threads += 1;
            shared_->holders += 1;
        } else if (shared_->threads == 0) {
            return Error{made.error()};
        }
    }
    const bool is_known = shared_->known.contains(host);
    const auto place =
        is_known ? std::ranges::find(shared_->questions, false, &Shared::Question::is_known)
                 : shared_->questions.end();
    shared_->questions.insert(place, {std::move(host), port, is_known, {{ticket, &inbox}}});
    shared_->asked.notify_one();
    return {};
}

void* Resolver::thread_main(void* shared) {
    run(static_cast<Shared*>(shared));
    return nullptr;
}

void Resolver::run(Shared* shared) {
    std::unique_lock lock(shared->mutex);
    while (true) {
        shared->idle += 1;
        shared->asked.wait(lock, [shared] { return shared->ending || shared->has_work(); });
        shared->idle -= 1;
        if (shared->ending) {
            break;
        }
        const auto question = shared->questions.begin();
        shared->under_way.splice(shared->under_way.end(), shared->questions, question);
        if (!question->is_known) shared->unknown += 1;
        lock.unlock();
        // Nobody changes these two; askers come while it lasts.
        const Result<std::vector<uring::SocketAddress>> found =
            shared->look_up(question->host, question->port);
        lock.lock();
        if (!question->is_known) shared->unknown -= 1;
        if (found.ok()) {
            shared->known.insert(question->host);
        } else {
            shared->known.erase(question->host);
        }
        for (const Shared::Asker& asker : question->askers) {
            // An inbox lives while the resolver does, and that cannot end while we hold the mutex.
            if (shared->ending) break;
            Message answer(Message::Kind::Resolved);
            answer.ticket = asker.ticket;
            if (found.ok()) {
                answer.addresses = found.value();
            } else {
                answer.error = found.error();
                answer.shortage = found.error_number();
            }
            asker.inbox->post(std::move(answer));
        }
        shared->under_way.erase(question);
        if (!shared->has_work() && shared->threads > threads_kept) break;
    }
    shared->threads -= 1;
    lock.unlock();
    leave(shared);
}

}  // namespace ringmain::worker
