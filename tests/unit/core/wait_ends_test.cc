// WAIT has no end of its own while a server says nothing: a stop and a reload end it.

#include "tests/unit/core/stage.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string being_stopped =
    error("a command that waits on its server was ended: ringmain is being stopped");

void drain(World& world) {
    world.loop().begin();
    world.proxy().drain();
    world.loop().end();
    world.settle();
}

// Nothing of WAIT is left, but the connections of the servers that have answered.
void check_ended(Stage& stage, uint32_t answered = 0) {
    for (uint32_t i = answered; i < 3; ++i) {
        CHECK(stage.world.leases(i).empty());
    }
    CHECK(stage.client->closed);
    CHECK(stage.world.proxy().is_idle());
    CHECK(stage.pool().counters->leases.get() == 0);
    CHECK(stage.pool().counters->clients_waiting.get() == 0);
}

}  // namespace

TEST_CASE("a stop ends WAIT at once, however many servers have answered, and begins no other") {
    for (uint32_t answered = 0; answered < 3; ++answered) {
        CAPTURE(answered);
        Stage stage;
        stage.begin({"WAIT", "1", "0"});
        World::say(*stage.client, resp({"PING"}) + resp({"WAIT", "1", "0"}));
        stage.world.settle();
        for (uint32_t i = 0; i < answered; ++i) {
            stage.world.leases(i)[0]->inbound += ":0\r\n:1\r\n";
        }
        stage.world.settle();
        CHECK(World::heard(*stage.client).empty());
        drain(stage.world);
        CHECK(World::heard(*stage.client) ==
              being_stopped + "+PONG\r\n" +
                  error("'WAIT' is not begun: the connection is about to end"));
        check_ended(stage, answered);
        CHECK(stage.pool().counters->forward_error.get() == 1);
        CHECK(stage.world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("a stop ends WAIT on connections that are not there yet") {
    for (int batches = 1; batches < 4; ++batches) {
        CAPTURE(batches);
        Stage stage;
        World::say(*stage.client, resp({"WAIT", "1", "0"}));
        for (uint32_t i = 0; i < 3; ++i) {
            stage.world.server(i).mood = Mood::Vanished;
        }
        for (int i = 0; i < batches; ++i) {
            stage.world.step();
        }
        drain(stage.world);
        CHECK(World::heard(*stage.client) == being_stopped);
        check_ended(stage);
    }
}

TEST_CASE("a reload that takes its user away ends WAIT without a word, and what is behind it") {
    config::Pool pool = emulating_pool(3);
    config::User user;
    user.name = "goes";
    user.password = "pw";
    pool.users = {user};
    for (uint32_t answered = 0; answered < 3; ++answered) {
        CAPTURE(answered);
        Stage stage(pool);
        CHECK(stage.world.ask(*stage.client, resp({"AUTH", "goes", "pw"})) == ok);
        stage.begin({"WAIT", "1", "0"});
        World::say(*stage.client, resp({"SET", stage.a[0], "x"}));
        stage.world.settle();
        for (uint32_t i = 0; i < answered; ++i) {
            stage.world.leases(i)[0]->inbound += ":0\r\n:1\r\n";
        }
        stage.world.settle();
        config::Pool after = pool;
        after.users[0].name = "stays";
        stage.world.adopt({after});
        stage.world.settle();
        CHECK(World::heard(*stage.client).empty());
        check_ended(stage, answered);
        CHECK(stage.world.counters().errors.get() == 0);  // nobody heard of one
        CHECK(stage.world.link(0) == nullptr);
    }
}

TEST_CASE("a reload that takes its pool away ends WAIT") {
    Stage stage;
    stage.begin({"WAIT", "1", "0"});
    config::Pool other = emulating_pool(3);
    other.name = "other";
    stage.world.adopt({other});
    stage.world.settle();
    CHECK(World::heard(*stage.client) ==
          error(s0 + "is not configured any more; 'WAIT' asks all servers of the pool"));
    check_ended(stage);
}

// It is asked of each server, wherever keys live.
TEST_CASE("a reload that moves keys and takes no server away does not end WAIT") {
    Stage stage;
    stage.begin({"WAIT", "1", "0"});
    stage.world.adopt({emulating_pool(4)});
    stage.world.settle();
    CHECK(World::heard(*stage.client).empty());
    for (uint32_t i = 0; i < 3; ++i) {
        REQUIRE(stage.world.leases(i).size() == 1);
        stage.world.leases(i)[0]->inbound += ":0\r\n:1\r\n";
    }
    stage.world.settle();
    CHECK(World::heard(*stage.client) == ":1\r\n");
}

}  // namespace ringmain::test
