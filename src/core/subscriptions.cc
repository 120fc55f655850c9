// What clients are subscribed to. Servers are told by subscription_links.cc; the times of all that
// are in subscription_times.cc.

#include "ringmain/core/subscriptions.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "front.h"
#include "topic_words.h"

namespace ringmain::core {

namespace {

void write_confirmation(
    std::string& out, std::string_view word, const std::string* name, uint32_t count, bool resp3) {
    out += resp3 ? ">3\r\n" : "*3\r\n";
    resp::write_bulk(out, word);
    if (name != nullptr) {
        resp::write_bulk(out, *name);
    } else {
        resp::write_null(out, resp::version_of(resp3));
    }
    resp::write_integer(out, count);
}

size_t index_of(TopicKind kind) {
    return static_cast<size_t>(kind);
}

Subscriber& subscriber_of(ClientConn& client) {
    if (client.session->subscriber == nullptr) {
        client.session->subscriber = std::make_unique<Subscriber>();
        client.session->subscriber->client = &client;
    }
    return *client.session->subscriber;
}

// In the order of their names: what happens depends on nothing else.
std::vector<Topic*> topics_of(const Subscriber& subscriber) {
    std::vector<Topic*> topics;
    topics.reserve(subscriber.topics.size());
    for (const auto& [topic, place] : subscriber.topics) {
        topics.push_back(topic);
    }
    std::ranges::sort(topics, [](const Topic* one, const Topic* other) {
        return std::tie(one->kind, one->name) < std::tie(other->kind, other->name);
    });
    return topics;
}

}  // namespace

// --- topics --------------------------------------------------------------------------------------

Topic* Subscriptions::find(const Pool& pool, TopicKind kind, std::string_view name) {
    if (pool.topics == nullptr) return nullptr;
    const Topics::ByName& topics = pool.topics->by_kind[index_of(kind)];
    const auto found = topics.find(name);
    return found == topics.end() ? nullptr : found->second.get();
}

// Where the other workers see them; null where nobody looks.
Hearers* Subscriptions::hearers_of(const Pool& pool) const {
    const Environment& environment = proxy_->environment();
    if (environment.worker_count == 1) return nullptr;
    return &(*pool.shared->hearers)[environment.worker_index];
}

int64_t Subscriptions::more_hearers(const Pool& pool,
                                    TopicKind kind,
                                    std::string_view name,
                                    uint32_t server) const {
    int64_t more = 0;
    if (const Topic* topic = find(pool, kind, name)) {
        const bool is_counted = std::ranges::any_of(topic->spots, [server](const Spot& spot) {
            return spot.server->number() == server && spot.held;
        });
        more = static_cast<int64_t>(topic->clients.size()) - (is_counted ? 1 : 0);
    }
    if (hearers_of(pool) == nullptr) return more;
    for (uint32_t worker = 0; worker < proxy_->environment().worker_count; ++worker) {
        if (worker == proxy_->environment().worker_index) continue;
        more += (*pool.shared->hearers)[worker].more_hearers(kind, name, server);
    }
    return more;
}

Topic& Subscriptions::topic_of(Pool& pool, TopicKind kind, std::string_view name) {
    if (Topic* topic = find(pool, kind, name)) return *topic;
    auto made = std::make_unique<Topic>(kind, name);
    Topic& topic = *made;
    pool.topics->by_kind[index_of(kind)].emplace(topic.name, std::move(made));
    pool.topics->names_size += name.size();
    pool.topics->note_clients(topic);
    return topic;
}

// After it got or lost somebody: servers are told, and it goes with its last trace.
void Subscriptions::settle(Pool& pool, Topic& topic) {
    if (!topic.is_used()) {
        for (Spot& spot : topic.spots) {
            want(topic, spot, false);
        }
    }
    drop_spent(topic);
    if (topic.is_used() || !topic.spots.empty()) return;
    pool.topics->forget(topic);
}

void Subscriptions::join(ClientConn& client, Topic& topic) {
    Subscriber& subscriber = subscriber_of(client);
    if (!subscriber.topics.emplace(&topic, topic.clients.size()).second) return;
    topic.clients.push_back(&client);
    subscriber.counts[index_of(topic.kind)] += 1;
    client.pool->topics->subscriptions += 1;
    client.pool->topics->note_clients(topic);
    stats::PoolCounters& counters = *client.pool->counters;
    counters.subscriptions.add(1);
    if (Hearers* hearers = hearers_of(*client.pool)) {
        hearers->add(topic.kind, topic.name);
    }
    if (topic.clients.size() > 1) return;
    (topic.kind == TopicKind::Pattern ? counters.patterns : counters.channels).add(1);
}

void Subscriptions::part(ClientConn& client, Topic& topic) {
    Subscriber& subscriber = subscriber_of(client);
    const auto found = subscriber.topics.find(&topic);
    if (found == subscriber.topics.end()) return;
    const size_t place = found->second;
    subscriber.topics.erase(found);
    if (subscriber.topics.empty()) subscriber.topics.rehash(0);  // it has room for the most
    ClientConn* last = topic.clients.back();
    topic.clients[place] = last;
    topic.clients.pop_back();
    if (last != &client) last->session->subscriber->topics[&topic] = place;
    subscriber.counts[index_of(topic.kind)] -= 1;
    Pool& pool = *client.pool;
    pool.topics->subscriptions -= 1;
    pool.topics->note_clients(topic);
    pool.counters->subscriptions.subtract(1);
    if (Hearers* hearers = hearers_of(pool)) {
        hearers->remove(topic.kind, topic.name);
    }
    if (topic.clients.empty()) {
        (topic.kind == TopicKind::Pattern ? pool.counters->patterns : pool.counters->channels)
            .subtract(1);
    }
    settle(pool, topic);
}

// --- what clients ask for ------------------------------------------------------------------------

bool Subscriptions::allows(const ClientConn& client,
                           TopicKind kind,
                           std::span<const std::string> names,
                           std::string* why) {
    Demand demand = {.subscriptions = names.size(), .topics = names.size()};
    for (const std::string& name : names) {
        demand.names_size += name.size();
    }
    *why = why_too_many(client, demand);
    // What waits for servers is kept name by name, whichever they are.
    const uint64_t awaited = client.pool->topics == nullptr ? 0 : client.pool->topics->awaited;
    const bool is_short = awaited + names.size() <= client.pool->options->subscriptions_max;
    if (!why->empty() && is_short) *why = why_too_many(client, demand_of(client, kind, names));
    if (why->empty()) return true;
    client.pool->counters->subscriptions_refused.add(1);
    return false;
}

// Less the names that the client has already, or that are there twice.
Subscriptions::Demand Subscriptions::demand_of(const ClientConn& client,
                                               TopicKind kind,
                                               std::span<const std::string> names) const {
    Demand demand;
    std::unordered_set<std::string_view, KeyedHash> seen(0,
                                                         KeyedHash{proxy_->environment().hash_key});
    for (const std::string& name : names) {
        Topic* topic = find(*client.pool, kind, name);
        const bool has_it = topic != nullptr && is_subscribed(client) &&
                            client.session->subscriber->topics.contains(topic);
        if (has_it || !seen.insert(name).second) continue;
        demand.subscriptions += 1;
        demand.topics += topic == nullptr ? 1 : 0;
        demand.names_size += topic == nullptr ? name.size() : 0;
    }
    return demand;
}

std::string Subscriptions::why_too_many(const ClientConn& client, const Demand& demand) {
    if (demand.subscriptions == 0) return {};
    const config::Pool& options = *client.pool->options;
    const Topics* topics = client.pool->topics.get();
    const uint64_t own = is_subscribed(client) ? client.session->subscriber->topics.size() : 0;
    const uint64_t all = topics == nullptr ? 0 : topics->subscriptions + topics->awaited;
    const uint64_t kept = topics == nullptr ? 0 : topics->count();
    const uint64_t names_size = topics == nullptr ? 0 : topics->names_size;
    const uint64_t all_max = options.subscriptions_max;
    if (own + demand.subscriptions > options.client_subscriptions_max) {
        return "a client may be subscribed to " + std::to_string(options.client_subscriptions_max) +
               " channels and patterns (client_subscriptions_max), this one is to " +
               std::to_string(own) + " and asks for " + std::to_string(demand.subscriptions) +
               " more";
    }
    if (all + demand.subscriptions > all_max) {
        return "clients of this worker have " + std::to_string(all) +
               " subscriptions, and no more than " + std::to_string(all_max) +
               " are allowed (subscriptions_max)";
    }
    if (kept + demand.topics > 2 * all_max) {
        return "servers have not ended all that clients of this worker have left: there are " +
               std::to_string(kept) + " channels and patterns, and no more than " +
               std::to_string(2 * all_max) + " are allowed (twice subscriptions_max)";
    }
    if (names_size + demand.names_size > topic_names_size_max) {
        return "the names of the channels that clients of this worker are subscribed to would take "
               "more than " +
               std::to_string(topic_names_size_max) + " bytes; use shorter or fewer ones";
    }
    return {};
}

bool Subscriptions::subscribe(ClientConn& client,
                              TopicKind kind,
                              std::span<const std::string> names,
                              std::string* why) {
    Pool& pool = *client.pool;
    static_cast<void>(proxy_->leases().session_of(client));
    *why = why_no_room(*proxy_, block_size);
    if (!why->empty()) return false;
    if (pool.topics == nullptr) {
        pool.topics = std::make_unique<Topics>(proxy_->environment().hash_key);
    }
    Subscriber& subscriber = subscriber_of(client);
    RM_DCHECK(subscriber.joining == nullptr);
    subscriber.joining = std::make_unique<Joining>();
    Joining& joining = *subscriber.joining;
    joining.client = &client;
    joining.batch = proxy_->batch_;
    joining.is_mute = client.is_mute();
    begin(joining, kind, names);
    if (joining.missing == 0) {
        answer(client, compose(joining));
        Leases::note_change(client);
        return true;
    }
    joining.request = proxy_->make_request(client);
    RM_ASSERT(joining.request != nullptr);
    joining.request->mute = false;
    joining.began = proxy_->now();
    limit(joining);
    joinings_.add(joining);
    // What is answered at once counts by itself.
    proxy_->note_answer(client, names.size() * message_cost_min);
    client.session->must_wait = true;
    Leases::note_change(client);
    return true;
}

void Subscriptions::begin(Joining& joining, TopicKind kind, std::span<const std::string> names) {
    Pool& pool = *joining.client->pool;
    joining.items.reserve(names.size());
    pool.topics->awaited += names.size();
    for (const std::string& name : names) {
        Topic& topic = topic_of(pool, kind, name);
        topic.joinings += 1;
        joining.items.push_back({.topic = &topic});
        Joining::Item& item = joining.items.back();
        if (topic.joinings == 1 && topic.clients.empty()) place(pool, topic);
        std::string_view reason;
        if (topic.is_confirmed()) {
            item.state = Joining::State::Confirmed;
        } else if (!is_reachable(topic, &reason)) {
            item.state = Joining::State::Failed;
            item.error = error_line(pool, reason);
            item.reason = proxy_->scratch().why_reason;
        } else {
            item.place = topic.waiting.size();
            topic.waiting.push_back({&joining, joining.items.size() - 1});
            joining.missing += 1;
            ask_for(topic);
        }
    }
}

// The answer, and with it the client has what it asked for. The joining is gone.
std::string Subscriptions::compose(Joining& joining) {
    ClientConn& client = *joining.client;
    const std::unique_ptr<Joining> own = std::move(client.session->subscriber->joining);
    joinings_.remove(joining);
    client.pool->topics->awaited -= joining.items.size();
    std::string text;
    std::optional<stats::Reason> reason;  // however many topics: it is one request
    for (const Joining::Item& item : joining.items) {
        if (item.state == Joining::State::Failed) {
            if (!reason.has_value()) reason = item.reason;
            if (!joining.is_mute) text += item.error;
            continue;
        }
        join(client, *item.topic);
        ask_for(*item.topic);
        write_confirmation(text,
                           words_of(item.topic->kind).subscribe,
                           &item.topic->name,
                           client.session->subscriber->count(item.topic->kind),
                           client.resp3);
    }
    if (reason.has_value()) {
        proxy_->count_error(*client.pool, *reason);
        client.pool->counters->forward_error.add(1);
    }
    for (const Joining::Item& item : joining.items) {
        item.topic->joinings -= 1;
        // The last item of a topic decides; before it the topic is used.
        settle(*client.pool, *item.topic);
    }
    return text;
}

// Confirmations come as messages do, whatever CLIENT REPLY says.
void Subscriptions::answer(ClientConn& client, std::string_view text) {
    using Replies = ClientConn::Replies;
    const Replies replies = std::exchange(client.replies, Replies::On);
    if (!text.empty()) proxy_->answer(client, text);
    client.replies = replies;
}

void Subscriptions::finish(Joining& joining) {
    ClientConn& client = *joining.client;
    Request& request = *joining.request;
    note_copied(joining.items.size() * message_cost_min);
    const std::string text = compose(joining);
    Leases::note_change(client);
    proxy_->finish(request, text);
}

// Nothing is missing any more. Thousands may have waited for the same topics: those who would make
// the batch a long one are answered in the next.
void Subscriptions::decide(Joining& joining) {
    if (decided_.empty() && !is_turn_over()) {
        finish(joining);
        return;
    }
    joinings_.remove(joining);
    decided_.add(joining);
}

void Subscriptions::finish_decided() {
    while (!decided_.empty() && !is_turn_over()) {
        finish(*decided_.pop_front());
    }
}

// All its servers have confirmed.
void Subscriptions::confirm(Topic& topic) {
    const std::vector<Topic::Waiting> waiting = std::exchange(topic.waiting, {});
    for (const Topic::Waiting& one : waiting) {
        one.joining->items[one.item].state = Joining::State::Confirmed;
        one.joining->missing -= 1;
        if (one.joining->missing == 0) decide(*one.joining);
    }
}

void Subscriptions::fail_item(const Topic::Waiting& waiting,
                              std::string_view text,
                              std::optional<stats::Reason> reason) {
    Joining& joining = *waiting.joining;
    Joining::Item& item = joining.items[waiting.item];
    item.state = Joining::State::Failed;
    item.error = text;
    item.reason = reason;
    joining.missing -= 1;
    if (joining.missing == 0) decide(joining);
}

// Whoever waits for it gets the error; who has it, keeps it. Without a reason it is the server's.
void Subscriptions::fail(Topic& topic, std::string_view text, std::optional<stats::Reason> reason) {
    const std::vector<Topic::Waiting> waiting = std::exchange(topic.waiting, {});
    for (const Topic::Waiting& one : waiting) {
        fail_item(one, text, reason);
    }
}

// In no time, however many wait for the same. Who waits last takes its place.
void Subscriptions::wait_no_more(const Joining::Item& item) {
    std::vector<Topic::Waiting>& waiting = item.topic->waiting;
    RM_ASSERT(item.place < waiting.size());
    const Topic::Waiting last = waiting.back();
    last.joining->items[last.item].place = item.place;
    waiting[item.place] = last;
    waiting.pop_back();
}

// Its client leaves; its request is gone already.
void Subscriptions::abandon(Joining& joining) {
    const std::unique_ptr<Joining> own = std::move(joining.client->session->subscriber->joining);
    (joining.missing == 0 ? decided_ : joinings_).remove(joining);
    joining.client->pool->topics->awaited -= joining.items.size();
    for (const Joining::Item& item : joining.items) {
        if (item.state == Joining::State::Waiting) wait_no_more(item);
        item.topic->joinings -= 1;
        settle(*joining.client->pool, *item.topic);
    }
}

void Subscriptions::unsubscribe(ClientConn& client,
                                TopicKind kind,
                                std::span<const std::string> names) {
    static_cast<void>(proxy_->leases().session_of(client));
    Subscriber& subscriber = subscriber_of(client);
    const std::string_view word = words_of(kind).unsubscribe;
    std::vector<std::string> all;
    if (names.empty()) {
        for (const Topic* topic : topics_of(subscriber)) {
            if (topic->kind == kind) all.push_back(topic->name);
        }
        names = all;
    }
    std::string text;
    for (const std::string& name : names) {
        Topic* topic = find(*client.pool, kind, name);
        if (topic != nullptr) part(client, *topic);
        write_confirmation(text, word, &name, subscriber.count(kind), client.resp3);
    }
    if (names.empty()) {
        write_confirmation(text, word, nullptr, subscriber.count(kind), client.resp3);
    }
    Leases::note_change(client);
    answer(client, text);
}

void Subscriptions::leave(ClientConn& client) {
    if (client.session == nullptr || client.session->subscriber == nullptr) return;
    Subscriber& subscriber = *client.session->subscriber;
    if (subscriber.joining != nullptr) abandon(*subscriber.joining);
    for (Topic* topic : topics_of(subscriber)) {
        part(client, *topic);
    }
    heard_.remove(subscriber);
    client.session->subscriber.reset();
    Leases::note_change(client);
    proxy_->wake_at(proxy_->now());  // this batch may be over
}

}  // namespace ringmain::core
