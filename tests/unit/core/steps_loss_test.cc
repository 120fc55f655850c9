// Servers that go, and answers that nobody expects, while a command is done in steps.

#include "tests/unit/core/stage.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

config::Pool ejecting_pool() {
    config::Pool pool = emulating_pool(3);
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    return pool;
}

// The server is ejected, or removed by a reload.
void take_out(Stage& stage, uint32_t server, bool ejected) {
    if (ejected) {
        Channel& other = stage.world.client();
        CHECK(stage.world.ask(other, resp({"GET", stage.a[server]})).empty());
        stage.world.cut_off(server);
    } else {
        config::Pool pool = ejecting_pool();
        pool.servers.erase(pool.servers.begin() + server);
        stage.world.adopt({pool});
    }
    stage.world.settle();
}

void say(Stage& stage, Channel& channel, const std::string& text) {
    channel.inbound += text;
    stage.world.settle();
}

}  // namespace

TEST_CASE("of a step that was not asked nothing is said") {
    Stage stage(ejecting_pool());
    stage.begin({"SMOVE", stage.a[0], stage.a[1], "m"});
    Channel& source = stage.expect({0, false, "SISMEMBER", ""});
    take_out(stage, 2, true);
    say(stage, source, ":1\r\n");
    CHECK(World::heard(*stage.client) ==
          "-ERR ringmain: servers came or went meanwhile; try again; 'SMOVE' has changed "
          "nothing\r\n");
    stage.check_clean();
}

}  // namespace ringmain::test
