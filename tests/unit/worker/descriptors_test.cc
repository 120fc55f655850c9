#include "ringmain/worker/descriptors.h"

#include <algorithm>

#include <doctest/doctest.h>

namespace ringmain::worker {

namespace {

config::Config config_of(uint32_t workers, uint32_t servers, uint32_t clients) {
    config::Config config;
    config.proxy.workers = workers;
    config::Pool pool;
    pool.client_connections = clients;
    pool.leases_max = 100;
    pool.databases_max = 5;
    pool.servers.resize(servers);
    config.pools.push_back(pool);
    return config;
}

}  // namespace

// And one connection to each redis server for messages, and a probe of each server.
TEST_CASE("servers count per worker, connection and version of the protocol, clients once") {
    const config::Config one = config_of(1, 3, 1000);
    CHECK(descriptors_wanted(one) == 64 + 2 + 1 + 18 + 3 + 3 + 1000 + 100 + 5 * 6);
    CHECK(descriptors_needed(one) == 16 + 2 + 1 + 3 + 8);
    config::Config four = config_of(4, 3, 1000);
    four.pools[0].server_connections = 2;
    CHECK(descriptors_wanted(four) == 64 + 4 * (2 + 1 + 30 + 3 + 100 + 5 * 12) + 3 + 1000);
    CHECK(descriptors_needed(four) == 16 + 4 * (2 + 1 + 6) + 8);
    four.pools[0].protocol = config::Protocol::Memcached;
    CHECK(descriptors_wanted(four) == 64 + 4 * (2 + 1 + 15) + 3 + 1000);
    four.proxy.client_connections = 700;  // of all pools
    CHECK(descriptors_wanted(four) == 64 + 4 * (2 + 1 + 15) + 3 + 700);
    four.proxy.client_connections = 7000;
    CHECK(descriptors_wanted(four) == 64 + 4 * (2 + 1 + 15) + 3 + 1000);
    four.pools[0].client_connections = 0;
    CHECK(descriptors_wanted(four) == 64 + 4 * (2 + 1 + 15) + 3 + 7000);
}

TEST_CASE("all clients have room where as many are let in, and nowhere without a limit of them") {
    const uint64_t limit = descriptor_limit();
    const auto has_room = [](uint32_t clients, uint32_t in_all) {
        config::Config config = config_of(1, 3, clients);
        config.pools[0].leases_max = 0;
        config.pools[0].databases_max = 0;
        config.proxy.client_connections = in_all;
        return descriptor_facts(config).has_room_for_clients;
    };
    const auto most = static_cast<uint32_t>(
        std::min<uint64_t>(clients_max(config_of(1, 3, 0), limit), UINT32_MAX - 1));
    CHECK(has_room(most, 0));
    CHECK(has_room(0, most));
    CHECK(has_room(UINT32_MAX, most));
    const bool is_limited = most < UINT32_MAX - 1;
    CHECK(has_room(most + 1, 0) != is_limited);
    CHECK_FALSE(has_room(0, 0));
}

TEST_CASE("clients get what servers and listeners leave") {
    const config::Config config = config_of(1, 3, 0);
    CHECK(clients_max(config, 20'000) == 20'000 - 91 - 256);
    CHECK(clients_max(config, 1'024) == 1'024 - 91 - 32);
    CHECK(clients_max(config, 64) == 64 - 22 - 4);
    CHECK(clients_max(config, descriptors_needed(config)) == 8);
    CHECK(clients_max(config, 5) == 1);
}

TEST_CASE("the ports and their connections have descriptors, fewer where there are few") {
    CHECK(port_connections_max(0) == 4);
    CHECK(port_connections_max(320) == 20);
    CHECK(port_connections_max(UINT64_MAX) == 64);
    const config::Config none = config_of(1, 3, 1000);
    config::Config both = none;
    both.stats.listen.host = "127.0.0.1";
    CHECK(descriptors_wanted(both) == descriptors_wanted(none) + 65);
    CHECK(descriptors_needed(both) == descriptors_needed(none) + 5);
    both.admin.listen.path = "/run/admin.sock";
    CHECK(descriptors_wanted(both) == descriptors_wanted(none) + 2 * 65);
    CHECK(clients_max(both, 20'000) == clients_max(none, 20'000) - 2 * 65);
    CHECK(clients_max(both, 320) == 320 - 22 - 9 - 2 * 21);
    CHECK(clients_max(both, descriptors_needed(both)) == 8);
    for (uint64_t limit = descriptors_needed(both); limit < 2'000; ++limit) {
        CAPTURE(limit);
        const uint64_t clients = clients_max(both, limit);
        const uint64_t rest = descriptors_needed(none) - 8 + 2 * (1 + port_connections_max(limit));
        const bool is_least = clients == 8;  // who has so few does with what is spare
        CHECK((is_least || clients + rest + lingering_max(clients, 1) <= limit));
    }
}

// However few or many there are, they and all clients have descriptors.
TEST_CASE("who lingers has a part of the clients' descriptors") {
    CHECK(lingering_max(1'024, 1) == 32);
    CHECK(lingering_max(1'024, 4) == 8);
    CHECK(lingering_max(1'024, 16) == 4);
    CHECK(lingering_max(0, 1) == 4);
    CHECK(lingering_max(UINT64_MAX, 1) == 256);
    for (const uint64_t limit : {200U, 1'024U, 4'096U, 100'000U}) {
        for (const uint32_t workers : {1U, 2U, 4U}) {
            CAPTURE(limit);
            CAPTURE(workers);
            const config::Config config = config_of(workers, 3, 0);
            const uint64_t clients = clients_max(config, limit);
            const uint64_t rest = descriptors_needed(config) - 8;
            CHECK(clients + rest <= limit);
            CHECK(clients + rest + workers * lingering_max(clients, workers) <= limit);
        }
    }
}

}  // namespace ringmain::worker
