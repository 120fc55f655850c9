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

TEST_CASE("INFO says where its own pool listens") {
    for (const uint16_t port : {uint16_t{6390}, uint16_t{0}}) {
        config::Pool pool = redis_pool(1);
        pool.listen.port = port;
        if (port == 0) pool.listen = {.host = {}, .port = 0, .path = "/run/pool.sock"};
        World world(pool);
        const std::string text = world.ask(world.client(), resp({"INFO", "server"}));
        CHECK(text.find("\r\ntcp_port:" + std::to_string(port) + "\r\n") != std::string::npos);
    }
}

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

namespace {

std::string says(std::initializer_list<std::string_view> lines) {
    std::string text;
    for (const std::string_view line : lines) {
        text.append(line).append("\r\n");
    }
    return bulk(text);
}

}  // namespace

TEST_CASE("what the servers hold and do is added up") {
    World world(redis_pool(2));
    Channel& client = world.client();
    world.server(0).redis.canned["INFO"] =
        says({"# Memory",
              "used_memory:1048576",
              "used_memory_peak:2048",
              "used_memory_rss:10",
              "maxmemory:4096",
              "maxmemory_policy:noeviction",
              "",
              "# Persistence",
              "rdb_changes_since_last_save:3",
              "rdb_last_save_time:200",
              "rdb_last_bgsave_status:ok",
              "aof_enabled:1",
              "aof_last_write_status:ok",
              "",
              "# Stats",
              "instantaneous_ops_per_sec:5",
              "expired_keys:1",
              "evicted_keys:0",
              "keyspace_hits:7",
              "keyspace_misses:2",
              "pubsub_channels:1",
              "pubsub_patterns:4",
              "",
              "# CPU",
              "used_cpu_sys:1.250000",
              "used_cpu_user:0.5",
              "",
              "# Commandstats",
              "cmdstat_get:calls=3,usec=10,usec_per_call=3.33,rejected_calls=1,failed_calls=0",
              "cmdstat_config|get:calls=1,usec=5,usec_per_call=5.00",
              "",
              "# Errorstats",
              "errorstat_ERR:count=2"});
    world.server(1).redis.canned["INFO"] =
        says({"# Memory",
              "used_memory:1048576",
              "used_memory_peak:1000",
              "used_memory_rss:1",
              "maxmemory:0",
              "maxmemory_policy:allkeys-lru",
              "",
              "# Persistence",
              "rdb_changes_since_last_save:4",
              "rdb_last_save_time:100",
              "rdb_last_bgsave_status:err",
              "aof_enabled:0",
              "aof_last_write_status:ok",
              "",
              "# Stats",
              "instantaneous_ops_per_sec:6",
              "expired_keys:2",
              "evicted_keys:1",
              "keyspace_hits:1",
              "keyspace_misses:1",
              "pubsub_channels:2",
              "pubsub_patterns:4",
              "",
              "# CPU",
              "used_cpu_sys:0.25",
              "used_cpu_user:x",
              "",
              "# Commandstats",
              "cmdstat_get:calls=1,usec=10,usec_per_call=10.00,rejected_calls=0,failed_calls=2",
              "",
              "# Errorstats",
              "errorstat_ERR:count=1",
              "errorstat_WRONGTYPE:count=9"});
    CHECK(world.ask(client, resp({"INFO", "memory"})) ==
          says({"# Memory",
                "used_memory:2097152",
                "used_memory_human:2.00M",
                "used_memory_rss:11",
                "used_memory_rss_human:11B",
                "used_memory_peak:3048",
                "used_memory_peak_human:2.98K",
                "maxmemory:0",
                "maxmemory_human:0B",
                "maxmemory_policy:noeviction,allkeys-lru"}));
    CHECK(world.ask(client, resp({"INFO", "persistence"})) == says({"# Persistence",
                                                                    "loading:0",
                                                                    "rdb_bgsave_in_progress:0",
                                                                    "aof_rewrite_in_progress:0",
                                                                    "rdb_changes_since_last_save:7",
                                                                    "rdb_last_save_time:100",
                                                                    "rdb_last_bgsave_status:err",
                                                                    "aof_last_write_status:ok",
                                                                    "aof_enabled:0"}));
    const std::string stats = world.ask(client, resp({"INFO", "stats"}));
    CHECK(
        stats.ends_with("instantaneous_ops_per_sec:11\r\nexpired_keys:3\r\nevicted_keys:1\r\n"
                        "keyspace_hits:8\r\nkeyspace_misses:3\r\npubsub_channels:3\r\n"
                        "pubsub_patterns:4\r\n\r\n"));
    CHECK(stats.find("total_commands_processed:3\r\n") != std::string::npos);
    // What one of them does not tell as a number is left out.
    CHECK(world.ask(client, resp({"INFO", "cpu"})) == says({"# CPU", "used_cpu_sys:1.500000"}));
    CHECK(world.ask(client, resp({"INFO", "commandstats"})) ==
          says({"# Commandstats",
                "cmdstat_config|get:calls=1,usec=5,usec_per_call=5.00",
                "cmdstat_get:calls=4,usec=20,usec_per_call=5.00,rejected_calls=1,failed_calls=2"}));
    CHECK(world.ask(client, resp({"INFO", "errorstats"})) ==
          says({"# Errorstats", "errorstat_ERR:count=3", "errorstat_WRONGTYPE:count=9"}));
}

TEST_CASE("a server that says more than INFO has gave no answer") {
    World world(redis_pool(1));
    Channel& client = world.client();
    world.server(0).redis.canned["INFO"] = says({std::string(2'000'000, 'x') + ":1"});
    CHECK(world.ask(client, resp({"INFO", "keyspace"})) ==
          bulk("# Keyspace\r\nservers_without_answer:s0\r\n"));
}

TEST_CASE("servers are asked for what the client wants and no more") {
    World world(redis_pool(1));
    Channel& client = world.client();
    std::vector<std::string>& log = world.server(0).redis.log;
    world.server(0).redis.canned["INFO"] = says({"used_memory:1"});
    for (const auto& asked : std::vector<std::pair<std::vector<std::string>, std::string>>{
             {{"INFO"}, "INFO default"},
             {{"INFO", "default"}, "INFO default"},
             {{"INFO", "Memory"}, "INFO memory"},
             {{"INFO", "memory", "keyspace"}, "INFO default"},
             {{"INFO", "server", "stats"}, "INFO stats"},
             {{"INFO", "commandstats"}, "INFO commandstats"},
             {{"INFO", "commandstats", "clients"}, "INFO commandstats"},
             {{"INFO", "commandstats", "cpu"}, "INFO all"},
             {{"INFO", "commandstats", "errorstats"}, "INFO all"},
             {{"INFO", "all"}, "INFO all"},
             {{"INFO", "cpu", "EVERYTHING"}, "INFO all"},
             {{"INFO", "server", "clients", "replication", "proxy", "servers", "cluster"}, ""},
             {{"INFO", "latencystats"}, ""},
         }) {
        const std::vector<std::string>& words = asked.first;
        const std::string& wanted = asked.second;
        CAPTURE(words);
        log.clear();
        CHECK(world.ask(client, resp(words)).starts_with("$"));
        CHECK(log ==
              (wanted.empty() ? std::vector<std::string>{} : std::vector<std::string>{wanted}));
    }
    // As redis has it: what is many lines comes for who asks for all.
    const std::string usual = world.ask(client, resp({"INFO"}));
    const std::string all = world.ask(client, resp({"INFO", "all"}));
    CHECK(usual.find("# Commandstats") == std::string::npos);
    CHECK(usual.find("# Errorstats") != std::string::npos);
    CHECK(all.find("\r\n\r\n# Commandstats\r\n\r\n# Errorstats\r\n") != std::string::npos);
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
    for (const char* section : {"Memory", "CPU", "Errorstats"}) {
        CAPTURE(section);
        CHECK(none.find("# " + std::string(section) + "\r\nservers_without_answer:s0,s1\r\n\r\n") !=
              std::string::npos);
    }
    CHECK(none.find("total_error_replies:0\r\nservers_without_answer:s0,s1\r\n") !=
          std::string::npos);
    CHECK(none.find("rdb_last_save_time") == std::string::npos);

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
