#include "tests/unit/core/world.h"

#include <cstdlib>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool pool_of(config::Protocol protocol, uint32_t servers) {
    config::Pool pool;
    pool.name = "main";
    pool.protocol = protocol;
    pool.preconnect = false;
    pool.listen = {.host = "127.0.0.1", .port = 6379, .path = {}};
    for (uint32_t i = 0; i < servers; ++i) {
        config::Server server;
        server.address.host = "10.0.0.1";
        server.address.port = static_cast<uint16_t>(7000 + i);
        server.name = "s" + std::to_string(i);
        server.ring_name = server.name;
        pool.servers.push_back(server);
    }
    return pool;
}

}  // namespace

config::Pool redis_pool(uint32_t servers) {
    return pool_of(config::Protocol::Redis, servers);
}

config::Pool memcached_pool(uint32_t servers) {
    return pool_of(config::Protocol::Memcached, servers);
}

World::World(config::Pool pool, const Loop::Options& options) : servers_(pool.servers.size()) {
    config_.file = "ringmain.toml";
    config_.pools.push_back(std::move(pool));
    if (options.slow_log_ms != 0) {
        config_.admin.listen.host = "127.0.0.1";  // without it nobody could read the slow log
        config_.stats.slow_log_threshold_ms = options.slow_log_ms;
    }
    if (options.requests_max != 0) config_.proxy.requests_max = options.requests_max;
    loop_.emplace(config_, options);
}

World::~World() {
    // Whatever a test left behind: all clients leave, all servers close; then nothing may be alive.
    for (size_t i = 1; i < loop_->channels().size(); ++i) {
        Channel& channel = *loop_->channels()[i];
        if (channel.client != nullptr) drop(channel);
    }
    loop_->begin();
    for (size_t i = 1; i < loop_->channels().size(); ++i) {
        Channel& channel = *loop_->channels()[i];
        if (channel.server != nullptr) loop_->reset(channel);
    }
    loop_->end();
    CHECK(proxy().is_idle());
    CHECK(loop_->blocks().in_use() <= 3);  // the open blocks
    CHECK(counters().clients.get() == 0);
    CHECK(counters().server_connections.get() == 0);
    for (const auto& server : proxy().pools()[0]->servers) {
        const stats::ServerCounters& of_server = server->counters();
        CHECK(of_server.connections.get() == 0);
        CHECK(of_server.in_queue.get() + of_server.in_queue_bytes.get() == 0);
        CHECK(of_server.out_queue.get() + of_server.out_queue_bytes.get() == 0);
    }
}

Channel& World::client() {
    loop_->begin();
    Channel* channel = loop_->accept();
    loop_->end();
    REQUIRE(channel != nullptr);
    return *channel;
}

std::string World::ask(Channel& client, std::string_view bytes) {
    say(client, bytes);
    settle();
    return heard(client);
}

void World::drop(Channel& client) {
    loop_->begin();
    if (client.client != nullptr) loop_->reset(client);
    loop_->end();
}

core::ServerConn& World::connection(uint32_t server, bool resp3) {
    for (const auto& candidate : proxy().pools()[0]->servers) {
        core::ServerConn& conn = candidate->connection(0, resp3);
        if (index_of(conn) == server) return conn;
    }
    FAIL("no such server");
    std::abort();
}

Channel* World::link(uint32_t server, bool resp3) {
    const uint32_t channel = connection(server, resp3).channel;
    return channel == 0 ? nullptr : loop_->channels()[channel].get();
}

std::vector<Channel*> World::links(uint32_t server) {
    std::vector<Channel*> found;
    for (const auto& conn : proxy().pools()[0]->servers[server]->connections()) {
        if (conn->is_on_demand() || conn->is_probe || conn->channel == 0) continue;
        found.push_back(loop_->channels()[conn->channel].get());
    }
    return found;
}

Channel* World::probe(uint32_t server) {
    const auto& probe = proxy().pools()[0]->servers[server]->probe;
    if (probe == nullptr || probe->channel == 0) return nullptr;
    return loop_->channels()[probe->channel].get();
}

std::vector<Channel*> World::leases(uint32_t server) {
    std::vector<Channel*> found;
    for (const auto& conn : proxy().pools()[0]->servers[server]->connections()) {
        if (!conn->is_lease || conn->channel == 0) continue;
        found.push_back(loop_->channels()[conn->channel].get());
    }
    return found;
}

Channel* World::subscription(uint32_t server) {
    const auto& link = proxy().pools()[0]->servers[server]->link;
    if (link == nullptr || link->conn->channel == 0) return nullptr;
    return loop_->channels()[link->conn->channel].get();
}

void World::reply(uint32_t server, std::string_view bytes, bool resp3) {
    Channel* channel = link(server, resp3);
    REQUIRE(channel != nullptr);
    channel->inbound += bytes;
}

void World::mute(uint32_t servers) {
    for (uint32_t i = 0; i < servers; ++i) {
        server(i).mood = Mood::Mute;
    }
}

void World::cut_off(uint32_t server, bool resp3) {
    Channel* channel = link(server, resp3);
    REQUIRE(channel != nullptr);
    loop_->begin();
    if (channel->server != nullptr) loop_->reset(*channel);
    loop_->end();
}

void World::hang_up(uint32_t server, bool resp3) {
    Channel* channel = link(server, resp3);
    REQUIRE(channel != nullptr);
    channel->inbound_end = true;
}

uint32_t World::server_of(std::string_view key) {
    return proxy().pools()[0]->server_of(key, loop_->now(), loop_->prng());
}

std::string World::key_on(uint32_t server, uint32_t n) {
    for (uint32_t i = 0;; ++i) {
        std::string key = "k" + std::to_string(i);
        if (server_of(key) != server) continue;
        if (n == 0) return key;
        n -= 1;
    }
}

uint32_t World::index_of(const core::ServerConn& conn) {
    return conn.server->options().address.port - 7000U;
}

config::Config& World::keep(std::vector<config::Pool> pools) {
    config::Config& config = adopted_.emplace_back();
    config.file = config_.file;
    config.pools = std::move(pools);
    for (const config::Server& server : config.pools[0].servers) {
        if (server.address.port - 7000U >= servers_.size()) servers_.emplace_back();
    }
    return config;
}

void World::adopt(std::vector<config::Pool> pools) {
    const config::Config& config = keep(std::move(pools));
    loop_->begin();
    loop_->adopt(config);
    loop_->end();
}

void World::adopt_amid(std::vector<config::Pool> pools, size_t behind) {
    const config::Config& config = keep(std::move(pools));
    bring_messages();
    loop_->begin();
    const auto& channels = loop_->channels();
    const size_t count = channels.size();
    for (size_t i = 1; i < count; ++i) {
        if (i - 1 == behind) loop_->adopt(config);
        happen(*channels[i]);
    }
    if (behind + 1 >= count) loop_->adopt(config);
    loop_->end();
}

// The server at the other end reads what arrived, and answers.
void World::serve(Channel& channel) {
    FakeServer& server = servers_[index_of(*channel.server)];
    if (server.mood != Mood::Up || channel.inbound_end) return;
    std::string answers;
    if (pool().protocol == config::Protocol::Redis) {
        server.redis.serve(channel.arrived, answers, sessions_[channel.index]);
    } else {
        server.memcached.serve(channel.arrived, answers);
    }
    channel.inbound += answers;
    if (channel.shut) channel.inbound_end = true;  // as redis, whatever waits on it
}

// What was published, to the connections that are subscribed and still there.
void World::bring_messages() {
    for (auto& [index, session] : sessions_) {
        Channel& channel = *loop_->channels()[index];
        if (channel.closed || channel.server == nullptr) {
            for (FakeServer& server : servers_) {
                server.redis.subscribers.erase(&session);
            }
            continue;
        }
        channel.inbound += std::exchange(session.messages, {});
    }
}

void World::happen(Channel& channel) {
    if (channel.closed) return;
    if (channel.server != nullptr && !channel.connected) {
        switch (servers_[index_of(*channel.server)].mood) {
            case Mood::Up:
            case Mood::Mute:
                loop_->connected(channel);
                break;
            case Mood::Refusing:
                loop_->reset(channel, "refused the connection");
                break;
            case Mood::Vanished:
                break;
        }
        return;
    }
    if (channel.server != nullptr) serve(channel);
    loop_->receive(channel);
    if (channel.inbound.empty() && channel.inbound_end) loop_->end_of_stream(channel);
}

namespace {

// Requests to a server that is silent are refused until something is heard: there is always a
// connection that will be made, and ask, or one that waits for an answer.
bool is_looked_after(const core::Server& server) {
    if (!server.live || !server.silence.is_silent()) return true;
    const core::ServerConn& conn = *server.connections().front();
    const bool is_idle = conn.state == core::ServerConn::State::Ready && conn.fragments.empty();
    return conn.waiting_link.is_linked() && !is_idle && !conn.paused;
}

}  // namespace

void World::step(uint64_t chance) {
    bring_messages();
    loop_->begin();
    // In both directions from a random place: no order of completions is promised.
    const auto& channels = loop_->channels();
    const size_t count = channels.size() - 1;
    const size_t start = chance < 100 && count > 0 ? loop_->prng().below(count) : 0;
    for (size_t i = 0; i < count; ++i) {
        if (chance < 100 && loop_->prng().below(100) >= chance) continue;
        happen(*channels[1 + (start + i) % count]);
    }
    loop_->end();
    for (const auto& pool : proxy().pools()) {
        for (const auto& server : pool->servers) {
            CHECK(is_looked_after(*server));
        }
    }
}

void World::settle() {
    uint64_t before = 0;
    uint32_t quiet = 0;
    while (quiet < 2) {
        before = loop_->events();
        step();
        quiet = loop_->events() == before ? quiet + 1 : 0;
    }
}

void World::pass(int64_t ms) {
    for (int64_t left = ms; left > 0; left -= 10) {
        loop_->advance(Loop::tick);
        step();
    }
    settle();
}

}  // namespace ringmain::test
