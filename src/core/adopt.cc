// A new configuration while clients are being served.
//
//   pools of the same name and protocol: clients move over where they stand
//   servers that did not change:         move over with their connections and what is in flight;
//                                        where others are wanted, the one that brings messages
//   other servers, removed pools:        get nothing new; closed when the last answer has come

#include "ringmain/base/places.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "front.h"

namespace ringmain::core {

namespace {

// Why a server of an earlier configuration ends what nobody else may have.
std::string_view end_of(const Server& server) {
    switch (server.remade) {
        case Server::Remade::No:
            break;
        case Server::Remade::Connections:
            return "has new connections after a reload (server_connections or redis_db)";
        case Server::Remade::Credentials:
            return "has new connections after a reload (its user or password)";
    }
    return "is not configured any more";
}

bool is_same_server(const config::Server& a, const config::Server& b) {
    return a.address == b.address && a.ring_name == b.ring_name;
}

// The one is a server of an earlier configuration, the other of `pool`.
bool has_same_credentials(const Server& a, const config::Pool& pool, const config::Server& b) {
    return a.pool().options->credentials_of(a.options()) == pool.credentials_of(b);
}

bool speaks_alike(const config::Pool& a, const config::Pool& b) {
    return a.protocol == b.protocol && a.redis_db == b.redis_db &&
           a.server_connections == b.server_connections;
}

// Every key lives where it lived, in the database where it was (speaks_alike).
bool places_alike(const config::Pool& a, const config::Pool& b) {
    const auto is_same = [](const config::Server& one, const config::Server& other) {
        return is_same_server(one, other) && one.weight == other.weight;
    };
    return a.placement.hash == b.placement.hash &&
           a.placement.distribution == b.placement.distribution &&
           a.placement.hash_tag == b.placement.hash_tag &&
           std::equal(
               a.servers.begin(), a.servers.end(), b.servers.begin(), b.servers.end(), is_same);
}

// The driver closes connections behind the batch that says so, and there may be no other.
constexpr Duration sweep_again = Duration::millis(1000);

bool is_in_use(const ServerConn& conn) {
    return conn.state != ServerConn::State::Closed || conn.channel != 0 ||
           conn.disconnect_link.is_linked();
}

// What is left of earlier configurations has the times that pools of its name have now.
void follow_times(std::span<const std::unique_ptr<Pool>> retired,
                  std::span<const std::unique_ptr<Pool>> pools) {
    const auto places = places_by(
        pools, [](const auto& pool) -> const std::string& { return pool->options->name; });
    for (const auto& pool : retired) {
        const auto same = places.find(pool->options->name);
        if (same == places.end() || pool->ending.empty()) continue;
        pool->take_times(*pools[same->second]->options);
    }
}

// In their order, and each with the time that it has had.
void take_activity(Pool& old_pool, Pool& pool) {
    const bool goes_on = pool.options->client_idle_timeout_ms > 0;
    while (ClientConn* client = old_pool.by_activity.pop_front()) {
        if (goes_on) pool.by_activity.add(*client);
    }
}

// To look through all of them for each pool takes long with many of both.
std::unordered_map<const Pool*, std::vector<ClientConn*>> by_pool(
    const List<ClientConn, &ClientConn::all_link>& all) {
    std::unordered_map<const Pool*, std::vector<ClientConn*>> clients;
    for (ClientConn& client : all) {
        clients[client.pool].push_back(&client);
    }
    return clients;
}

}  // namespace

void Proxy::adopt(const config::Config& config, std::span<const PoolShared> pools) {
    config_ = &config;
    slow_threshold_ = slow_threshold_of(config);
    std::vector<std::unique_ptr<Pool>> old_pools = std::exchange(pools_, {});
    auto clients = by_pool(clients_);
    const auto places = places_by(
        old_pools, [](const auto& pool) -> const std::string& { return pool->options->name; });
    for (size_t i = 0; i < config.pools.size(); ++i) {
        pools_.push_back(
            std::make_unique<Pool>(*blocks_, config.pools[i], pools[i], environment_.share()));
        Pool& pool = *pools_.back();
        bool is_same_place = false;
        bool was_in_ramps = false;
        bool has_same_ramps = false;
        const auto same = places.find(pool.options->name);
        if (same != places.end() &&
            old_pools[same->second]->options->protocol == pool.options->protocol) {
            Pool& old_pool = *old_pools[same->second];
            pool.databases = old_pool.databases;
            pool.placements = old_pool.placements;
            const bool is_same_map = places_alike(*old_pool.options, *pool.options);
            is_same_place = is_same_map && speaks_alike(*old_pool.options, *pool.options);
            was_in_ramps = old_pool.is_in_ramps();
            has_same_ramps = old_pool.options->slow_start_ms == pool.options->slow_start_ms;
            if (is_same_map) pool.take_places(old_pool);
            take_servers(old_pool, pool);
            for (const auto& server : pool.servers) {
                follow_options(*server);
            }
            subscriptions_.move(old_pool, pool);
            take_activity(old_pool, pool);
            take_clients(std::exchange(clients[&old_pool], {}), &pool);
            for (const ServerConn* conn : old_pool.connections()) {
                hold_back_clients(*conn);
            }
        }
        const uint64_t placements = pool.placements;
        const bool has_changed = pool.place_anew(now_);  // its servers come with their state
        // Another slow_start may put keys on their way again.
        const bool has_moved = has_changed || !is_same_place ||
                               (!has_same_ramps && (was_in_ramps || pool.is_in_ramps()));
        pool.placements = placements + (has_moved ? 1 : 0);
        if (has_moved) leases_.follow_places(pool);
        subscriptions_.place_anew(pool);
    }
    for (auto& old_pool : old_pools) {
        for (const auto& server : old_pool->servers) {
            leases_.retire(*server, end_of(*server));
        }
        old_pool->retired = true;
        old_pool->retired_at = now_;
        old_pool->ending = old_pool->connections();
        take_clients(clients[old_pool.get()], nullptr);
        retired_.push_back(std::move(old_pool));
    }
    follow_times(retired_, pools_);
    leases_.look_at_databases(now_);
    follow_servers();
    preconnect();
    look_again();
}

namespace {

// With the limit of now from now on, if that is less than what it has.
void shorten_attempt(ServerConn& conn, Instant now) {
    if (conn.ready_by == Instant::never()) return;  // nobody waits for it yet
    const config::Pool& options = *conn.server->pool().options;
    const Duration limit = conn.state == ServerConn::State::Prelude
                               ? prelude_limit(conn)
                               : Duration::millis(options.connect_timeout_ms);
    conn.ready_by = std::min(conn.ready_by, now + limit);
}

}  // namespace

// Deadlines may be earlier than they were, or be there at all.
void Proxy::look_again() {
    for (const auto* pools : {&pools_, &retired_}) {
        for (const auto& pool : *pools) {
            for (ServerConn* conn : pool->connections()) {
                if (!conn->fragments.empty()) waiting_.add(*conn);
                leases_.look_again(*conn);
                shorten_attempt(*conn, now_);
            }
        }
    }
    subscriptions_.look_again();
    wake_at(now_);
}

// Those that the new configuration has too. Where other connections are wanted, messages come on
// the one that there is all the same.
void Proxy::take_servers(Pool& old_pool, Pool& pool) {
    const bool is_alike = speaks_alike(*old_pool.options, *pool.options);
    for (uint32_t i = 0; i < pool.servers.size(); ++i) {
        const config::Server& wanted = pool.options->servers[i];
        const auto found =
            std::find_if(old_pool.servers.begin(), old_pool.servers.end(), [&](const auto& server) {
                return is_same_server(server->options(), wanted);
            });
        if (found == old_pool.servers.end()) continue;
        if (!has_same_credentials(**found, *pool.options, wanted)) {
            (*found)->remade = Server::Remade::Credentials;
            continue;
        }
        if (!is_alike) {
            (*found)->remade = Server::Remade::Connections;
            subscriptions_.hand_over(**found, *pool.servers[i]);
            continue;
        }
        pool.servers[i] = std::move(*found);
        pool.servers[i]->move_to(pool, i, environment_.worker_index);
        old_pool.servers.erase(found);
    }
}

// It is read on when it has all its answers; who is in the middle of a large request, when it has
// them and that one's.
void Proxy::hold_back(ClientConn& client) {
    if (client.state != ClientConn::State::Open) return;
    client.barrier = true;
    if (client.uploading != nullptr) return;
    client.paused = true;
    resumable_.remove(client);
    mark_dirty(client);
}

// Who has something in flight on a connection that gets nothing new would overtake it on another.
void Proxy::hold_back_clients(const ServerConn& conn) {
    for (const Fragment* fragment = conn.fragments.front(); fragment != nullptr;
         fragment = fragment->next) {
        if (ClientConn* client = fragment->request->client) hold_back(*client);
    }
}

// Who was let in stays in, whatever the password is now, unless that user is gone: without a name
// it is the one of redis_auth. Without passwords everybody is let in. False when what the client
// has under way was allowed to a user that is gone or may do other things now.
bool admit_anew(ClientConn& client) {
    bool is_as_before = true;
    if (client.user != nullptr) {
        const config::User& before = client.user->options();
        client.user = client.pool->find_user(before.name);
        if (client.user == nullptr) client.authenticated = false;
        is_as_before = client.user != nullptr && client.user->options().may_do_as(before);
    } else if (client.authenticated && !client.pool->has_default_user()) {
        client.authenticated = false;
        is_as_before = false;
    }
    if (client.pool->is_open()) {
        client.authenticated = true;
        return true;
    }
    if (is_as_before) return true;
    if (client.upload == Upload::Sending) return false;  // nobody would look at it again
    if (client.session == nullptr) return true;
    const bool asks_in_turn = client.session->turns != nullptr && !client.requests.empty();
    return !asks_in_turn && !client.session->goes_on();
}

// Null: they have no pool any more and are closed when they have their answers.
void Proxy::take_clients(std::span<ClientConn* const> clients, Pool* pool) {
    for (ClientConn* client : clients) {
        Pool& old_pool = *client->pool;
        if (pool == nullptr) {
            on_client_end(*client, ClientConn::End::Closed);  // what it has sent so far is answered
            continue;
        }
        client->pool = pool;
        old_pool.clients -= 1;
        if (old_pool.options->client_idle_timeout_ms == 0) note_activity(*client);
        pool->clients += 1;
        leases_.follow_database(*client);
    }
    if (pool == nullptr) return;
    for (ClientConn* client : clients) {
        // What those have left whose database is the pool's now is there for others.
        const std::string end = leases_.keep_database(*client);
        if (!end.empty()) tell_closing(*client, end);
        if (!end.empty() || (pool->is_redis() && !admit_anew(*client))) {
            client->note_end(ClientConn::End::Closed);
            leases_.end_wait(*client, "");
            on_client_end(*client);
            // It may have been stopped, and what it has said since asks for what was allowed then.
            if (client->intake != nullptr) client->intake->input.clear();
            if (client->state == ClientConn::State::Open) end_reading(*client);
        }
        if (client->intake != nullptr) client->intake->update(*client);
        // What stopped it may be allowed now.
        if (client->paused) reconsider(*client);
    }
}

namespace {

// Nothing that the options say ends it, and nothing has moved since then nor was retired: it would
// keep its configuration, and those that come behind that, for as long as the server says nothing.
// One that is not read, for a client that does not take its response, has that one's limits.
bool is_forsaken(const ServerConn& conn, Instant now, Duration limit) {
    const Pool& pool = conn.server->pool();
    const bool has_limit = first_limit(*pool.options).ns > 0;
    const Fragment* head = conn.fragments.front();
    if (has_limit || limit.ns == 0 || head == nullptr || conn.paused) return false;
    if (conn.state != ServerConn::State::Ready) return false;
    const Instant moved = std::max({conn.heard_at, conn.taken_at, conn.took_at, conn.moved_at});
    return now >= std::max({pool.retired_at, conn.ready_at, head->queued, moved}) + limit;
}

std::string forsaken_text(Duration limit) {
    return "has said nothing for " + std::to_string(limit.to_millis()) +
           " ms to what it was asked before a reload (shutdown_timeout)";
}

}  // namespace

// Closes what waits for nothing any more. Those that have ended are not looked at again: there may
// be thousands, and one that is answered late.
void Proxy::sweep_retired() {
    const Duration last = Duration::millis(config_->proxy.shutdown_timeout_ms);
    for (auto& pool : retired_) {
        std::vector<ServerConn*>& ending = pool->ending;
        size_t count = 0;
        for (size_t i = 0; i < ending.size(); ++i) {  // with those that begin for want of this one
            ServerConn* conn = ending[i];
            if (conn->fragments.empty()) lose(*conn, end_of(*conn->server), Blame::Nobody);
            if (is_forsaken(*conn, now_, last)) lose(*conn, forsaken_text(last), Blame::Nobody);
            if (is_in_use(*conn)) ending[count++] = conn;
        }
        ending.resize(count);
        if (count > 0 || pool->clients > 0) {
            wake_at(now_ + sweep_again);
            continue;
        }
        for (const auto& server : pool->servers) {
            for (const auto& conn : server->connections()) {
                waiting_.remove(*conn);
            }
        }
        tell_untold(*pool, true);
        finished_.push_back(std::move(pool));
    }
    std::erase(retired_, nullptr);
}

std::unique_ptr<Pool> Proxy::next_finished() {
    if (finished_.empty()) return nullptr;
    std::unique_ptr<Pool> pool = std::move(finished_.back());
    finished_.pop_back();
    return pool;
}

}  // namespace ringmain::core
