// Channels and patterns, and who is subscribed to them.

#include "tests/sim/faults.h"
#include "tests/sim/server.h"
#include "tests/unit/core/wire.h"

#include <algorithm>

namespace ringmain::sim {

using test::bulk;

namespace {

constexpr std::string_view of_channels = "subscribe";
constexpr std::string_view of_patterns = "psubscribe";

}  // namespace

void Server::note_subscription(Link& link) {
    const auto found = std::ranges::find(subscribers_, &link);
    if (link.session.topics.empty()) {
        if (found != subscribers_.end()) subscribers_.erase(found);
    } else if (found == subscribers_.end()) {
        subscribers_.push_back(&link);
    }
}

bool Server::is_subscribed(const Link& link, const std::string& topic) const {
    return std::ranges::any_of(link.session.topics,
                               [&topic](const auto& kind) { return kind.second.contains(topic); });
}

// A pattern is a beginning and a star.
std::string Server::answer_publish(Link& link, Instant now, Prng& prng) {
    const std::string channel = arguments_[1];
    const std::string payload = arguments_[2];
    wrong_ = note_set(link, channel, payload, now);
    const Tag tag = tag_of(channel, payload);
    wrong_ = wrong_.empty() ? check_hearers(channel) : wrong_;
    uint64_t heard = 0;
    for (Link* subscriber : subscribers_) {
        for (const auto& [word, names] : subscriber->session.topics) {
            for (const std::string& name : names) {
                const bool is_pattern = word == of_patterns;
                const bool matches = is_pattern
                                         ? channel.starts_with(name.substr(0, name.size() - 1))
                                         : word == of_channels && name == channel;
                if (!matches) continue;
                heard += 1;
                std::string text = is_pattern ? "*4\r\n" + bulk("pmessage") + bulk(name)
                                              : "*3\r\n" + bulk("message");
                text += bulk(channel) + bulk(payload);
                Instant at = now + subscriber->latency;
                if (now < crawls_until) {
                    const auto late = static_cast<uint64_t>(crawl_max.ns);
                    at = at + Duration{static_cast<int64_t>(prng.below(late))};
                }
                send_message(*subscriber,
                             {.end = 0, .tag = tag, .topic = name, .channel = channel},
                             std::move(text),
                             at);
            }
        }
    }
    return ":" + std::to_string(heard) + "\r\n";
}

// While nothing fails, and servers stay, whoever has heard that he is subscribed hears this.
std::string Server::check_hearers(const std::string& channel) const {
    const bool is_sure = truth_->calm && (truth_->common_faults & ~uint32_t{Moved}) == 0;
    if (!is_sure || truth_->is_ending) return {};
    // Clients may be closed over it that do not know it yet.
    if (truth_->pool->client_output_limit < Scenario::output_limit_ample) return {};
    if (truth_->directory.is_random()) return {};
    for (const auto& [who, count] : truth_->listening) {
        const uint32_t worker = who.first;
        const std::string& topic = who.second;
        const bool is_pattern = topic.ends_with("*");
        const bool matches =
            is_pattern ? channel.starts_with(topic.substr(0, topic.size() - 1)) : topic == channel;
        if (count == 0 || !matches) continue;
        const bool is_there = std::ranges::any_of(subscribers_, [&](const Link* link) {
            return link->worker == worker && is_subscribed(*link, topic);
        });
        if (!is_there) {
            return "a message of " + channel + ", and worker " + std::to_string(worker) +
                   " does not listen to " + topic;
        }
    }
    return {};
}

void Server::send_message(Link& link, const Link::Message& message, std::string text, Instant at) {
    if (link.mute || link.was_reset) return;
    put(link, std::move(text), at);
    link.messages.push_back(message);
    link.messages.back().end = link.sent_bytes;
    messages_ += 1;
}

}  // namespace ringmain::sim
