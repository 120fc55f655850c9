// INFO: what is ringmain's, and what its servers hold.

#include "ringmain/config/config.h"
#include "tests/unit/core/world.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("INFO has the sections that tools read") {
    World world(redis_pool(2));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", world.key_on(1)})) == "$-1\r\n");
    const std::string all = world.ask(client, resp({"INFO"}));
    for (const char* line : {"# Server\r\nredis_version:7.0.15\r\n",
                             "redis_mode:proxy\r\n",
                             "ringmain_version:0.1.0\r\n",
                             "process_id:42\r\n",
                             "uptime_in_seconds:1\r\n",
                             "config_file:ringmain.toml\r\n",
                             "connected_clients:1\r\n",
                             "loading:0\r\n",
                             "total_commands_processed:2\r\n",
                             "role:master\r\n",
                             "server_connections:2\r\n",
                             "main/s0:address=10.0.0.1:7000,weight=1,connected=1\r\n",
                             "main/s1:address=10.0.0.1:7001,weight=1,connected=1\r\n",
                             "# Cluster\r\ncluster_enabled:0\r\n",
                             "# Keyspace\r\n"}) {
        CAPTURE(line);
        CHECK(all.find(line) != std::string::npos);
    }
    CHECK(world.ask(client, resp({"INFO", "replication"})) ==
          bulk("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"));
    CHECK(world.ask(client, resp({"INFO", "nothing"})) == bulk(""));
    CHECK(world.ask(client, resp({"INFO", "REPLICATION", "nothing", "Cluster"})) ==
          bulk("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n"
               "# Cluster\r\ncluster_enabled:0\r\n"));
}

namespace {

// INFO keyspace of a server.
std::string holds(std::string_view lines) {
    return bulk("# Keyspace\r\n" + std::string(lines));
}

void give_keys(World& world) {
    world.server(0).redis.canned["INFO"] =
        holds("db0:keys=3,expires=1,avg_ttl=400\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n");
    world.server(1).redis.canned["INFO"] = holds("db0:keys=4,expires=3,avg_ttl=800\r\n");
}

const std::string sum =
    "# Keyspace\r\ndb0:keys=7,expires=4,avg_ttl=700\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n";

}  // namespace

TEST_CASE("the section Keyspace is the sum over the servers, wherever it is asked for") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_keys(world);
    CHECK(world.ask(client, resp({"INFO", "keyspace"})) == bulk(sum));
    CHECK(world.ask(client, resp({"info", "KEYSPACE", "Cluster"})) ==
          bulk("# Cluster\r\ncluster_enabled:0\r\n\r\n" + sum));
    const std::vector<std::string> log = {"INFO keyspace", "INFO keyspace"};
    CHECK(world.server(0).redis.log == log);
    CHECK(world.server(1).redis.log == log);
    for (const char* section : {"all", "default", "Everything"}) {
        const std::string text = world.ask(client, resp({"INFO", section}));
        CHECK(text.starts_with("$"));
        CHECK(text.ends_with("\r\n\r\n" + sum + "\r\n"));
        CHECK(text.find("# Server\r\n") != std::string::npos);
    }
    CHECK(world.ask(client, resp({"INFO"})).ends_with(sum + "\r\n"));
    CHECK(world.ask(client, resp({"INFO", "server"})).find("Keyspace") == std::string::npos);
    CHECK(world.server(0).redis.log.size() == 6);
    // In its turn.
    CHECK(world.ask(client, resp({"INFO", "keyspace"}) + resp({"PING"})) ==
          bulk(sum) + "+PONG\r\n");

    static_cast<void>(world.ask(client, resp({"HELLO", "3"})));
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["INFO"] = "=32\r\ntxt:# Keyspace\r\ndb1:keys=1,x=1\r\n\r\n";
    }
    CHECK(world.ask(client, resp({"INFO", "keyspace"})) ==
          "=32\r\ntxt:# Keyspace\r\ndb1:keys=2,x=2\r\n\r\n");
}

TEST_CASE("a server that does not say what it holds is named, and INFO has all the rest") {
    config::Pool pool = redis_pool(2);
    pool.timeout_ms = 100;
    World world(pool);
    Channel& client = world.client();
    give_keys(world);
    const std::string without = bulk("# Keyspace\r\nservers_without_answer:s1\r\n");
    const std::string ask = resp({"INFO", "keyspace"});

    world.server(1).redis.canned["INFO"] = "-NOPERM this user has no permissions\r\n";
    CHECK(world.ask(client, ask) == without);
    world.server(1).redis.canned["INFO"] = ":1\r\n";
    CHECK(world.ask(client, ask) == without);
    world.pass(1000);

    give_keys(world);
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, ask) == "");
    world.pass(150);
    CHECK(World::heard(client) == without);
    CHECK(world.ask(client, ask) == "");
    world.cut_off(1);
    world.settle();
    CHECK(World::heard(client) == without);

    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).mood = Mood::Refusing;
    }
    world.cut_off(0);
    world.pass(50);
    const std::string none = world.ask(client, resp({"INFO"}));
    CHECK(none.find("# Keyspace\r\nservers_without_answer:s0,s1\r\n") != std::string::npos);
    CHECK(none.find("redis_version:") != std::string::npos);

    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).mood = Mood::Up;
    }
    world.pass(2000);
    CHECK(world.ask(client, ask) == bulk(sum));
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, ask) == "");
    world.drop(client);
    world.pass(2000);
    CHECK(world.proxy().is_idle());
}

}  // namespace ringmain::test
