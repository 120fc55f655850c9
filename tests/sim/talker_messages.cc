// Messages: who is subscribed hears all, once, in order; who is not hears none.

#include "tests/sim/talker.h"
#include "tests/unit/core/wire.h"

#include <algorithm>
#include <utility>

namespace ringmain::sim {

using test::bulk;
using test::resp;

using Kind = Expected::Kind;

std::string Talker::speak_publish(Prng& prng) {
    Expected& expected = expect(Kind::Push, {});
    const Use use = {.key = "m:" + std::to_string(prng.below(channels))};
    expected.uses = {use};
    const std::string message = new_value(use, expected);
    return resp({"PUBLISH", use.key, message});
}

// In RESP2 nothing else may be said, once subscribed.
std::string Talker::speak_as_hearer(Prng& prng) {
    const bool may_greet = topics_.empty() && expected_.empty() && !wants_user_;
    if (may_greet && prng.below(3) == 0) return hello(true);
    if (prng.below(4) != 0) return speak_topic(prng);
    Expected& expected = expect(Kind::Word, {});
    expected.words = {"+PONG\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n"};
    return resp({"PING"});
}

std::string Talker::speak_topic(Prng& prng) {
    const bool begins = prng.below(3) != 0;
    const bool is_pattern = prng.below(4) == 0;
    std::string word = is_pattern ? "psubscribe" : "subscribe";
    if (!begins) word.insert(is_pattern ? 1 : 0, "un");
    std::vector<std::string> request = {word};
    const uint64_t first = prng.below(channels);
    for (uint64_t i = 0; i == 0 || (i < 3 && prng.below(3) == 0); ++i) {
        std::string name = "m:" + std::to_string((first + i) % channels);
        if (is_pattern) name = i == 0 ? "m:*" : "m:" + std::to_string(i) + "*";
        request.push_back(name);
        Expected& expected = expect(Kind::Topic, word);
        // A pattern is on every server.
        if (!is_pattern) expected.uses = {{.key = name}};
        expected.name = name;
        expected.news = truth_->news.of(worker_, name).size();
        const auto found = topics_.find(name);
        if (!begins && found != topics_.end()) stop_listening(name, found->second);
    }
    for (size_t i = 0; i + 1 < request.size(); ++i) {
        expected_[expected_.size() - 1 - i].rest = static_cast<uint32_t>(i);
    }
    return resp(request);
}

// An error that stands for all topics of the command.
bool Talker::is_of_all(std::string_view answer) {
    constexpr std::string_view none = "-ERR ringmain: every server of pool '";
    constexpr std::string_view memory = "-ERR ringmain: out of memory for requests";
    return answer.starts_with(none) || answer.starts_with(memory) || answer.starts_with("-NOAUTH ");
}

std::string Talker::judge_topic(const Expected& next,
                                std::string_view answer,
                                const std::vector<Value>& values) {
    if (values.size() != 2 || values[0].text != next.exact || values[1].text != next.name) {
        return "no confirmation of " + next.exact + " " + next.name;
    }
    const std::vector<News::Item>& news = truth_->news.of(worker_, next.name);
    if (next.exact.find("un") == std::string::npos) {
        const bool is_new =
            topics_.try_emplace(next.name, Topic{.next = next.news, .free_from = news.size()})
                .second;
        // What it has asked for behind this is not known here: once in a while it listens less
        // long.
        const bool goes_on = std::ranges::none_of(expected_, [&next](const Expected& other) {
            return other.kind == Kind::Topic && other.name == next.name;
        });
        Topic& topic = topics_.find(next.name)->second;
        if (is_new && goes_on) truth_->listening[{worker_, next.name}] += 1;
        if (is_new && !goes_on) topic.wanted = false;
    } else if (const auto found = topics_.find(next.name); found != topics_.end()) {
        stop_listening(next.name, found->second);
        const Topic topic = found->second;
        topics_.erase(found);
        // Up to when it asked for the end.
        for (size_t i = std::max(topic.next, topic.free_from); i < next.news; ++i) {
            if (news[i].certain) return "message " + std::to_string(news[i].tag) + " is missing";
        }
    }
    const std::string count = ":" + std::to_string(topics_.size()) + "\r\n";
    return answer.ends_with(count) ? "" : "another number of topics than " + count;
}

void Talker::stop_listening(const std::string& name, Topic& topic) {
    if (!std::exchange(topic.wanted, false)) return;
    truth_->listening[{worker_, name}] -= 1;
}

void Talker::stop_listening() {
    for (auto& [name, topic] : topics_) {
        stop_listening(name, topic);
    }
}

Talker::~Talker() {
    stop_listening();
}

bool Talker::is_message(std::string_view answer, const std::vector<Value>& values) const {
    if (memcached_ || values.size() < 3 || (answer[0] != '*' && answer[0] != '>')) return false;
    const bool is_pattern = values[0].text == "pmessage" && values.size() == 4;
    return (is_pattern || (values[0].text == "message" && values.size() == 3)) &&
           values[1].text.starts_with("m:");
}

std::string Talker::hear_message(const std::vector<Value>& values) {
    const std::string& name = values[1].text;
    const std::string& channel = values[values.size() - 2].text;
    const Tag tag = tag_of(channel, values.back().text);
    const auto found = topics_.find(name);
    if (found == topics_.end()) return "a message of " + name + ", to which it is not subscribed";
    if (tag == 0) return "no message of " + channel;
    Topic& topic = found->second;
    const std::vector<News::Item>& news = truth_->news.of(worker_, name);
    for (; topic.next < news.size() && news[topic.next].tag != tag; ++topic.next) {
        const News::Item& missed = news[topic.next];
        if (topic.next >= topic.free_from && missed.certain) {
            return "message " + std::to_string(missed.tag) + " of " + name + " is missing before " +
                   std::to_string(tag);
        }
    }
    if (topic.next == news.size()) {
        return "message " + std::to_string(tag) + " of " + name + " comes twice or from nowhere";
    }
    topic.next += 1;
    truth_->news_heard += 1;
    return {};
}

std::string Talker::miss(Instant until) {
    for (const auto& [name, topic] : topics_) {
        const std::vector<News::Item>& news = truth_->news.of(worker_, name);
        for (size_t i = std::max(topic.next, topic.free_from); i < news.size(); ++i) {
            if (!news[i].certain || news[i].at > until) continue;
            return "message " + std::to_string(news[i].tag) + " of " + name + " has not come";
        }
    }
    return {};
}

std::vector<std::string> Talker::topics() const {
    std::vector<std::string> names;
    for (const auto& [name, topic] : topics_) {
        if (topic.wanted) names.push_back(name);
    }
    return names;
}

}  // namespace ringmain::sim
