// What a worker counts of a pool and of its servers.

#include "ringmain/core/counted_commands.h"
#include "tests/unit/core/world.h"

#include <array>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

uint64_t requests_of(World& world,
                     std::span<const core::CountedCommand> commands,
                     core::CommandClass kind) {
    uint64_t count = 0;
    for (size_t number = 0; number < commands.size(); ++number) {
        if (commands[number].kind == kind) count += pool_counters(world).commands[number].get();
    }
    return count;
}

uint64_t resp_requests(World& world, core::CommandClass kind) {
    return requests_of(world, core::counted_resp_commands(), kind);
}

uint64_t memcached_requests(World& world, core::CommandClass kind) {
    return requests_of(world, core::counted_memcached_commands(), kind);
}

uint64_t count_of(const stats::Histogram& histogram) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < stats::Histogram::buckets; ++i) {
        count += histogram.count_in(i);
    }
    return count;
}

}  // namespace

TEST_CASE("a pool of another protocol under the same name has counters of its own") {
    config::Config redis;
    redis.pools.push_back(redis_pool(1));
    config::Config memcached;
    memcached.pools.push_back(memcached_pool(1));
    memcached.pools[0].name = redis.pools[0].name;
    memcached.pools[0].servers = redis.pools[0].servers;
    core::Shared shared(redis, 1);
    const core::PoolShared other = shared.pools_of(memcached)[0];
    CHECK(other.counters != shared.pools[0].counters);
    CHECK(other.servers[0] != shared.pools[0].servers[0]);
    const core::PoolShared again = shared.pools_of(redis)[0];
    CHECK(again.counters == shared.pools[0].counters);
    CHECK(again.servers[0] == shared.pools[0].servers[0]);
}

TEST_CASE("a server that no configuration in use has any more begins anew when it comes back") {
    config::Config both;
    both.pools.push_back(redis_pool(2));
    config::Config one = both;
    one.pools[0].servers.pop_back();
    core::Shared shared(one, 1);
    const std::vector<core::PoolShared> with = shared.pools_of(both);
    with[0].servers[0]->counters[0].responses.set(1);
    with[0].servers[1]->counters[0].responses.set(2);
    with[0].servers[1]->health.forbid_until({1}, "refused the connection");
    shared.forget_others({&with});
    CHECK(shared.pools_of(both)[0].servers[1]->counters[0].responses.get() == 2);
    shared.forget_others({});
    const core::PoolShared back = shared.pools_of(both)[0];
    CHECK(back.servers[0]->counters[0].responses.get() == 1);
    CHECK(back.servers[1]->counters[0].responses.get() == 0);
    CHECK_FALSE(back.servers[1]->health.is_down());
    CHECK(back.servers[1]->number != back.servers[0]->number);
}

TEST_CASE("a pool that no configuration in use has any more leaves nothing behind") {
    config::Config one;
    one.pools.push_back(redis_pool(1));
    config::Config other = one;
    other.pools[0].name = "other";
    core::Shared shared(one, 1);
    const std::vector<core::PoolShared> with = shared.pools_of(other);
    const std::string digest(40, 'a');
    const core::ScriptId kept =
        with[0].scripts->keep(digest, "return 1", core::Scripts::Origin::Loaded);
    CHECK(with[0].scripts->is_kept(kept));
    (*with[0].hearers)[0].add(core::TopicKind::Channel, "news");
    (*with[0].counters)[0].fragments.set(3);
    shared.forget_others({&with});
    const core::PoolShared still = shared.pools_of(other)[0];
    CHECK(still.scripts->is_kept(kept));
    CHECK((*still.hearers)[0].more_hearers(core::TopicKind::Channel, "news", 0) == 1);
    CHECK((*still.counters)[0].fragments.get() == 3);
    shared.forget_others({});
    const core::PoolShared back = shared.pools_of(other)[0];
    CHECK_FALSE(back.scripts->is_kept(kept));
    CHECK((*back.hearers)[0].more_hearers(core::TopicKind::Channel, "news", 0) == 0);
    CHECK((*back.counters)[0].fragments.get() == 0);
}

TEST_CASE("requests by kind, bytes in every direction, and how long answers took") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string get = resp({"GET", "a"});
    const std::string set = resp({"SET", "a", "1"});
    const std::string ping = resp({"PING"});
    CHECK(world.ask(client, get + set + ping) == "$-1\r\n+OK\r\n+PONG\r\n");
    const stats::PoolCounters& pool = pool_counters(world);
    CHECK(pool.client_connections.get() == 1);
    CHECK(pool.clients_accepted.get() == 1);
    CHECK(resp_requests(world, core::CommandClass::Read) == 1);
    CHECK(resp_requests(world, core::CommandClass::Write) == 1);
    CHECK(resp_requests(world, core::CommandClass::Other) == 1);
    CHECK(pool.request_bytes.get() == get.size() + set.size() + ping.size());
    CHECK(pool.response_bytes.get() == 5 + 5 + 7);
    CHECK(pool.fragments.get() == 2);
    CHECK(count_of(pool.latency) == 2);
    const stats::ServerCounters& server = server_counters(world, 0);
    CHECK(server.connects.get() == 1);
    CHECK(server.connections.get() == 1);
    CHECK(server.requests.get() == 2);
    CHECK(server.request_bytes.get() == get.size() + set.size());
    CHECK(server.responses.get() == 2);
    CHECK(server.response_bytes.get() == 10);
    CHECK(count_of(server.latency) == 2);
}

TEST_CASE("what waits for a server is counted while it waits") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string get = resp({"GET", "a"});
    const stats::ServerCounters& server = server_counters(world, 0);
    world.server(0).mood = Mood::Vanished;
    CHECK(world.ask(client, get + get) == "");
    CHECK(server.in_queue.get() == 2);
    CHECK(server.in_queue_bytes.get() == 2 * get.size());
    CHECK(server.out_queue.get() == 0);
    world.server(0).mood = Mood::Mute;
    world.settle();
    CHECK(server.in_queue.get() == 0);
    CHECK(server.in_queue_bytes.get() == 0);
    CHECK(server.out_queue.get() == 2);
    CHECK(server.out_queue_bytes.get() == 2 * get.size());
    world.loop().advance(Duration::millis(3));
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(server.out_queue.get() == 1);
    CHECK(server.out_queue_bytes.get() == get.size());
    CHECK(server.latency.sum_us() == 3000);
    CHECK(server.latency.count_in(stats::Histogram::bucket_of(3000)) == 1);
    world.cut_off(0);
    CHECK(server.out_queue.get() == 0);
    CHECK(server.out_queue_bytes.get() == 0);
    CHECK(server.err.get() == 1);
    CHECK(server.eof.get() == 0);
    CHECK(pool_counters(world).errors[static_cast<size_t>(stats::Reason::Lost)].get() == 1);
}

TEST_CASE("the question before the first transaction counts as no request") {
    const std::string transaction = resp({"MULTI"}) + resp({"SET", "a", "1"}) + resp({"EXEC"});
    for (const bool watches : {false, true}) {
        CAPTURE(watches);
        World world(redis_pool(1));
        Channel& client = world.client();
        if (watches) CHECK(world.ask(client, resp({"WATCH", "w"})) == "+OK\r\n");
        for (int i = 0; i < 2; ++i) {
            CHECK(world.ask(client, transaction) == "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
        }
        const uint64_t count = watches ? 3 : 2;
        const stats::ServerCounters& server = server_counters(world, 0);
        CHECK(server.requests.get() == count);
        CHECK(server.responses.get() == count);
        CHECK(count_of(server.latency) == count);
        CHECK(pool_counters(world).fragments.get() == count);
        CHECK(count_of(pool_counters(world).latency) == count);
        CHECK(world.counters().fragments.get() == count);
        CHECK(server.in_queue.get() == 0);
        CHECK(server.in_queue_bytes.get() == 0);
        CHECK(server.out_queue.get() == 0);
        CHECK(server.out_queue_bytes.get() == 0);
    }
}

TEST_CASE("a question that waits is seen in the queues, and gone with its connection") {
    const std::string transaction = resp({"MULTI"}) + resp({"SET", "a", "1"}) + resp({"EXEC"});
    World world(redis_pool(1));
    Channel& client = world.client();
    const stats::ServerCounters& server = server_counters(world, 0);
    world.server(0).mood = Mood::Vanished;
    CHECK(world.ask(client, transaction) == "+OK\r\n+QUEUED\r\n");
    CHECK(server.in_queue.get() == 1);
    world.server(0).mood = Mood::Mute;
    world.settle();
    CHECK(server.in_queue.get() == 0);
    CHECK(server.out_queue.get() == 1);
    world.cut_off(0);
    CHECK(server.requests.get() == 0);
    CHECK(server.responses.get() == 0);
    CHECK(server.out_queue.get() == 0);
    CHECK(server.out_queue_bytes.get() == 0);
}

TEST_CASE("what waits behind a send is counted once") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string get = resp({"GET", "a"});
    const stats::ServerCounters& server = server_counters(world, 0);
    CHECK(world.ask(client, get) == "");
    world.link(0)->reads = false;
    CHECK(world.ask(client, get) == "");
    CHECK(world.ask(client, get) == "");
    CHECK(world.link(0)->server->has_sendable());
    CHECK(server.request_bytes.get() == 2 * get.size());
    CHECK(world.ask(client, get) == "");
    world.link(0)->reads = true;
    world.settle();
    CHECK_FALSE(world.link(0)->server->has_sendable());
    CHECK(server.requests.get() == 4);
    CHECK(server.request_bytes.get() == 4 * get.size());
}

TEST_CASE("what is queued behind a send that ends is counted once") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string get = resp({"GET", "a"});
    CHECK(world.ask(client, get) == "$-1\r\n");
    const stats::ServerCounters& server = server_counters(world, 0);
    world.server(0).mood = Mood::Mute;
    world.link(0)->reads = false;
    CHECK(world.ask(client, get) == "");  // under way
    CHECK(world.ask(client, get) == "");  // behind it
    CHECK(server.in_queue.get() == 1);
    world.link(0)->reads = true;
    CHECK(world.ask(client, get) == "");  // in the batch in which the send ends
    CHECK(server.requests.get() == 4);
    CHECK(server.request_bytes.get() == 4 * get.size());
    CHECK(server.out_queue.get() == 3);
    CHECK(server.out_queue_bytes.get() == 3 * get.size());
}

TEST_CASE("a split request counts once, however many servers answer it") {
    World world(redis_pool(2));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MGET", world.key_on(0), world.key_on(1)})) ==
          "*2\r\n$-1\r\n$-1\r\n");
    CHECK(resp_requests(world, core::CommandClass::Read) == 1);
    CHECK(pool_counters(world).fragments.get() == 2);
    CHECK(count_of(pool_counters(world).latency) == 1);
    CHECK(count_of(server_counters(world, 0).latency) == 1);
    CHECK(count_of(server_counters(world, 1).latency) == 1);
}

TEST_CASE("memcached requests by kind, those that share a line included") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, "set a 0 0 1\r\nx\r\nget a\r\nget b\r\nversion\r\n").ends_with("\r\n"));
    CHECK(memcached_requests(world, core::CommandClass::Read) == 2);
    CHECK(memcached_requests(world, core::CommandClass::Write) == 1);
    CHECK(memcached_requests(world, core::CommandClass::Other) == 1);
    CHECK(server_counters(world, 0).responses.get() == 3);
    CHECK(count_of(server_counters(world, 0).latency) == 3);
    CHECK(server_counters(world, 0).out_queue.get() == 0);
    CHECK(server_counters(world, 0).out_queue_bytes.get() == 0);
}

TEST_CASE("how clients go") {
    World world(redis_pool(1));
    Channel& closes = world.client();
    Channel& resets = world.client();
    Channel& quits = world.client();
    closes.inbound_end = true;
    world.settle();
    CHECK(closes.closed);
    CHECK(pool_counters(world).client_eof.get() == 1);
    CHECK(pool_counters(world).client_err.get() == 0);
    world.drop(resets);
    CHECK(pool_counters(world).client_err.get() == 1);
    CHECK(world.ask(quits, resp({"QUIT"})) == "+OK\r\n");
    CHECK(pool_counters(world).client_eof.get() == 2);
    CHECK(pool_counters(world).client_err.get() == 1);
    CHECK(world.ask(world.client(), "*x\r\n").starts_with("-ERR Protocol error"));
    CHECK(pool_counters(world).client_eof.get() == 2);
    CHECK(pool_counters(world).client_err.get() == 2);
    CHECK(pool_counters(world).client_connections.get() == 0);
}

TEST_CASE("a client that ringmain closes over a reload is counted as that") {
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "open sesame";
    World world(pool);
    const stats::PoolCounters& counters = pool_counters(world);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"AUTH", "open sesame"})) == "+OK\r\n");
    config::Pool other = pool;
    other.name = "other";
    world.adopt({other});
    world.settle();
    CHECK(client.closed);
    CHECK(counters.clients_closed.get() == 1);
    CHECK(counters.client_eof.get() == 0);
    CHECK(counters.client_err.get() == 0);
    CHECK(counters.client_connections.get() == 0);
}

TEST_CASE("a connection that is closed over what its server says is counted once") {
    World world(redis_pool(1));
    const stats::ServerCounters& server = server_counters(world, 0);
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
    uint64_t errors = 0;
    SUBCASE("bytes that nobody asked for") {
        world.reply(0, "+OK\r\n");
        errors = 1;
    }
    SUBCASE("a malformed response") {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"GET", "a"})).empty());
        world.reply(0, "?\r\n");
        world.settle();
        CHECK(World::heard(client).find("malformed") != std::string::npos);
        errors = 1;
    }
    SUBCASE("the server resets it") {
        world.cut_off(0);
        errors = 1;
    }
    SUBCASE("the server ends it") {
        world.hang_up(0);
    }
    world.settle();
    CHECK(server.err.get() == errors);
    CHECK(server.eof.get() == 1 - errors);
    CHECK(server.timedout.get() == 0);
}

TEST_CASE("a connect that takes too long is a timeout, and no error besides") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Vanished;
    CHECK(world.ask(world.client(), resp({"GET", "a"})).empty());
    world.pass(1100);
    CHECK(server_counters(world, 0).err.get() == 0);
    CHECK(server_counters(world, 0).timedout.get() >= 1);
}

TEST_CASE("who comes while ringmain is being stopped is told so") {
    for (const bool is_redis : {true, false}) {
        World world(is_redis ? redis_pool(1) : memcached_pool(1));
        world.loop().begin();
        world.proxy().drain();
        world.loop().end();
        CHECK(world.proxy().accept_client(0, "10.0.0.9:1") == nullptr);
        const std::string text = world.proxy().refusal(0);
        CHECK(text == std::string(is_redis ? "-ERR" : "SERVER_ERROR") +
                          " ringmain: it is being stopped; connect again\r\n");
    }
}

TEST_CASE("a client that leaves while ringmain is being stopped is counted once") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    world.loop().begin();
    world.proxy().drain();
    world.loop().end();
    client.inbound_end = true;
    world.settle();
    world.pass(500);
    CHECK(client.closed);
    CHECK(pool_counters(world).clients_closed.get() == 1);
    CHECK(pool_counters(world).client_eof.get() == 0);
    CHECK(pool_counters(world).client_err.get() == 0);
}

TEST_CASE("every command has a number of its own, and what is none has 0") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const auto calls = [&world](std::string_view name) {
        const std::span<const core::CountedCommand> commands = core::counted_resp_commands();
        const auto found =
            std::find_if(commands.begin(), commands.end(), [name](const core::CountedCommand& one) {
                return one.name == name;
            });
        REQUIRE(found != commands.end());
        return pool_counters(world).commands[static_cast<size_t>(found - commands.begin())].get();
    };
    world.ask(client, resp({"GET", "a"}) + resp({"gEt", "b"}) + resp({"CLIENT", "ID"}));
    world.ask(client, resp({"ZZZ", "a"}) + resp({"GET"}));
    CHECK(calls("get") == 3);  // one of them with an error
    CHECK(calls("client") == 1);
    CHECK(calls("unknown") == 1);
    CHECK(calls("set") == 0);
}

TEST_CASE("a subcommand counts as what it does") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const auto requests = [&world] {
        return std::array{resp_requests(world, core::CommandClass::Read),
                          resp_requests(world, core::CommandClass::Write),
                          resp_requests(world, core::CommandClass::Other)};
    };
    world.ask(client, resp({"XGROUP", "CREATE", "k", "g", "$"}));
    world.ask(client, resp({"FUNCTION", "FLUSH"}));
    CHECK(requests() == std::array<uint64_t, 3>{0, 2, 0});
    world.ask(client, resp({"XINFO", "STREAM", "k"}));
    world.ask(client, resp({"OBJECT", "ENCODING", "k"}));
    world.ask(client, resp({"MEMORY", "USAGE", "k"}));
    CHECK(requests() == std::array<uint64_t, 3>{3, 2, 0});
    world.ask(client, resp({"OBJECT", "HELP"}) + resp({"OBJECT", "NONE"}) + resp({"OBJECT"}));
    CHECK(requests() == std::array<uint64_t, 3>{3, 2, 3});
}

TEST_CASE("memcached's flush_all writes, and me reads") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    world.ask(client, "flush_all\r\nme a\r\n");
    CHECK(memcached_requests(world, core::CommandClass::Read) == 1);
    CHECK(memcached_requests(world, core::CommandClass::Write) == 1);
    CHECK(memcached_requests(world, core::CommandClass::Other) == 0);
}

TEST_CASE("a command in steps that cannot be forwarded is counted as others are") {
    config::Pool pool = redis_pool(2);
    pool.cross_server_writes = config::CrossServerWrites::Emulate;
    World world(pool);
    world.server(1).mood = Mood::Refusing;
    Channel& client = world.client();
    const stats::PoolCounters& counters = pool_counters(world);
    CHECK(world.ask(client, resp({"GET", world.key_on(1)})).starts_with("-ERR ringmain: "));
    CHECK(counters.forward_error.get() == 1);
    CHECK(world.ask(client, resp({"RENAME", world.key_on(1), world.key_on(0)}))
              .starts_with("-ERR ringmain: server s1"));
    CHECK(counters.forward_error.get() == 2);
    CHECK(counters.errors[static_cast<size_t>(stats::Reason::Refused)].get() == 2);
    CHECK(world.counters().errors.get() == 2);
}

}  // namespace ringmain::test
