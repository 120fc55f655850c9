// What must hold after every batch, and at the end.

#include "ringmain/core/limits.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

#include <algorithm>
#include <cstring>

namespace ringmain::sim {

namespace {

// A deadline is looked at every tick, in a batch that begins up to some batches later.
constexpr Duration resolution = Duration::millis(12);

std::vector<core::Server*> servers_in(const core::Proxy& proxy) {
    std::vector<core::Server*> all;
    for (const auto& pool : proxy.pools()) {
        for (const auto& server : pool->servers) {
            all.push_back(server.get());
        }
    }
    return all;
}

// The connections that wait for time to pass. One that is ready and asked nothing leaves the list
// when it is looked at next.
std::string whose_timers(const core::Proxy& proxy) {
    std::string text;
    for (const core::Server* server : servers_in(proxy)) {
        for (const auto& conn : server->connections()) {
            const bool has_ended =
                conn->state == core::ServerConn::State::Ready && conn->fragments.empty();
            if (!conn->waiting_link.is_linked() || has_ended) continue;
            text += server->title() + (conn->is_probe ? " probe" : "") +
                    (conn->resp3 ? " resp3" : "") + " state " +
                    std::to_string(static_cast<int>(conn->state)) + " queue " +
                    std::to_string(conn->fragments.size()) + "; ";
        }
    }
    return text;
}

}  // namespace

bool World::check(Worker& worker) {
    const BlockPool& blocks = worker.loop->blocks();
    if (blocks.in_use() > blocks.capacity()) return fail("more blocks in use than there are");
    if (!follow_health()) return false;
    for (const core::Server* server : servers_in(worker.loop->proxy())) {
        if (!check_server(worker, *server)) return false;
    }
    for (const core::ClientConn* client = worker.loop->proxy().first_client(); client != nullptr;
         client = client->all_link.next) {
        if (!check_client(worker, *client)) return false;
    }
    if (!check_leases(worker)) return false;
    // Those of an earlier configuration cannot be seen.
    const bool counts = worker.batches % 16 == 0 && worker.loop->proxy().is_settled();
    return !counts || (check_counts(worker) && check_hearers(worker));
}

bool World::check_server(const Worker& worker, const core::Server& server) {
    if (!check_ejected(worker, server)) return false;
    return std::ranges::all_of(server.connections(),
                               [&](const auto& conn) { return check_connection(worker, *conn); });
}

// Somebody's batch has changed which servers are in.
bool World::follow_health() {
    for (Realm& realm : realms_) {
        const bool shifting = realm.truth.directory.is_shifting(now_);
        if (shifting || realm.was_shifting) doubt_all(realm);
        realm.was_shifting = shifting;
    }
    if (process_.shared.epoch() == epoch_) return true;
    epoch_ = process_.shared.epoch();
    return std::ranges::all_of(realms_, [this](Realm& realm) { return follow_health(realm); });
}

bool World::follow_health(Realm& realm) {
    Truth& truth = realm.truth;
    std::vector<bool> live;
    for (uint32_t i = 0; i < realm.servers.size(); ++i) {
        live.push_back(realm.health(i).accepts_traffic());
        if (live[i] == truth.directory.live()[i]) continue;
        tell(truth.pool->name, ": s", i, live[i] ? " is back" : " is ejected");
        (live[i] ? returns_ : ejections_) += 1;
        if (live[i]) continue;
        if (!truth.pool->auto_eject_hosts) return fail("ejected though auto_eject_hosts is off");
        if (truth.faults[i] == 0) return fail("s" + std::to_string(i) + " is ejected for nothing");
    }
    if (live == truth.directory.live()) return true;
    truth.directory.change(live, now_);
    // Keys are elsewhere now, and were elsewhere before.
    doubt_all(realm);
    return true;
}

void World::doubt_all(const Realm& realm) {
    for (const auto& client : clients_) {
        if (&client->truth() == &realm.truth) client->talker().doubt_all();
    }
}

Realm& World::realm_of(const core::Server& server) {
    const std::string& name = server.pool().options->name;
    return *std::ranges::find_if(
        realms_, [&name](const Realm& realm) { return realm.truth.pool->name == name; });
}

std::vector<Server*> World::servers() {
    std::vector<Server*> all;
    for (const Realm& realm : realms_) {
        for (const auto& server : realm.servers) {
            all.push_back(server.get());
        }
    }
    return all;
}

// A server that was out before the batch began gets nothing in it.
bool World::check_ejected(const Worker& worker, const core::Server& server) {
    const Truth& truth = realm_of(server).truth;
    const uint32_t number = number_of(server.options().ring_name);
    if (worker.was_live.empty() || worker.was_live[truth.index][number]) return true;
    if (truth.directory.live()[number]) return true;
    // Of two configurations that ask for other databases, or as other users, each has its own.
    if (server.health().accepts_traffic()) return true;
    for (const auto& conn : server.connections()) {
        for (const core::Fragment* fragment = conn->fragments.front(); fragment != nullptr;
             fragment = fragment->next) {
            if (fragment->batch == worker.batches) {
                return fail(server.title() + " is out and gets a request");
            }
        }
    }
    return true;
}

bool World::check_connection(const Worker& worker, const core::ServerConn& conn) {
    using State = core::ServerConn::State;
    const std::string& title = conn.server->title();
    if (conn.state == State::Closed) {
        if (!conn.fragments.empty()) return fail(title + ": requests wait for a closed connection");
        return conn.out.empty() || fail(title + ": bytes wait for a closed connection");
    }
    if (conn.channel == 0) {
        if (!conn.preconnect_link.is_linked()) return fail(title + ": nobody connects");
        return conn.fragments.empty() || fail(title + ": requests wait for its turn");
    }
    if (conn.is_to_begin()) return fail(title + ": would be connected twice");
    const test::Channel& channel = *worker.loop->channels()[conn.channel];
    if (conn.state == State::Ready && conn.has_sendable() && channel.sending.empty()) {
        return fail(title + ": output that nobody was told of");
    }
    if (conn.pairing.holds() && conn.is_all_answered()) {
        return fail(title + ": all is answered, and it holds something back");
    }
    const bool may_be_early = core::Streams::is_leaving(conn) || !channel.sending.empty();
    if (conn.early_link.is_linked() && (conn.partial.empty() || !may_be_early)) {
        return fail(title + ": an early answer that was not taken when it was time");
    }
    const bool is_nobodys = conn.is_lease && !conn.set_apart && conn.lessee == nullptr;
    if (conn.state == State::Ready && is_nobodys && conn.fragments.empty() &&
        !conn.idle_lease_link.is_linked()) {
        return fail(title + ": a connection is neither idle nor anybody's");
    }
    const uint64_t queue_max = uint64_t{scenario_.blocks} * block_size / 8 + 1024 * 1024;
    if (conn.out.size() > queue_max) return fail(title + ": the queue is too long");
    return check_wait(worker, conn) && check_deadlines(worker, conn);
}

// Of the requests that wait, in their order. What was late already when a worker stood still is
// looked at in its next batch.
bool World::check_deadlines(const Worker& worker, const core::ServerConn& conn) {
    if (now_ - worker.stopped_until < resolution) return true;
    const config::Pool& pool = *conn.server->pool().options;
    const core::Fragment* head = conn.fragments.front();
    if (head == nullptr || pool.timeout_ms == 0) return true;
    if (head->special == core::Special::Wait) {
        return now_.ns - conn.answer_by.ns <= resolution.ns ||
               fail(conn.server->title() + ": a command that waits is past its time");
    }
    if (core::Streams::is_arriving(conn, *head)) return true;  // its time begins with its end
    const Duration timeout = Duration::millis(pool.timeout_ms);
    const int64_t late_ms = pool.late_connection_timeout_ms == 0
                                ? pool.timeout_ms * core::late_timeouts_max
                                : std::max(pool.late_connection_timeout_ms, pool.timeout_ms);
    // A large response may take its time as long as it moves, and those behind it wait for it.
    const Instant since = std::max({head->queued, conn.moved_at, conn.ready_at, conn.last_taken()});
    const bool is_ready = conn.state == core::ServerConn::State::Ready;  // else it has ready_by
    if (is_ready && !conn.paused &&
        (now_ - since).ns > Duration::millis(late_ms).ns + resolution.ns) {
        return fail(conn.server->title() + ": has not answered for long and is still connected");
    }
    const bool is_leased = conn.is_lease && !conn.set_apart;
    const bool is_coming =
        conn.streaming || (core::Streams::is_under_way(conn) && is_wanted(*head));
    for (const core::Fragment* fragment = head; fragment != nullptr; fragment = fragment->next) {
        // On a lease, and among a client's large requests, the time of what left or is taken in
        // parts, and of what is behind it, begins when the last part is with the server.
        const bool is_alone = is_leased || conn.uploads_of != 0;
        const Instant begun = std::max(fragment->queued, is_alone ? since : conn.ready_at);
        if (fragment->abandoned || (now_ - begun).ns <= timeout.ns + resolution.ns) continue;
        if (core::Streams::is_arriving(conn, *fragment)) continue;
        // A client waits for its own large value as long as it takes, and nobody for what a client
        // has asked behind one that it did not wait for.
        const core::ClientConn* client = fragment->request->client;
        const bool is_own = client == head->request->client;
        if (is_coming && (fragment == head || is_own)) continue;
        if (client == nullptr && fragment->queued < conn.moved_at) continue;
        return fail(conn.server->title() + ": a request is past its deadline");
    }
    return true;
}

// A command waits where its keys lived when the worker's last batch began, or since.
bool World::check_wait(const Worker& worker, const core::ServerConn& conn) {
    if (!conn.is_lease || conn.lessee == nullptr || conn.ends) return true;
    const core::Session& session = *conn.lessee->session;
    if (session.waiting != &conn || session.turns != nullptr) return true;
    Realm& realm = realm_of(*conn.server);
    const uint32_t server = number_of(conn.server->options().ring_name);
    for (std::string_view rest = session.waited_keys; !rest.empty();) {
        uint32_t size = 0;
        std::memcpy(&size, rest.data(), sizeof(size));
        const std::string_view key = rest.substr(sizeof(size), size);
        rest.remove_prefix(sizeof(size) + size);
        const auto& places = realm.truth.directory.servers_of(key, worker.began, now_);
        if (places.empty() || std::ranges::find(places, server) != places.end()) continue;
        return fail(conn.server->title() + ": a command waits where its key lives no more");
    }
    return true;
}

// Connections that clients have for themselves.
bool World::check_leases(const Worker& worker) {
    for (const auto& pool : worker.loop->proxy().pools()) {
        if (pool->options->leases_max == config::Pool{}.leases_max) continue;
        uint64_t leased = 0;
        for (const auto& server : pool->servers) {
            for (const auto& conn : server->connections()) {
                leased += conn->is_lease && !conn->set_apart && conn->lessee != nullptr ? 1U : 0U;
            }
        }
        if (leased <= pool->options->leases_max) continue;
        return fail(pool->options->name + ": " + std::to_string(leased) +
                    " connections are leased, more than there may be");
    }
    return true;
}

// Who has nothing under way and has said nothing for the time allowed is closed.
bool World::check_idleness(const Worker& worker, const core::ClientConn& client) {
    const Duration limit = Duration::millis(client.pool->options->client_idle_timeout_ms);
    if (limit.ns == 0 || client.state != core::ClientConn::State::Open) return true;
    if (client.paused || client.uploading != nullptr || !client.requests.empty()) return true;
    if (!client.out.empty() || client.unsent > 0 || core::is_subscribed(client)) return true;
    if (now_ - worker.stopped_until < resolution) return true;
    return (now_ - client.active_at).ns <= limit.ns + resolution.ns ||
           fail("client " + std::to_string(client.id) + " is idle and is not closed");
}

bool World::check_client(const Worker& worker, const core::ClientConn& client) {
    const config::Pool& pool = *client.pool->options;
    const std::string name = "client " + std::to_string(client.id);
    if (client.requests.size() > pool.requests_in_flight_max) {
        return fail(name + " has " + std::to_string(client.requests.size()) +
                    " requests in flight");
    }
    // And the request that waits for the answers to those before it, which may be a large one.
    constexpr uint64_t largest_request = 150'000;
    if (client.unparsed() > 64 * 1024 + 4 * block_size + largest_request) {
        return fail(name + ": " + std::to_string(client.unparsed()) + " bytes are read ahead");
    }
    if (!client.out.empty()) return fail(name + ": output that nobody was told of");
    if (client.unsent > pool.client_output_limit + client.largest_response) {
        return fail(name + ": " + std::to_string(client.unsent) + " bytes wait for it");
    }
    if (client.requests.front() != nullptr && client.requests.front()->ready) {
        return fail(name + ": its turn has come and nothing is said");
    }
    return check_idleness(worker, client);
}

// Every request is in a client's queue, or a fragment of it is in a server's.
bool World::check_counts(const Worker& worker) {
    core::Proxy& proxy = worker.loop->proxy();
    std::vector<const core::Request*> requests;
    for (const core::ClientConn* client = proxy.first_client(); client != nullptr;
         client = client->all_link.next) {
        for (const core::Request* request = client->requests.front(); request != nullptr;
             request = request->next) {
            if (request->client != client) return fail("a request is in another client's queue");
            requests.push_back(request);
        }
    }
    uint64_t queued = 0;
    uint64_t counted = 0;
    for (const core::Server* server : servers_in(proxy)) {
        for (const auto& conn : server->connections()) {
            queued += conn->fragments.size();
            for (const core::Fragment* fragment = conn->fragments.front(); fragment != nullptr;
                 fragment = fragment->next) {
                if (fragment->request->client == nullptr) requests.push_back(fragment->request);
            }
        }
    }
    std::sort(requests.begin(), requests.end());
    requests.erase(std::unique(requests.begin(), requests.end()), requests.end());
    for (const core::Request* request : requests) {
        counted += request->fragments_queued;
    }
    if (counted != queued) {
        return fail(std::to_string(queued) + " fragments wait for servers, and requests know of " +
                    std::to_string(counted));
    }
    return requests.size() == proxy.live_requests() ||
           fail(std::to_string(proxy.live_requests()) + " requests are alive, and " +
                std::to_string(requests.size()) + " are in queues");
}

// How long a client may wait for the answer that is next, and has waited since then: its request's
// deadline counts from when it was queued for a server, no later than when the answer before it
// came, and anew from when its connection is ready.
Duration World::patience(const config::Pool& pool, Instant since) const {
    int64_t ns = Duration::millis(pool.timeout_ms).ns + 2 * resolution.ns +
                 6 * scenario_.latency_max.ns + 40 * grid.ns;
    if (connected_at_ >= since) ns += Duration::millis(pool.timeout_ms).ns;
    if (scenario_.scarce) ns += Duration::millis(2000).ns;
    // An answer that has begun may stand still for as long as that, and the time of a large request
    // begins with its end, which is not read before its connection is made.
    if (pool.stream_threshold < config::Pool{}.stream_threshold) {
        ns += Duration::millis(std::max(pool.late_connection_timeout_ms,
                                        pool.timeout_ms * core::late_timeouts_max) +
                               pool.connect_timeout_ms)
                  .ns;
    }
    return {ns};
}

bool World::check_patience() {
    for (const auto& client : clients_) {
        const config::Pool& pool = *client->truth().pool;
        // Without a timeout a server that stands still may be waited for as long as it does.
        if (pool.timeout_ms == 0) continue;
        const Instant since = client->waits_since();
        if (since == Instant::never()) continue;
        const int64_t turns = client->turns();
        const auto questions = static_cast<int64_t>(client->talker().oldest().turns);
        const int64_t more =
            client->talker().oldest().waits ? wait_span.ns + questions * core::wait_margin.ns : 0;
        if ((now_ - since).ns <= turns * patience(pool, since).ns + more) continue;
        return fail("client c" + std::to_string(client->number()) + " has waited for " +
                    std::to_string((now_ - since).to_millis()) + " ms");
    }
    return true;
}

// What other workers read of its subscriptions is what it knows of them.
bool World::check_hearers(const Worker& worker) {
    core::Proxy& proxy = worker.loop->proxy();
    const core::Environment& environment = proxy.environment();
    if (environment.worker_count == 1) return true;
    for (const auto& pool : proxy.pools()) {
        if (pool->topics == nullptr) continue;
        const core::Hearers& hearers = (*pool->shared->hearers)[environment.worker_index];
        for (const auto& topics : pool->topics->by_kind) {
            for (const auto& [name, topic] : topics) {
                const auto clients = static_cast<int64_t>(topic->clients.size());
                for (const auto& server : pool->servers) {
                    const core::Spot* spot = topic->spot(*server);
                    const bool is_held = spot != nullptr && spot->held;
                    const uint32_t number = server->number();
                    if (hearers.more_receivers(topic->kind, name, number) ==
                            (is_held ? clients - 1 : 0) &&
                        hearers.more_hearers(topic->kind, name, number) ==
                            clients - (is_held ? 1 : 0)) {
                        continue;
                    }
                    return fail("other workers see other hearers of " + topic->name + " at " +
                                server->title());
                }
            }
        }
    }
    return true;
}

// All is calm: who is subscribed has heard everything, and will hear what comes.
bool World::check_messages() {
    constexpr Duration crossing = Duration::millis(50);
    for (const auto& client : clients_) {
        if (!client->is_welcome() || client->is_gone() || !client->listens()) continue;
        if (client->manner() == Client::Manner::Sleepy || client->is_leaving()) continue;
        const std::string name = "client c" + std::to_string(client->number()) + ": ";
        if (std::string missed = client->talker().miss({now_.ns - crossing.ns}); !missed.empty()) {
            return fail(name + missed);
        }
        Directory& directory = client->truth().directory;
        for (const std::string& topic : client->talker().topics()) {
            const bool is_everywhere = topic.ends_with("*") || directory.is_random();
            for (uint32_t i = 0; i < client->truth().faults.size(); ++i) {
                const bool has =
                    is_everywhere ? directory.is_configured(i) : directory.must_have(i, topic);
                const bool is_there = std::ranges::any_of(links_, [&](const auto& link) {
                    return link->server != nullptr && link->worker == client->link()->worker &&
                           &link->server->truth() == &client->truth() &&
                           link->server->index() == i && link->server->is_subscribed(*link, topic);
                });
                if (has && !is_there && !directory.is_shifting(now_)) {
                    return fail(name + "nothing of " + topic + " would come from s" +
                                std::to_string(i));
                }
            }
        }
    }
    return true;
}

bool World::check_nothing_left(Worker& worker) {
    core::Proxy& proxy = worker.loop->proxy();
    if (!check_counts(worker) || !check_hearers(worker)) return false;
    if (!proxy.is_idle()) {
        return fail(std::to_string(proxy.live_requests()) + " requests are left");
    }
    if (proxy.first_client() != nullptr) return fail("a client is left");
    if (!proxy.is_settled()) return fail("an earlier configuration is left");
    for (const auto& pool : proxy.pools()) {
        if (pool->topics == nullptr || pool->topics->subscriptions == 0) continue;
        return fail("nobody is there, and is subscribed");
    }
    // Checks of health go on, and idle connections wait for their time.
    const bool watches = std::ranges::any_of(proxy.pools(), [](const auto& pool) {
        return pool->options->health_check_interval_ms > 0;
    });
    const std::vector<core::Server*> servers = servers_in(proxy);
    const bool keeps = std::ranges::any_of(servers, [](const core::Server* server) {
        const bool subscribes =
            server->link != nullptr && server->link->conn->state != core::ServerConn::State::Closed;
        return server->idle_lease_count > 0 || subscribes;
    });
    const bool holds =
        std::ranges::any_of(servers, [](const core::Server* server) { return server->leased > 0; });
    if (holds) return fail("a connection is leased to nobody");
    const std::string timers = whose_timers(proxy);
    if (proxy.next_deadline() != Instant::never() && !watches && !keeps) {
        // An idle connection that was taken and lost meanwhile leaves one wake-up for nothing.
        if (timers.empty()) {
            worker.loop->set_now(proxy.next_deadline());
            worker.loop->begin();
            worker.loop->end();
        }
        if (proxy.next_deadline() != Instant::never()) return fail("a timer is left: " + timers);
    }
    // The proxy's own: small responses, those that wait for others and beginnings of requests, one
    // behind the other; and what a check of health is saying.
    const size_t busy = 3 + (watches ? servers.size() : 0);
    if (worker.loop->blocks().in_use() > busy) {
        return fail(std::to_string(worker.loop->blocks().in_use()) + " blocks are left");
    }
    return true;
}

}  // namespace ringmain::sim
