// Responses that go to their clients as they arrive.

#include "ringmain/core/limits.h"
#include "tests/unit/core/streaming.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

// Of a size that is a window's many times over.
std::string huge() {
    std::string text;
    for (int i = 0; text.size() < 8 * core::stream_window; ++i) {
        text += std::to_string(i) + ",";
    }
    return text;
}

// What is to take the place of another connection shows that it serves.
void answer_ping(World& world) {
    for (Channel* lease : world.leases(0)) {
        if (lease->arrived != resp({"PING"})) continue;
        lease->arrived.clear();
        lease->inbound += "+PONG\r\n";
    }
    world.settle();
}

}  // namespace

TEST_CASE("a large response reaches its client before its end is there") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    const std::string all = bulk(std::string(200'000, 'a'));
    Channel* link = world.link(0);
    link->inbound += all.substr(0, 50'000);
    world.settle();
    CHECK(World::heard(client) == all.substr(0, 50'000));
    CHECK(world.link(0) == link);
    answer_ping(world);
    CHECK(world.link(0) != link);
    link->inbound += all.substr(50'000);
    world.settle();
    CHECK(World::heard(client) == all.substr(50'000));
}

TEST_CASE("what has begun goes on when a reload wants it no more") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& reader = world.client();
    Channel& writer = world.client();
    CHECK(world.ask(reader, resp({"GET", "a"})) == "");
    const std::string all = bulk(std::string(2'000'000, 'a'));
    Channel* link = world.link(0);
    link->inbound += all.substr(0, 50'000);
    world.settle();
    CHECK(World::heard(reader) == all.substr(0, 50'000));
    answer_ping(world);
    const std::string request = resp({"SET", "b", std::string(2'000'000, 'b')});
    CHECK(world.ask(writer, request.substr(0, 50'000)) == "");
    config::Pool whole = streaming_pool();
    whole.stream_threshold = 0;
    world.adopt({whole});
    link->inbound += all.substr(50'000);
    world.settle();
    CHECK(World::heard(reader) == all.substr(50'000));
    world.server(0).mood = Mood::Up;
    CHECK(world.ask(writer, request.substr(50'000)) == "+OK\r\n");
}

TEST_CASE("a response within the threshold comes in one piece") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    const std::string all = bulk(std::string(threshold - 100, 'a'));
    world.reply(0, all.substr(0, all.size() - 1));
    world.settle();
    CHECK(World::heard(client) == "");
    world.reply(0, "\n");
    world.settle();
    CHECK(World::heard(client) == all);
}

TEST_CASE("an array goes on when as much of it is there as the threshold") {
    World world(streaming_pool());
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"LRANGE", "a", "0", "-1"}) + resp({"GET", "b"})) == "");
    std::string all = "*30000\r\n";
    for (int i = 0; i < 30'000; ++i) {
        all += bulk(std::to_string(i));
    }
    world.reply(0, all.substr(0, threshold / 2));
    world.settle();
    CHECK(World::heard(client) == "");
    world.reply(0, all.substr(threshold / 2, threshold));
    world.settle();
    CHECK(World::heard(client) == all.substr(0, threshold / 2 + threshold));
    answer_ping(world);
    Channel* link = nullptr;
    for (Channel* lease : world.leases(0)) {
        link = lease;
    }
    REQUIRE(link != nullptr);
    link->inbound += all.substr(threshold / 2 + threshold) + bulk("b");
    world.settle();
    CHECK(World::heard(client) == all.substr(threshold / 2 + threshold) + bulk("b"));
}

TEST_CASE("a client that does not read stops its server's connection and nobody else") {
    World world(streaming_pool(), {.blocks = 512});
    const std::string value = huge();
    world.server(0).redis.values["huge"] = value;
    world.server(0).redis.values["small"] = "s";
    Channel& slow = world.client();
    Channel& other = world.client();
    slow.reads = false;
    CHECK(world.ask(slow, resp({"GET", "huge"})) == "");
    CHECK(bytes_in_use(world) < 2 * core::stream_window);
    REQUIRE(world.leases(0).size() == 1);
    Channel* apart = world.leases(0).front();
    CHECK(apart->server->paused);
    for (int i = 0; i < 3; ++i) {
        CHECK(world.ask(other, resp({"GET", "small"})) == bulk("s"));
        world.pass(10'000);
    }
    CHECK(bytes_in_use(world) < 2 * core::stream_window);
    // No time is up while it is the client that has to read.
    slow.reads = true;
    world.settle();
    CHECK(World::heard(slow) == bulk(value));
    CHECK_FALSE(apart->server->paused);
    CHECK(world.counters().timeouts.get() == 0);
    CHECK(world.counters().server_failures.get() == 0);
    // It waits for the next large response, and is the connection of all then.
    CHECK(world.ask(slow, resp({"GET", "huge"})) == bulk(value));
    CHECK(world.link(0) == apart);
    CHECK(world.leases(0).size() == 1);
    CHECK(world.ask(other, resp({"GET", "small"})) == bulk("s"));
    CHECK(world.counters().server_connects.get() == 2);
    // Not for ever.
    world.pass(core::idle_lease_max.to_millis() + 100);
    CHECK(world.leases(0).empty());
}

TEST_CASE("who waits behind a large response does not wait for its client") {
    World world(streaming_pool(), {.blocks = 2048});
    const std::string value = huge();
    world.server(0).redis.values["huge"] = value;
    world.server(0).redis.values["small"] = "s";
    Channel& slow = world.client();
    Channel& other = world.client();
    CHECK(world.ask(other, "PING\r\n") == "+PONG\r\n");
    slow.reads = false;
    World::say(slow, resp({"GET", "huge"}));
    World::say(other, resp({"GET", "small"}));
    world.settle();
    CHECK(World::heard(other) == bulk("s"));
    CHECK(World::heard(slow) == "");
    slow.reads = true;
    world.settle();
    CHECK(World::heard(slow) == bulk(value));
}

TEST_CASE("clients that have large responses in front of each other's all get them") {
    World world(streaming_pool(2), {.blocks = 2048});
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    const std::string value = huge();
    world.server(0).redis.values[a] = value;
    world.server(1).redis.values[b] = value;
    Channel& one = world.client();
    Channel& two = world.client();
    one.reads = false;
    two.reads = false;
    World::say(one, resp({"GET", a}) + resp({"GET", b}));
    World::say(two, resp({"GET", b}) + resp({"GET", a}));
    world.settle();
    one.reads = true;
    two.reads = true;
    world.settle();
    CHECK(World::heard(one) == bulk(value) + bulk(value));
    CHECK(World::heard(two) == bulk(value) + bulk(value));
}

TEST_CASE("a large response waits for those before it, and keeps little") {
    World world(streaming_pool(2), {.blocks = 512});
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    const std::string value = huge();
    world.server(1).redis.values[b] = value;
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", a}) + resp({"GET", b}) + "PING\r\n") == "");
    CHECK(bytes_in_use(world) < 2 * core::stream_window);
    world.reply(0, bulk("a"));
    world.settle();
    CHECK(World::heard(client) == bulk("a") + bulk(value) + "+PONG\r\n");
}

TEST_CASE("in any pieces, among small ones") {
    for (uint64_t seed = 1; seed < 20; ++seed) {
        CAPTURE(seed);
        World world(streaming_pool(2), {.blocks = 2048, .seed = seed, .cut = true});
        std::string wanted;
        std::string sent;
        for (uint32_t i = 0; i < 6; ++i) {
            const std::string key = world.key_on(i % 2, i);
            const std::string value(i % 3 == 0 ? 150'000 : 10, static_cast<char>('a' + i));
            world.server(i % 2).redis.values[key] = value;
            sent += resp({"GET", key});
            wanted += bulk(value);
        }
        Channel& client = world.client();
        Channel& other = world.client();
        World::say(other, sent);
        CHECK(world.ask(client, sent) == wanted);
        CHECK(World::heard(other) == wanted);
    }
}

TEST_CASE("a server that is lost in the middle of a large response costs its client") {
    World world(streaming_pool(), {.blocks = 512});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    CHECK(world.ask(other, resp({"GET", "b"})) == "");
    Channel* link = world.link(0);
    link->inbound += bulk(std::string(200'000, 'a')).substr(0, 100'000);
    world.settle();
    CHECK(World::heard(client).size() == 100'000);
    world.loop().begin();
    world.loop().reset(*link);
    world.loop().end();
    CHECK(client.closed);
    CHECK(World::heard(client) == "");
    world.settle();
    CHECK(World::heard(other) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) reset the connection\r\n");
    CHECK(world.loop().notices().size() == 2);
    CHECK(world.loop().notices()[1].find("in the middle of a response") != std::string::npos);
}

TEST_CASE("clients that are closed in the middle of responses are told once, and how many more") {
    World world(streaming_pool(2), {.blocks = 512});
    for (const uint32_t server : {0U, 1U}) {
        world.server(server).mood = Mood::Mute;
        CHECK(world.ask(world.client(), resp({"GET", world.key_on(server)})) == "");
        world.reply(server, bulk(std::string(200'000, 'a')).substr(0, 100'000));
        world.settle();
        world.cut_off(server);
        world.settle();
    }
    world.pass(1100);
    const std::vector<std::string>& notices = world.loop().notices();
    const std::string_view told = "pool main: 1 more client was closed: server s1 (10.0.0.1:7001) ";
    CHECK(std::any_of(notices.begin(), notices.end(), [told](const std::string& notice) {
        return notice.starts_with(told);
    }));
}

TEST_CASE("of a large response that has not begun to leave nothing is lost but the response") {
    World world(streaming_pool(2), {.blocks = 512});
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", a}) + resp({"GET", b})) == "");
    Channel* link = world.link(1);
    link->inbound += bulk(std::string(200'000, 'a')).substr(0, 100'000);
    world.settle();
    world.loop().begin();
    world.loop().reset(*link);
    world.loop().end();
    world.reply(0, bulk("1"));
    world.settle();
    CHECK(World::heard(client) ==
          bulk("1") + "-ERR ringmain: server s1 (10.0.0.1:7001) reset the connection\r\n");
    CHECK_FALSE(client.closed);
}

TEST_CASE("a client that leaves in the middle leaves the rest of its response to nobody") {
    World world(streaming_pool(), {.blocks = 512});
    const std::string value = huge();
    world.server(0).redis.values["huge"] = value;
    world.server(0).redis.values["small"] = "s";
    Channel& client = world.client();
    Channel& other = world.client();
    client.reads = false;
    CHECK(world.ask(client, resp({"GET", "huge"})) == "");
    REQUIRE(world.leases(0).size() == 1);
    Channel* apart = world.leases(0).front();
    CHECK(apart->server->paused);
    world.drop(client);
    CHECK_FALSE(apart->server->paused);
    CHECK(world.ask(other, resp({"GET", "small"})) == bulk("s"));
    CHECK(apart->server->fragments.empty());
    CHECK_FALSE(apart->closed);
}

TEST_CASE("what is dropped of a large response moves, and nobody new waits behind it") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    for (const bool has_begun : {false, true}) {
        CAPTURE(has_begun);
        World world(pool, {.blocks = 512});
        world.server(0).mood = Mood::Mute;
        Channel& client = world.client();
        Channel& other = world.client();
        // The server remembers keys from its first large value on.
        world.server(0).redis.values["b"] = std::string(200'000, 'b');
        world.server(0).mood = Mood::Up;
        CHECK(world.ask(other, resp({"GET", "b"})).size() > 200'000);
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"GET", "a"})) == "");
        Channel* link = world.link(0);
        const std::string all = bulk(std::string(1'000'000, 'a'));
        constexpr size_t step = 10'000;
        size_t at = has_begun ? 3 * step : 0;
        link->inbound += all.substr(0, at);
        world.settle();
        world.drop(client);
        for (; at + step < all.size(); at += step) {
            link->inbound += all.substr(at, step);
            world.pass(90);
            if (at == 20 * step) answer_ping(world);
            if (at != 30 * step) continue;
            // One that is known to serve has taken its place.
            link->arrived.clear();
            world.server(0).mood = Mood::Up;
            CHECK(world.link(0) != link);
            CHECK(world.ask(other, resp({"SET", "b", "1"})) == "+OK\r\n");
        }
        link->inbound += all.substr(at);
        world.settle();
        CHECK_FALSE(link->closed);
        CHECK(world.counters().server_failures.get() == 0);
        // The next one goes apart from the beginning.
        world.server(0).redis.values["a"] = std::string(1'000'000, 'a');
        const Channel* shared = world.link(0);
        CHECK(world.ask(other, resp({"GET", "a"})) == all);
        CHECK(world.link(0) == shared);
    }
}

TEST_CASE("whatever is large and dropped is no failure of its server, nor what waits behind it") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    std::string elements = "*30000\r\n";
    for (int i = 0; i < 30'000; ++i) {
        elements += bulk(std::to_string(i));
    }
    const std::vector<std::vector<std::string>> requests = {
        {"LRANGE", "a", "0", "-1"}, {"EVAL", "return 1", "1", "a"}, {"GET", "a"}};
    for (const std::vector<std::string>& request : requests) {
        CAPTURE(request[0]);
        World world(pool, {.blocks = 512});
        world.server(0).mood = Mood::Mute;
        Channel& client = world.client();
        Channel& other = world.client();
        CHECK(world.ask(client, resp(request)) == "");
        CHECK(world.ask(other, resp({"GET", "b"})) == "");
        Channel* link = world.link(0);
        world.drop(client);
        constexpr size_t step = 30'000;
        size_t at = 0;
        for (; at + step < elements.size(); at += step) {
            link->inbound += elements.substr(at, step);
            world.pass(90);
        }
        // Only who is too late is told so.
        CHECK(
            World::heard(other) ==
            "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)\r\n");
        CHECK_FALSE(link->closed);
        CHECK(world.counters().server_failures.get() == 0);
        link->inbound += elements.substr(at) + bulk("b");
        world.settle();
        CHECK_FALSE(link->closed);
        CHECK(link->server->fragments.empty());
    }
}

TEST_CASE("a client does not wait behind its large value when that came too late for it") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    World world(pool, {.blocks = 512});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"GET", "a"})) == "");
    Channel* link = world.link(0);
    const std::string late =
        "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)\r\n";
    world.pass(90);
    World::say(client, resp({"GET", "b"}));
    world.pass(20);
    CHECK(World::heard(client) == late);
    const std::string all = bulk(std::string(1'000'000, 'a'));
    link->inbound += all.substr(0, 100'000);
    world.pass(120);
    CHECK(World::heard(client) == late);
    link->inbound += all.substr(100'000) + bulk("b");
    world.settle();
    CHECK_FALSE(link->closed);
    CHECK(World::heard(client) == "");
}

TEST_CASE("a large response may take its time, but neither stand still nor drip") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    World world(pool, {.blocks = 512});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    Channel& other = world.client();
    World::say(client, resp({"GET", "a"}));
    World::say(other, resp({"GET", "b"}));
    world.settle();
    Channel* link = world.link(0);
    link->inbound += bulk(std::string(1'000'000, 'a')).substr(0, 50'000);
    for (int i = 0; i < 10; ++i) {
        world.pass(90);
        link->inbound += std::string(1000, 'a');
    }
    world.settle();
    CHECK(World::heard(client).size() == 60'000);
    CHECK_FALSE(client.closed);
    // The other has its own time; the server has done nothing wrong.
    CHECK(World::heard(other) ==
          "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)\r\n");
    CHECK(world.counters().server_failures.get() == 0);
    for (int i = 0; i < 10; ++i) {  // it drips
        world.pass(50);
        link->inbound += "a";
    }
    world.settle();
    CHECK(client.closed);
    CHECK(link->closed);
    CHECK(
        world.loop().notices().back().find("has sent less than 1024 bytes of a response for 400 ms "
                                           "(late_connection_timeout)") != std::string::npos);
}

TEST_CASE("what a client has asked behind its own large value has its time when that has passed") {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    World world(pool, {.blocks = 512});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    Channel& other = world.client();
    World::say(client, resp({"GET", "a"}) + resp({"GET", "b"}) + resp({"GET", "c"}));
    world.step();
    World::say(other, resp({"GET", "d"}));
    world.settle();
    const std::string value = bulk(std::string(200'000, 'a'));
    Channel* link = world.link(0);
    link->inbound += value.substr(0, 100'000);
    world.pass(60);
    CHECK(World::heard(other) == "");
    world.pass(60);
    const std::string late =
        "-ERR ringmain: server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)\r\n";
    CHECK(World::heard(other) == late);
    world.pass(200);
    CHECK(World::heard(client) == value.substr(0, 100'000));
    CHECK(world.counters().timeouts.get() == 1);
    // Whoever asks behind them has his time from then on, whatever they have.
    const bool is_apart = world.link(0) != link;
    CHECK_FALSE(is_apart);
    World::say(other, resp({"GET", "e"}));
    world.pass(50);
    link->inbound += value.substr(100'000);
    world.settle();
    CHECK(World::heard(client) == value.substr(100'000));
    world.pass(60);
    CHECK(World::heard(other) == late);
    CHECK(World::heard(client) == "");
    link->inbound += bulk("b");
    world.settle();
    CHECK(World::heard(client) == bulk("b"));
    world.pass(60);
    CHECK(World::heard(client) == late);
    CHECK(world.counters().timeouts.get() == 3);
    // Late they are all recognised.
    link->inbound += bulk("c") + bulk("d") + bulk("e");
    world.settle();
    CHECK(World::heard(client) + World::heard(other) == "");
    CHECK_FALSE(link->closed);
    World::say(client, resp({"GET", "f"}));
    world.settle();
    world.reply(0, bulk("f"));
    world.settle();
    CHECK(World::heard(client) == bulk("f"));
}

TEST_CASE("no more connections are set apart than eight") {
    World world(streaming_pool(), {.blocks = 2048});
    const std::string value = huge();
    world.server(0).redis.values["huge"] = value;
    std::vector<Channel*> clients;
    for (uint32_t i = 0; i < core::set_apart_max + 2; ++i) {
        clients.push_back(&world.client());
        clients.back()->reads = false;
        CHECK(world.ask(*clients.back(), resp({"GET", "huge"})) == "");
    }
    CHECK(world.leases(0).size() == core::set_apart_max);
    for (Channel* client : clients) {
        client->reads = true;
    }
    world.settle();
    for (Channel* client : clients) {
        CHECK(World::heard(*client) == bulk(value));
    }
    CHECK(world.proxy().pools()[0]->servers[0]->set_apart == 0);
}

// The one of all is left alone from then on.
TEST_CASE("a key that had a large value is read apart from others") {
    World world(streaming_pool(), {.blocks = 2048});
    const std::string value = huge();
    std::map<std::string, std::string>& values = world.server(0).redis.values;
    values["huge"] = value;
    values["small"] = "s";
    Channel& client = world.client();
    Channel& other = world.client();
    CHECK(world.ask(client, resp({"GET", "small"})) == bulk("s"));
    SUBCASE("seen when it was read") {
        CHECK(world.ask(client, resp({"GET", "huge"})) == bulk(value));  // there are large values
        CHECK(world.ask(client, resp({"GET", "huge"})) == bulk(value));  // this key has one
    }
    SUBCASE("seen when it was written") {
        CHECK(world.ask(client, resp({"SET", "huge", value})) == "+OK\r\n");
    }
    Channel* link = world.link(0);
    CHECK(world.ask(client, "PING\r\n") == "+PONG\r\n");
    client.reads = false;
    World::say(client, resp({"GET", "small"}) + resp({"GET", "huge"}) + resp({"GET", "small"}));
    World::say(other, resp({"GET", "small"}));
    world.settle();
    CHECK(world.link(0) == link);
    CHECK(World::heard(other) == bulk("s"));
    REQUIRE(world.leases(0).size() == 1);
    Channel* apart = world.leases(0).front();
    CHECK(apart->server->paused);
    CHECK(bytes_in_use(world) < 2 * core::stream_window);
    client.reads = true;
    world.settle();
    CHECK(World::heard(client) == bulk("s") + bulk(value) + bulk("s"));
    // When it is small again it is one like any other.
    values["huge"] = "h";
    CHECK(world.server(0).redis.log.size() > 3);
    CHECK(world.ask(client, resp({"GET", "huge"})) == bulk("h"));
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, resp({"GET", "huge"})) == "");
    CHECK(world.link(0)->server->fragments.size() == 1);
    world.reply(0, bulk("h"));
    world.settle();
    CHECK(World::heard(client) == bulk("h"));
}

TEST_CASE("a reload in the middle of a large response") {
    for (const bool removed : {false, true}) {
        CAPTURE(removed);
        World world(streaming_pool(2), {.blocks = 512});
        const std::string key = world.key_on(1);
        const std::string value = huge();
        world.server(1).redis.values[key] = value;
        Channel& client = world.client();
        client.reads = false;
        CHECK(world.ask(client, resp({"GET", key})) == "");
        world.adopt({streaming_pool(removed ? 1 : 2)});
        world.settle();
        client.reads = true;
        world.settle();
        CHECK(World::heard(client) == bulk(value));
        CHECK(world.ask(client, resp({"GET", "none"})) == "$-1\r\n");
    }
}

}  // namespace ringmain::test
