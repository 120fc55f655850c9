// Channels on their way from one server to another.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

std::string confirmed(const std::string& name) {
    return "*3\r\n" + bulk("subscribe") + bulk(name) + ":1\r\n";
}

}  // namespace

TEST_CASE("the loss of a server that a channel has left is no error for who waits elsewhere") {
    World world(redis_pool(1));
    Channel& client = world.client();
    Channel& other = world.client();
    world.ask(client, resp({"SUBSCRIBE", "beta"}));
    // It moves, and is confirmed neither to have ended on one nor to have begun on the other.
    world.server(0).mood = Mood::Mute;
    world.adopt({redis_pool(2)});
    world.server(1).mood = Mood::Mute;
    world.settle();
    REQUIRE(world.server_of("beta") == 1);
    CHECK(world.ask(other, resp({"SUBSCRIBE", "beta"})).empty());
    world.subscription(0)->inbound_end = true;
    world.settle();
    CHECK(World::heard(other).empty());
    REQUIRE(world.subscription(1) != nullptr);
    world.subscription(1)->inbound += confirmed("beta");
    world.settle();
    CHECK(World::heard(other) == confirmed("beta"));
}

}  // namespace ringmain::test
