#include "name_search.h"

#include <algorithm>
#include <utility>

namespace ringmain::worker {

void NameSearch::begin(std::vector<Question> questions, Instant now) {
    number_ += 1;
    questions_ = std::move(questions);
    found_.clear();
    error_.clear();
    deadline_ = now + limit;
    for (size_t i = 0; i < questions_.size(); ++i) {
        const Question& question = questions_[i];
        const Status asked =
            resolver_->ask(question.host, question.port, number_ << 32 | i, *inbox_);
        if (!asked.ok()) return fail(question, asked.error());
    }
}

void NameSearch::take() {
    for (const Message& message : inbox_->take()) {
        if (message.ticket >> 32 != number_) continue;
        const Question& question = questions_[static_cast<uint32_t>(message.ticket)];
        if (message.addresses.empty()) {
            fail(question, message.error);
        } else {
            found_.emplace(question.host, message.addresses.front());
        }
    }
}

void NameSearch::fail(const Question& question, const std::string& why) {
    if (error_.empty()) error_ = question.asker + ": " + why;
}

bool NameSearch::has_ended(Instant now) const {
    const auto is_found = [this](const Question& one) { return found_.contains(one.host); };
    return !error_.empty() || now >= deadline_ || std::ranges::all_of(questions_, is_found);
}

Result<NamedAddresses> NameSearch::result() const {
    if (!error_.empty()) return Error{error_};
    for (const Question& question : questions_) {
        if (found_.contains(question.host)) continue;
        return Error{question.asker + ": cannot resolve '" + question.host +
                     "': no name server has answered within " +
                     std::to_string(limit.to_millis() / 1000) +
                     " s: check the name and /etc/resolv.conf, or write the address"};
    }
    return found_;
}

}  // namespace ringmain::worker
