// Every server of a pool is ejected: what is said then, and how clients go on when one is back.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// Both servers are out.
struct AllOut {
    AllOut() : world(pool()), client(world.client()), one(world.key_on(0)), two(world.key_on(1)) {
        for (const uint32_t server : {0U, 1U}) {
            world.server(server).mood = Mood::Refusing;
            static_cast<void>(world.ask(client, resp({"GET", server == 0 ? one : two})));
            world.pass(1);
        }
        World::heard(client);
        refused = no_server();
    }

    static config::Pool pool() {
        config::Pool pool = redis_pool(2);
        pool.auto_eject_hosts = true;
        pool.server_failure_limit = 1;
        pool.server_retry_timeout_ms = 2000;
        return pool;
    }

    [[nodiscard]] uint64_t no_server() {
        return pool_counters(world).errors[static_cast<size_t>(stats::Reason::NoServer)].get();
    }

    // Its last request is refused, and that counts once.
    void check_refused(const std::string& text, const std::string& begin = "-ERR ringmain: ") {
        CAPTURE(text);
        const std::string heard = world.ask(client, text);
        const std::string wanted =
            begin +
            "every server of pool 'main' is ejected (last: server s1 (10.0.0.1:7001) "
            "refused the connection); next attempt in ";
        CHECK(heard.find(wanted) != std::string::npos);
        refused += 1;
        CHECK(no_server() == refused);
    }

    World world;
    Channel& client;
    std::string one;  // a key of each server
    std::string two;
    uint64_t refused = 0;
};

}  // namespace

TEST_CASE("when every server is ejected each kind of request is told so") {
    AllOut all_out;
    World& world = all_out.world;
    const std::string& one = all_out.one;
    const std::string& two = all_out.two;
    all_out.check_refused(resp({"GET", one}));
    all_out.check_refused(resp({"MGET", one, two}));
    all_out.check_refused(resp({"SUNION", one, two}));
    all_out.check_refused(resp({"PUBSUB", "NUMSUB", "news"}));
    all_out.check_refused(resp({"SUBSCRIBE", "news"}));
    all_out.check_refused(resp({"SELECT", "3"}));
    all_out.check_refused(resp({"BLPOP", one, two, "0"}));
    all_out.check_refused(resp({"WATCH", one}));
    all_out.check_refused(resp({"MULTI"}) + resp({"PING"}) + resp({"EXEC"}),
                          ok + "+QUEUED\r\n-EXECABORT ringmain: transaction discarded: ");
    // Of all that nothing is left.
    for (const uint32_t server : {0U, 1U}) {
        world.server(server).mood = Mood::Up;
    }
    world.pass(3000);
    CHECK(world.ask(all_out.client,
                    resp({"SET", one, "1"}) + resp({"MULTI"}) + resp({"GET", one}) +
                        resp({"EXEC"}) + resp({"SELECT", "3"})) ==
          ok + ok + "+QUEUED\r\n*1\r\n" + bulk("1") + ok);
}

}  // namespace ringmain::test
