#include "ringmain/core/shared.h"

#include <set>

namespace ringmain::core {

Shared::Shared(const config::Config& config, uint32_t workers) : workers_(workers) {
    pools = pools_of(config);
}

// What is known of it with the user, the password and the database that the pool gives it. With new
// ones it begins anew, but for an ejection that had another reason.
ServerShared& Shared::access(KnownServer& known,
                             const config::Pool& pool,
                             const config::Server& server) {
    const config::Credentials own = pool.credentials_of(server);
    const auto [place, is_new] = known.by_access.try_emplace(
        Access(own.user, own.password, pool.redis_db), known.number, known.counters);
    ServerShared& found = place->second;
    if (is_new) {
        for (const auto& [_, before] : known.by_access) {
            found.health.follow(before.health);
        }
    }
    return found;
}

std::vector<PoolShared> Shared::pools_of(const config::Config& config) {
    std::vector<PoolShared> result;
    for (const config::Pool& pool : config.pools) {
        PoolShared& shared = result.emplace_back();
        const PoolKey pool_key = {pool.name, pool.protocol};
        shared.counters = &pools_by_key_.try_emplace(pool_key, workers_).first->second;
        shared.scripts = &scripts_by_pool_.try_emplace(pool.name).first->second;
        shared.hearers = &hearers_by_pool_.try_emplace(pool.name, workers_).first->second;
        for (const config::Server& server : pool.servers) {
            const ServerKey key = {pool_key, server.ring_name, server.address};
            const auto [place, is_new] = servers_by_key_.try_emplace(key, workers_, last_number_);
            if (is_new) last_number_ += 1;
            shared.servers.push_back(&access(place->second, pool, server));
        }
    }
    return result;
}

void Shared::forget_others(const std::vector<const std::vector<PoolShared>*>& used) {
    std::set<const void*> kept;
    const auto keep = [&kept](const std::vector<PoolShared>& all) {
        for (const PoolShared& pool : all) {
            kept.insert({pool.counters, pool.scripts, pool.hearers});
            kept.insert(pool.servers.begin(), pool.servers.end());
        }
    };
    keep(pools);
    for (const std::vector<PoolShared>* some : used) {
        keep(*some);
    }
    const auto is_unused = [&kept](const auto& entry) { return !kept.contains(&entry.second); };
    std::erase_if(pools_by_key_, is_unused);
    std::erase_if(scripts_by_pool_, is_unused);
    std::erase_if(hearers_by_pool_, is_unused);
    for (auto& [_, known] : servers_by_key_) {
        std::erase_if(known.by_access, is_unused);
    }
    std::erase_if(servers_by_key_,
                  [](const auto& entry) { return entry.second.by_access.empty(); });
}

}  // namespace ringmain::core
