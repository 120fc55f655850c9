// Clients that take memory and give nothing back: slow readers, half-open requests, and a worker
// that has no descriptor left.

#include "ringmain/core/limits.h"
#include "tests/unit/core/hog.h"
#include "tests/unit/core/world.h"

#include <algorithm>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

bool mentions(const std::vector<std::string>& notices, std::string_view text) {
    for (const std::string& notice : notices) {
        if (notice.find(text) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

// --- the arena is full ---------------------------------------------------------------------------

TEST_CASE("when many clients hold little each and the arena is full, room is made all the same") {
    config::Pool pool = redis_pool(1);
    pool.output_pause_size = 64ULL * 1024;
    World world(pool, {.blocks = 1024});
    const std::string request = resp({"ECHO", std::string(40'000, 'e')});
    std::vector<Channel*> slow;
    for (int i = 0; i < 300; ++i) {
        Channel& client = world.client();
        client.reads = false;
        World::say(client, request + request);
        slow.push_back(&client);
    }
    world.settle();
    world.pass(5000);
    const auto closed =
        std::count_if(slow.begin(), slow.end(), [](const Channel* one) { return one->closed; });
    CHECK(closed > 0);
    CHECK(closed < 200);  // and not more than need be
    Channel& healthy = world.client();
    CHECK(world.ask(healthy, resp({"SET", "a", "1"})) == "+OK\r\n");
    CHECK(world.ask(healthy, "PING\r\n") == "+PONG\r\n");
    CHECK(mentions(world.loop().notices(), "(buffer_memory)"));
}

namespace {

// Clients that hold less each than anybody is blamed for, in a transaction without an end.
std::vector<Channel*> begin_transactions(World& world, int count) {
    const std::string queued = resp({"SET", "a", std::string(50'000, 'q')});
    std::vector<Channel*> crowd;
    for (int i = 0; i < count; ++i) {
        crowd.push_back(&world.client());
        if (!world.pool().redis_auth.empty()) {
            CHECK(world.ask(*crowd.back(), resp({"AUTH", "secret"})) == "+OK\r\n");
        }
        CHECK(world.ask(*crowd.back(), resp({"MULTI"}) + times(4, queued)) ==
              "+OK\r\n" + times(4, "+QUEUED\r\n"));
    }
    return crowd;
}

bool is_low(World& world) {
    const BlockPool& blocks = world.proxy().blocks();
    return blocks.available() < core::relief_below(blocks.capacity());
}

int64_t closed_among(const std::vector<Channel*>& clients) {
    return std::ranges::count_if(clients, [](const Channel* one) { return one->closed; });
}

// A piece in each batch.
void say_slowly(World& world, Channel& client, std::string_view bytes) {
    constexpr size_t piece = 8'000;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
        World::say(client, bytes.substr(0, piece));
        world.pass(10);
    }
}

}  // namespace

TEST_CASE("a client whose transaction fills the arena is told so, if it takes its answers") {
    World world(redis_pool(1), {.blocks = 512});
    Channel& client = world.client();
    const std::string command = resp({"SET", "a", std::string(50'000, 'q')});
    CHECK(world.ask(client, resp({"MULTI"})) == "+OK\r\n");
    std::string answer = "+QUEUED\r\n";
    for (int i = 0; i < 300 && answer == "+QUEUED\r\n"; ++i) {
        answer = world.ask(client, command);
        world.pass(10);
    }
    CHECK(answer == "+QUEUED\r\n" + error("out of buffer memory for a request; see buffer_memory"));
    CHECK(client.closed);
    const auto limit = static_cast<size_t>(stats::Reason::Limit);
    CHECK(pool_counters(world).errors[limit].get() == 1);
    CHECK(world.loop().blocks().in_use() < 20);
    CHECK(mentions(world.loop().notices(), "buffer memory, which runs low (buffer_memory)"));
}

TEST_CASE("a crowd that holds little each and stands still makes room for who comes") {
    World world(redis_pool(1), {.blocks = 1024});
    const std::vector<Channel*> crowd = begin_transactions(world, 56);
    CHECK(is_low(world));
    CHECK(world.proxy().blocks().available() > 128);  // and yet requests are not refused
    CHECK(closed_among(crowd) == 0);
    world.pass(5000);
    CHECK_FALSE(is_low(world));
    CHECK(closed_among(crowd) > 0);
    CHECK(closed_among(crowd) < 20);  // and not more than need be
    CHECK(mentions(world.loop().notices(),
                   " bytes of buffer memory, which runs low (buffer_memory), and has stood still "
                   "for "));
    Channel& comes = world.client();
    std::vector<std::string> words = {"MSET"};
    for (int i = 0; i < 100; ++i) {
        words.push_back("key" + std::to_string(i));
        words.emplace_back(20'000, 'v');
    }
    say_slowly(world, comes, resp(words));
    CHECK(World::heard(comes) == "+OK\r\n");
    CHECK_FALSE(comes.closed);
}

TEST_CASE("who moves is not closed while others hold more together and stand still") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 0;
    World world(pool, {.blocks = 1024});
    const std::vector<Channel*> crowd = begin_transactions(world, 50);
    world.pass(5000);
    CHECK_FALSE(is_low(world));
    const Hog hog(world.loop().blocks(), 250);
    Channel& moves = world.client();
    say_slowly(world, moves, resp({"SET", "a", std::string(1'000'000, 'v')}));
    CHECK(World::heard(moves) == "+OK\r\n");
    CHECK(closed_among(crowd) > 0);
}

TEST_CASE("who has not said its password yet is the first to be closed, whether it moves or not") {
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "secret";
    World world(pool, {.blocks = 1024});
    world.server(0).redis.password = "secret";
    const std::vector<Channel*> known = begin_transactions(world, 34);
    world.pass(5000);
    std::string unfinished = "*10\r\n";
    for (int i = 0; i < 9; ++i) {
        unfinished += bulk(std::string(16'384, 'u'));
    }
    std::vector<Channel*> unknown;
    for (int i = 0; i < 38; ++i) {
        unknown.push_back(&world.client());
        World::say(*unknown.back(), unfinished + "$16384\r\n");
        world.settle();
    }
    CHECK(is_low(world));
    for (int i = 0; i < 40; ++i) {
        for (Channel* client : unknown) {
            if (!client->closed) World::say(*client, "u");
        }
        world.pass(100);
    }
    CHECK_FALSE(is_low(world));
    CHECK(closed_among(unknown) > 0);
    CHECK(closed_among(unknown) < 20);
    CHECK(closed_among(known) == 0);
    CHECK(mentions(world.loop().notices(), "(buffer_memory), and has not authenticated for "));
}

TEST_CASE("a few who have not said their password shield nobody who holds more") {
    config::Pool pool = redis_pool(1);
    pool.redis_auth = "secret";
    pool.client_output_limit = 0;
    World world(pool, {.blocks = 1024});
    world.server(0).redis.password = "secret";
    std::vector<Channel*> unknown;
    for (int i = 0; i < 60; ++i) {
        unknown.push_back(&world.client());
        World::say(*unknown.back(), "*2\r\n$4\r\nAUTH\r\n$16000\r\n" + std::string(15'000, 'u'));
    }
    world.settle();
    Channel& greedy = world.client();
    CHECK(world.ask(greedy, resp({"AUTH", "secret"})) == "+OK\r\n");
    CHECK(world.ask(greedy, resp({"SET", "a", std::string(50'000, 'a')})) == "+OK\r\n");
    greedy.reads = false;
    World::say(greedy, times(300, resp({"GET", "a"})));
    for (int i = 0; i < 100 && !greedy.closed; ++i) {
        world.pass(10);
    }
    CHECK(greedy.closed);
    CHECK(closed_among(unknown) == 0);
}

TEST_CASE("who waits for the rest of an answer does not stand still with what has come of it") {
    config::Pool pool = redis_pool(2);
    pool.timeout_ms = 60'000;
    World world(pool, {.blocks = 1024});
    world.server(1).mood = Mood::Mute;
    const std::string here = world.key_on(0);
    const std::string there = world.key_on(1);
    Channel& writer = world.client();
    CHECK(world.ask(writer, resp({"SET", here, std::string(190'000, 'v')})) == "+OK\r\n");
    std::vector<Channel*> waiting;
    for (int i = 0; i < 70 && !is_low(world); ++i) {
        waiting.push_back(&world.client());
        CHECK(world.ask(*waiting.back(), resp({"MGET", here, there})) == "");
    }
    CHECK(is_low(world));
    CHECK(world.proxy().blocks().available() > 128);
    world.pass(5000);
    CHECK(closed_among(waiting) == 0);
}

TEST_CASE("who holds answers that wait for an earlier one is closed, and who holds none is not") {
    World world(redis_pool(2), {.blocks = 1024});
    world.server(0).mood = Mood::Mute;
    const std::string stuck = resp({"GET", world.key_on(0)});
    const std::string value = world.key_on(1);
    Channel& patient = world.client();
    CHECK(world.ask(patient, times(1000, stuck)) == "");
    // Memory is low for a while, and neither of the two has anything of it.
    Channel& holder = world.client();
    CHECK(world.ask(holder, stuck) == "");
    world.server(1).redis.values[value] = std::string(16'000, 'v');
    const std::vector<Channel*> crowd = begin_transactions(world, 56);
    CHECK(is_low(world));
    world.pass(100);
    for (Channel* one : crowd) {
        world.loop().reset(*one);
    }
    world.settle();
    CHECK_FALSE(is_low(world));
    CHECK(world.ask(holder, times(1000, resp({"GET", value}))) == "");
    world.pass(50);
    CHECK_FALSE(is_low(world));
    CHECK(holder.closed);
    CHECK_FALSE(patient.closed);
    CHECK(mentions(world.loop().notices(), "buffer memory, which runs low (buffer_memory)"));
}

TEST_CASE("that memory is low and nobody is to blame for it is told once") {
    World world(redis_pool(1), {.blocks = 1024});
    const auto told = [&world] {
        return std::ranges::count_if(world.loop().notices(), [](const std::string& notice) {
            return notice.starts_with("buffer memory has been low for ");
        });
    };
    for (int64_t i = 1; i < 3; ++i) {
        world.pass(10);
        const Hog hog(world.loop().blocks(), 200);
        world.pass(1'000);
        CHECK(told() == i - 1);
        world.pass(60'000);
        CHECK(told() == i);
    }
    world.pass(60'000);
    CHECK(told() == 2);
    REQUIRE_FALSE(world.loop().notices().empty());
    CHECK(world.loop().notices().front() ==
          "buffer memory has been low for 10 s: 13500416 of 16777216 bytes are in use by a "
          "worker, and nobody is to blame for it; raise buffer_memory, or lower "
          "client_connections");
}

TEST_CASE("a large response that is arriving fails, and nobody is closed for it") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 0;
    pool.timeout_ms = 0;
    World world(pool, {.blocks = 1024});
    Channel& bystander = world.client();
    bystander.reads = false;
    CHECK(world.ask(bystander, resp({"ECHO", std::string(600'000, 'e')})).empty());
    Channel& greedy = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(greedy, resp({"EVAL", "return large", "1", "a"})).empty());
    world.reply(0, "$100000000\r\n");
    for (int i = 0; i < 200; ++i) {
        world.reply(0, std::string(100'000, 'v'));
        world.settle();
        world.pass(10);
    }
    CHECK(World::heard(greedy).find("does not fit into buffer memory") != std::string::npos);
    CHECK_FALSE(greedy.closed);
    CHECK_FALSE(bystander.closed);
}

TEST_CASE("a large response that is kept whole fails before others' streams end") {
    config::Pool pool = redis_pool(3);
    pool.stream_threshold = 64 * 1024;
    pool.timeout_ms = 0;
    World world(pool, {.blocks = 1024});
    Channel& streaming = world.client();
    Channel& greedy = world.client();
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(streaming, resp({"GET", world.key_on(1)})).empty());
    CHECK(world.ask(greedy, resp({"MGET", world.key_on(0), world.key_on(2)})).empty());
    world.reply(1, "$100000000\r\n" + std::string(200'000, 'v'));
    world.reply(0, "*1\r\n$50000000\r\n");
    world.settle();
    CHECK(World::heard(streaming).size() > 100'000);
    // Of both comes as much at a time as one batch may bring, that of the stream first.
    for (int i = 0; i < 200; ++i) {
        world.reply(1, std::string(160'000, 'v'));
        world.reply(0, std::string(160'000, 'v'));
        world.settle();
    }
    CHECK(World::heard(greedy).find("does not fit into buffer memory") != std::string::npos);
    CHECK_FALSE(streaming.closed);
    CHECK_FALSE(greedy.closed);
}

TEST_CASE("a response that fills the arena and stops does not hold it for ever") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 0;
    pool.timeout_ms = 0;
    World world(pool, {.blocks = 1024});
    Channel& greedy = world.client();
    Channel& bystander = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(greedy, resp({"EVAL", "return large", "1", "a"})).empty());
    world.reply(0, "$100000000\r\n");
    const auto available = [&world] { return world.proxy().blocks().available(); };
    // Between once and twice the reserve, and not a byte more.
    while (available() > 100) {
        world.reply(0, std::string(16'384, 'v'));
        world.settle();
    }
    CHECK(World::heard(greedy).empty());
    world.pass(60'000);
    CHECK(World::heard(greedy).find("and does not end") != std::string::npos);
    CHECK(available() > 900);
    CHECK_FALSE(greedy.closed);
    world.server(0).mood = Mood::Up;
    CHECK(world.ask(bystander, resp({"SET", "a", "1"})) == "+OK\r\n");
}

TEST_CASE("a server that takes nothing and holds most of the arena is closed, and no client") {
    config::Pool pool = redis_pool(2);
    pool.server_queue_size_max = 1'000'000'000;
    pool.timeout_ms = 0;
    pool.client_output_timeout_ms = 0;
    World world(pool, {.blocks = 1024});
    Channel& loader = world.client();
    Channel& second = world.client();  // who has no more in flight than it may
    Channel& slow = world.client();
    const std::string key = world.key_on(0);
    CHECK(world.ask(loader, resp({"SET", key, "1"})) == "+OK\r\n");
    slow.reads = false;
    CHECK(world.ask(slow, resp({"ECHO", std::string(600'000, 'e')})).empty());
    world.link(0)->reads = false;
    const std::string request = resp({"SET", key, std::string(10'000, 'v')});
    for (int i = 0; i < 1500; ++i) {
        World::say(i % 2 == 0 ? loader : second, request);
        world.settle();
        world.pass(10);
    }
    const std::string heard = World::heard(loader);
    CHECK(heard.find(" bytes of requests, and buffer memory runs low (buffer_memory)") !=
          std::string::npos);
    CHECK_FALSE(loader.closed);
    CHECK_FALSE(second.closed);
    CHECK_FALSE(slow.closed);
    CHECK(world.loop().blocks().in_use() < 950);
    CHECK(world.ask(loader, resp({"SET", world.key_on(1), "1"})).ends_with("+OK\r\n"));
}

TEST_CASE("a server that a reload has taken away holds memory like any other") {
    config::Pool pool = redis_pool(2);
    pool.timeout_ms = 0;
    pool.client_output_timeout_ms = 0;
    World world(pool, {.blocks = 1024});
    Channel& loader = world.client();
    Channel& slow = world.client();
    const std::string key = world.key_on(1);
    CHECK(world.ask(loader, resp({"SET", key, "1"})) == "+OK\r\n");
    slow.reads = false;
    CHECK(world.ask(slow, resp({"ECHO", std::string(300'000, 'e')})).empty());
    world.link(1)->reads = false;
    const std::string request = resp({"SET", key, std::string(10'000, 'v')});
    for (int i = 0; i < 300; ++i) {
        World::say(loader, request);
        world.settle();
        world.pass(10);
    }
    pool.servers.pop_back();
    world.adopt({pool});
    const Hog hog(world.loop().blocks(), 200);
    world.settle();
    for (int i = 0; i < 10; ++i) {
        world.pass(10);
        world.pass(10);
    }
    CHECK(World::heard(loader).find("has not taken ") != std::string::npos);
    CHECK_FALSE(loader.closed);
    CHECK_FALSE(slow.closed);
}

TEST_CASE("a server that is being sent to is not closed when memory runs low") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 0;
    World world(pool, {.blocks = 1024});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
    world.link(0)->reads = false;
    World::say(client, times(30, resp({"SET", "a", std::string(10'000, 'v')})));
    world.settle();
    World::say(client, times(60, resp({"SET", "a", std::string(10'000, 'v')})));
    const Hog hog(world.loop().blocks(), 200);
    world.settle();
    for (int i = 0; i < 5; ++i) {
        world.pass(10);
        CHECK(World::heard(client).empty());
    }
    CHECK(world.link(0) != nullptr);
    world.link(0)->reads = true;
    world.settle();
    CHECK(World::heard(client) == times(90, "+OK\r\n"));
}

TEST_CASE("what leaves behind a lost connection counts nowhere") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"SET", "a", "1"})) == "+OK\r\n");
    core::ServerConn& conn = *world.link(0)->server;
    world.link(0)->reads = false;
    World::say(client, resp({"SET", "a", "2"}));
    world.step();
    CHECK(conn.unsent > 0);
    const Instant taken_at = conn.taken_at;
    conn.note_sent(0, taken_at + Duration::millis(5));  // a send that was interrupted
    CHECK(conn.taken_at == taken_at);
    world.cut_off(0);
    CHECK(conn.unsent == 0);
    conn.note_sent(10, taken_at);
    CHECK(conn.unsent == 0);
}

// --- requests without an end ---------------------------------------------------------------------

TEST_CASE("the beginnings of many requests lie together") {
    World world(redis_pool(1), {.blocks = 512});
    std::vector<Channel*> clients;
    for (int i = 0; i < 2000; ++i) {
        clients.push_back(&world.client());
        World::say(*clients.back(), "*2\r\n$4\r\nECHO\r\n$5");
        if (i % 100 == 0) world.settle();
    }
    world.settle();
    // 16 bytes of each.
    CHECK(world.loop().blocks().in_use() < 10);
    for (Channel* client : clients) {
        World::say(*client, "\r\nhello\r\n");
    }
    world.settle();
    for (Channel* client : clients) {
        CHECK(World::heard(*client) == bulk("hello"));
    }
}

TEST_CASE("requests that come a byte at a time lie together too") {
    World world(redis_pool(1), {.blocks = 512});
    std::vector<Channel*> clients;
    for (int i = 0; i < 600; ++i) {
        clients.push_back(&world.client());
    }
    const std::string text(100, 'x');
    const std::string request = resp({"ECHO", text});
    uint32_t most = 0;
    for (const char byte : request) {
        for (Channel* client : clients) {
            client->inbound += byte;
        }
        world.settle();
        most = std::max(most, world.loop().blocks().in_use());
    }
    CHECK(most < 40);
    for (Channel* client : clients) {
        CHECK(World::heard(*client) == bulk(text));
    }
}

// --- responses that nobody takes -----------------------------------------------------------------

TEST_CASE("a client that takes no byte for client_output_timeout is closed") {
    config::Pool pool = redis_pool(1);
    pool.client_output_timeout_ms = 3000;
    World world(pool);
    world.server(0).redis.values["a"] = std::string(40'000, 'x');
    Channel& slow = world.client();
    Channel& other = world.client();
    slow.reads = false;
    CHECK(world.ask(slow, resp({"GET", "a"})) == "");
    world.pass(2500);
    CHECK_FALSE(slow.closed);
    CHECK(world.ask(other, resp({"GET", "a"})) == bulk(std::string(40'000, 'x')));
    world.pass(2500);
    CHECK(slow.closed);
    CHECK_FALSE(other.closed);
    CHECK(world.counters().worker.clients_closed_slow.get() == 1);
    CHECK(mentions(world.loop().notices(),
                   "client 10.9.9.9:1234 is closed: slow client: it has taken none of 40010 bytes "
                   "for 3000 ms (client_output_timeout)"));
    CHECK(world.loop().blocks().in_use() <= 3);
}

TEST_CASE("a client that takes little by little, or has nothing to take, is not slow") {
    config::Pool pool = redis_pool(1);
    pool.client_output_timeout_ms = 1000;
    pool.timeout_ms = 0;
    World world(pool, {.blocks = 2048, .cut = true});
    world.server(0).redis.values["a"] = std::string(4'000'000, 'x');
    Channel& client = world.client();
    World::say(client, resp({"GET", "a"}));
    for (int i = 0; i < 10; ++i) {
        client.reads = true;
        world.step();
        client.reads = false;
        world.pass(700);
        CHECK_FALSE(client.closed);
    }
    client.reads = true;
    world.settle();
    CHECK(World::heard(client).size() == bulk(std::string(4'000'000, 'x')).size());
    world.pass(5000);
    CHECK_FALSE(client.closed);
    // A server that takes its time is nothing that the client could be blamed for.
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "b"})) == "");
    world.pass(5000);
    CHECK_FALSE(client.closed);
    CHECK(world.counters().worker.clients_closed_slow.get() == 0);
}

TEST_CASE("a client that takes what the kernel has for it is not slow") {
    config::Pool pool = redis_pool(1);
    pool.client_output_timeout_ms = 3000;
    World world(pool);
    Channel& client = world.client();
    client.reads = false;
    client.untaken = 100;
    CHECK(world.ask(client, resp({"ECHO", "a"})) == "");
    for (int i = 0; i < 20; ++i) {
        world.pass(1500);
        client.untaken -= 1;
        CHECK_FALSE(client.closed);
    }
    world.pass(5000);
    CHECK(client.closed);
    CHECK(world.counters().worker.clients_closed_slow.get() == 1);
}

TEST_CASE("a client that has asked to quit and does not read is slow all the same") {
    config::Pool pool = redis_pool(1);
    pool.client_output_timeout_ms = 1000;
    World world(pool);
    Channel& client = world.client();
    client.reads = false;
    CHECK(world.ask(client, resp({"ECHO", "a"}) + "QUIT\r\n") == "");
    world.pass(3000);
    CHECK(client.closed);
}

TEST_CASE("without client_output_timeout nobody is too slow") {
    config::Pool pool = redis_pool(1);
    pool.client_output_timeout_ms = 0;
    World world(pool);
    Channel& client = world.client();
    client.reads = false;
    CHECK(world.ask(client, resp({"ECHO", "a"})) == "");
    world.pass(100'000);
    CHECK_FALSE(client.closed);
}

TEST_CASE("a client with more than client_output_limit waiting for it is closed") {
    config::Pool pool = redis_pool(1);
    pool.client_output_limit = 1'000'000;
    World world(pool, {.blocks = 4096});
    world.server(0).redis.values["a"] = std::string(90'000, 'x');
    Channel& slow = world.client();
    Channel& other = world.client();
    slow.reads = false;
    // All are asked for before the first comes, so that reading them cannot stop in between.
    CHECK(world.ask(slow, times(12, resp({"GET", "a"}))) == "");
    CHECK_FALSE(slow.closed);
    slow.reads = true;
    world.settle();
    CHECK(World::heard(slow) == times(12, bulk(std::string(90'000, 'x'))));

    slow.reads = false;
    CHECK(world.ask(slow, times(14, resp({"GET", "a"}))) == "");
    CHECK(slow.closed);
    CHECK(world.counters().worker.clients_closed_slow.get() == 1);
    CHECK(mentions(world.loop().notices(),
                   " bytes wait to be taken, more than 1000000 (client_output_limit)"));
    CHECK(world.ask(other, resp({"GET", "a"})) == bulk(std::string(90'000, 'x')));
    CHECK(world.loop().blocks().in_use() < 100);
}

TEST_CASE("of many clients that are closed the first is told, and later how many more") {
    config::Pool pool = redis_pool(1);
    pool.client_output_limit = 1000;
    World world(pool);
    world.server(0).redis.values["a"] = std::string(900, 'x');
    const auto close_some = [&world](int count) {
        for (int i = 0; i < count; ++i) {
            Channel& client = world.client();
            client.reads = false;
            CHECK(world.ask(client, times(5, resp({"GET", "a"}))) == "");
            CHECK(client.closed);
        }
    };
    const std::vector<std::string>& notices = world.loop().notices();
    close_some(1);
    REQUIRE(notices.size() == 1);
    close_some(20);
    world.pass(500);
    close_some(1);
    CHECK(notices.size() == 1);
    world.pass(600);
    REQUIRE(notices.size() == 2);
    CHECK(notices[1] ==
          "pool main: 21 more clients were closed, the last one: slow client: 2724 bytes wait to "
          "be taken, more than 1000 (client_output_limit)");
    world.pass(2000);
    close_some(1);
    REQUIRE(notices.size() == 3);
    CHECK(notices[2].find("client_output_limit") != std::string::npos);
    world.pass(2000);
    CHECK(notices.size() == 3);
    CHECK(world.counters().worker.clients_closed_slow.get() == 23);
}

TEST_CASE("one answer of any size is within client_output_limit, and small ones beside it") {
    config::Pool pool = redis_pool(2);
    pool.stream_threshold = 0;
    pool.client_output_limit = 1'000'000;
    World world(pool, {.blocks = 4096});
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    const std::string huge(9'000'000, 'h');
    world.server(0).redis.values[a] = huge;
    world.server(1).redis.values[b] = "small";
    Channel& client = world.client();
    client.reads = false;
    for (int i = 0; i < 2; ++i) {
        CHECK(world.ask(client,
                        resp({"GET", b}) + resp({"MGET", a, b}) + times(5, resp({"GET", b}))) ==
              "");
        CHECK_FALSE(client.closed);
        client.reads = true;
        world.settle();
        CHECK(World::heard(client) ==
              bulk("small") + "*2\r\n" + bulk(huge) + bulk("small") + times(5, bulk("small")));
        client.reads = false;
    }
    // Two of them are not.
    CHECK(world.ask(client, times(2, resp({"GET", a}))) == "");
    CHECK(client.closed);
}

TEST_CASE("a streamed answer of any size is within client_output_limit, its end included") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 100'000;
    pool.client_output_limit = 1000;
    World world(pool, {.blocks = 4096});
    for (const uint32_t size : {90'000U, 110'000U, 150'000U, 1'000'000U}) {
        CAPTURE(size);
        world.server(0).redis.values["a"] = std::string(size, 'x');
        Channel& client = world.client();
        client.reads = false;
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        CHECK_FALSE(client.closed);
        client.reads = true;
        world.settle();
        CHECK(World::heard(client) == bulk(std::string(size, 'x')));
    }
}

// --- no descriptor is left -----------------------------------------------------------------------

TEST_CASE("a connection that could not be tried is no failure of the server") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Vanished;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    Channel* link = world.link(0);
    REQUIRE(link != nullptr);
    core::ServerConn& conn = *link->server;
    world.loop().begin();
    world.proxy().on_connect_impossible(conn, "cannot be reached: no descriptor is left");
    world.loop().end();
    world.settle();
    CHECK(World::heard(client) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) cannot be reached: no descriptor is left\r\n");
    CHECK(conn.failures == 0);
    CHECK(world.counters().server_failures.get() == 0);
    CHECK(world.loop().notices().empty());
    // The next request tries again, without a delay.
    world.server(0).mood = Mood::Up;
    CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
}

TEST_CASE("of many clients that are refused each pool tells how many, whatever else happens") {
    config::Config config;
    for (const std::string name : {"a", "b"}) {
        config.pools.push_back(redis_pool(1));
        config.pools.back().name = name;
        config.pools.back().client_connections = 1;
    }
    Loop loop(config, {});
    const std::vector<std::string>& notices = loop.notices();
    const auto batch_after = [&loop](int64_t ms) {
        loop.advance(Duration::millis(ms));
        loop.begin();
        loop.end();
    };
    loop.begin();
    for (const uint32_t pool : {0U, 1U}) {
        CHECK(loop.accept(pool) != nullptr);
        for (uint32_t i = 0; i < 2 + pool; ++i) {
            CHECK(loop.accept(pool) == nullptr);
        }
    }
    loop.end();
    CHECK(notices.size() == 2);
    // Deadlines of others come and go: nothing but this one wakes a worker that is idle.
    const Instant at = loop.now() + Duration::millis(10'000);
    for (int i = 0; i < 50; ++i) {
        batch_after(100);
        CHECK(loop.proxy().next_deadline() <= at);
    }
    CHECK(notices.size() == 2);
    batch_after(5000);
    REQUIRE(notices.size() == 4);
    CHECK(notices[2] ==
          "pool a: 1 more client was refused: 1 clients are connected to the pool, the limit of "
          "its client_connections");
    CHECK(notices[3] ==
          "pool b: 2 more clients were refused, the last one: 1 clients are connected to the pool, "
          "the limit of its client_connections");
    // Nor are they lost when all of it ends.
    loop.begin();
    CHECK(loop.accept(1) == nullptr);
    loop.proxy().tell_untold();
    loop.end();
    REQUIRE(notices.size() == 5);
    CHECK(notices[4].starts_with("pool b: 1 more client was refused: "));
}

TEST_CASE("clients beyond what the descriptors allow are refused") {
    config::Pool pool = redis_pool(1);
    World world(pool, {.clients_max = 2});
    Channel& first = world.client();
    static_cast<void>(world.client());
    world.loop().begin();
    CHECK(world.loop().accept() == nullptr);
    CHECK(world.loop().accept() == nullptr);
    world.loop().end();
    CHECK(mentions(world.loop().notices(),
                   " is refused: 2 clients are connected, the limit of the descriptors of this "
                   "process (ulimit -n, LimitNOFILE in the unit)"));
    world.pass(9'000);
    CHECK_FALSE(mentions(world.loop().notices(), " more "));
    world.pass(2'000);
    CHECK(mentions(world.loop().notices(),
                   "1 more client was refused: 2 clients are connected, the limit of the "
                   "descriptors of this process (ulimit -n, LimitNOFILE in the unit)"));
    world.drop(first);
    static_cast<void>(world.client());
    // A reload may leave more of them, or fewer.
    world.loop().process().shared.clients_max = 3;
    world.loop().begin();
    CHECK(world.loop().accept() != nullptr);
    CHECK(world.loop().accept() == nullptr);
    world.loop().end();
}

}  // namespace ringmain::test
