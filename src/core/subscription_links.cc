// The subscription connections: what is asked on them, their loss and return.

#include "ringmain/base/printable.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/core/subscriptions.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <utility>

#include "front.h"
#include "topic_words.h"

namespace ringmain::core {

namespace {

constexpr std::string_view no_server = "no server is there to subscribe at";

bool is_spent(const Spot& spot) {
    return !spot.wanted && !spot.told && !spot.held && !spot.queued && spot.pending == 0;
}

// Servers send these of what happens to their own keys, whatever the channel's name.
bool is_of_keyspace(std::string_view name) {
    return name.starts_with("__keyspace@") || name.starts_with("__keyevent@");
}

bool lives_everywhere(const Pool& pool, const Topic& topic) {
    return topic.kind == TopicKind::Pattern || is_of_keyspace(topic.name) ||
           pool.options->channels == config::Channels::Everywhere ||
           pool.options->placement.distribution == placement::DistributionKind::Random;
}

template <class Act>
void for_each_topic(Pool& pool, const Act& act) {
    if (pool.topics == nullptr) return;
    for (Topics::ByName& topics : pool.topics->by_kind) {
        for (const auto& [name, topic] : topics) {
            act(*topic);
        }
    }
}

std::string count_text(uint64_t count) {
    return std::to_string(count) + (count == 1 ? " channel or pattern" : " channels and patterns");
}

}  // namespace

void Subscriptions::drop_spent(Topic& topic) {
    std::erase_if(topic.spots, [](const Spot& spot) {
        if (!is_spent(spot)) return false;
        spot.server->link->spots -= 1;
        return true;
    });
}

// --- where topics are ----------------------------------------------------------------------------

void Subscriptions::mark(Link& link) {
    link.is_dirty = true;
    is_dirty_ = true;
}

void Subscriptions::add_spot(Topic& topic, Server& server) {
    if (server.link == nullptr) {
        server.link = std::make_unique<Link>(server.make_subscriber(), proxy_->blocks());
    }
    server.link->spots += 1;
    topic.spots.push_back({.server = &server});
    want(topic, topic.spots.back(), true);
}

void Subscriptions::want(Topic& topic, Spot& spot, bool wanted) {
    if (spot.wanted == wanted) return;
    Link& link = *spot.server->link;
    spot.wanted = wanted;
    spot.batch = proxy_->batch_;
    link.wanted = wanted ? link.wanted + 1 : link.wanted - 1;
    if (link.wanted == 0) link.idle_since = proxy_->now();
    queue(topic, spot);
}

// To be told at the end of the batch, if it is to be told anything.
void Subscriptions::queue(Topic& topic, Spot& spot) {
    Link& link = *spot.server->link;
    link.take_back(spot);
    if (spot.wanted != spot.told && !spot.queued) {
        spot.queued = true;
        link.todo.add(topic, spot.wanted);
    }
    mark(link);
}

// What a server has refused while the topic was nobody's, or somebody else's.
void Subscriptions::ask_for(Topic& topic) {
    if (topic.is_confirmed()) return;
    for (Spot& spot : topic.spots) {
        queue(topic, spot);
    }
}

// While keys come back to a server slowly, a channel is also where it lived before: each message
// is published at one of these only. With no server to go to, all stays as it is.
void Subscriptions::place(Pool& pool, Topic& topic) {
    if (!pool.any_live()) return;
    servers_.clear();
    if (lives_everywhere(pool, topic)) {
        for (const auto& server : pool.servers) {
            if (server->live) servers_.push_back(server->index());
        }
    } else {
        pool.append_servers_of(topic.name, proxy_->prng(), servers_);
    }
    // A topic may be on all of many servers: none is looked for.
    is_place_.assign(pool.servers.size(), false);
    for (const uint32_t index : servers_) {
        is_place_[index] = true;
    }
    for (Spot& spot : topic.spots) {
        const uint32_t index = spot.server->index();
        want(topic, spot, is_place_[index]);
        is_place_[index] = false;
    }
    for (const uint32_t index : servers_) {
        if (is_place_[index]) add_spot(topic, pool.server(index));
        is_place_[index] = false;
    }
}

void Subscriptions::place_anew(Pool& pool) {
    std::vector<Topic*> decided;  // confirmed by all servers that are still to have them, or lost
    for_each_topic(pool, [&](Topic& topic) {
        if (topic.is_used()) place(pool, topic);
        if (topic.waiting.empty() || (topic.is_placed() && !topic.is_confirmed())) return;
        topic.joinings += 1;  // it is looked at once more below
        decided.push_back(&topic);
    });
    for (Topic* topic : decided) {
        if (topic->is_placed()) {
            confirm(*topic);
        } else {
            fail(*topic, error_line(pool, no_server), stats::Reason::NoServer);
        }
        topic->joinings -= 1;
        settle(pool, *topic);
    }
    if (pool.topics == nullptr) return;
    pool.topics->in_ramps = pool.is_in_ramps();
    if (pool.topics->in_ramps) {
        proxy_->wake_at(proxy_->now() + Duration::millis(pool.options->slow_start_ms));
    }
}

// The server has confirmed it, or its end.
void Subscriptions::note_held(Server& server, const Topic& topic, Spot& spot, bool held) {
    if (spot.held == held) return;
    spot.held = held;
    server.link->held = held ? server.link->held + 1 : server.link->held - 1;
    Hearers* hearers = hearers_of(server.pool());
    if (hearers == nullptr) return;
    if (held) {
        hearers->hold(topic.kind, topic.name, server.number());
    } else {
        hearers->release(topic.kind, topic.name, server.number());
    }
}

// Its connection is lost, or about to be. The spots are the caller's.
void Subscriptions::note_none_held(Server& server) {
    if (std::exchange(server.link->held, 0) == 0) return;
    if (Hearers* hearers = hearers_of(server.pool())) {
        hearers->release_all(server.number());
    }
}

// The server is not the pool's any more.
void Subscriptions::forget(Pool& pool, Server& server) {
    std::vector<Topic*> touched;
    for_each_topic(pool, [&](Topic& topic) {
        const auto is_there = [&](const Spot& spot) { return spot.server == &server; };
        if (std::erase_if(topic.spots, is_there) > 0) touched.push_back(&topic);
    });
    Link& link = *server.link;
    note_none_held(server);
    link.forget_topics();
    // Some may have been kept for its confirmation only.
    for (Topic* topic : touched) {
        settle(pool, *topic);
    }
    proxy_->lose(*link.conn, "is not configured any more", Blame::Nobody);
}

void Subscriptions::hand_over(Server& from, Server& to) {
    if (from.link == nullptr) return;
    to.take_link(from);
    for_each_topic(from.pool(), [&](Topic& topic) {
        if (Spot* spot = topic.spot(from)) spot->server = &to;
    });
}

void Subscriptions::move(Pool& old_pool, Pool& pool) {
    for (const auto& server : old_pool.servers) {
        if (server->link != nullptr) forget(old_pool, *server);
    }
    pool.topics = std::move(old_pool.topics);
}

void Subscriptions::end(Pool& pool) {
    for (const auto& server : pool.servers) {
        if (server->link == nullptr) continue;
        note_none_held(*server);
        server->link->forget_topics();
    }
    pool.topics.reset();
}

void Subscriptions::welcome(Server& server) {
    if (server.link == nullptr) return;
    Link& link = *server.link;
    link.conn->retry_at = proxy_->now();
    if (link.wanted > 0) retry(link);
}

// --- connecting ----------------------------------------------------------------------------------

// Now, or when it is time.
void Subscriptions::retry(Link& link) {
    proxy_->waiting_.add(*link.conn);
    static_cast<void>(check(*link.conn));
}

// Whether its servers can be asked now, or are being connected to.
bool Subscriptions::is_reachable(const Topic& topic, std::string_view* why) {
    bool any = false;
    for (const Spot& spot : topic.spots) {
        if (!spot.wanted) continue;
        any = true;
        ServerConn& conn = *spot.server->link->conn;
        if (spot.held || conn.state == ServerConn::State::Ready) continue;
        if (!proxy_->may_connect(*spot.server, conn, why)) return false;
        if (conn.state == ServerConn::State::Closed) proxy_->start_connect(conn);
    }
    if (!any) {
        *why = no_server;
        proxy_->scratch().why_reason = stats::Reason::NoServer;
    }
    return any;
}

void Subscriptions::on_ready(ServerConn& conn) {
    Link& link = *conn.server->link;
    note_heard(link);
    proxy_->waiting_.add(conn);
    mark(link);
}

// Those that have a Spot there that must change, now that the connection is lost: until it is ready
// again, no more is told than what waits to be.
std::vector<Topic*> Subscriptions::topics_at(const ServerConn& conn) {
    Server& server = *conn.server;
    const Link& link = *server.link;
    if (!conn.was_established) return link.todo.all();
    std::vector<Topic*> topics;
    if (link.spots == 0) return topics;
    topics.reserve(link.spots);
    for_each_topic(server.pool(), [&](Topic& topic) {
        if (topic.spot(server) != nullptr) topics.push_back(&topic);
    });
    return topics;
}

void Subscriptions::on_lost(ServerConn& conn) {
    Server& server = *conn.server;
    Link& link = *server.link;
    const std::vector<Topic*> touched = topics_at(conn);
    link.forget_asked();
    link.todo.clear();
    link.refused.clear();
    link.ask_again_at = Instant::never();
    note_none_held(server);
    link.is_dropping = false;
    link.kept.clear();
    link.end.clear();
    kept_.remove(link);
    Pool& pool = server.pool();
    std::vector<Topic*> failing;  // of them, for those that have gone elsewhere wait for others
    for (Topic* topic : touched) {
        Spot& spot = *topic->spot(server);
        spot.told = false;
        spot.held = false;
        spot.pending = 0;
        spot.refusal = 0;
        spot.queued = spot.wanted;
        if (spot.wanted) {
            link.todo.add(*topic, true);
            failing.push_back(topic);
        }
        topic->joinings += 1;  // it is looked at once more below
    }
    const std::string text = error_line(pool, conn.last_error);
    for (Topic* topic : failing) {
        fail(*topic, text, conn.was_established ? stats::Reason::Lost : stats::Reason::Refused);
    }
    for (Topic* topic : touched) {
        topic->joinings -= 1;
        settle(pool, *topic);
    }
    mark(link);
    if (link.wanted == 0 || pool.retired) return;
    link.is_behind = true;
    if (!link.was_told && proxy_->now() >= link.tell_again_at) {
        link.was_told = true;
        link.tell_again_at = proxy_->now() + refusals_told_interval;
        tell(link,
             conn.last_error + "; clients stay subscribed, " + count_text(link.wanted) +
                 " of theirs will be subscribed there again",
             false);
    }
    retry(link);
}

void Subscriptions::tell(const Link& link, std::string_view text, bool good) {
    proxy_->tell(*link.conn, text, good);
}

void Subscriptions::note_recovery(Link& link) {
    if (!link.todo.empty() || !link.asked.empty()) return;
    const std::string who = "server " + link.conn->server->title();
    if (std::exchange(link.is_behind, false) && std::exchange(link.was_told, false)) {
        const uint64_t refused = link.refused.size();
        const std::string but = refused == 0 ? "" : ", and " + std::to_string(refused) + " refused";
        tell(link, who + ": " + count_text(link.held) + " are subscribed again" + but, true);
    }
    if (link.refused.empty() && std::exchange(link.was_told_refusal, false)) {
        tell(link, who + " refuses no subscription any more", true);
    }
}

// Each once until it is confirmed, but not thousands.
void Subscriptions::tell_refusal(Link& link, const Topic& topic, std::string_view line) {
    link.was_told_refusal = true;
    if (!link.refusals_told.admit(proxy_->now())) return;
    std::string text = "server " + link.conn->server->title() + " refuses to ";
    text.append(words_of(topic.kind).subscribe).append(" \"");
    text += escaped(std::string_view(topic.name).substr(0, topic_name_told_max));
    text.append("\": ").append(line);
    tell(link, text + "; clients stay subscribed, and it is asked again and again", false);
}

// --- asking --------------------------------------------------------------------------------------

void Subscriptions::flush() {
    is_dirty_ = false;
    for (const auto& pool : proxy_->pools()) {
        for (const auto& server : pool->servers) {
            if (server->link == nullptr || !std::exchange(server->link->is_dirty, false)) continue;
            flush(*server);
        }
    }
}

void Subscriptions::flush(Server& server) {
    Link& link = *server.link;
    const bool is_ready = link.conn->state == ServerConn::State::Ready;
    // What is not wanted any more piles up while nothing can be asked, or nothing is confirmed.
    constexpr uint64_t unwanted_max = 64;
    const uint64_t needed = link.wanted + link.held + link.asked.size();
    const bool is_idle = !is_ready && link.wanted == 0;
    if (is_idle || link.todo.size() > 2 * needed + unwanted_max) discard(server);
    if (is_ready) {
        pump(server);
        return;
    }
    if (link.wanted > 0 && link.conn->state == ServerConn::State::Closed) retry(link);
}

// What needs not be asked.
void Subscriptions::discard(Server& server) {
    Link& link = *server.link;
    const std::vector<Topic*> todo = link.todo.all();
    link.todo.clear();
    for (Topic* topic : todo) {
        Spot& spot = *topic->spot(server);
        if (spot.wanted != spot.told) {
            link.todo.add(*topic, spot.wanted);
            continue;
        }
        spot.queued = false;
        settle(server.pool(), *topic);
    }
}

// As much as may be under way at once, in as many batches as that takes.
void Subscriptions::pump(Server& server) {
    Link& link = *server.link;
    ServerConn& conn = *link.conn;
    uint32_t left = topics_per_batch;
    while (!link.todo.empty() && link.asked_size < topics_asked_size_max && left > 0) {
        left -= 1;
        Topic& topic = link.todo.front();
        Spot& spot = *topic.spot(server);
        if (spot.wanted != spot.told) {
            if (!ask(link, &topic, spot.wanted)) {
                proxy_->wake_at(proxy_->now() + backoff_first);  // for want of memory
                break;
            }
            spot.told = spot.wanted;
            spot.pending += 1;
        }
        link.todo.pop_front();
        spot.queued = false;
        settle(server.pool(), topic);
    }
    if (left == 0) mark(link);
    proxy_->waiting_.add(conn);
    check_ready(link);
}

// A topic, or with null PING.
bool Subscriptions::ask(Link& link, Topic* topic, bool subscribes) {
    ServerConn& conn = *link.conn;
    std::string text;
    if (topic == nullptr) {
        resp::write_request(text, {"PING"});
    } else {
        const TopicWords& words = words_of(topic->kind);
        resp::write_request(text, {subscribes ? words.subscribe : words.unsubscribe, topic->name});
    }
    if (!proxy_->has_room_for(text.size())) return false;
    conn.write(text);
    link.asked.push_back({topic, subscribes, text.size(), proxy_->batch_, proxy_->now()});
    link.asked_size += text.size();
    conn.server->counters().request_bytes.add(text.size());
    proxy_->mark_dirty(conn);
    return true;
}

// A refused one is asked for again, together with others: after longer, the more often it was. One
// more does not make all of them be asked for sooner.
void Subscriptions::hold_back(Link& link, Topic& topic, Spot& spot) {
    const bool is_first = !std::exchange(spot.was_refused, true) && link.refused.empty();
    if (is_first) link.ask_again_after = ask_again_first;
    link.refusals += 1;
    spot.refusal = link.refusals;
    link.refused.emplace(spot.refusal, &topic);
    link.ask_again_at = std::min(link.ask_again_at, proxy_->now() + link.ask_again_after);
    proxy_->wake_at(link.ask_again_at);
}

void Subscriptions::ask_again(Link& link) {
    link.ask_again_at = Instant::never();
    link.ask_again_after = std::min(Duration{2 * link.ask_again_after.ns}, ask_again_max);
    for (const auto& [number, topic] : std::exchange(link.refused, {})) {
        Spot& spot = *topic->spot(*link.conn->server);
        spot.refusal = 0;
        queue(*topic, spot);
    }
    proxy_->wake_at(proxy_->now());  // this batch may be over
    if (const uint64_t more = link.refusals_told.take_untold(proxy_->now()); more != 0) {
        tell(link,
             "server " + link.conn->server->title() + " refuses " + count_text(more) + " more",
             false);
    }
}

// --- time ----------------------------------------------------------------------------------------

bool Subscriptions::check(ServerConn& conn) {
    Link& link = *conn.server->link;
    if (conn.state == ServerConn::State::Ready) {
        if (!link.todo.empty()) mark(link);
        check_ready(link);
        return true;
    }
    if (conn.state != ServerConn::State::Closed) return false;
    const Server& server = *conn.server;
    if (link.wanted == 0 || !server.live || server.pool().retired || proxy_->draining_) {
        proxy_->waiting_.remove(conn);
    } else if (proxy_->now() < conn.retry_at) {
        proxy_->wake_at(conn.retry_at);
    } else {
        proxy_->start_connect(conn);
    }
    return true;
}

// A server that says nothing for long is asked whether it is still there; one that does not answer
// is not.
void Subscriptions::check_ready(Link& link) {
    ServerConn& conn = *link.conn;
    const Duration limit = late_limit(*conn.server->pool().options);
    const Instant now = proxy_->now();
    // What it has said is not looked at yet.
    if (conn.paused || !link.kept.empty()) link.heard_at = now;
    if (now >= link.ask_again_at) ask_again(link);
    proxy_->wake_at(link.ask_again_at);
    if (!link.asked.empty()) {
        if (limit.ns == 0) return;
        // It may stand behind many messages.
        const Instant due = std::max(link.asked.front().at, link.heard_at) + limit;
        if (now < due) {
            proxy_->wake_at(due);
            return;
        }
        conn.count_loss(&stats::ServerCounters::timedout);
        proxy_->lose(conn,
                     "has not answered on its subscription connection for " +
                         std::to_string(limit.to_millis()) + " ms (late_connection_timeout)");
        return;
    }
    if (link.wanted == 0) {
        const Instant until = link.idle_since + idle_link_max;
        if (now < until) {
            proxy_->wake_at(until);
        } else if (link.todo.empty()) {
            proxy_->lose(conn, unneeded_reason, Blame::Nobody);
        }
        return;
    }
    if (limit.ns == 0) return;
    const Instant ping_at = link.heard_at + link_ping_interval;
    if (now >= ping_at && ask(link, nullptr, false)) {
        proxy_->wake_at(now + limit);
        return;
    }
    proxy_->wake_at(std::max(ping_at, now + backoff_first));
}

}  // namespace ringmain::core
