// Lists, and who waits for their elements.

#include "ringmain/core/server_conn.h"
#include "tests/sim/server.h"
#include "tests/unit/core/wire.h"

#include <algorithm>

namespace ringmain::sim {

using test::bulk;

std::string Server::answer_push(Link& link, Instant now, Prng& prng) {
    const std::string key = arguments_[1];
    wrong_ = note_set(link, key, arguments_[2], now);
    std::deque<std::string>& list = lists_[key];
    if (arguments_[0] == "RPUSH") {
        list.push_back(arguments_[2]);
    } else {
        list.push_front(arguments_[2]);
    }
    const std::string answer = ":" + std::to_string(list.size()) + "\r\n";
    feed_waiting(key, now, prng);
    return answer;
}

// Empty: there is none. As long as the proxy knows of a client that waits for it, it goes there;
// one that comes when the proxy has closed the connection already is lost, as with a direct one.
std::string Server::pop(const std::string& key, bool from_right, const Link& link) {
    std::deque<std::string>& list = lists_[key];
    if (list.empty()) return {};
    std::string element = from_right ? list.back() : list.front();
    if (from_right) {
        list.pop_back();
    } else {
        list.pop_front();
    }
    truth_->elements_taken += 1;
    const core::ServerConn* conn = link.channel->server;
    const Tag tag = tag_of(key, element);
    // LMPOP, like LPOP: it asks on everybody's connections, and takes it whoever hears of it.
    if (arguments_[0] == "LMPOP" && link.lessee == 0) {
        truth_->taken_by_some.insert(tag);
        return element;
    }
    if (link.channel->closed || conn == nullptr) return element;
    const core::Fragment* head = conn->fragments.front();
    if (link.lessee == 0 || head == nullptr || !core::is_wanted(*head)) {
        wrong_ = "a client that waits and is gone: it takes element " + std::to_string(tag);
    } else if (link.lessee != Link::nobody && !truth_->taken.try_emplace(link.lessee, tag).second) {
        wrong_ = "a client that waits, and takes a second element: " + std::to_string(tag);
    }
    return element;
}

std::string Server::answer_pop(Link& link) {
    const std::string element = pop(arguments_[1], arguments_[0] == "RPOP", link);
    if (!element.empty()) return bulk(element);
    return link.session.resp3 ? "_\r\n" : "$-1\r\n";
}

// Where the keys of a pop of several are.
Server::KeySpan Server::popped_keys() const {
    const std::string& name = arguments_[0];
    if (!name.ends_with("MPOP")) return {1, arguments_.size() - 1};
    const size_t first = name == "LMPOP" ? 2 : 3;
    return {first, first + std::stoul(arguments_[first - 1])};
}

// BLPOP, BRPOP, LMPOP, BLMPOP.
std::string Server::answer_pops(Link& link, Instant now) {
    const std::string& name = arguments_[0];
    const KeySpan span = popped_keys();
    const std::vector<std::string> keys(arguments_.begin() + static_cast<ptrdiff_t>(span.first),
                                        arguments_.begin() + static_cast<ptrdiff_t>(span.end));
    const bool counts = name.ends_with("MPOP");
    const bool from_right = name == "BRPOP" || (counts && arguments_[span.end] == "RIGHT");
    for (const std::string& key : keys) {
        const std::string element = pop(key, from_right, link);
        if (!element.empty()) return popped(key, element, counts);
    }
    if (name == "LMPOP") return link.session.resp3 ? "_\r\n" : "*-1\r\n";
    const bool forever = (counts ? arguments_[1] : arguments_.back()) == "0";
    const Instant until = forever ? Instant::never() : on_grid(now + wait_span);
    waiting_.push_back({&link, keys, from_right, counts, until});
    return {};
}

std::string Server::popped(const std::string& key, const std::string& element, bool counts) {
    return "*2\r\n" + bulk(key) + (counts ? "*1\r\n" : "") + bulk(element);
}

// Whoever has waited longest.
void Server::feed_waiting(const std::string& key, Instant now, Prng& prng) {
    for (auto at = waiting_.begin(); at != waiting_.end() && wrong_.empty(); ++at) {
        Link& link = *at->link;
        const bool is_gone = link.was_reset || link.to_peer.has_ended(now);
        if (is_gone || std::ranges::find(at->keys, key) == at->keys.end()) continue;
        const std::string element = pop(key, at->from_right, link);
        if (element.empty()) return;
        const std::string answer = popped(key, element, at->counts);
        waiting_.erase(at);
        send(link, answer, now, prng);
        return;
    }
}

void Server::end_waits(Instant now, Prng& prng) {
    if (stands_still(now)) return;
    arguments_ = {"BLPOP"};  // which is answered now, and not the latest request
    for (const Waiting& one : waiting_) {
        if (one.until > now) continue;
        send(*one.link, one.link->session.resp3 ? "_\r\n" : "*-1\r\n", now, prng);
    }
    std::erase_if(waiting_, [now](const Waiting& one) { return one.until <= now; });
}

Instant Server::next_end() const {
    Instant next = Instant::never();
    for (const Waiting& one : waiting_) {
        next = std::min(next, one.until);
    }
    return next == Instant::never() ? next : std::max(next, still_until);
}

void Server::end_link(Link& link, Instant now) {
    std::erase_if(waiting_, [&link](const Waiting& one) { return one.link == &link; });
    link.is_half = true;
    link.mute = true;
    link.to_proxy.close(now + link.latency);
}

void Server::forget(Link& link) {
    redis.subscribers.erase(&link.session);
    std::erase(subscribers_, &link);
    std::erase_if(waiting_, [&link](const Waiting& one) { return one.link == &link; });
}

}  // namespace ringmain::sim
