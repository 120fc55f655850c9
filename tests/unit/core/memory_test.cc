// Limits: clients that ask for more than they read, an arena that is full, and the way to the end.

#include "tests/unit/core/hog.h"
#include "tests/unit/core/world.h"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("a client has a parser of its own while something of it is unfinished") {
    World world(redis_pool(1));
    Channel& one = world.client();
    Channel& other = world.client();
    CHECK(one.client->intake == nullptr);
    CHECK(world.ask(one, "*2\r\n$3\r\nGET\r\n") == "");
    CHECK(one.client->untaken() == 13);
    CHECK(world.ask(other, resp({"GET", "b"})) == "$-1\r\n");
    CHECK(other.client->intake == nullptr);
    CHECK(world.ask(one, "$1\r\na\r\n") == "$-1\r\n");
    CHECK(one.client->intake == nullptr);
    CHECK(world.proxy().stores().intakes.live() == 0);
    CHECK(world.ask(one, "*1\r\n") == "");
    world.drop(one);
    CHECK(world.proxy().stores().intakes.live() == 0);
}

TEST_CASE("only the first byte of a client chooses the protocol, whoever had its parser before") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, "get a\r\n") == "END\r\n");
    // The binary protocol is that of a client's first byte only.
    CHECK(world.ask(client, "\x80get a\r\n") == "ERROR\r\n");
    Channel& fresh = world.client();
    CHECK(world.ask(fresh, std::string("\x80\x0a", 2) + std::string(22, '\0')) ==
          std::string("\x81\x0a", 2) + std::string(22, '\0'));
    CHECK(world.ask(client, "get a\r\n") == "END\r\n");
}

TEST_CASE("a name that was never said is empty, and takes no memory") {
    World world(redis_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"CLIENT", "GETNAME"})) == "$-1\r\n");
    CHECK(client.client->names == nullptr);
    CHECK(sizeof(core::ClientConn) <= 384);
}

TEST_CASE("a client is not read on while too many of its requests are in flight") {
    config::Pool pool = redis_pool(1);
    pool.requests_in_flight_max = 4;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, times(10, resp({"GET", "a"}))) == "");
    CHECK(world.counters().fragments.get() == 4);
    CHECK_FALSE(client.client->wants_input());
    // Half of them must be answered before it is read again.
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(world.counters().fragments.get() == 4);
    world.reply(0, bulk("2"));
    world.settle();
    CHECK(world.counters().fragments.get() == 6);
    world.link(0)->arrived.erase(0, 2 * resp({"GET", "a"}).size());  // answered by hand
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == bulk("1") + bulk("2") + times(8, "$-1\r\n"));
    CHECK(client.client->wants_input());
}

TEST_CASE("local answers behind requests in flight count as requests in flight") {
    config::Pool pool = redis_pool(1);
    pool.requests_in_flight_max = 4;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"}) + times(100, "PING\r\n")) == "");
    CHECK(world.counters().requests.get() == 4);
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == "$-1\r\n" + times(100, "+PONG\r\n"));
}

TEST_CASE("a client that does not read its responses is not read from") {
    config::Pool pool = redis_pool(1);
    pool.output_pause_size = 100'000;
    for (const bool cut : {false, true}) {
        CAPTURE(cut);
        World world(pool, {.blocks = 1024, .cut = cut});
        world.server(0).redis.values["a"] = std::string(40'000, 'x');
        Channel& client = world.client();
        client.reads = false;
        std::string requests;
        for (int i = 0; i < 40; ++i) {
            requests += resp({"GET", "a"}) + resp({"ECHO", "e"});
        }
        // Not all at once: the first answers are there before the last requests.
        for (size_t i = 0; i < requests.size(); i += 100) {
            CHECK(world.ask(client, requests.substr(i, 100)) == "");
        }
        CHECK_FALSE(client.client->wants_input());
        CHECK(client.client->unsent + client.client->out.size() < 300'000);
        CHECK(world.counters().requests.get() < 20);
        client.reads = true;
        world.settle();
        CHECK(World::heard(client) == times(40, bulk(std::string(40'000, 'x')) + bulk("e")));
        CHECK(client.client->unsent == 0);
        CHECK(client.client->wants_input());
    }
}

TEST_CASE("what waits for a slow client takes little more memory than it is, one by one as well") {
    for (const size_t size : std::vector<size_t>{10, 500, 3000, 12'000}) {
        CAPTURE(size);
        World world(redis_pool(1), {.blocks = 1024});
        world.server(0).redis.values["a"] = std::string(size, 'x');
        Channel& client = world.client();
        client.reads = false;
        uint64_t most = 0;
        while (client.client->wants_input()) {
            World::say(client, resp({"GET", "a"}));
            world.settle();
            most = std::max(most, uint64_t{world.loop().blocks().in_use()} * block_size);
        }
        CHECK(client.client->unsent > 1024 * 1024);
        CHECK(most < 4 * 1024 * 1024);
    }
}

TEST_CASE("what waits for a server that takes nothing takes little more memory than it is") {
    World world(redis_pool(2), {.blocks = 1024});
    Channel& client = world.client();
    Channel& other = world.client();
    const std::string key = world.key_on(0);
    CHECK(world.ask(client, resp({"SET", key, "1"})) == "+OK\r\n");
    world.link(0)->reads = false;
    const std::string request = resp({"SET", key, std::string(2100, 'v')});
    uint32_t most = 0;
    size_t count = 0;
    const core::ServerConn& conn = *world.link(0)->server;
    for (; conn.out.size() + conn.unsent + request.size() <= 2 * 1024 * 1024; ++count) {
        World::say(client, request);
        world.settle();
        most = std::max(most, world.loop().blocks().in_use());
    }
    CHECK(most < 300);
    CHECK_FALSE(client.closed);
    CHECK(world.ask(other, resp({"SET", world.key_on(1), "1"})) == "+OK\r\n");
    // All of it is there.
    world.link(0)->reads = true;
    world.settle();
    CHECK(World::heard(client).size() == 5 * count);
}

TEST_CASE("answers that wait for one before them do not keep what passes them") {
    World world(redis_pool(2), {.blocks = 2048});
    world.server(0).mood = Mood::Mute;
    Channel& busy = world.client();
    const std::string slow = resp({"GET", world.key_on(0)});
    const std::string quick = resp({"ECHO", std::string(100, 'q')});
    const std::string much = times(10, resp({"ECHO", std::string(2000, 'm')}));
    for (int i = 0; i < 1000; ++i) {
        CHECK(world.ask(world.client(), slow + quick).empty());
        CHECK(world.ask(busy, much).size() == 10 * 2009);
    }
    CHECK(world.loop().blocks().in_use() < 50);
}

TEST_CASE("a message is kept once for all who are slow to take it") {
    for (const size_t size : std::vector<size_t>{100, 4000, 17'000, 33'000, 40'000}) {
        CAPTURE(size);
        World world(redis_pool(1), {.blocks = 4096});
        for (int i = 0; i < 50; ++i) {
            Channel& client = world.client();
            const std::string hello = resp({"HELLO", i % 2 == 0 ? "2" : "3"});
            CHECK_FALSE(world.ask(client, hello + resp({"SUBSCRIBE", "a"})).empty());
            client.reads = false;
        }
        const uint32_t before = world.loop().blocks().in_use();
        const size_t count = 200'000 / size;
        Channel& publisher = world.client();
        const std::string request = resp({"PUBLISH", "a", std::string(size, 'm')});
        for (size_t i = 0; i < count; ++i) {
            CHECK(world.ask(publisher, request) == ":50\r\n");
        }
        // Small ones are copied for each.
        const size_t own = size < copy_max ? 50 * count * (size + 50) / block_size : 0;
        CHECK(world.loop().blocks().in_use() - before < own + 150);
    }
}

TEST_CASE("many messages at once are shared by who takes them") {
    for (const std::string version : {"2", "3"}) {
        CAPTURE(version);
        World world(redis_pool(1), {.blocks = 4096});
        for (int i = 0; i < 50; ++i) {
            Channel& client = world.client();
            const std::string hello = resp({"HELLO", version}) + resp({"SUBSCRIBE", "a"});
            CHECK_FALSE(world.ask(client, hello).empty());
            client.reads = false;
        }
        Channel& publisher = world.client();
        const std::string request = resp({"PUBLISH", "a", std::string(4000, 'm')});
        CHECK(world.ask(publisher, request) == ":50\r\n");
        CHECK(world.ask(publisher, times(250, request)).size() == 250 * 5);
        CHECK(world.loop().blocks().in_use() < 700);
    }
}

TEST_CASE("a transaction of a few bytes takes a few bytes") {
    World world(redis_pool(1), {.blocks = 2048});
    for (int i = 0; i < 500; ++i) {
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"MULTI"})) == "+OK\r\n");
        CHECK(world.ask(client, resp({"GET", "a"})) == "+QUEUED\r\n");
        CHECK(world.ask(client, resp({"GET", "b"})) == "+QUEUED\r\n");
    }
    CHECK(world.loop().blocks().in_use() < 20);
}

TEST_CASE("the keys of many requests that wait for the same server lie together") {
    World world(memcached_pool(2), {.blocks = 2048});
    Channel& client = world.client();
    world.server(0).mood = Mood::Mute;
    const std::string request = "get " + world.key_on(0) + " " + world.key_on(1) + "\r\n";
    CHECK(world.ask(client, times(500, request)) == "");
    CHECK(world.loop().blocks().in_use() < 40);
}

TEST_CASE("a transaction takes little more memory than its requests") {
    World world(redis_pool(1), {.blocks = 2048});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MULTI"})) == "+OK\r\n");
    const std::string both = resp({"SET", "a", std::string(2048, 'v')}) + resp({"GET", "a"});
    for (int i = 0; i < 1000; ++i) {
        CHECK(world.ask(client, both) == "+QUEUED\r\n+QUEUED\r\n");
    }
    CHECK(world.loop().blocks().in_use() * uint64_t{block_size} < 4 * 1024 * 1024);
    CHECK(world.ask(client, resp({"EXEC"})).starts_with("*2000\r\n+OK\r\n$2048\r\n"));
}

TEST_CASE("a paused client that has sent its last byte is answered all the same") {
    config::Pool pool = redis_pool(1);
    pool.requests_in_flight_max = 2;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    World::say(client, times(7, resp({"GET", "a"})) + resp({"HELLO", "3"}) + resp({"GET", "a"}));
    client.inbound_end = true;
    world.settle();
    CHECK(world.counters().fragments.get() == 2);
    CHECK_FALSE(client.closed);
    world.server(0).mood = Mood::Up;
    world.settle();
    const std::string text = World::heard(client);
    CHECK(text.starts_with(times(7, "$-1\r\n") + "%7\r\n"));
    CHECK(text.ends_with("_\r\n"));
    CHECK(client.closed);
}

TEST_CASE("a paused client that asks to quit is answered and closed") {
    config::Pool pool = redis_pool(1);
    pool.requests_in_flight_max = 1;
    World world(pool);
    Channel& client = world.client();
    CHECK(world.ask(client, times(3, resp({"GET", "a"})) + "QUIT\r\nPING\r\n") ==
          times(3, "$-1\r\n") + "+OK\r\n");
    CHECK(client.closed);
}

TEST_CASE("a request that the arena cannot hold is refused and its client closed") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 0;
    World world(pool, {.blocks = 128});
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(other, resp({"SET", "a", "1"})) == "+OK\r\n");
    CHECK(world.ask(client, resp({"SET", "a", std::string(3'000'000, 'x')})) ==
          "-ERR ringmain: out of buffer memory for a request; see buffer_memory\r\n");
    CHECK(client.closed);
    CHECK(world.ask(other, resp({"GET", "a"})) == bulk("1"));
}

TEST_CASE("a response that the arena cannot hold costs its request and nothing else") {
    config::Pool pool = redis_pool(1);
    pool.stream_threshold = 0;
    World world(pool, {.blocks = 128});
    world.server(0).redis.values["large"] = std::string(3'000'000, 'x');
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "large"})) ==
          "-ERR ringmain: the response does not fit into buffer memory; see buffer_memory\r\n");
    CHECK(world.ask(client, resp({"GET", "small"})) == "$-1\r\n");
}

TEST_CASE("without room for a request it is refused, and the client stays") {
    World world(redis_pool(2), {.blocks = 64});
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    CHECK(world.ask(client, resp({"MSET", a, "1", b, "2"})) == "+OK\r\n");
    {
        const Hog hog(world.loop().blocks(), 5);
        const std::string refused = "-ERR ringmain: out of buffer memory; see buffer_memory\r\n";
        CHECK(world.ask(client, resp({"GET", a})) == refused);
        CHECK(world.ask(client, resp({"MGET", a, b})) == refused);
    }
    CHECK(world.ask(client, resp({"MGET", a, b})) == "*2\r\n" + bulk("1") + bulk("2"));
}

TEST_CASE("a response that finds no room closes its client without a word") {
    World world(redis_pool(1), {.blocks = 64});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    CHECK(world.ask(other, resp({"GET", "b"})) == "");
    {
        // The receive takes the last block, and small responses need another.
        const Hog hog(world.loop().blocks(), 1);
        world.reply(0, bulk("1"));
        world.settle();
        CHECK(client.closed);
        CHECK(World::heard(client) == "");
    }
    world.reply(0, bulk("2"));
    world.settle();
    CHECK(World::heard(other) == bulk("2"));
}

// The part that fits into the open block was kept and the rest was not: nothing may be made of it.
TEST_CASE("a part of a split response that finds no room closes its client") {
    uint32_t closed = 0;
    for (size_t fill = 0; fill < 1500; fill += 13) {
        CAPTURE(fill);
        World world(redis_pool(2), {.blocks = 128});
        const std::string a = world.key_on(0);
        const std::string b = world.key_on(1);
        world.server(0).mood = Mood::Mute;
        world.server(1).mood = Mood::Mute;
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"MGET", a, b})) == "");
        // All small answers fill one block, one behind the other.
        Channel& filler = world.client();
        for (int i = 0; i < 10; ++i) {
            const std::string text(1500, 'f');
            CHECK(world.ask(filler, resp({"ECHO", text})) == bulk(text));
        }
        const std::string rest(fill, 'r');
        CHECK(world.ask(filler, resp({"ECHO", rest})) == bulk(rest));
        world.reply(0, "*1\r\n" + bulk(std::string(100, 'x')));
        {
            const Hog hog(world.loop().blocks(), 1);
            world.settle();
        }
        // By now there is room again.
        world.reply(1, "*1\r\n" + bulk("y"));
        world.settle();
        const std::string text = World::heard(client);
        if (client.closed) {
            closed += 1;
            CHECK(text == "");
        } else {
            CHECK(text == "*2\r\n" + bulk(std::string(100, 'x')) + bulk("y"));
        }
    }
    CHECK(closed > 0);
}

TEST_CASE("many pieces of a large request fit where its bytes fit") {
    World world(redis_pool(2), {.blocks = 300});
    std::vector<std::string> request = {"MSET"};
    for (uint32_t i = 0; i < 900; ++i) {
        request.push_back(world.key_on(i % 2, i / 2));
        request.push_back(std::string((i / 2) % 2 == 0 ? 2100 : 1, 'x'));
    }
    Channel& client = world.client();
    CHECK(world.ask(client, resp(request)) == "+OK\r\n");
}

TEST_CASE("an inline request of 64 KiB is taken") {
    World world(redis_pool(1));
    Channel& client = world.client();
    const std::string value(65'000, 'x');
    CHECK(world.ask(client, "SET a " + value + "\r\n") == "+OK\r\n");
    CHECK(world.ask(client, "GET a\r\n") == bulk(value));
    CHECK(world.ask(client, "SET a " + value + value + "\r\n") ==
          "-ERR Protocol error: too big inline request\r\n");
    CHECK(client.closed);
}

TEST_CASE("a request beyond request_size_max is refused, and the client goes on") {
    config::Pool pool = redis_pool(1);
    pool.request_size_max = 100'000;
    for (const bool cut : {false, true}) {
        World world(pool, {.cut = cut});
        Channel& client = world.client();
        CHECK(world.ask(client, resp({"SET", "a", std::string(1'000'000, 'x')}) + "PING\r\n") ==
              "-ERR ringmain: request is larger than 100000 bytes (request_size_max)\r\n+PONG\r\n");
        CHECK(world.loop().blocks().in_use() <= 3);
    }
}

TEST_CASE("a command whose name does not end is refused, its bytes are not kept") {
    World world(redis_pool(1), {.blocks = 512});
    Channel& client = world.client();
    CHECK(world.ask(client, "*2\r\n$100000000\r\n") == "");
    for (int million = 0; million < 100; ++million) {
        CHECK(world.ask(client, std::string(1'000'000, 'x')) == "");
        CHECK(world.loop().blocks().in_use() <= 3);
    }
    CHECK(world.ask(client, "\r\n$1\r\na\r\nPING\r\n") ==
          "-ERR ringmain: the command's name is longer than 1048576 bytes\r\n+PONG\r\n");
}

TEST_CASE("a key beyond key_size_max is refused") {
    config::Pool pool = redis_pool(2);
    pool.key_size_max = 10;
    World world(pool);
    Channel& client = world.client();
    const std::string refused =
        "-ERR ringmain: key of 11 bytes is larger than key_size_max (10)\r\n";
    CHECK(world.ask(client, resp({"GET", "01234567890"})) == refused);
    CHECK(world.ask(client, resp({"MGET", "a", "01234567890"})) == refused);
    CHECK(world.ask(client, resp({"GET", "0123456789"})) == "$-1\r\n");
}

TEST_CASE("clients beyond client_connections are refused") {
    config::Pool pool = redis_pool(1);
    pool.client_connections = 2;
    World world(pool);
    Channel& first = world.client();
    static_cast<void>(world.client());
    world.loop().begin();
    CHECK(world.loop().accept() == nullptr);
    CHECK(world.proxy().refusal(0) == "-ERR max number of clients reached\r\n");
    CHECK(world.counters().clients_refused.get() == 1);
    world.loop().end();
    world.drop(first);
    static_cast<void>(world.client());
}

TEST_CASE("draining answers what was asked, closes all clients and takes no new ones") {
    World world(redis_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& busy = world.client();
    Channel& idle = world.client();
    Channel& middle = world.client();
    CHECK(world.ask(busy, resp({"GET", "a"})) == "");
    CHECK(world.ask(middle, "*2\r\n$3\r\nGET") == "");
    world.loop().begin();
    world.proxy().drain();
    world.loop().end();
    CHECK(idle.closed);
    CHECK(middle.closed);
    CHECK_FALSE(busy.closed);
    CHECK_FALSE(world.proxy().is_idle());
    world.loop().begin();
    CHECK(world.loop().accept() == nullptr);
    world.loop().end();
    CHECK(world.ask(busy, resp({"GET", "b"})) == "");
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(busy) == bulk("1"));
    CHECK(busy.closed);
    CHECK(world.proxy().is_idle());
    CHECK(world.proxy().first_client() == nullptr);
}

TEST_CASE("what a paused client has sent is answered before a drain closes it") {
    config::Pool pool = redis_pool(1);
    pool.requests_in_flight_max = 1;
    World world(pool);
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, times(3, resp({"GET", "a"}))) == "");
    world.loop().begin();
    world.proxy().drain();
    world.loop().end();
    for (const std::string_view value : {"1", "2", "3"}) {
        CHECK_FALSE(client.closed);
        world.reply(0, bulk(value));
        world.settle();
        CHECK(World::heard(client) == bulk(value));
    }
    CHECK(client.closed);
}

TEST_CASE("a drain answers what has arrived and is unread, and drops what comes behind it") {
    for (const bool in_pieces : {false, true}) {
        World world(redis_pool(1));
        Channel& client = world.client();
        const std::string sent = times(3, resp({"GET", "a"}));
        const std::string later = resp({"GET", "b"}) + "*2\r\n$3\r\nGET";
        CHECK(world.ask(client, sent.substr(0, 10)) == "");
        client.client->unread = sent.size() - 10;
        world.loop().begin();
        world.proxy().drain();
        world.loop().end();
        CHECK_FALSE(client.closed);
        const std::string rest = sent.substr(10) + later;
        std::string heard;
        if (in_pieces) {
            for (const char byte : rest) {
                heard += world.ask(client, std::string(1, byte));
            }
        } else {
            heard = world.ask(client, rest);
        }
        CHECK(heard == times(3, "$-1\r\n"));
        CHECK(client.closed);
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("what a huge argument was looked at in goes back") {
    World world(redis_pool(1), {.blocks = 1024});
    Channel& client = world.client();
    const std::string huge(5 * 1024 * 1024, 'x');
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"OBJECT", huge}, {"SORT", "a", huge}, {"EVAL", huge, "0"}}) {
        CAPTURE(words[0]);
        CHECK_FALSE(world.ask(client, resp(words)).empty());
        CHECK(world.proxy().scratch().text.capacity() <= 1024 * 1024);
    }
}

TEST_CASE("what many arguments were looked at in goes back, answered or not") {
    World world(redis_pool(2), {.blocks = 4096});
    Channel& client = world.client();
    const std::string many = resp(std::vector<std::string>(core::scratch_arguments_max + 2, "a"));
    const size_t name = many.find("$1\r\na\r\n");
    const std::string request = many.substr(0, name) + "$6\r\nEXISTS\r\n" + many.substr(name + 7);
    for (const char* mode : {"ON", "OFF", "SKIP"}) {
        CAPTURE(mode);
        world.ask(client, resp({"CLIENT", "REPLY", mode}) + request);
        CHECK(world.proxy().scratch().arguments.capacity() == 0);
        CHECK(world.proxy().scratch().servers.capacity() == 0);
        world.ask(client, resp({"CLIENT", "REPLY", "ON"}));
    }
}

}  // namespace ringmain::test
