// Gathers whose parts are all there, and which are more than one batch computes.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// What one union takes is more than a batch has; of small answers it does many.
constexpr uint64_t work_max = 1000;

struct Unions {
    explicit Unions(uint32_t servers = 2)
        : world(redis_pool(servers), {.bounds = {.join_work = work_max}}) {
        for (uint32_t i = 0; i < servers; ++i) {
            world.server(i).mood = Mood::Mute;
        }
    }

    // Of a key on each server.
    void ask(Channel& client) {
        CHECK(world.ask(client, resp({"SUNION", world.key_on(0), world.key_on(1)})) == "");
    }

    // The servers answer the next one that was asked, which is to have `name` in its answer.
    void reply(const std::string& name) {
        world.reply(0, "*1\r\n" + bulk(name + std::string(600, 'x')));
        world.reply(1, "*1\r\n" + bulk(name + std::string(600, 'y')));
    }

    static std::string answer(const std::string& name) {
        return "*2\r\n" + bulk(name + std::string(600, 'x')) + bulk(name + std::string(600, 'y'));
    }

    World world;
};

}  // namespace

TEST_CASE("a batch computes one large gather, in the order in which they were complete") {
    Unions unions;
    World& world = unions.world;
    Channel& one = world.client();
    Channel& other = world.client();
    for (Channel* client : {&one, &one, &other, &one}) {
        unions.ask(*client);
    }
    for (const char* name : {"a", "b", "c", "d"}) {
        unions.reply(name);
    }
    world.step();
    CHECK(world.proxy().live_requests() == 4);
    for (const size_t left : {3U, 2U, 1U, 0U}) {
        CHECK(world.proxy().has_more_to_do());
        world.step();
        CHECK(world.proxy().live_requests() == left);
        // What was computed a batch ago has left.
        CHECK(World::heard(one) == (left == 2   ? Unions::answer("a")
                                    : left == 1 ? Unions::answer("b")
                                                : ""));
        CHECK(World::heard(other) == (left == 0 ? Unions::answer("c") : ""));
    }
    CHECK_FALSE(world.proxy().has_more_to_do());
    world.settle();
    CHECK(World::heard(one) == Unions::answer("d"));
}

TEST_CASE("small gathers are computed at once, until a batch has done enough of them") {
    Unions unions;
    World& world = unions.world;
    Channel& large = world.client();
    for (int i = 0; i < 3; ++i) {
        unions.ask(large);
    }
    Channel& small = world.client();
    CHECK(world.ask(small, resp({"DBSIZE"})) == "");
    for (int i = 0; i < 3; ++i) {
        unions.reply("a");
    }
    world.reply(0, ":1\r\n");
    world.reply(1, ":2\r\n");
    world.step();
    world.step();
    CHECK(World::heard(small) == ":3\r\n");
    CHECK(World::heard(large) == "");
    world.settle();
    CHECK(World::heard(large) == Unions::answer("a") + Unions::answer("a") + Unions::answer("a"));

    const std::string digits(19, '1');
    std::string answers;
    for (int i = 0; i < 40; ++i) {
        Channel& client = world.client();
        World::say(client, resp({"DBSIZE"}));
        answers += ":" + digits.substr(1) + "\r\n";
    }
    world.settle();
    world.reply(0, answers);
    world.reply(1, answers);
    const size_t work = 2 * (digits.size() + 2);
    const size_t at_once = work_max / 4 / work;
    world.step();
    CHECK(world.proxy().live_requests() == 40 - at_once);
    CHECK(world.proxy().has_more_to_do());
    world.step();
    CHECK(world.proxy().live_requests() == 40 - at_once - work_max / work);
    world.step();
    CHECK(world.proxy().is_idle());
}

TEST_CASE("a client has its answers in order though some of them wait to be computed") {
    Unions unions;
    World& world = unions.world;
    Channel& client = world.client();
    CHECK(world.ask(client,
                    resp({"SUNION", world.key_on(0), world.key_on(1)}) +
                        resp({"GET", world.key_on(0)}) + resp({"DBSIZE"}) + resp({"PING"})) == "");
    unions.reply("a");
    world.reply(0, bulk("value") + ":1\r\n");
    world.reply(1, ":2\r\n");
    world.step();
    CHECK(world.proxy().live_requests() == 4);
    // Nobody has been late.
    world.loop().advance(Duration::millis(10'000));
    world.settle();
    CHECK(World::heard(client) == Unions::answer("a") + bulk("value") + ":3\r\n+PONG\r\n");
    CHECK(world.counters().errors.get() == 0);
}

TEST_CASE("a client that leaves while its gathers wait to be computed leaves nothing behind") {
    Unions unions;
    World& world = unions.world;
    Channel& leaving = world.client();
    Channel& staying = world.client();
    for (Channel* client : {&leaving, &staying, &leaving}) {
        unions.ask(*client);
    }
    for (const char* name : {"a", "b", "c"}) {
        unions.reply(name);
    }
    world.step();
    CHECK(world.proxy().live_requests() == 3);
    world.drop(leaving);
    CHECK(world.proxy().live_requests() == 1);
    world.step();
    CHECK(world.proxy().is_idle());
    CHECK_FALSE(world.proxy().has_more_to_do());
    world.settle();
    CHECK(World::heard(staying) == Unions::answer("b"));
    CHECK(world.loop().blocks().in_use() <= 3);
}

TEST_CASE("what waits to be computed is answered, though its pool or all of them end") {
    for (const char* end : {"reload", "drain"}) {
        CAPTURE(end);
        Unions unions;
        World& world = unions.world;
        Channel& client = world.client();
        unions.ask(client);
        unions.ask(client);
        unions.reply("a");
        unions.reply("b");
        world.step();
        CHECK(world.proxy().live_requests() == 2);
        if (end == std::string_view("drain")) {
            world.proxy().drain();
        } else {
            config::Pool other = redis_pool(1);
            other.name = "other";
            world.adopt({other});
        }
        world.settle();
        CHECK(World::heard(client) == Unions::answer("a") + Unions::answer("b"));
        CHECK(client.closed);
        CHECK(world.proxy().is_idle());
        CHECK(world.proxy().is_settled());
    }
}

}  // namespace ringmain::test
