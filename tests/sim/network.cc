// The network and the workers' batches.

#include "tests/sim/faults.h"
#include "tests/sim/world.h"

#include <algorithm>
#include <numeric>

namespace ringmain::sim {

namespace {

// A peer that does not read takes so much before the proxy's sends stop.
constexpr size_t window = 128 * 1024;

// From then on a batch's time is not counted against those who could not answer in it.
constexpr Duration least_long_batch = Duration::millis(10);

}  // namespace

uint32_t World::index_of(const Worker& worker) const {
    return static_cast<uint32_t>(&worker - workers_.data());
}

// --- when ----------------------------------------------------------------------------------------

Instant World::next_of(const Link& link) const {
    if (link.gone) return Instant::never();
    // The end of its side is nothing to a server that stands still, or knows of it.
    Instant to_peer = link.is_half ? Instant::never() : link.to_peer.next();
    if (link.channel->shut) to_peer = std::max(to_peer, link.server->still_until);
    Instant next = std::min(link.to_proxy.next(), to_peer);
    if (link.server != nullptr && !link.arrived.empty()) {
        next = std::min(next, std::max(now_ + grid, link.server->still_until));
    }
    if (!link.channel->closed) {
        next = std::min({next, link.reset_at, link.connect_at});
        // What the proxy knows already, or has been told, does not come again.
        if (link.to_proxy.empty() && link.ended) next = std::min(to_peer, link.reset_at);
    }
    return next;
}

Instant World::next_of(const Worker& worker) const {
    const Instant free_at = std::max(worker.free_at, worker.stopped_until);
    if (is_ready(worker)) return std::max(free_at, now_ + grid);
    const Instant deadline = worker.loop->proxy().next_deadline();
    if (deadline == Instant::never()) return deadline;
    return std::max({free_at, deadline, worker.last_tick + test::Loop::tick});
}

bool World::is_ready(const Worker& worker) const {
    if (worker.is_woken || !worker.arrivals.empty()) return true;
    if (worker.next_config != nullptr || worker.is_told_to_drain) return true;
    if (worker.loop->proxy().has_more_to_do()) return true;
    if (worker.loop->proxy().next_deadline() <= now_ &&
        now_ - worker.last_tick >= test::Loop::tick) {
        return true;
    }
    const uint32_t index = index_of(worker);
    return std::any_of(links_.begin(), links_.end(), [this, index](const auto& link) {
        return link->worker == index && is_ready(*link);
    });
}

bool World::is_ready(const Link& link) const {
    const test::Channel& channel = *link.channel;
    if (channel.closed) return false;
    if (link.reset_at <= now_) return true;
    if (link.server != nullptr && !channel.connected) return link.connect_at <= now_;
    if (!channel.sending.empty() && channel.reads) return true;
    if (!test::Loop::is_armed(channel)) return ends_unseen(link);
    return !channel.inbound.empty() || (!link.ended && link.to_proxy.has_ended(now_));
}

// --- bytes on their way --------------------------------------------------------------------------

void World::deliver() {
    std::string bytes;
    for (const auto& link : links_) {
        if (!link->channel->closed) {
            bytes.clear();
            link->to_proxy.take(now_, bytes);
            link->channel->inbound += bytes;
            link->taken_bytes += bytes.size();
        }
        link->to_peer.take(now_, link->arrived);
        if (link->server == nullptr) continue;
        // One that does not stand still waits for the end of the request, however large.
        const bool takes = link->arrived.size() < window || !link->server->stands_still(now_);
        link->channel->reads = takes;
    }
}

// --- a batch -------------------------------------------------------------------------------------

void World::batch(Worker& worker) {
    const uint32_t index = index_of(worker);
    worker.batches += 1;
    worker.was_live.clear();
    for (const Realm& realm : realms_) {
        worker.was_live.push_back(realm.truth.directory.live());
    }
    begin_batch(worker);
    accept(worker);
    // No order of completions is promised.
    order_.resize(links_.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    for (size_t i = order_.size(); i > 1; --i) {
        std::swap(order_[i - 1], order_[prng_.below(i)]);
    }
    // Another configuration comes in the midst of it all.
    const size_t turn = prng_.below(order_.size() + 1);
    for (size_t i = 0; i < order_.size(); ++i) {
        Link& link = *links_[order_[i]];
        if (i == turn) adopt(worker);
        // What a client has said may still be in its socket when the proxy is told to stop.
        if (worker.is_told_to_drain && link.client != nullptr && prng_.below(2) == 0) continue;
        if (link.worker != index) continue;
        const bool is_out = connects_in_vain(link);
        happen(link);
        const core::ServerConn* conn = link.channel->server;
        if (is_out && conn != nullptr && conn->state == core::ServerConn::State::Ready) {
            fail(conn->server->title() + ": is out, and gets what waited for a connection");
        }
    }
    adopt(worker);
    if (std::exchange(worker.is_told_to_drain, false)) drain(worker);
    note_untaken(index);
    worker.loop->end();
    end_batch(worker);
    collect(worker);
    if (worker.loop->proxy().take_announcement()) {
        for (Worker& each : workers_) {
            each.is_woken = true;  // this one, too: it follows in its next batch
        }
    }
    for (const std::string& notice : worker.loop->notices()) {
        tell("worker ", index, " says: ", notice);
    }
    worker.loop->notices().clear();
}

// As the driver: it notices that it stood still, and that the last batch has taken long.
void World::begin_batch(Worker& worker) {
    worker.loop->set_now(now_);
    if (worker.busy.ns > 0) {
        worker.loop->proxy().move_times({.by = worker.busy, .from = worker.began});
    }
    worker.reads_all = worker.busy.ns > 0;
    worker.busy = {};
    worker.loop->begin({.by = std::exchange(worker.stood, {})});
    worker.began = now_;
    const uint32_t index = index_of(worker);
    worker.has_unsent = std::ranges::any_of(links_, [index](const auto& link) {
        if (link->worker != index || link->channel->server == nullptr) return false;
        // What is held back (core/pairing.h) is no longer to be sent, and not sent.
        const core::ServerConn& conn = *link->channel->server;
        return !link->channel->sending.empty() || conn.has_sendable() || conn.pairing.holds();
    });
    worker.is_woken = false;
}

// What it sends leaves at its end. Nobody waits for longer over it than it takes.
void World::end_batch(Worker& worker) {
    if (now_ - worker.last_tick >= test::Loop::tick) worker.last_tick = now_;
    worker.free_at = now_ + Duration{static_cast<int64_t>(prng_.below(4)) * grid.ns};
    const bool is_chosen = is_busy_ && prng_.below(100) == 0;
    if (!is_chosen || worker.has_unsent) return;
    worker.busy =
        on_grid(now_ + least_long_batch + some_span(scenario_.long_batch.to_millis())) - now_;
    worker.free_at = now_ + worker.busy;
    last_fault_ = std::max(last_fault_, worker.free_at);
    long_batches_ += 1;
    tell("worker ",
         index_of(worker),
         " takes ",
         static_cast<uint64_t>(worker.busy.to_millis()),
         " ms for a batch");
    for (const auto& client : clients_) {
        client->forgive(worker.free_at);
    }
}

// What is on its way to a server is not with it.
void World::note_untaken(uint32_t worker) {
    for (const auto& link : links_) {
        if (link->worker != worker || link->server == nullptr) continue;
        link->channel->untaken = link->to_peer.size() + link->channel->arrived.size();
    }
}

// To a server that was ejected earlier in this batch, perhaps.
bool World::connects_in_vain(const Link& link) {
    const core::ServerConn* conn = link.channel->server;
    return conn != nullptr && !conn->is_probe && conn->state != core::ServerConn::State::Ready &&
           !conn->server->health().accepts_traffic();
}

// Other connections to the servers, or other servers.
void World::change_config() {
    next_reload_ = on_grid(now_ + some_span(2 * scenario_.reload_every.to_millis()));
    config::Config& config = configs_.emplace_back(scenario_.config);
    for (config::Pool& pool : config.pools) {
        pool.server_connections = 1 + static_cast<uint32_t>(prng_.below(3));
        pool.preconnect = prng_.below(2) == 0;
        if (scenario_.selects && pool.protocol == config::Protocol::Redis) {
            pool.redis_db = prng_.below(2) == 0 ? 0 : 3;
        }
        if (scenario_.moves_servers) move_servers(pool);
        if (scenario_.changes_auth && &pool == config.pools.data()) {
            if (prng_.below(2) == 0) pool.redis_auth = "other";
            if (prng_.below(2) == 0) pool.users.clear();
        }
        tell("another configuration: ",
             pool.name,
             " has server_connections = ",
             uint64_t{pool.server_connections},
             ", redis_db = ",
             uint64_t{pool.redis_db},
             ", servers = ",
             uint64_t{pool.servers.size()});
    }
    reloads_ += 1;
    for (Realm& realm : realms_) {
        realm.truth.common_faults |= Moved;
        const bool remakes = scenario_.moves_servers || realm.truth.changes_auth;
        if (remakes) realm.truth.common_faults |= Remade;
    }
    for (Worker& worker : workers_) {
        worker.next_config = &config;
    }
    delay_some();
}

// Some of what is on its way to servers takes longer than what will be said to them on other
// connections. Nothing is late over it, however often there is another configuration: what is held
// back is not held for longer.
void World::delay_some() {
    for (const auto& link : links_) {
        if (link->server == nullptr || prng_.below(2) == 0) continue;
        if (!link->server->is_reachable(now_)) continue;
        const Instant until = now_ + some_span(10);
        if (!link->to_peer.is_held(now_)) link->to_peer.hold(until);
    }
}

// Some of them, in another order, with other weights.
void World::move_servers(config::Pool& pool) {
    if (prng_.below(3) == 0) return;
    for (size_t i = pool.servers.size(); i > 1; --i) {
        std::swap(pool.servers[i - 1], pool.servers[prng_.below(i)]);
    }
    pool.servers.resize(1 + prng_.below(pool.servers.size()));
    for (config::Server& server : pool.servers) {
        if (prng_.below(4) == 0) server.weight = 1 + static_cast<uint32_t>(prng_.below(3));
    }
}

void World::adopt(Worker& worker) {
    const config::Config* config = std::exchange(worker.next_config, nullptr);
    if (config == nullptr) return;
    worker.loop->adopt(*config);
    worker.config = config;
    // It has followed what happened in this batch so far.
    static_cast<void>(follow_health());
    const std::vector<core::PoolShared> shared = process_.shared.pools_of(*config);
    for (size_t i = 0; i < realms_.size(); ++i) {
        realms_[i].learn(shared[i], config->pools[i]);
        realms_[i].open_door(index_of(worker), config->pools[i], now_);
        static_cast<void>(follow_health(realms_[i]));  // which may be another one now
    }
    note_configs();
}

// By which configurations keys are placed now.
void World::note_configs() {
    // Configurations that ask for other databases, or as other users, judge servers for themselves.
    const bool judge_alone = scenario_.selects || scenario_.changes_auth;
    const bool is_divided =
        judge_alone && std::ranges::any_of(workers_, [this](const auto& worker) {
            return worker.config != workers_[0].config;
        });
    for (Realm& realm : realms_) {
        realm.truth.directory.divide(is_divided, now_);
    }
    if (!scenario_.moves_servers) return;
    for (Realm& realm : realms_) {
        std::vector<const config::Pool*> pools;
        for (const Worker& worker : workers_) {
            const config::Pool* pool = &worker.config->pools[realm.truth.index];
            if (std::ranges::find(pools, pool) == pools.end()) pools.push_back(pool);
        }
        realm.truth.directory.change_pools(std::move(pools), now_);
        doubt_all(realm);
    }
}

// As the driver: what is in the sockets counts.
void World::drain(Worker& worker) {
    const uint32_t index = index_of(worker);
    for (const auto& link : links_) {
        const test::Channel& channel = *link->channel;
        if (link->worker != index || channel.client == nullptr) continue;
        channel.client->unread = link->ended ? 0 : channel.inbound.size();
        if (link->client == nullptr) continue;
        const bool waits = link->client->talker().waiting() > 0 && link->client->listens();
        drains_ += waits ? 1 : 0;
        link->client->on_drain(link->to_proxy.empty());
        link->channel->reads = true;
    }
    worker.loop->proxy().drain();
}

void World::accept(Worker& worker) {
    while (!worker.arrivals.empty()) {
        Client& client = *worker.arrivals.front();
        test::Channel* channel = worker.loop->accept(client.truth().index);
        worker.arrivals.pop_front();
        if (channel == nullptr) {
            client.on_refused();
            continue;
        }
        auto link = std::make_unique<Link>();
        link->worker = index_of(worker);
        link->channel = channel;
        link->client = &client;
        link->latency = {grid.ns + static_cast<int64_t>(prng_.below(
                                       static_cast<uint64_t>(scenario_.latency_max.ns)))};
        client.on_connected(*link, now_);
        links_.push_back(std::move(link));
    }
}

void World::happen(Link& link) {
    test::Loop& loop = *workers_[link.worker].loop;
    test::Channel& channel = *link.channel;
    if (channel.closed) return;
    if (link.reset_at <= now_) {
        link.was_reset = true;
        link.ended = true;
        link.reset_at = Instant::never();
        if (channel.server != nullptr || channel.client != nullptr) loop.reset(channel);
        return;
    }
    if (link.server != nullptr && !channel.connected) {
        happen_to_server(link);
        return;
    }
    // It judges nobody's lateness before it has read what there is.
    const uint64_t some = 1 + prng_.below(4);
    const uint64_t most = workers_[link.worker].reads_all ? UINT64_MAX : some;
    for (uint64_t count = most; count > 0 && loop.receive(channel); --count) {
        if (!link.messages.empty()) bring_messages(link);
    }
    if (ends_unseen(link)) loop.proxy().leases().on_client_end(*channel.client);
    if (channel.closed || link.ended || !channel.inbound.empty()) return;
    if (!link.to_proxy.has_ended(now_) || !test::Loop::is_armed(channel)) return;
    link.ended = true;
    loop.end_of_stream(channel);
}

// As the driver: the end of a client that is not read, for it waits, is seen behind what it has
// said.
bool World::ends_unseen(const Link& link) const {
    const core::ClientConn* client = link.channel->client;
    return client != nullptr && !link.ended && !test::Loop::is_armed(*link.channel) &&
           link.to_proxy.has_ended(now_) && core::Leases::may_end_unseen(*client);
}

// Those of which the worker has now all bytes.
void World::bring_messages(Link& link) {
    const test::Channel& channel = *link.channel;
    const uint64_t received = link.taken_bytes - channel.inbound.size();
    while (!link.messages.empty() && link.messages.front().end <= received) {
        const Link::Message message = std::move(link.messages.front());
        link.messages.pop_front();
        link.server->truth().news.bring(
            link.worker, message.topic, {message.tag, is_certain(link, message), now_});
    }
}

// The clients of its worker get the message: nothing is moving, and no memory is short.
bool World::is_certain(const Link& link, const Link::Message& message) {
    Truth& truth = link.server->truth();
    const uint32_t server = link.server->index();
    const core::ServerConn* conn = link.channel->server;
    if (scenario_.scarce || conn == nullptr || conn->state != core::ServerConn::State::Ready) {
        return false;
    }
    if (truth.is_ending || truth.directory.is_shifting(now_)) return false;
    if (!truth.directory.live()[server] || !truth.directory.was_configured(server, now_, now_)) {
        return false;
    }
    if (message.topic != message.channel || truth.directory.is_random()) return true;
    const std::vector<uint32_t>& servers = truth.directory.servers_of(message.channel, now_, now_);
    return servers.size() == 1 && servers[0] == server;
}

void World::happen_to_server(Link& link) {
    if (link.connect_at > now_) return;
    test::Loop& loop = *workers_[link.worker].loop;
    link.connect_at = Instant::never();
    if (link.channel->server == nullptr) return;
    if (link.refused) {
        loop.reset(*link.channel, "refused the connection");
    } else {
        loop.connected(*link.channel);
        connected_at_ = now_;
        link.server->greet(link, now_);
    }
}

// What the batch has brought: bytes to be carried, connections to be made or forgotten.
void World::collect(Worker& worker) {
    const auto& channels = worker.loop->channels();
    for (; worker.channels_seen < channels.size(); ++worker.channels_seen) {
        test::Channel& channel = *channels[worker.channels_seen];
        if (channel.server == nullptr) continue;  // a client's: accept() has made its link
        auto link = std::make_unique<Link>();
        link->worker = index_of(worker);
        link->channel = &channel;
        const core::Server& server = *channel.server->server;
        link->server = realm_of(server).servers[number_of(server.options().ring_name)].get();
        link->latency = {grid.ns + static_cast<int64_t>(prng_.below(
                                       static_cast<uint64_t>(scenario_.latency_max.ns)))};
        link->refused = !link->server->takes_connections(now_);
        link->connect_at = on_grid(now_ + worker.busy + link->latency + link->latency);
        if (!link->server->is_reachable(now_)) {
            // The first packet is lost; the next one goes out when it may be too late.
            link->connect_at = on_grid(link->server->vanished_until + Duration::millis(20));
        }
        tell("worker ", link->worker, " connects to s", link->server->index());
        links_.push_back(std::move(link));
    }
    const std::map<const Server*, Instant> given_up = note_given_up(worker);
    for (const auto& link : links_) {
        if (link->worker != index_of(worker)) continue;
        test::Channel& channel = *link->channel;
        if (!channel.arrived.empty()) {
            link->to_peer.push(std::exchange(channel.arrived, {}), now_ + link->latency);
        }
        if ((channel.closed || channel.shut) && !link->to_peer.is_closed()) {
            link->to_peer.close(now_ + link->latency);
        }
        if (link->server != nullptr && channel.server != nullptr) {
            note_lessee(*link);
            const auto found = given_up.find(link->server);
            note_queued(worker, *link, found == given_up.end() ? now_ : found->second);
            // What it has sent in this batch was somebody's who left in this batch.
            link->is_lost = channel.server->state == core::ServerConn::State::Closed;
        }
    }
    if (scenario_.forgets) follow_gaps(worker);
}

// Whose the connection is.
void World::note_lessee(Link& link) {
    const core::ClientConn* client = link.channel->server->lessee;
    link.lessee = 0;
    for (const auto& other : links_) {
        if (client == nullptr) return;
        if (other->channel->client != client) continue;
        // It may have left, and the proxy does not know yet.
        link.lessee = other->client == nullptr ? Link::nobody : other->client->number();
    }
}

// Since when a request for the server may have been placed that this batch has moved: from a
// connection of its own that was not to be had.
std::map<const Server*, Instant> World::note_given_up(const Worker& worker) {
    std::map<const Server*, Instant> since;
    for (const auto& link : links_) {
        if (link->worker != index_of(worker) || link->queued.empty()) continue;
        const core::ServerConn* conn = link->channel->server;
        const bool is_closed = conn == nullptr || conn->state == core::ServerConn::State::Closed;
        if (!is_closed || std::exchange(link->was_given_up, true)) continue;
        Instant& first = since.try_emplace(link->server, now_).first->second;
        first = std::min(first, link->queued.front().from);
    }
    return since;
}

// Which requests were placed on the link in this batch. In redis each has one answer, which those
// of a transaction count; lines of memcached's that several requests share do not tell how many
// they are.
void World::note_queued(const Worker& worker, Link& link, Instant from) {
    if (link.server->truth().pool->protocol != config::Protocol::Redis) return;
    for (const core::Fragment* fragment = link.channel->server->fragments.front();
         fragment != nullptr;
         fragment = fragment->next) {
        if (fragment->batch != worker.batches) continue;
        link.queued.insert(link.queued.end(), 1 + fragment->leading, Ledger::Span{from, now_});
    }
}

void World::forget_links() {
    for (const auto& link : links_) {
        if (!link->channel->closed) continue;
        const bool peer_done =
            link->client == nullptr && (link->server == nullptr || link->was_reset ||
                                        (link->to_peer.has_ended(now_) && link->arrived.empty()));
        link->gone = peer_done;
        if (!link->gone) continue;
        if (link->server != nullptr) link->server->forget(*link);
    }
    std::erase_if(links_, [](const auto& link) { return link->gone; });
}

}  // namespace ringmain::sim
