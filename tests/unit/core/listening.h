// tests/unit/core/listening.h - a client that is subscribed, and what it and its server say.

#pragma once

#include "tests/unit/core/world.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

[[nodiscard]] inline std::string confirmed(const std::string& word,
                                           const std::string& name,
                                           uint32_t count,
                                           bool resp3 = false) {
    return (resp3 ? ">3\r\n" : "*3\r\n") + bulk(word) + bulk(name) + ":" + std::to_string(count) +
           "\r\n";
}

[[nodiscard]] inline std::string message(const std::string& channel,
                                         const std::string& payload,
                                         bool resp3 = false) {
    return (resp3 ? ">3\r\n" : "*3\r\n") + bulk("message") + bulk(channel) + bulk(payload);
}

[[nodiscard]] inline uint64_t logged(World& world, uint32_t server, const std::string& line) {
    const std::vector<std::string>& log = world.server(server).redis.log;
    return static_cast<uint64_t>(std::count(log.begin(), log.end(), line));
}

// One server and a client that is subscribed to "c" there.
struct Listening {
    explicit Listening(config::Pool pool = redis_pool(1))
        : world(std::move(pool)), client(&world.client()), other(&world.client()) {
        CHECK(world.ask(*client, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 1));
        REQUIRE(world.subscription(0) != nullptr);
    }

    [[nodiscard]] const stats::PoolCounters& counters() {
        return *world.proxy().pools()[0]->counters;
    }

    // From the server, on the subscription connection.
    void bring(std::string_view bytes) {
        world.subscription(0)->inbound += bytes;
        world.settle();
    }

    // The connection is closed, and another one has what it had.
    void check_closed(const std::string& reason) {
        CAPTURE(reason);
        REQUIRE(!world.loop().notices().empty());
        CHECK(world.loop().notices().back().find(reason) != std::string::npos);
        world.pass(1000);
        CHECK(logged(world, 0, "subscribe c") == 2);
        CHECK(world.ask(*other, resp({"PUBLISH", "c", "again"})) == ":1\r\n");
        CHECK(World::heard(*client) == message("c", "again"));
    }

    World world;
    Channel* client;
    Channel* other;
};

}  // namespace ringmain::test
