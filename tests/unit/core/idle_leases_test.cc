// Connections that clients have held and given back.

#include "ringmain/core/limits.h"
#include "tests/unit/core/world.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool with_leases(uint32_t servers, uint32_t most) {
    config::Pool pool = redis_pool(servers);
    pool.leases_max = most;
    return pool;
}

std::vector<Channel*> clients_of(World& world, size_t count) {
    std::vector<Channel*> all;
    for (size_t i = 0; i < count; ++i) {
        all.push_back(&world.client());
    }
    return all;
}

// Each has a connection of its own at the same time, and gives it back.
void watch_together(World& world, const std::vector<Channel*>& clients, const std::string& key) {
    for (Channel* client : clients) {
        CHECK(world.ask(*client, resp({"WATCH", key})) == ok);
    }
    for (Channel* client : clients) {
        CHECK(world.ask(*client, resp({"MULTI"}) + resp({"EXEC"})) == ok + "*0\r\n");
    }
}

void watch_once(World& world, Channel& client, const std::string& key) {
    CHECK(world.ask(client, resp({"WATCH", key}) + resp({"UNWATCH"})) == ok + ok);
}

}  // namespace

TEST_CASE("many clients that come again connect nothing") {
    World world(redis_pool(1));
    const std::vector<Channel*> clients = clients_of(world, 100);
    watch_together(world, clients, "a");
    CHECK(world.leases(0).size() == 100);
    const uint64_t connects = server_counters(world, 0).connects.get();
    watch_together(world, clients, "a");
    CHECK(server_counters(world, 0).connects.get() == connects);
    CHECK(world.leases(0).size() == 100);
}

TEST_CASE("what a burst has left is closed, however busy a few of them are") {
    World world(redis_pool(1));
    const std::vector<Channel*> clients = clients_of(world, 100);
    watch_together(world, clients, "a");
    for (int64_t ms = 0; ms < core::idle_lease_max.to_millis() + 100; ms += 100) {
        world.pass(100);
        watch_once(world, *clients[0], "a");
    }
    CHECK(world.leases(0).size() == 1);
}

TEST_CASE("those that are idle and those that are held are leases_max together") {
    World world(with_leases(3, 10));
    const std::vector<Channel*> clients = clients_of(world, 10);
    for (const uint32_t server : {0U, 1U}) {
        const std::vector<Channel*> some(clients.begin(), clients.begin() + 5);
        watch_together(world, some, world.key_on(server));
        world.pass(100);
    }
    CHECK(world.leases(0).size() == 5);
    CHECK(world.leases(1).size() == 5);
    // The oldest make room for one that is wanted, whichever server they are of.
    const std::string key = world.key_on(2);
    for (size_t held = 1; held <= 10; ++held) {
        CAPTURE(held);
        CHECK(world.ask(*clients[held - 1], resp({"WATCH", key})) == ok);
        CHECK(world.leases(0).size() == (held <= 5 ? 5 - held : 0));
        CHECK(world.leases(1).size() == (held <= 5 ? 5 : 10 - held));
        CHECK(world.leases(2).size() == held);
    }
    CHECK(world.ask(world.client(), resp({"WATCH", key})).find("(leases_max)") !=
          std::string::npos);
    // One that is idle is taken without another's end.
    CHECK(world.ask(*clients[0], resp({"UNWATCH"})) == ok);
    CHECK(world.ask(*clients[0], resp({"WATCH", key})) == ok);
    CHECK(world.leases(2).size() == 10);
}

TEST_CASE("one of another kind makes room, too") {
    World world(with_leases(1, 2));
    const std::vector<Channel*> clients = clients_of(world, 2);
    watch_together(world, clients, "a");
    CHECK(world.ask(*clients[0], resp({"SELECT", "1"})) == ok);
    CHECK(world.ask(*clients[1], resp({"HELLO", "3"})).starts_with("%"));
    CHECK(world.ask(*clients[0], resp({"WATCH", "a"})) == ok);
    CHECK(world.ask(*clients[1], resp({"WATCH", "a"})) == ok);
    CHECK(world.leases(0).size() == 2);
}

TEST_CASE("where descriptors are short nothing is kept that nobody uses") {
    World world(redis_pool(2));
    const std::vector<Channel*> clients = clients_of(world, 3);
    watch_together(world, clients, world.key_on(0));
    CHECK(world.ask(*clients[0], resp({"WATCH", world.key_on(0)})) == ok);
    world.server(1).mood = Mood::Vanished;
    CHECK(world.ask(*clients[1], resp({"GET", world.key_on(1)})) == "");
    REQUIRE(world.link(1) != nullptr);
    world.loop().begin();
    world.proxy().on_connect_impossible(*world.link(1)->server, "cannot be reached: no descriptor");
    world.loop().end();
    world.settle();
    CHECK(world.leases(0).size() == 1);
    CHECK(world.ask(*clients[0], resp({"MULTI"}) + resp({"EXEC"})) == ok + "*0\r\n");
}

TEST_CASE("nor where the server takes no more connections") {
    World world(redis_pool(2));
    const std::vector<Channel*> clients = clients_of(world, 3);
    for (const uint32_t server : {0U, 1U}) {
        watch_together(world, clients, world.key_on(server));
    }
    CHECK(world.ask(*clients[0], resp({"SELECT", "1"})) == ok);
    world.server(0).redis.canned["WATCH"] = "-ERR max number of clients reached\r\n";
    CHECK(world.ask(*clients[0], resp({"WATCH", world.key_on(0)})).find("no more connections") !=
          std::string::npos);
    CHECK(world.leases(0).empty());
    CHECK(world.leases(1).size() == 3);
}

}  // namespace ringmain::test
