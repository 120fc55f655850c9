// Messages for many clients, and buffer memory.

#include "tests/unit/core/hog.h"
#include "tests/unit/core/listening.h"

#include <algorithm>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// Many clients that are subscribed to "c", in an arena of 4 MiB.
struct Crowd {
    explicit Crowd(size_t count, const Loop::Options& options = {.blocks = 256})
        : world(redis_pool(1), options), other(&world.client()) {
        for (size_t i = 0; i < count; ++i) {
            clients.push_back(&world.client());
            CHECK(world.ask(*clients.back(), resp({"SUBSCRIBE", "c"})) ==
                  confirmed("subscribe", "c", 1));
        }
        REQUIRE(world.subscription(0) != nullptr);
    }

    [[nodiscard]] const stats::PoolCounters& counters() {
        return *world.proxy().pools()[0]->counters;
    }

    [[nodiscard]] int64_t being_sent_to() const {
        return std::ranges::count_if(
            clients, [](const Channel* client) { return !client->sending.empty(); });
    }

    World world;
    Channel* other;
    std::vector<Channel*> clients;
};

[[nodiscard]] std::string small_message(int number) {
    return message("c", std::to_string(number) + std::string(1900, 'm'));
}

[[nodiscard]] std::string burst_of(int count) {
    std::string burst;
    for (int i = 0; i < count; ++i) {
        burst += small_message(i);
    }
    return burst;
}

}  // namespace

TEST_CASE("a burst of small messages comes to all who read, whatever memory there is") {
    Crowd crowd(300);  // one receive would take more than all of it
    const std::string burst = burst_of(40);
    crowd.world.subscription(0)->inbound += burst;
    World::say(*crowd.other, resp({"GET", "k"}));
    crowd.world.settle();
    for (Channel* client : crowd.clients) {
        CHECK_FALSE(client->closed);
        CHECK(World::heard(*client) == burst);
    }
    CHECK(World::heard(*crowd.other) == "$-1\r\n");
    CHECK(crowd.counters().messages.get() == 40);
    CHECK(crowd.counters().messages_delivered.get() == 40 * 300);
    CHECK(crowd.counters().messages_dropped.get() == 0);
    CHECK(crowd.world.loop().notices().empty());
}

TEST_CASE("a server that closes behind a burst loses none of it") {
    Crowd crowd(100);
    const std::string burst = burst_of(8);
    Channel& link = *crowd.world.subscription(0);
    link.inbound += burst;
    REQUIRE(link.inbound.size() < block_size);
    link.inbound_end = true;
    crowd.world.step();
    CHECK(crowd.counters().messages.get() == 2);  // no more than any batch delivers
    CHECK_FALSE(link.closed);
    crowd.world.settle();
    CHECK(link.closed);
    CHECK(crowd.world.loop().notices().size() == 1);
    for (Channel* client : crowd.clients) {
        CHECK(World::heard(*client) == burst);
    }
    CHECK(crowd.counters().messages_dropped.get() == 0);
}

TEST_CASE("messages for which clients leave no memory are dropped, and take none from requests") {
    Crowd crowd(41);
    World& world = crowd.world;
    for (size_t i = 1; i < crowd.clients.size(); ++i) {
        crowd.clients[i]->reads = false;
    }
    world.subscription(0)->inbound += burst_of(100);
    for (int i = 0; i < 300 && crowd.counters().messages.get() < 100; ++i) {
        CHECK(world.ask(*crowd.other, resp({"GET", "k"})) == "$-1\r\n");
        world.pass(10);
    }
    CHECK(crowd.counters().messages.get() == 100);
    CHECK(crowd.counters().messages_dropped.get() > 0);
    CHECK_FALSE(crowd.clients[0]->closed);
    // It has missed some, and none came twice or before its turn.
    const std::string heard = World::heard(*crowd.clients[0]);
    size_t at = 0;
    for (int i = 0; i < 100; ++i) {
        const std::string one = small_message(i);
        if (heard.compare(at, one.size(), one) == 0) at += one.size();
    }
    CHECK(at > 0);
    CHECK(at == heard.size());
    for (size_t i = 1; i < crowd.clients.size(); ++i) {
        crowd.clients[i]->reads = true;
    }
    world.pass(100);
    CHECK(world.ask(*crowd.other, resp({"PUBLISH", "c", "x"})).starts_with(":"));
    CHECK(World::heard(*crowd.clients[0]) == message("c", "x"));
}

TEST_CASE("a look for clients that stand still sends nobody a message before its turn") {
    Crowd crowd(100, {.hearers = 10});
    World& world = crowd.world;
    world.loop().advance(core::stall_check_interval);
    world.subscription(0)->inbound += small_message(0);
    world.step();
    CHECK(crowd.being_sent_to() == 10);
    world.settle();
    for (Channel* client : crowd.clients) {
        CHECK(World::heard(*client) == small_message(0));
    }
}

TEST_CASE("while memory is low a link waits once, and is not late for what waits here") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 20;
    pool.late_connection_timeout_ms = 40;
    World world(pool, {.blocks = 2048});
    Channel& reader = world.client();
    Channel& other = world.client();
    CHECK(world.ask(reader, resp({"SUBSCRIBE", "c"})) == confirmed("subscribe", "c", 1));
    const Hog hog(world.loop().blocks(), 200);
    const std::string burst = burst_of(10);
    world.subscription(0)->inbound += burst;
    world.settle();
    CHECK(world.ask(other, resp({"SUBSCRIBE", "d"})) == "");
    world.pass(80);  // its confirmation stands behind messages
    CHECK(world.subscription(0) != nullptr);
    const size_t at = World::heard(reader).size();
    CHECK(at < burst.size());
    world.pass(200);
    CHECK(world.subscription(0) != nullptr);
    CHECK(World::heard(reader) == burst.substr(at));
    const stats::PoolCounters& counters = *world.proxy().pools()[0]->counters;
    CHECK(counters.messages.get() == 10);
    CHECK(counters.messages_dropped.get() == 0);
}

TEST_CASE("who has left all channels keeps no room for them") {
    World world(redis_pool(1));
    Channel& client = world.client();
    std::vector<std::string> request = {"SUBSCRIBE"};
    for (int i = 0; i < 2000; ++i) {
        request.push_back("c" + std::to_string(i));
    }
    CHECK_FALSE(world.ask(client, resp(request)).empty());
    const auto& topics = client.client->session->subscriber->topics;
    CHECK(topics.size() == 2000);
    CHECK(topics.bucket_count() >= 2000);
    CHECK_FALSE(world.ask(client, resp({"UNSUBSCRIBE"})).empty());
    CHECK(topics.bucket_count() < 20);
}

}  // namespace ringmain::test
