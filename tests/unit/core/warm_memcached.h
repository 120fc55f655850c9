// tests/unit/core/warm_memcached.h - a memcached whose connection is there, and clients of it.

#pragma once

#include "tests/unit/core/world.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

struct WarmMemcached {
    explicit WarmMemcached(size_t count,
                           const config::Pool& pool = memcached_pool(1),
                           const Loop::Options& options = {})
        : world(pool, options) {
        for (size_t i = 0; i < count; ++i) {
            clients.push_back(&world.client());
        }
        CHECK(world.ask(*clients[0], get("warm")) == "END\r\n");
    }

    // The server reads on by itself, but answers only what a test says.
    void mute() { world.server(0).mood = Mood::Mute; }

    // Each client says its own, in one batch.
    void say(const std::vector<std::string>& requests) {
        for (size_t i = 0; i < requests.size(); ++i) {
            World::say(*clients[i], requests[i]);
        }
        world.settle();
    }

    void reply(std::string_view bytes) {
        world.reply(0, bytes);
        world.settle();
    }

    std::string heard(size_t client) { return World::heard(*clients[client]); }

    World world;
    std::vector<Channel*> clients;
};

}  // namespace ringmain::test
