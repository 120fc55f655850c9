// What one batch takes of all clients together, and of one that is answered here.

#include "ringmain/core/batch_total.h"

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// So many clients, each of which has said `bytes`.
std::vector<Channel*> crowd(World& world, size_t count, std::string_view bytes) {
    std::vector<Channel*> clients;
    for (size_t i = 0; i < count; ++i) {
        clients.push_back(&world.client());
        World::say(*clients.back(), bytes);
    }
    return clients;
}

// How many have their answer; those who came first.
size_t answered(const std::vector<Channel*>& clients, const std::string& answer) {
    size_t count = 0;
    while (count < clients.size() && clients[count]->arrived == answer) {
        count += 1;
    }
    for (size_t i = count; i < clients.size(); ++i) {
        CHECK(clients[i]->arrived.empty());
    }
    return count;
}

std::string echo(char byte, size_t size) {
    return resp({"ECHO", std::string(size, byte)});
}

}  // namespace

TEST_CASE("a batch takes so many requests of all clients, and the next ones go on in turn") {
    World world(redis_pool(1), {.bounds = {.requests = 100}});
    const std::vector<Channel*> clients = crowd(world, 60, times(10, "PING\r\n"));
    // Once of those that come, once of those that wait.
    world.step();
    CHECK(world.counters().requests.get() == 200);
    for (size_t done = 20; done <= 60; done += 10) {
        CHECK(world.proxy().has_more_to_do() == (done < 60));
        world.step();
        CHECK(answered(clients, times(10, "+PONG\r\n")) == done);
        CHECK(world.counters().requests.get() == std::min<size_t>(10 * (done + 10), 600));
    }
}

TEST_CASE("a batch writes so much of its own to all clients, and the next ones go on in turn") {
    World world(redis_pool(1), {.bounds = {.answers = 10'000}});
    const std::vector<Channel*> clients = crowd(world, 40, echo('x', 1000));
    const std::string answer = bulk(std::string(1000, 'x'));
    world.step();
    for (size_t done = 20; done <= 40; done += 10) {
        CHECK(world.proxy().has_more_to_do());
        world.step();
        CHECK(answered(clients, answer) == done);
    }
    world.settle();
    CHECK_FALSE(world.proxy().has_more_to_do());
}

TEST_CASE("a client that asks for much that is written here has its turn, and others theirs") {
    World world(redis_pool(1));
    Channel& greedy = world.client();
    Channel& modest = world.client();
    World::say(greedy, times(20, resp({"COMMAND", "DOCS"})));
    World::say(modest, "PING\r\n");
    world.step();
    CHECK(world.counters().requests.get() == 2);
    CHECK(world.proxy().has_more_to_do());
    world.step();
    CHECK(world.counters().requests.get() == 3);
    CHECK(World::heard(modest) == "+PONG\r\n");
    world.settle();
    CHECK(world.counters().requests.get() == 21);
    CHECK_FALSE(world.proxy().has_more_to_do());
    const std::string all = World::heard(greedy);
    const std::string one = world.ask(greedy, resp({"COMMAND", "DOCS"}));
    CHECK(one.size() > 100'000);
    CHECK(all == times(20, one));
}

TEST_CASE("whose turn is over is not read on while it does not take its answers") {
    World world(redis_pool(1));
    Channel& client = world.client();
    client.reads = false;
    World::say(client, times(20, resp({"COMMAND", "DOCS"})));
    for (int i = 0; i < 20; ++i) {
        world.step();
    }
    const uint64_t waiting = client.client->out.size() + client.client->unsent;
    CHECK(waiting >= world.pool().output_pause_size);
    CHECK(waiting < world.pool().output_pause_size + 200'000);
    CHECK(world.counters().requests.get() < 8);
    CHECK_FALSE(world.proxy().has_more_to_do());
    client.reads = true;
    world.settle();
    CHECK(world.counters().requests.get() == 20);
}

TEST_CASE("who waits for its turn has its answers in order, behind what servers owe it") {
    World world(redis_pool(1), {.bounds = {.client_answers = 300}});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    std::string wanted = bulk("value");
    World::say(client, resp({"GET", "a"}));
    for (const char byte : {'a', 'b', 'c', 'd'}) {
        World::say(client, echo(byte, 200));
        wanted += bulk(std::string(200, byte));
    }
    World::say(client, resp({"WATCH", "a"}) + echo('e', 200) + resp({"QUIT"}));
    client.inbound_end = true;
    world.settle();
    CHECK(World::heard(client) == "");
    world.reply(0, bulk("value"));
    world.settle();
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == wanted + "+OK\r\n" + bulk(std::string(200, 'e')) + "+OK\r\n");
    CHECK(client.closed);
}

TEST_CASE("a client that leaves while it waits for its turn leaves nothing behind") {
    World world(redis_pool(1), {.bounds = {.requests = 10}});
    const std::vector<Channel*> clients = crowd(world, 6, times(10, "PING\r\n"));
    world.step();
    CHECK(world.counters().requests.get() == 20);
    world.drop(*clients[2]);
    world.settle();
    CHECK(world.counters().requests.get() == 50);
    CHECK(World::heard(*clients[5]) == times(10, "+PONG\r\n"));
    CHECK_FALSE(world.proxy().has_more_to_do());
}

}  // namespace ringmain::test
