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
    if (link.channel->closed || conn == nullptr) return element;
    const core::Fragment* head = conn->fragments.front();
    const Tag tag = tag_of(key, element);
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

std::string Server::answer_wait(Link& link, Instant now) {
    const std::vector<std::string> keys(arguments_.begin() + 1, arguments_.end() - 1);
    const bool from_right = arguments_[0] == "BRPOP";
    for (const std::string& key : keys) {
        const std::string element = pop(key, from_right, link);
        if (!element.empty()) return "*2\r\n" + bulk(key) + bulk(element);
    }
    const Instant until = arguments_.back() == "0" ? Instant::never() : on_grid(now + wait_span);
    waiting_.push_back({&link, keys, from_right, until});
    return {};
}

// Whoever has waited longest.
void Server::feed_waiting(const std::string& key, Instant now, Prng& prng) {
    for (auto at = waiting_.begin(); at != waiting_.end() && wrong_.empty(); ++at) {
        Link& link = *at->link;
        const bool is_gone = link.was_reset || link.to_peer.has_ended(now);
        if (is_gone || std::ranges::find(at->keys, key) == at->keys.end()) continue;
        const std::string element = pop(key, at->from_right, link);
        if (element.empty()) return;
        waiting_.erase(at);
        send(link, "*2\r\n" + bulk(key) + bulk(element), now, prng);
        return;
    }
}

void Server::end_waits(Instant now, Prng& prng) {
    if (stands_still(now)) return;
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
