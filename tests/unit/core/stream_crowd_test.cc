// More large responses at once than connections may be set apart for.

#include "tests/unit/core/streaming.h"

#include <deque>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr size_t first_part = 100'000;

config::Pool timed_pool() {
    config::Pool pool = streaming_pool();
    pool.timeout_ms = 100;
    return pool;
}

// A server that begins large responses, drips what comes behind that, and is well for everything
// else.
struct Downloads {
    struct Reader {
        Channel* client = nullptr;
        Channel* link = nullptr;
        size_t sent = 0;
        std::string behind;  // the answers to what has come on its connection meanwhile
    };

    explicit Downloads(const config::Pool& pool = timed_pool())
        : world(pool, {.blocks = 4096}), other(&world.client()) {
        CHECK(is_served());
    }

    // One more client asks, `behind` says something behind it, and so much of the response comes.
    Reader& begin(size_t size, Channel* behind = nullptr) {
        readers.emplace_back();
        Reader& reader = readers.back();
        reader.client = &world.client();
        reader.client->reads = false;
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(*reader.client, resp({"GET", "big"})) == "");
        if (behind != nullptr) CHECK(world.ask(*behind, resp({"SET", "small", "1"})) == "");
        for (Channel* link : world.leases(0)) {
            if (link->arrived != resp({"PING"})) continue;  // a new one
            link->arrived.clear();
            link->inbound += "+PONG\r\n";
        }
        world.settle();
        for (const auto& links : {world.links(0), world.leases(0)}) {
            for (Channel* link : links) {
                if (link->arrived.starts_with(resp({"GET", "big"}))) reader.link = link;
            }
        }
        REQUIRE(reader.link != nullptr);
        reader.link->arrived.clear();
        give(reader, size);
        world.settle();
        world.server(0).mood = Mood::Up;
        world.settle();
        return reader;
    }

    void give(Reader& reader, size_t size) {
        reader.link->inbound += all.substr(reader.sent, size);
        reader.sent += size;
    }

    void pass(int64_t ms) {
        constexpr int64_t step_ms = 10;
        for (; ms > 0; ms -= step_ms) {
            for (Reader& reader : readers) {
                if (!reader.link->closed) give(reader, drip);
            }
            world.pass(step_ms);
        }
    }

    void give_rest(Reader& reader) {
        give(reader, all.size() - reader.sent);
        reader.link->inbound += reader.behind;
        world.settle();
    }

    // The server answers behind what it is sending.
    std::string ask(Channel& client) {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(client, resp({"GET", "small"})) == "");
        for (Reader& reader : readers) {
            if (!reader.link->arrived.empty()) reader.behind += "$-1\r\n";
            reader.link->arrived.clear();
        }
        world.server(0).mood = Mood::Up;
        world.settle();
        return World::heard(client);
    }

    bool is_served() { return ask(*other) == "$-1\r\n"; }

    // What somebody else gets; its time passes if it gets nothing.
    std::string heard_by_other() {
        const std::string heard = ask(*other);
        if (heard.empty()) pass(120);
        return heard + World::heard(*other);
    }

    [[nodiscard]] core::Server& server() { return *world.proxy().pools()[0]->servers[0]; }

    const std::string all = bulk(huge_value());
    size_t drip = 100;  // bytes of each, in 10 ms
    World world;
    std::deque<Reader> readers;
    Channel* other;
};

const std::string timed_out = "-ERR ringmain: " + s0 + "did not answer within 100 ms (timeout)\r\n";

std::string crowded_by(std::string_view option) {
    return error(s0 + "is sending 8 large responses, and others waited behind one more (" +
                 std::string(option) + ")");
}

}  // namespace

TEST_CASE("a large response that nobody wants gives up its connection to the next one") {
    Downloads crowd;
    for (uint32_t i = 0; i < 3 * core::set_apart_max; ++i) {
        CAPTURE(i);
        Channel& client = *crowd.begin(first_part).client;
        CHECK(crowd.is_served());
        crowd.world.drop(client);
        crowd.world.settle();
        CHECK(crowd.is_served());
    }
    CHECK(crowd.server().set_apart == core::set_apart_max);
    CHECK(crowd.world.counters().timeouts.get() == 0);
    CHECK(crowd.world.counters().server_failures.get() == 0);
}

// It has left for the server, and may have been all that its client wanted of it.
TEST_CASE("a write behind a large response that nobody wants has its time") {
    Downloads crowd;
    Channel& writer = crowd.world.client();
    Downloads::Reader& first = crowd.begin(first_part, &writer);
    crowd.world.drop(*first.client);
    crowd.world.drop(writer);
    for (uint32_t i = 1; i < core::set_apart_max; ++i) {
        crowd.begin(first_part);
    }
    CHECK(crowd.server().set_apart == core::set_apart_max);
    SUBCASE("in which it is answered") {
        crowd.begin(first_part);
        CHECK_FALSE(first.link->closed);
        first.behind = ok;
        crowd.give_rest(first);
        CHECK_FALSE(first.link->closed);
        crowd.readers.pop_front();
        // The last one has its place when somebody has waited behind it.
        CHECK(crowd.heard_by_other() == timed_out);
        CHECK(crowd.server().set_apart == core::set_apart_max);
    }
    SUBCASE("and no more") {
        crowd.pass(120);
        crowd.begin(first_part);
        CHECK(first.link->closed);
    }
    CHECK(crowd.is_served());
}

// Before enough of it is there its client has the usual error; late connections have spares.
TEST_CASE("a server whose large responses drip serves whoever asks for anything else") {
    Downloads crowd;
    for (uint32_t i = 0; i < 2 * core::set_apart_max; ++i) {
        CAPTURE(i);
        Channel& client = *crowd.begin(100).client;
        crowd.pass(120);
        client.reads = true;
        crowd.world.settle();
        CHECK(World::heard(client) == timed_out);
        CHECK(crowd.is_served());
    }
    // Nor do they keep the place of those that are late with something else.
    for (int i = 0; i < 4; ++i) {
        CAPTURE(i);
        crowd.world.server(0).mood = Mood::Mute;
        CHECK(crowd.world.ask(crowd.world.client(), resp({"GET", "late"})) == "");
        crowd.pass(120);
        crowd.world.server(0).mood = Mood::Up;
        CHECK(crowd.is_served());
    }
}

TEST_CASE("one large response too many is ended when others have waited behind it") {
    Downloads crowd;
    for (uint32_t i = 0; i < core::set_apart_max; ++i) {
        crowd.begin(first_part);
        CHECK(crowd.is_served());
    }
    // Two have the connections that stand in for late ones.
    for (int i = 0; i < 2; ++i) {
        crowd.begin(first_part);
        CHECK(crowd.heard_by_other() == timed_out);
        CHECK(crowd.is_served());
    }
    Downloads::Reader& last = crowd.begin(first_part);
    // Who comes in the last moment loses no more than the connection.
    Channel& late = crowd.world.client();
    CHECK(crowd.ask(*crowd.other) == "");
    crowd.pass(90);
    CHECK(crowd.ask(late) == "");
    crowd.pass(20);
    CHECK(World::heard(*crowd.other) == crowded_by("timeout"));
    CHECK(World::heard(late) == crowded_by("timeout"));
    CHECK(last.link->closed);
    last.client->reads = true;
    crowd.world.settle();
    const std::string heard = World::heard(*last.client);
    CHECK(heard.size() > first_part);
    const bool is_beginning = crowd.all.starts_with(heard);
    CHECK(is_beginning);
    CHECK(last.client->closed);
    crowd.readers.pop_back();
    CHECK(crowd.world.counters().server_failures.get() == 0);
    for (int i = 0; i < 10; ++i) {
        CHECK(crowd.world.ask(crowd.world.client(), resp({"GET", "big"})) == crowded_by("timeout"));
        CHECK(crowd.is_served());
    }
    // Those that there are go on, and there is room for another when one has ended.
    for (Downloads::Reader& reader : crowd.readers) {
        reader.client->reads = true;
        crowd.give_rest(reader);
        const bool is_whole = World::heard(*reader.client) == crowd.all;
        CHECK(is_whole);
    }
    CHECK(crowd.server().set_apart == 0);
    crowd.readers.clear();
    crowd.begin(first_part);
    CHECK(crowd.is_served());
}

TEST_CASE("without timeout one large response too many is measured by the option that is set") {
    config::Pool pool = timed_pool();
    pool.timeout_ms = 0;
    pool.late_connection_timeout_ms = 100;
    Downloads crowd(pool);
    crowd.drip = 2 * core::Streams::moves_by;
    for (uint32_t i = 0; i < core::set_apart_max + 2; ++i) {
        CAPTURE(i);
        crowd.begin(first_part);
        if (i >= core::set_apart_max) {
            CHECK(crowd.ask(crowd.world.client()) == "");
            crowd.pass(120);
        }
        CHECK(crowd.is_served());
    }
    crowd.begin(first_part);
    CHECK(crowd.heard_by_other() == crowded_by("late_connection_timeout"));
    CHECK(crowd.world.ask(crowd.world.client(), resp({"GET", "big"})) ==
          crowded_by("late_connection_timeout"));
    CHECK(crowd.is_served());
}

namespace {

// Clients that have all places apart, and stop in the middle of a large request.
struct Uploads {
    Uploads() : world(timed_pool(), {.blocks = 4096}), other(&world.client()) {
        for (uint32_t i = 0; i < core::set_apart_max; ++i) {
            stopped.push_back(&world.client());
            CHECK(world.ask(*stopped.back(), all.substr(0, first_part)) == "");
            world.pass(20);
        }
        CHECK(server().set_apart == core::set_apart_max);
    }

    [[nodiscard]] core::Server& server() { return *world.proxy().pools()[0]->servers[0]; }

    void go_on(uint32_t first) {
        for (uint32_t i = first; i < core::set_apart_max; ++i) {
            CHECK(world.ask(*stopped[i], all.substr(first_part)) == "+OK\r\n");
        }
        CHECK(server().set_apart == 0);
        CHECK(world.counters().server_failures.get() == 0);
        CHECK(world.loop().notices().empty());
    }

    const std::string all = resp({"SET", "upload", std::string(4 * first_part, 'u')});
    World world;
    Channel* other;
    std::vector<Channel*> stopped;
};

}  // namespace

TEST_CASE("large requests whose clients have stopped in the middle give up their places") {
    Uploads uploads;
    World& world = uploads.world;
    world.server(0).redis.values["big"] = huge_value();
    world.pass(2000);
    SUBCASE("to a response") {
        const bool is_whole = world.ask(*uploads.other, resp({"GET", "big"})) == bulk(huge_value());
        CHECK(is_whole);
    }
    SUBCASE("to a request that is there as a whole") {
        CHECK(world.ask(*uploads.other, uploads.all) == "+OK\r\n");
    }
    SUBCASE("to another request that arrives") {
        CHECK(world.ask(*uploads.other, uploads.all.substr(0, first_part)) == "");
        CHECK(uploads.server().set_apart == core::set_apart_max);
        CHECK(world.ask(*uploads.other, uploads.all.substr(first_part)) == "+OK\r\n");
    }
    CHECK(uploads.server().set_apart == core::set_apart_max - 1);
    // The one that had stopped first.
    CHECK(World::heard(*uploads.stopped[0]) ==
          error(s0 + "was sent no more of a request for 2000 ms, and others needed one of its 8 "
                     "connections for large values; send it again"));
    CHECK(world.ask(*uploads.stopped[0], uploads.all.substr(first_part) + resp({"PING"})) ==
          "+PONG\r\n");
    uploads.go_on(1);
}

TEST_CASE("large requests whose clients may go on keep their places") {
    Uploads uploads;
    World& world = uploads.world;
    world.pass(1500);
    // What has no place is kept to its end.
    CHECK(world.ask(*uploads.other, uploads.all) == "+OK\r\n");
    uploads.go_on(0);
}

}  // namespace ringmain::test
