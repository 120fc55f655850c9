// Large requests of one client behind each other.

#include "ringmain/core/limits.h"
#include "tests/unit/core/streaming.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr std::string_view lost = "server s0 (10.0.0.1:7000) reset the connection";

// Two servers that say nothing by themselves, and a client.
struct Pipeline {
    explicit Pipeline(config::Pool pool = streaming_pool(2), uint32_t blocks = 1024)
        : world(std::move(pool), {.blocks = blocks}), client(&world.client()) {
        for (uint32_t i = 0; i < world.pool().servers.size(); ++i) {
            world.server(i).mood = Mood::Mute;
            keys.push_back(world.key_on(i));
        }
    }

    [[nodiscard]] std::string set(uint32_t server, char letter) const {
        return resp({"SET", keys[server], std::string(200'000, letter)});
    }

    void say(const std::string& bytes) {
        World::say(*client, bytes);
        world.settle();
    }

    [[nodiscard]] Channel& stream(uint32_t server) {
        const std::vector<Channel*> found = world.leases(server);
        REQUIRE(found.size() == 1);
        return *found.front();
    }

    void answer(Channel& channel, const std::string& bytes) {
        channel.inbound += bytes;
        world.settle();
    }

    std::string heard() { return World::heard(*client); }

    [[nodiscard]] uint32_t set_apart(uint32_t server) {
        return world.proxy().pools()[0]->servers[server]->set_apart;
    }

    // Nothing is left of what was under way, and the client goes on.
    void check_clean() {
        CHECK(world.proxy().is_idle());
        for (uint32_t i = 0; i < world.pool().servers.size(); ++i) {
            CHECK(set_apart(i) == 0);
            for (Channel* channel : world.leases(i)) {
                channel->arrived.clear();
            }
            world.server(i).mood = Mood::Up;
        }
        world.pass(2000);
        const bool goes_on =
            world.ask(*client, set(0, 'z') + resp({"GET", keys[0]}) + "PING\r\n") ==
            "+OK\r\n" + bulk(std::string(200'000, 'z')) + "+PONG\r\n";
        CHECK(goes_on);
    }

    World world;
    Channel* client;
    std::vector<std::string> keys;  // one of each server
};

config::Pool with_timeout(uint32_t servers = 2) {
    config::Pool pool = streaming_pool(servers);
    pool.timeout_ms = 100;
    return pool;
}

}  // namespace

TEST_CASE("large requests do not wait for each other's answers") {
    Pipeline on;
    on.say(on.set(0, 'a') + on.set(0, 'b') + on.set(1, 'c') + on.set(0, 'd'));
    CHECK(on.stream(0).arrived == on.set(0, 'a') + on.set(0, 'b') + on.set(0, 'd'));
    CHECK(on.stream(1).arrived == on.set(1, 'c'));
    CHECK(on.client->client->wants_input());
    on.answer(on.stream(1), "+C\r\n");
    CHECK(on.heard() == "");
    on.answer(on.stream(0), "+A\r\n+B");
    CHECK(on.heard() == "+A\r\n");
    on.answer(on.stream(0), "\r\n+D\r\n");
    CHECK(on.heard() == "+B\r\n+C\r\n+D\r\n");
    CHECK(on.world.counters().requests.get() == 4);
    on.check_clean();
}

TEST_CASE("in any pieces they are what they are in one") {
    for (uint64_t seed = 1; seed < 30; ++seed) {
        CAPTURE(seed);
        World world(streaming_pool(2), {.blocks = 2048, .seed = seed, .cut = true});
        Channel& client = world.client();
        std::string all;
        std::string answers;
        for (uint32_t i = 0; i < 12; ++i) {
            const std::string key = world.key_on(i * 7 % 3 % 2);
            const std::string value((i * 31 + seed * 17) % 5 * 50'000 + i, 'v');
            all += resp({"SET", key, value});
            answers += "+OK\r\n";
            if ((i + seed) % 4 != 0) continue;
            all += resp({"GET", key});
            answers += bulk(value);
        }
        CHECK(world.ask(client, all) == answers);
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("what is not large waits for the answers to large requests") {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"GET", "a"}, {"PING"}, {"MULTI"}, {"SET", "a", std::string(60'000, 's')}}) {
        CAPTURE(words[0]);
        Pipeline on;
        on.say(on.set(0, 'a') + on.set(1, 'b') + resp(words));
        CHECK_FALSE(on.client->client->wants_input());
        CHECK(on.world.counters().requests.get() == 2);
        on.answer(on.stream(0), "+A\r\n");
        CHECK(on.world.counters().requests.get() == 2);
        on.answer(on.stream(1), "+B\r\n");
        CHECK(on.world.counters().requests.get() == 3);
        CHECK(on.heard().starts_with("+A\r\n+B\r\n"));
    }
}

TEST_CASE("a large request that cannot be passed on waits behind those that were") {
    Pipeline on;
    const std::string value(150'000, 'v');
    on.say(on.set(0, 'a') + resp({"ECHO", value}) + on.set(0, 'b'));
    CHECK_FALSE(on.client->client->wants_input());
    CHECK(on.stream(0).arrived == on.set(0, 'a'));
    on.answer(on.stream(0), "+A\r\n");
    CHECK(on.heard() == "+A\r\n" + bulk(value));
    on.answer(on.stream(0), "+B\r\n");
    CHECK(on.heard() == "+B\r\n");
    on.check_clean();
}

TEST_CASE("what is refused between large requests is told in its place") {
    config::Pool pool = streaming_pool(2);
    pool.request_size_max = 300'000;
    Pipeline on(pool);
    const std::string beyond = resp({"SET", on.keys[0], std::string(400'000, 'v')});
    const std::string text =
        error("request is larger than 300000 bytes (request_size_max)").substr(0, 60);
    on.say(on.set(0, 'a') + beyond + on.set(1, 'b'));
    on.answer(on.stream(1), "+B\r\n");
    CHECK(on.heard() == "");
    on.answer(on.stream(0), "+A\r\n");
    const std::string all = on.heard();
    CHECK(all.starts_with("+A\r\n" + text));
    CHECK(all.ends_with("\r\n+B\r\n"));
    on.check_clean();
}

TEST_CASE("a second request without its end leaves the first its answer") {
    Pipeline on;
    const std::string begun = on.set(0, 'b').substr(0, 100'000);
    on.say(on.set(0, 'a') + begun);
    Channel& stream = on.stream(0);
    CHECK(stream.arrived == on.set(0, 'a') + begun);
    SUBCASE("the client says no more") {
        on.client->inbound_end = true;
        on.world.settle();
        CHECK_FALSE(stream.closed);
        CHECK_FALSE(on.client->closed);
        on.answer(stream, "+A\r\n");
        CHECK(on.heard() == "+A\r\n");
        CHECK(stream.closed);
        CHECK(on.client->closed);
    }
    SUBCASE("the server answers the beginning, too") {
        on.client->inbound_end = true;
        on.world.settle();
        on.answer(stream, "+A\r\n-ERR what\r\n");
        CHECK(on.heard() == "+A\r\n");
        CHECK(stream.closed);
    }
    SUBCASE("it is no request") {
        std::string rest = on.set(0, 'b').substr(100'000);
        rest[rest.size() - 1] = '!';
        on.say(rest);
        CHECK_FALSE(stream.closed);
        on.answer(stream, "+A\r\n");
        CHECK(on.heard() == "+A\r\n-ERR Protocol error: invalid line end after bulk\r\n");
        CHECK(stream.closed);
        CHECK(on.client->closed);
    }
    SUBCASE("the client is gone") {
        on.world.drop(*on.client);
        on.answer(stream, "+A\r\n");
        CHECK(stream.closed);
    }
    CHECK(on.set_apart(0) == 0);
    CHECK(on.world.proxy().is_idle());
}

TEST_CASE("behind what was cut off nothing follows") {
    config::Pool pool = streaming_pool(2);
    pool.request_size_max = 300'000;
    Pipeline on(pool);
    const std::string half(200'000, 'v');
    on.say(on.set(0, 'a') + resp({"HSET", on.keys[0], half, half}) + on.set(0, 'b'));
    Channel& stream = on.stream(0);
    on.answer(stream, "+A\r\n");
    CHECK(stream.closed);
    CHECK(on.heard().starts_with("+A\r\n-ERR ringmain: request is larger than 300000 bytes"));
    on.answer(on.stream(0), "+B\r\n");
    CHECK(on.heard() == "+B\r\n");
    on.check_clean();
}

TEST_CASE("a server that is lost costs all large requests that it had, and no others") {
    Pipeline on;
    on.say(on.set(0, 'a') + on.set(1, 'b') + on.set(0, 'c') + on.set(0, 'd').substr(0, 100'000));
    World& world = on.world;
    world.loop().begin();
    world.loop().reset(on.stream(0));
    world.loop().end();
    world.settle();
    CHECK(on.heard() == error(lost));
    on.say(on.set(0, 'd').substr(100'000) + on.set(1, 'e'));
    on.answer(on.stream(1), "+B\r\n+E\r\n");
    CHECK(on.heard() == "+B\r\n" + error(lost) + error(lost) + "+E\r\n");
    world.pass(1000);
    on.check_clean();
}

TEST_CASE("a server that refuses the beginning of a second request is quoted") {
    Pipeline on;
    on.say(on.set(0, 'a') + on.set(0, 'b').substr(0, 100'000));
    on.answer(on.stream(0), "+A\r\n-ERR Protocol error: invalid bulk length\r\n");
    CHECK(on.heard() ==
          "+A\r\n" + error("server s0 (10.0.0.1:7000) sent bytes that nobody asked for: "
                           "\"-ERR Protocol error: invalid bulk length\""));
    CHECK(on.world.health(0).failures() == 0);
    on.say(on.set(0, 'b').substr(100'000));
    on.check_clean();
}

TEST_CASE("an answer to a first request whose end has not left is none") {
    Pipeline on;
    on.say(on.set(0, 'a').substr(0, 50'000));
    Channel& stream = on.stream(0);
    stream.reads = false;
    on.say(on.set(0, 'a').substr(50'000, 50'000));  // on its way, and stuck
    on.say(on.set(0, 'a').substr(100'000) + on.set(0, 'b'));
    on.answer(stream, "+A\r\n");
    CHECK(on.heard().starts_with(
        error("server s0 (10.0.0.1:7000) sent bytes that nobody asked for: \"+A\"")));
    CHECK(stream.closed);
}

TEST_CASE("each large request has its own time") {
    const std::string late =
        error("server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)");
    Pipeline on(with_timeout());
    on.say(on.set(0, 'a') + on.set(0, 'b').substr(0, 100'000));
    Channel& stream = on.stream(0);
    on.world.pass(80);
    CHECK(on.heard() == "");
    on.world.pass(40);
    CHECK(on.heard() == late);
    on.world.pass(100);
    CHECK(on.heard() == "");
    on.say(on.set(0, 'b').substr(100'000));
    SUBCASE("and its late answer is not the next one's") {
        on.answer(stream, "+A\r\n");
        CHECK(on.heard() == "");
        on.answer(stream, "+B\r\n");
        CHECK(on.heard() == "+B\r\n");
        on.check_clean();
    }
    SUBCASE("from its end on") {
        on.world.pass(80);
        CHECK(on.heard() == "");
        on.world.pass(40);
        CHECK(on.heard() == late);
        on.world.pass(1000);
        CHECK(stream.closed);
        CHECK(on.set_apart(0) == 0);
        CHECK(on.world.proxy().is_idle());
    }
}

TEST_CASE("behind a large request that is late nothing follows on its connection") {
    Pipeline on(with_timeout());
    on.say(on.set(1, 'x') + on.set(0, 'a'));
    on.world.pass(50);
    Channel& first = on.stream(0);
    on.say(on.set(1, 'y').substr(0, 100'000));  // answered when it is all there
    on.world.pass(70);
    CHECK(on.heard() ==
          error("server s1 (10.0.0.1:7001) did not answer within 100 ms (timeout)") +
              error("server s0 (10.0.0.1:7000) did not answer within 100 ms (timeout)"));
    on.say(on.set(1, 'y').substr(100'000) + on.set(0, 'b'));
    CHECK(first.arrived == on.set(0, 'a'));
    CHECK_FALSE(on.client->client->wants_input());
}

TEST_CASE("a server that takes nothing stops a client, and keeps little") {
    Pipeline on(streaming_pool(2), 512);
    on.say(on.set(0, 'a').substr(0, 100'000));
    Channel& stream = on.stream(0);
    stream.reads = false;
    std::string more = on.set(0, 'a').substr(100'000);
    for (int i = 0; i < 40; ++i) {
        more += on.set(0, 'b');
    }
    on.say(more);
    CHECK_FALSE(on.client->client->wants_input());
    CHECK(bytes_in_use(on.world) < 2 * core::stream_window);
    stream.reads = true;
    on.world.settle();
    std::string answers;
    for (int i = 0; i < 41; ++i) {
        answers += "+OK\r\n";
    }
    on.answer(stream, answers);
    CHECK(on.heard() == answers);
    on.check_clean();
}

TEST_CASE("a client has no more large requests under way than others") {
    config::Pool pool = streaming_pool(2);
    pool.requests_in_flight_max = 3;
    Pipeline on(pool);
    on.say(on.set(0, 'a') + on.set(0, 'b') + on.set(0, 'c') + on.set(0, 'd'));
    CHECK(on.stream(0).arrived == on.set(0, 'a') + on.set(0, 'b') + on.set(0, 'c'));
    on.answer(on.stream(0), "+A\r\n+B\r\n");
    CHECK(on.stream(0).arrived.ends_with(on.set(0, 'd')));
    on.answer(on.stream(0), "+C\r\n+D\r\n");
    CHECK(on.heard() == "+A\r\n+B\r\n+C\r\n+D\r\n");
    on.check_clean();
}

TEST_CASE("who is held back stays so when what it sends is lost") {
    for (const bool beyond : {false, true}) {
        CAPTURE(beyond);
        config::Pool pool = streaming_pool(2);
        pool.request_size_max = 300'000;
        Pipeline on(pool);
        const std::string second =
            beyond
                ? resp({"HSET", on.keys[0], std::string(200'000, 'h'), std::string(200'000, 'h')})
                : on.set(0, 'b');
        on.say(on.set(1, 'a') + second.substr(0, 100'000));
        Channel& first = on.stream(1);
        Channel& lost_one = on.stream(0);
        pool.server_connections = 2;  // the servers are other ones, at the same addresses
        on.world.adopt({pool});
        on.world.settle();
        if (!beyond) {
            on.world.loop().begin();
            on.world.loop().reset(lost_one);
            on.world.loop().end();
        }
        on.say(second.substr(100'000) + on.set(1, 'c'));
        CHECK_FALSE(on.client->client->wants_input());
        CHECK(on.world.leases(1).empty());
        on.answer(first, "+A\r\n");
        CHECK(on.heard().starts_with("+A\r\n-ERR"));
        CHECK(on.stream(1).arrived == on.set(1, 'c'));
    }
}

TEST_CASE("whose request has come to its end is read on, however much of it waits") {
    Pipeline on;
    const uint64_t window = 4 * threshold;
    const std::string request = resp({"SET", on.keys[0], std::string(100'000 + window, 'v')});
    const size_t rest = request.size() - window;
    on.say(request.substr(0, rest - 10));
    Channel& stream = on.stream(0);
    stream.reads = false;
    on.say(request.substr(rest - 10, 10));  // is with the driver
    on.say(request.substr(rest));
    CHECK(on.client->client->wants_input());
    // Of the next one no more is taken than has room.
    on.say(on.set(0, 'b').substr(0, 100'000));
    CHECK_FALSE(on.client->client->wants_input());
    stream.reads = true;
    on.world.settle();
    CHECK(on.client->client->wants_input());
    on.say(on.set(0, 'b').substr(100'000));
    CHECK(stream.arrived == request + on.set(0, 'b'));
    on.answer(stream, "+A\r\n+B\r\n");
    CHECK(on.heard() == "+A\r\n+B\r\n");
    on.check_clean();
}

TEST_CASE("requests that begin in one part and end in the next are bounded like longer ones") {
    config::Pool pool = streaming_pool(1);
    pool.stream_threshold = 1000;
    Pipeline on(pool);
    const std::string request = resp({"SET", on.keys[0], std::string(5000, 'v')});
    on.say(request.substr(0, 3000));
    Channel& stream = on.stream(0);
    stream.reads = false;
    on.say(request.substr(3000));
    int begun = 1;
    for (; begun < 20 && on.client->client->wants_input(); ++begun) {
        on.say(request.substr(0, 3000));
        if (on.client->client->wants_input()) on.say(request.substr(3000));
    }
    CHECK(begun < 5);
    CHECK(stream.server->out.size() < 4 * pool.stream_threshold + request.size());
}

TEST_CASE("a large request that is late counts, though the next one moves") {
    Pipeline on(with_timeout());
    on.say(on.set(0, 'a') + on.set(0, 'b').substr(0, 100'000));
    on.world.pass(10);
    on.say(on.set(0, 'b').substr(100'000, 50'000));
    on.world.pass(100);
    CHECK(on.heard().starts_with("-ERR"));
    CHECK(on.world.health(0).failures() == 1);
}

TEST_CASE("a reload holds back what comes behind large requests") {
    for (const bool removed : {false, true}) {
        CAPTURE(removed);
        Pipeline on;
        on.say(on.set(1, 'a') + on.set(1, 'b').substr(0, 100'000));
        Channel& stream = on.stream(1);
        config::Pool pool = streaming_pool(removed ? 1 : 2);
        pool.timeout_ms = 1000;
        on.world.adopt({pool});
        on.world.settle();
        on.say(on.set(1, 'b').substr(100'000) + on.set(1, 'c'));
        // What stays the same server has it on the same connection.
        CHECK(on.client->client->wants_input() == !removed);
        const bool follows = stream.arrived == on.set(1, 'a') + on.set(1, 'b') + on.set(1, 'c');
        CHECK(follows == !removed);
        on.answer(stream, "+A\r\n+B\r\n");
        CHECK(on.heard() == "+A\r\n+B\r\n");
        Channel& next = on.stream(removed ? 0 : 1);
        CHECK(next.arrived.ends_with(on.set(1, 'c')));
        on.answer(next, "+C\r\n");
        CHECK(on.heard() == "+C\r\n");
    }
}

}  // namespace ringmain::test
