#include "tests/sim/realm.h"

#include "tests/sim/faults.h"

#include <utility>

namespace ringmain::sim {

Realm::Realm(uint32_t index, const Scenario& scenario)
    : truth(scenario.config.pools[index], index, scenario.has_large) {
    const config::Pool& pool = *truth.pool;
    const bool is_redis = pool.protocol == config::Protocol::Redis;
    truth.calm = scenario.calm;
    truth.selects = scenario.selects && is_redis;
    truth.waits = scenario.waits && is_redis;
    truth.lingers = scenario.lingers && is_redis;
    truth.publishes = scenario.publishes && is_redis;
    truth.carries = scenario.carries && is_redis && !truth.directory.is_random();
    truth.changes_auth = scenario.changes_auth && index == 0;
    truth.doors.resize(scenario.workers);
    if (scenario.has_old) truth.common_faults |= Old;
    if (scenario.scarce) truth.common_faults |= Scarce;
    if (pool.server_queue_max < 1024 || pool.databases_max < 2 || pool.leases_max < 1024) {
        truth.common_faults |= Narrow;
    }
    for (uint32_t i = 0; i < pool.servers.size(); ++i) {
        servers.push_back(std::make_unique<Server>(i, scenario, truth));
    }
    shared.resize(servers.size(), nullptr);
}

void Realm::open_door(uint32_t worker, const config::Pool& options, Instant now) {
    Doorkeeper& door = truth.doors[worker];
    const bool has_user = !options.users.empty();
    if (door.has_user && !has_user) door.user_gone_at = now;
    door.has_user = has_user;
    door.before = std::exchange(door.password, options.redis_auth);
    door.changed_at = now;
}

void Realm::learn(const core::PoolShared& pool, const config::Pool& options) {
    for (size_t i = 0; i < options.servers.size(); ++i) {
        shared[number_of(options.servers[i].ring_name)] = pool.servers[i];
    }
}

}  // namespace ringmain::sim
