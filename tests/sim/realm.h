// tests/sim/realm.h - one pool of a world: what is true of it, and its servers.
//
// A pool's servers are numbered by their names ("s3"), whatever their places in a configuration:
// a reload may leave some out and bring them back.

#pragma once

#include "ringmain/core/shared.h"
#include "tests/sim/scenario.h"
#include "tests/sim/server.h"
#include "tests/sim/talker.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace ringmain::sim {

struct Realm {
    Realm(uint32_t index, const Scenario& scenario);

    // What the workers share about a server.
    [[nodiscard]] core::Health& health(uint32_t server) const { return shared[server]->health; }

    // That worker has another configuration.
    void open_door(uint32_t worker, const config::Pool& options, Instant now);

    // Remembers the servers that are new.
    void learn(const core::PoolShared& pool, const config::Pool& options);

    Truth truth;
    std::vector<std::unique_ptr<Server>> servers;
    std::vector<core::ServerShared*> shared;  // by number; null until a configuration has it
    bool was_shifting = false;
};

}  // namespace ringmain::sim
