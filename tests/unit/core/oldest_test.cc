// The age of the oldest request in flight, as others read it.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

int64_t age_ms(World& world) {
    const stats::OldestRequest& oldest = world.proxy().pools()[0]->counters->oldest;
    return oldest.age(world.loop().now(), world.proxy().counters().looked_at_ns).to_millis();
}

config::Pool patient_pool(uint32_t servers) {
    config::Pool pool = redis_pool(servers);
    pool.timeout_ms = 10'000;
    return pool;
}

}  // namespace

TEST_CASE("the oldest request's age grows while nothing happens, and is none without one") {
    World world(patient_pool(2));
    Channel& client = world.client();
    CHECK(age_ms(world) == 0);
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    CHECK(age_ms(world) == 0);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", world.key_on(0)})).empty());
    world.pass(200);
    CHECK(age_ms(world) == 200);
    world.loop().advance(Duration::millis(3000));
    world.settle();
    CHECK(age_ms(world) == 3200);
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(client) == bulk("1"));
    CHECK(age_ms(world) == 0);
    CHECK(world.proxy().next_look() == Instant::never());
}

TEST_CASE("between two looks the age is that of the last one, and the next one is not far") {
    World world(patient_pool(2));
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", world.key_on(0)})).empty());
    world.pass(500);
    CHECK(world.ask(other, resp({"GET", world.key_on(1)})).empty());
    world.pass(200);
    const Instant seen = world.loop().now();
    CHECK(age_ms(world) == 700);
    world.reply(0, bulk("1"));
    world.settle();
    world.loop().advance(Duration::millis(50));
    // Answered, and not looked at since: what was true then is not to grow.
    CHECK(age_ms(world) <= 700);
    CHECK(world.proxy().next_look() <= seen + Duration::millis(100));
    world.pass(100);
    CHECK(age_ms(world) >= 240);
    CHECK(age_ms(world) <= 350);
}

TEST_CASE("a command that waits is not meant, and neither is what has its answer") {
    World world(redis_pool(1));
    Channel& waiting = world.client();
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    world.server(0).redis.canned["BLPOP"] = "";
    CHECK(world.ask(waiting, resp({"BLPOP", "list", "0"})).empty());
    world.pass(300);
    CHECK(age_ms(world) == 0);
    CHECK(world.ask(client, resp({"GET", "a"})).empty());
    world.pass(350);
    CHECK(age_ms(world) >= 250);
    CHECK(age_ms(world) <= 350);
    world.pass(100);
    CHECK(World::heard(client).find("did not answer within 400 ms") != std::string::npos);
    world.pass(100);
    CHECK(age_ms(world) == 0);
}

TEST_CASE("what a server of an earlier configuration still owes counts") {
    World world(patient_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})).empty());
    config::Pool next = patient_pool(1);
    next.servers[0].address.port = 7005;
    world.adopt({next});
    world.pass(600);
    CHECK(age_ms(world) == 600);
}

}  // namespace ringmain::test
