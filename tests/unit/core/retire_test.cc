// Whatever waits for something of a server has an answer when a reload retires that server, and at
// once: at each moment, from before it is connected to the last answer. The clock stands still.

#include "tests/unit/core/stage.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// What a client says. "A" stands for a key of the first server, "B" for one of the second.
struct Asking {
    std::vector<Words> requests;
    bool may_fail = false;  // with an error that tells of the reload
};

const std::string large(3000, 'x');

const std::vector<Asking> askings = {
    {{{"GET", "B"}}},
    {{{"GET", "large"}}},
    {{{"SET", "B", large}}},
    {{{"MGET", "A", "B"}}},
    {{{"DBSIZE"}}},
    {{{"SELECT", "3"}, {"GET", "A"}, {"GET", "B"}}},
    {{{"HELLO", "3"}, {"GET", "A"}}},
    {{{"EVAL", "return 1", "1", "A"}}},
    {{{"SCRIPT", "LOAD", "return 1"}}},
    {{{"PUBLISH", "news", "x"}}},
    {{{"PUBSUB", "NUMSUB", "news"}}},
    {{{"SUBSCRIBE", "news"}}},
    {{{"LMPOP", "2", "A", "B", "LEFT"}}},
    {{{"MULTI"}, {"SET", "A", "1"}, {"EXEC"}}, true},
    {{{"WATCH", "A"}, {"GET", "A"}, {"MULTI"}, {"SET", "A", "1"}, {"EXEC"}}, true},
    {{{"WATCH", "B"}, {"GET", "B"}, {"UNWATCH"}}, true},
    {{{"BLPOP", "A", "0"}}, true},
    {{{"WATCH", "A"}, {"BLPOP", "A", "0"}, {"MULTI"}, {"GET", "A"}, {"EXEC"}}, true},
    {{{"BLPOP", "A", "B", "0"}}, true},
    {{{"RENAME", "A", "B"}}, true},
    {{{"RENAME", "B", "A"}}, true},
    {{{"WAIT", "1", "0"}}, true},
};

config::Pool pool_before() {
    config::Pool pool = emulating_pool(2);
    pool.redis_db = 1;  // which is asked for before anything else
    pool.stream_threshold = 1000;
    return pool;
}

config::Pool without(size_t server) {
    config::Pool pool = pool_before();
    pool.servers.erase(pool.servers.begin() + static_cast<ptrdiff_t>(server));
    return pool;
}

std::vector<config::Pool> pools_after() {
    config::Pool more = pool_before();
    more.server_connections = 2;
    config::Pool other = pool_before();
    other.name = "other";
    return {without(0), without(1), more, other};
}

void teach(FakeServer& server) {
    FakeRedis& redis = server.redis;
    redis.values["large"] = large;
    redis.canned = {{"DBSIZE", ":1\r\n"},
                    {"SCRIPT", bulk("e0e1f9fabfc9d4800c877a703b823ac0578ff8db")},
                    {"PUBSUB", "*2\r\n" + bulk("news") + ":0\r\n"},
                    {"LPOP", "$-1\r\n"},
                    {"LMPOP", "*-1\r\n"},
                    {"BLPOP", "*2\r\n" + bulk("key") + bulk("element")},
                    {"EVAL", dump("x")},
                    {"WAIT", ":1\r\n"}};
}

// The reload comes in that batch behind the requests, and in the midst of it.
struct Moment {
    int batch = 0;
    size_t behind = 0;
};

// Whether the moment was before the last answer.
bool play(const Asking& asking, const config::Pool& after, const Moment& moment, uint64_t seed) {
    World world(pool_before(), {.seed = seed, .cut = seed > 0});
    teach(world.server(0));
    teach(world.server(1));
    Channel& client = world.client();
    std::string text;
    for (Words request : asking.requests) {
        for (std::string& word : request) {
            if (word == "A") word = world.key_on(0);
            if (word == "B") word = world.key_on(1);
        }
        text += resp(request);
    }
    World::say(client, text + resp({"PING", "end"}));
    for (int i = 0; i < moment.batch; ++i) {
        world.step();
    }
    const bool is_in_time = !client.arrived.ends_with(bulk("end"));
    const bool is_read = client.inbound.empty();
    const bool stays = after.name == world.pool().name;
    world.adopt_amid({after}, moment.behind);
    world.settle();
    std::string names;
    for (const Words& request : asking.requests) {
        names += request[0] + " ";
    }
    CAPTURE(names);
    CAPTURE(after.name);
    CAPTURE(after.servers.size());
    CAPTURE(after.server_connections);
    CAPTURE(moment.batch);
    CAPTURE(moment.behind);
    CAPTURE(seed);
    const std::string heard = World::heard(client);
    CAPTURE(heard);
    // Of a pool that is gone what is read by then is answered; who would subscribe cannot.
    if (stays || is_read) CHECK(heard.ends_with(bulk("end")));
    if (stays && !asking.may_fail) CHECK(heard.find("ringmain: ") == std::string::npos);
    CHECK(client.closed == !stays);
    CHECK(world.proxy().is_settled());
    CHECK(world.counters().timeouts.get() == 0);
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(pool_counters(world).clients_waiting.get() == 0);
    if (!stays) return is_in_time;
    CHECK(world.ask(client, resp({"UNSUBSCRIBE"}) + resp({"GET", world.key_on(0)})) != "");
    CHECK(world.proxy().is_idle());
    CHECK(pool_counters(world).leases.get() == 0);
    return is_in_time;
}

}  // namespace

TEST_CASE("whatever waits for a server that a reload retires is answered, at each moment") {
    for (const Asking& asking : askings) {
        for (const config::Pool& after : pools_after()) {
            for (uint64_t seed = 0; seed < 2; ++seed) {
                bool is_in_time = true;
                for (int batch = 0; is_in_time && batch < 60; ++batch) {
                    for (const size_t behind : {0U, 1U, 3U, 100U}) {
                        is_in_time = play(asking, after, {batch, behind}, seed);
                    }
                }
            }
        }
    }
}

}  // namespace ringmain::test
