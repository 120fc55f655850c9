// Large values of memcached, passed on as they arrive, in either direction.

#include "ringmain/core/limits.h"
#include "tests/unit/core/streaming.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr std::string_view refusal = "SERVER_ERROR object too large for cache\r\n";

config::Pool pool_of(uint32_t servers) {
    config::Pool pool = memcached_pool(servers);
    pool.stream_threshold = threshold;
    return pool;
}

std::string block(const std::string& data) {
    return std::to_string(data.size()) + "\r\n" + data + "\r\n";
}

Channel& only_lease(World& world) {
    const std::vector<Channel*> found = world.leases(0);
    REQUIRE(found.size() == 1);
    return *found.front();
}

// A silent server, and a client that has asked it.
struct SilentServer {
    explicit SilentServer(std::string_view request) : world(pool_of(1)), client(&world.client()) {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(*client, request) == "");
        link = world.link(0);
        REQUIRE(link != nullptr);
    }

    // What the client hears of what the server says.
    std::string hear(std::string_view bytes) {
        link->inbound += bytes;
        world.settle();
        return World::heard(*client);
    }

    World world;
    Channel* client;
    Channel* link;
};

// A silent server that has the beginning of a request, and its client.
struct Begun {
    explicit Begun(std::string request) : world(pool_of(1)), all(std::move(request)) {
        client = &world.client();
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(*client, all.substr(0, half)) == "");
        link = &only_lease(world);
    }

    // The rest of it, and what the client hears then.
    std::string end() { return world.ask(*client, all.substr(half)); }

    std::string hear(std::string_view bytes) {
        link->inbound += bytes;
        world.settle();
        return World::heard(*client);
    }

    static constexpr size_t half = 50'000;

    World world;
    std::string all;
    Channel* client;
    Channel* link;
};

}  // namespace

// --- requests ------------------------------------------------------------------------------------

TEST_CASE("memcached: a large value reaches its server before its end is there") {
    const std::string data(200'000, 'a');
    for (const auto& [head, seen, answer] : std::vector<std::array<std::string, 3>>{
             {"set a 0 0 ", "set a 0 0 ", "STORED\r\n"},
             {"  add  a 7 60  ", "add a 7 60 ", "NOT_STORED\r\n"},
             {"append a 0 0 00", "append a 0 0 ", "STORED\r\n"},
             {"ms a ", "ms a ", "HD\r\n"}}) {
        const std::string& said = head;
        CAPTURE(said);
        Begun begun(head + block(data));
        const std::string all = seen + block(data);
        const size_t there = Begun::half - head.size() + seen.size();
        CHECK(begun.link->arrived == all.substr(0, there));
        CHECK(begun.end() == "");
        CHECK(begun.link->arrived == all);
        CHECK(begun.hear(answer) == answer);
        CHECK(begun.world.counters().requests.get() == 1);
    }
}

TEST_CASE("memcached: flags of a large ms stay, but for the one that asks for silence") {
    Begun begun("ms Zm9v 200000 b q T0\r\n" + std::string(200'000, 'a') + "\r\n");
    CHECK(begun.end() == "");
    CHECK(begun.link->arrived.starts_with("ms Zm9v 200000 b T0\r\naaa"));
    CHECK(begun.hear("HD\r\n") == "");
    begun.world.server(0).mood = Mood::Up;
    CHECK(begun.world.ask(*begun.client, "mn\r\n") == "MN\r\n");
}

TEST_CASE("memcached: a large set without an answer has none, whatever becomes of it") {
    const std::string request = "set a 0 0 200000 noreply\r\n" + std::string(200'000, 'a') + "\r\n";
    Begun begun(request);
    CHECK(begun.end() == "");
    CHECK(begun.link->arrived.starts_with("set a 0 0 200000\r\n"));
    CHECK(begun.hear("STORED\r\n") == "");
    Begun lost(request);
    lost.world.loop().reset(*lost.link);
    CHECK(lost.end() == "");
    lost.world.server(0).mood = Mood::Up;
    lost.world.pass(5000);
    CHECK(lost.world.ask(*lost.client, "get a\r\n") == "END\r\n");
}

TEST_CASE("memcached: behind a large value one that was not asked for ends the response") {
    const std::string large = "VALUE a 0 " + block(std::string(200'000, 'a'));
    for (const char* key : {"b", "d"}) {
        CAPTURE(key);
        SilentServer server("get a c b\r\n");
        std::string heard = server.hear(large.substr(0, 150'000));
        CHECK_FALSE(heard.empty());
        const std::string next = "VALUE " + std::string(key) + " 0 6\r\nSECRET\r\nEND\r\n";
        heard += server.hear(large.substr(150'000) + next);
        const bool is_asked = *key == 'b';
        CHECK(server.client->closed != is_asked);
        CHECK(server.link->closed != is_asked);
        CHECK((heard == large + next) == is_asked);
        CHECK((heard.find("SECRET") != std::string::npos) == is_asked);
    }
}

TEST_CASE("memcached: large values take their turn, and no more memory than a window") {
    for (uint64_t seed = 1; seed < 12; ++seed) {
        CAPTURE(seed);
        LargeValues values(pool_of(2), seed);
        auto& [world, client, a, b, one, two] = values;
        const std::string stored = "STORED\r\n";
        CHECK(world.ask(client,
                        set(a, "0") + set(b, "0") + set(a, one) + "get " + a + "\r\n" +
                            set(a, two) + set(b, two) + "get " + a + "\r\nmn\r\nget " + a + " " +
                            b + "\r\n") == stored + stored + stored + value(a, one) + "END\r\n" +
                                               stored + stored + value(a, two) + "END\r\nMN\r\n" +
                                               value(a, two) + value(b, two) + "END\r\n");
    }
    World world(pool_of(1), {.blocks = 512});
    Channel& client = world.client();
    CHECK(world.ask(client, set("a", "0")) == "STORED\r\n");
    World::say(client, set("a", huge_value()).substr(0, 100'000));
    world.settle();
    Channel& stream = only_lease(world);
    stream.reads = false;
    World::say(client, set("a", huge_value()).substr(100'000));
    world.settle();
    CHECK_FALSE(client.client->wants_input());
    CHECK(bytes_in_use(world) < 2 * core::stream_window);
    CHECK(world.ask(world.client(), "get a\r\n") == value("a", "0") + "END\r\n");
    stream.reads = true;
    world.settle();
    CHECK(World::heard(client) == "STORED\r\n");
    CHECK(world.server(0).memcached.values["a"] == huge_value());
}

TEST_CASE("memcached: a data block that ends elsewhere than its line says is not stored") {
    World world(pool_of(1));
    Channel& client = world.client();
    std::string wrong = set("a", std::string(200'000, 'a'));
    wrong.replace(wrong.size() - 2, 2, "xy");
    const std::string bad = "CLIENT_ERROR bad data chunk\r\n";
    CHECK(world.ask(client, wrong.substr(0, 100'000)) == "");
    CHECK(world.ask(client, wrong.substr(100'000) + "get a\r\n") == bad + "END\r\n");
    CHECK(world.server(0).memcached.values.empty());
    CHECK(world.counters().requests.get() == 2);
}

TEST_CASE("memcached: a server that refuses a large value at its line is heard when it has it") {
    const std::string data(200'000, 'a');
    for (const bool in_pieces : {false, true}) {
        CAPTURE(in_pieces);
        Begun begun(set("a", data));
        if (in_pieces) {
            for (const char byte : refusal) {
                CHECK(begun.hear({&byte, 1}) == "");
            }
        } else {
            CHECK(begun.hear(refusal) == "");
        }
        CHECK_FALSE(begun.link->closed);
        const stats::ServerCounters& server =
            begun.world.proxy().pools()[0]->servers[0]->counters();
        CHECK(server.response_bytes.get() == refusal.size());
        CHECK(begun.end() == refusal);
        CHECK(server.response_bytes.get() == refusal.size());
        CHECK(begun.link->arrived == set("a", data));
        // And the next one goes the same way.
        begun.link->arrived.clear();
        CHECK(begun.world.ask(*begun.client, set("b", data)) == "");
        CHECK(begun.link->arrived == set("b", data));
        CHECK(begun.hear("STORED\r\n") == "STORED\r\n");
        CHECK(begun.world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("memcached: whatever else comes before a large value is there is no answer to it") {
    for (const std::string_view early : {"STORED\r\n",
                                         "ERROR\r\n",
                                         "SERVER_EROR x\r\n",
                                         "VALUE a 0 1\r\n",
                                         "\r\n",
                                         "CLIENT_ERROR bad command line format\r\n",
                                         "SERVER_ERROR a\r\nSTORED\r\n"}) {
        CAPTURE(early);
        Begun begun(set("a", std::string(200'000, 'a')));
        const std::string told = begun.hear(early);
        CHECK(told.starts_with(
            "SERVER_ERROR ringmain: server s0 (10.0.0.1:7000) sent bytes that nobody asked for"));
        CHECK(begun.link->closed);
        begun.world.server(0).mood = Mood::Up;
        CHECK(begun.end() == "");
        CHECK(begun.world.ask(*begun.client, "get a\r\n") == "END\r\n");
    }
    Begun begun(set("a", std::string(200'000, 'a')));
    CHECK(begun.hear("SERVER_ERROR " + std::string(2000, 'x')) != "");
    CHECK(begun.link->closed);
    Begun lost(set("a", std::string(200'000, 'a')));
    CHECK(lost.hear(refusal) == "");
    lost.world.loop().reset(*lost.link);
    CHECK(lost.end() ==
          server_error(s0 + "sent bytes that nobody asked for: \"SERVER_ERROR object too large for "
                            "cache\""));
    CHECK(lost.world.counters().server_failures.get() == 0);
    CHECK(lost.world.proxy().pools()[0]->servers[0]->lease_failures == 0);
    // What is wrong with the flags of a meta set is no reason to run its data.
    const std::string wrong = "CLIENT_ERROR invalid flag\r\n";
    Begun meta("ms a " + block(std::string(200'000, 'a')));
    CHECK(meta.hear(wrong) == "");
    CHECK(meta.end() == wrong);
}

TEST_CASE("memcached: what comes behind an early answer is taken behind it") {
    const std::string data(200'000, 'a');
    const std::string second = set("b", data);
    for (const bool in_pieces : {false, true}) {
        CAPTURE(in_pieces);
        Begun begun(set("a", data));
        World& world = begun.world;
        CHECK(begun.hear(refusal.substr(0, in_pieces ? 20 : refusal.size())) == "");
        const size_t last = begun.all.size() - 100;
        CHECK(world.ask(*begun.client, begun.all.substr(Begun::half, last - Begun::half)) == "");
        // In one batch its end comes, and the next one's beginning; in the one behind that the
        // server has them, and says more.
        World::say(*begun.client, begun.all.substr(last) + second.substr(0, 10'000));
        world.step();
        CHECK(begun.client->inbound.empty());
        begun.link->inbound += in_pieces ? refusal.substr(20) : refusal;
        world.settle();
        CHECK(World::heard(*begun.client) == refusal);
        CHECK(world.ask(*begun.client, second.substr(10'000)) == (in_pieces ? "" : refusal));
        if (in_pieces) CHECK(begun.hear("STORED\r\n") == "STORED\r\n");
        CHECK(begun.world.ask(*begun.client, "mn\r\n") == "MN\r\n");
        CHECK(begun.world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("memcached: what a value beyond request_size_max removes is removed in its turn") {
    config::Pool pool = pool_of(1);
    pool.request_size_max = 300'000;
    const std::string fits(200'000, 'a');
    const std::string too_large = set("a", std::string(400'000, 'b'));
    for (const size_t cut : {size_t{10}, size_t{70'000}, too_large.size()}) {
        CAPTURE(cut);
        World world(pool, {.blocks = 2048});
        Channel& client = world.client();
        const std::string all = set("a", fits) + too_large + set("a", fits) + "get a\r\n";
        const size_t at = set("a", fits).size() + cut;
        std::string heard = world.ask(client, all.substr(0, at));
        heard += world.ask(client, all.substr(at));
        CHECK(heard ==
              "STORED\r\n" + std::string(refusal) + "STORED\r\n" + value("a", fits) + "END\r\n");
        CHECK(
            world.server(0).memcached.log ==
            std::vector<std::string>{"set a 0 0 200000", "delete a", "set a 0 0 200000", "get a"});
    }
}

TEST_CASE("memcached: where no other connection is to be had a large value waits for its end") {
    const std::string data(200'000, 'a');
    for (const std::string& request :
         {set("a", data), "set  a 0 0 200000 noreply\r\n" + data + "\r\n"}) {
        const bool is_mute = request.starts_with("set  ");
        World world(pool_of(1));
        Channel& client = world.client();
        CHECK(world.ask(client, set("a", "0")) == "STORED\r\n");
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, request.substr(0, 100'000)) == "");
        Channel& lease = only_lease(world);
        CHECK(lease.arrived == "version\r\n");
        CHECK(world.counters().requests.get() == 1);  // it has no end yet
        lease.inbound += "ERROR Too many open connections\r\n";
        world.server(0).mood = Mood::Up;
        world.settle();
        CHECK(lease.closed);
        CHECK(world.counters().requests.get() == 1);
        CHECK(world.ask(client, request.substr(100'000) + "get b\r\n") ==
              std::string(is_mute ? "" : "STORED\r\n") + "END\r\n");
        CHECK(world.server(0).memcached.values["a"] == data);
        CHECK(std::ranges::count(world.server(0).memcached.log, "set a 0 0 200000") == 1);
        CHECK(world.counters().requests.get() == 3);
        CHECK(world.counters().server_failures.get() == 0);
    }
}

TEST_CASE("memcached: an answer that is held back while a value arrives is not late") {
    config::Pool pool = pool_of(1);
    pool.stream_threshold = 2048;
    pool.timeout_ms = 100;
    pool.auto_eject_hosts = true;
    pool.server_failure_limit = 1;
    World world(pool, {.blocks = 2048});
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string first = set("a", std::string(8000, 'a'));
    const std::string second = set("b", std::string(8000, 'b'));
    World::say(client, first.substr(0, 4000));
    world.settle();
    CHECK(world.ask(client, first.substr(4000) + second.substr(0, 4000)) == "");
    Channel& link = only_lease(world);
    CHECK(link.arrived == first + second.substr(0, 4000));
    world.pass(1000);
    CHECK(World::heard(client) == "");
    SUBCASE("until its end is there") {
        CHECK(world.ask(client, second.substr(4000)) == "");
        link.inbound += "STORED\r\nSTORED\r\n";
        world.settle();
        CHECK(World::heard(client) == "STORED\r\nSTORED\r\n");
    }
    SUBCASE("nor when there will be none") {
        const size_t end = second.size() - 2;
        CHECK(world.ask(client, second.substr(4000, end - 4000) + "XY") == "");
        world.pass(1000);
        CHECK(World::heard(client) == server_error(s0 + "did not answer within 100 ms (timeout)") +
                                          "CLIENT_ERROR bad data chunk\r\n");
    }
    SUBCASE("nor for a client that has left") {
        world.drop(client);
        world.pass(1000);
    }
    CHECK(world.health(0).accepts_traffic());
    CHECK(world.health(0).failures() == 0);
}

TEST_CASE("memcached: who is lost in the middle of a large value costs its client an error") {
    Begun begun(set("a", std::string(200'000, 'a')));
    begun.world.loop().reset(*begun.link);
    begun.world.settle();
    CHECK(World::heard(*begun.client) == server_error(s0 + "reset the connection"));
    begun.world.server(0).mood = Mood::Up;
    CHECK(begun.end() == "");
    begun.world.pass(5000);
    CHECK(begun.world.ask(*begun.client, "get a\r\n") == "END\r\n");
    // And who leaves costs the server nothing.
    Begun left(set("a", std::string(200'000, 'a')));
    left.world.drop(*left.client);
    left.world.settle();
    CHECK(left.link->closed);
    CHECK(left.world.counters().server_failures.get() == 0);
}

// --- responses -----------------------------------------------------------------------------------

TEST_CASE("memcached: a large value reaches its client before its end is there") {
    const std::string data(200'000, 'a');
    const std::string classic = value("a", data) + "END\r\n";
    const std::string meta = "VA 200000 ka\r\n" + data + "\r\n";
    for (const auto& [request, answer] : std::vector<std::pair<std::string, std::string>>{
             {"get a\r\n", classic},
             {"gat 60 a\r\n", classic},
             {"get a b\r\n", classic},
             {"get b a\r\n", value("b", "small") + classic},
             {"mg a v k\r\n", meta},
             {"mg a v q\r\n", "VA 200000\r\n" + data + "\r\n"}}) {
        const std::string& said = request;
        CAPTURE(said);
        SilentServer asked(request);
        CHECK(asked.hear(answer.substr(0, 50'000)) == answer.substr(0, 50'000));
        // The server shows that it takes another connection, which is everybody's then.
        Channel& other = only_lease(asked.world);
        CHECK(other.arrived == "version\r\n");
        other.inbound += "VERSION 1.6.0\r\n";
        asked.world.settle();
        CHECK(asked.world.link(0) == &other);
        CHECK(asked.hear(answer.substr(50'000)) == answer.substr(50'000));
        CHECK(asked.world.proxy().pools()[0]->servers[0]->set_apart == 0);
    }
}

TEST_CASE("memcached: what is no value that was asked for does not begin") {
    const std::string data(200'000, 'a');
    for (const auto& [request, answer] : std::vector<std::pair<std::string, std::string>>{
             {"get a\r\n", value("b", data)},
             {"get a\r\n", value("b", "small") + value("a", data)},
             {"get a\r\n", "VA 200000\r\n" + data + "\r\n"},
             {"mg a v\r\n", value("a", data)},
             {"mg a v k\r\n", "VA 200000 kb\r\n" + data + "\r\n"},
             {"set a 0 0 1\r\nx\r\n", value("a", data)}}) {
        const std::string& said = request;
        CAPTURE(said);
        SilentServer asked(request);
        const std::string first = asked.hear(answer.substr(0, 100'000));
        const std::string heard = first + asked.hear(answer.substr(100'000) + "END\r\n");
        CHECK(heard.starts_with(server_error(s0 + "sent").substr(0, 40)));
        CHECK(heard.find("aaaa") == std::string::npos);
        CHECK(asked.link->closed);
    }
}

TEST_CASE("memcached: a large value that ends wrong closes the client that has its beginning") {
    const std::string data(200'000, 'a');
    std::string wrong_end = value("a", data);
    wrong_end.replace(wrong_end.size() - 2, 2, "xy");
    for (const std::string& answer : {value("a", data) + value("a", "again") + "END\r\n",
                                      value("a", data) + "STORED\r\n",
                                      wrong_end}) {
        SilentServer asked("get a\r\n");
        CHECK(asked.hear(answer.substr(0, 100'000)) == answer.substr(0, 100'000));
        CHECK(answer.starts_with(answer.substr(0, 100'000) + asked.hear(answer.substr(100'000))));
        CHECK(asked.link->closed);
        CHECK(asked.client->closed);
    }
    // An error behind a value is one of memcached's answers.
    SilentServer asked("get a b\r\n");
    const std::string answer = value("a", data) + "SERVER_ERROR out of memory\r\n";
    CHECK(asked.hear(answer.substr(0, 100'000)) == answer.substr(0, 100'000));
    CHECK(asked.hear(answer.substr(100'000)) == answer.substr(100'000));
    CHECK_FALSE(asked.client->closed);
}

TEST_CASE("memcached: gets that share a line have their large values one by one") {
    for (uint64_t seed = 1; seed < 12; ++seed) {
        CAPTURE(seed);
        World world(pool_of(1), {.blocks = 2048, .seed = seed, .cut = true});
        Channel& first = world.client();
        Channel& second = world.client();
        CHECK(world.ask(first, "get warm\r\n") == "END\r\n");
        auto& values = world.server(0).memcached.values;
        values["a"] = std::string(150'000, 'a');
        values["b"] = std::string(300'000, 'b');
        values["c"] = "c";
        World::say(first, "get a\r\nget none\r\nget b\r\nget c\r\n");
        World::say(second, "get c\r\nget b\r\nget a\r\n");
        world.settle();
        const std::string a = value("a", values["a"]) + "END\r\n";
        const std::string b = value("b", values["b"]) + "END\r\n";
        const std::string c = value("c", values["c"]) + "END\r\n";
        CHECK(World::heard(first) == a + "END\r\n" + b + c);
        CHECK(World::heard(second) == c + b + a);
    }
}

TEST_CASE("memcached: a slow client stops the connection of its large value and nobody else") {
    World world(pool_of(1), {.blocks = 512});
    world.server(0).memcached.values["a"] = huge_value();
    Channel& slow = world.client();
    slow.reads = false;
    CHECK(world.ask(slow, "get a\r\n") == "");
    CHECK(bytes_in_use(world) < 2 * core::stream_window);
    CHECK(only_lease(world).server->paused);
    CHECK(world.ask(world.client(), "get b\r\n") == "END\r\n");
    slow.reads = true;
    world.settle();
    CHECK(World::heard(slow) == value("a", huge_value()) + "END\r\n");
}

TEST_CASE("memcached: what a client of the binary protocol gets is whole") {
    World world(pool_of(1));
    const std::string data(200'000, 'a');
    world.server(0).memcached.values["a"] = data;
    Channel& client = world.client();
    const std::string get(
        "\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"
        "\x00\x00\x00\x00\x00\x00\x00\x00"
        "a",
        25);
    const std::string answer = world.ask(client, get);
    CHECK(answer.size() == 24 + 4 + data.size());
    CHECK(answer.ends_with(data));
}

TEST_CASE("memcached: a large value of which nothing has left is lost with an error") {
    const std::string data(200'000, 'b');
    World world(pool_of(2), {.blocks = 2048});
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    CHECK(world.ask(client, "get " + a + "\r\nget " + b + "\r\n") == "");
    Channel& first = *world.link(0);
    Channel& second = *world.link(1);
    second.inbound += value(b, data).substr(0, 100'000);
    world.settle();
    // In one batch its turn comes, and it is lost.
    world.loop().begin();
    first.inbound += "END\r\n";
    static_cast<void>(world.loop().receive(first));
    world.loop().reset(second);
    world.loop().end();
    world.settle();
    CHECK(World::heard(client) ==
          "END\r\nSERVER_ERROR ringmain: server s1 (10.0.0.1:7001) reset the connection\r\n");
    CHECK_FALSE(client.closed);
}

TEST_CASE("what comes in small pieces for a slow client takes little more memory than it is") {
    constexpr uint64_t all = 4 * core::stream_window;
    for (const size_t piece : std::vector<size_t>{100, 2100, 9000}) {
        for (const bool others_wait : {false, true}) {
            CAPTURE(piece);
            CAPTURE(others_wait);
            config::Pool pool = pool_of(1);
            pool.client_output_limit = 0;
            World world(pool, {.blocks = 4096});
            world.server(0).mood = Mood::Mute;
            Channel& client = world.client();
            client.reads = false;
            CHECK(world.ask(client, "get a\r\n") == "");
            if (others_wait) CHECK(world.ask(world.client(), "delete b\r\n") == "");
            Channel& link = *world.link(0);
            const std::string answer = value("a", std::string(all, 'v')) + "END\r\n";
            uint64_t most = 0;
            for (size_t at = 0; at < answer.size() && !link.server->paused; at += piece) {
                link.inbound += answer.substr(at, piece);
                world.step();
                most = std::max(most, bytes_in_use(world));
            }
            CHECK(link.server->paused != others_wait);
            CHECK(most < (others_wait ? all : core::stream_window) * 9 / 8 + 3 * 1024 * 1024);
        }
    }
}

}  // namespace ringmain::test
