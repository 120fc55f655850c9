#include "ringmain/core/pool.h"

#include "ringmain/base/assert.h"

#include <algorithm>

namespace ringmain::core {

Pool::Pool(BlockPool& blocks,
           const config::Pool& pool_options,
           const PoolShared& pool_shared,
           Share share)
    : options(&pool_options),
      shared(&pool_shared),
      counters(&(*pool_shared.counters)[share.worker]),
      placement(pool_options.placement, pool_options.nodes()),
      users(pool_options.users.begin(), pool_options.users.end()),
      scripts(*pool_shared.scripts) {
    counters->latency.prepare();
    resp_limits.request_size_max = pool_options.request_size_max;
    resp_limits.arguments_max = pool_options.request_arguments_max;
    memcached_limits.value_size_max = pool_options.request_size_max;
    for (uint32_t i = 0; i < pool_options.servers.size(); ++i) {
        servers.push_back(std::make_unique<Server>(blocks, *this, i, share));
    }
}

const User* Pool::find_user(std::string_view name) const {
    const auto found = std::ranges::find(users, name, &User::name);
    return found == users.end() ? nullptr : &*found;
}

std::vector<ServerConn*> Pool::connections() const {
    std::vector<ServerConn*> all;
    for (const auto& server : servers) {
        for (const auto& conn : server->connections()) {
            all.push_back(conn.get());
        }
    }
    return all;
}

uint32_t Pool::first_live() const {
    const auto found =
        std::ranges::find_if(servers, [](const auto& server) { return server->live; });
    RM_ASSERT(found != servers.end());
    return static_cast<uint32_t>(found - servers.begin());
}

placement::Placement Pool::placement_without(std::span<const uint32_t> out) const {
    std::vector<placement::Node> nodes = options->nodes();
    for (const auto& server : servers) {
        nodes[server->index()].live = server->live;
    }
    for (const uint32_t index : out) {
        nodes[index].live = false;
    }
    return {options->placement, nodes};
}

// In the first slow_start of its return.
bool Pool::is_returning(const Server& server, Instant now) const {
    return server.live && server.health().ejections() > 0 &&
           now - server.health().changed_at() < Duration::millis(options->slow_start_ms);
}

void Pool::place_anew(Instant now) {
    placements += 1;
    placement = placement_without({});
    ramps_.clear();
    for (const auto& server : servers) {
        if (!is_returning(*server, now)) continue;
        ramps_.push_back({.server = server->index(),
                          .since = server->health().changed_at(),
                          .without = placement});
    }
    std::ranges::sort(ramps_, {}, &Ramp::since);
    std::vector<uint32_t> out;
    for (size_t i = ramps_.size(); i > 0; --i) {
        out.push_back(ramps_[i - 1].server);
        ramps_[i - 1].without = placement_without(out);
    }
}

void Pool::forget_ramps(Instant now) {
    // The first to return is the first to be back.
    while (!ramps_.empty() && !is_returning(*servers[ramps_.front().server], now)) {
        ramps_.erase(ramps_.begin());
    }
}

// The key's place in the order of return depends on the server too, or the same keys would come
// back first everywhere.
Instant Pool::back_at(const Ramp& ramp, uint32_t hash) const {
    const uint64_t rank = Prng((uint64_t{ramp.server} << 32) | hash).next() >> 32;
    const auto length = static_cast<uint64_t>(options->slow_start_ms);
    const uint64_t passed = ((rank + 1) * length + UINT32_MAX) >> 32;
    return ramp.since + Duration::millis(static_cast<int64_t>(passed));
}

void Pool::append_servers_of(std::string_view key, Prng& prng, std::vector<uint32_t>& found) const {
    found.push_back(placement.server_of(key, prng));
    for (const Ramp& ramp : ramps_) {
        if (ramp.without.any_live()) found.push_back(ramp.without.server_of(key, prng));
    }
}

uint32_t Pool::server_in_ramps(std::string_view key, Instant now, Prng& prng) const {
    const uint32_t hash = placement.hash_of(key);
    const placement::Placement* at = &placement;
    uint32_t server = at->server_of(key, prng);
    // Each step goes back in time, to before the return of that server.
    for (size_t i = ramps_.size(); i > 0; --i) {
        const Ramp& ramp = ramps_[i - 1];
        if (ramp.server != server || now >= back_at(ramp, hash)) continue;
        if (!ramp.without.any_live()) break;
        at = &ramp.without;
        server = at->server_of(key, prng);
    }
    return server;
}

Instant Pool::moves_at(std::string_view key, Instant now, Prng& prng) const {
    Instant next = Instant::never();
    // A key without a place moves with every command.
    const auto distribution = options->placement.distribution;
    if (ramps_.empty() || distribution == placement::DistributionKind::Random) return next;
    const uint32_t hash = placement.hash_of(key);
    uint32_t server = placement.server_of(key, prng);
    for (size_t i = ramps_.size(); i > 0; --i) {
        const Ramp& ramp = ramps_[i - 1];
        const Instant back = back_at(ramp, hash);
        if (ramp.server != server || now >= back || !ramp.without.any_live()) continue;
        next = std::min(next, back);
        server = ramp.without.server_of(key, prng);
    }
    return next;
}

}  // namespace ringmain::core
