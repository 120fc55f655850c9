// Gets of one key that share a line towards the server: each client hears what it would have heard
// alone.

#include "ringmain/core/limits.h"
#include "tests/unit/core/warm_memcached.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string end = "END\r\n";

// Servers whose values pass when they are whole.
config::Pool whole(config::Pool pool) {
    pool.stream_threshold = 0;
    return pool;
}

struct Lines : WarmMemcached {
    explicit Lines(size_t count,
                   const Loop::Options& options = {},
                   const config::Pool& pool = memcached_pool(1))
        : WarmMemcached(count, pool, options) {
        log().clear();
    }

    [[nodiscard]] std::vector<std::string>& log() { return world.server(0).memcached.log; }

    std::string& data(const std::string& key) { return world.server(0).memcached.values[key]; }

    // The line that went to the silent server.
    std::string sent() { return World::heard(*world.link(0)); }
};

const std::string not_asked = server_error(s0 + "sent a value for a key that was not asked for");

uint32_t fnv1a_of(std::string_view key) {
    uint32_t hash = 2166136261U;
    for (const char byte : key) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619U;
    }
    return hash;
}

}  // namespace

TEST_CASE("shared get: gets of many clients go to the server as one line") {
    Lines lines(4);
    lines.data("a") = "1";
    lines.data("c") = "3";
    lines.say({get("a"), get("b"), get("c"), get("d")});
    CHECK(lines.log() == std::vector<std::string>{"get a b c d"});
    CHECK(lines.heard(0) == value("a", "1") + end);
    CHECK(lines.heard(1) == end);
    CHECK(lines.heard(2) == value("c", "3") + end);
    CHECK(lines.heard(3) == end);
    CHECK(lines.world.proxy().is_idle());
}

TEST_CASE("shared get: each is answered as alone, whatever hits, however it is cut") {
    const std::vector<std::string> keys = {"a", "ab", "a", "c", "ab", "d"};
    for (uint32_t hits = 0; hits < 16; ++hits) {
        for (uint64_t seed = 1; seed <= 6; ++seed) {
            CAPTURE(hits);
            CAPTURE(seed);
            Lines lines(keys.size(), {.seed = seed, .cut = true});
            const std::vector<std::string> data = {
                "", "END\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n", std::string(5000, 'x')};
            std::map<std::string, std::string> wanted;
            const std::vector<std::string> names = {"a", "ab", "c", "d"};
            for (size_t i = 0; i < names.size(); ++i) {
                wanted[names[i]] = end;
                if ((hits >> i & 1) == 0) continue;
                lines.data(names[i]) = data[(i + seed) % data.size()];
                wanted[names[i]] = value(names[i], lines.data(names[i])) + end;
            }
            std::vector<std::string> requests;
            for (const std::string& key : keys)
                requests.push_back(get(key));
            lines.say(requests);
            CHECK(lines.log().size() < keys.size());
            for (size_t i = 0; i < keys.size(); ++i) {
                CHECK(lines.heard(i) == wanted[keys[i]]);
            }
        }
    }
}

TEST_CASE("shared get: a pipeline of one client keeps its order") {
    Lines lines(1);
    lines.data("a") = "1";
    const std::string set = "set a 0 0 1\r\n2\r\n";
    CHECK(lines.world.ask(*lines.clients[0],
                          get("a") + get("b") + set + get("a") + get("c") + "delete a\r\n" +
                              get("a") + "gets a\r\n") == value("a", "1") + end + end +
                                                              "STORED\r\n" + value("a", "2") + end +
                                                              end + "DELETED\r\n" + end + end);
    CHECK(lines.log() == std::vector<std::string>{
                             "get a b", "set a 0 0 1", "get a c", "delete a", "get a", "gets a"});
}

TEST_CASE("shared get: a client asks for a key once in a line") {
    Lines lines(2);
    lines.mute();
    // Both clients read a twice, while somebody else deletes it: a hit is never told behind a miss.
    lines.say({get("a") + get("b") + get("a"), get("a")});
    CHECK(lines.sent() == "get a b\r\nget a a\r\n");
    lines.reply(value("a", "1") + end + end);
    CHECK(lines.heard(0) == value("a", "1") + end + end + end);
    CHECK(lines.heard(1) == end);
}

TEST_CASE("shared get: gets share, too; other reads do not") {
    Lines lines(1);
    lines.data("a") = "1";
    const std::string hit = value("a", "1") + end;
    const std::string with_cas = value("a", "1", " 7") + end;
    CHECK(lines.world.ask(*lines.clients[0],
                          "gets a\r\ngets c\r\nget a\r\nget a b\r\nget a\r\nmg a v\r\nget a\r\n"
                          "gat 5 a\r\ngat 5 a\r\ngats 5 a\r\nget a\r\n") ==
          with_cas + end + hit + hit + hit + "VA 1\r\n1\r\n" + hit + hit + hit + with_cas + hit);
    CHECK(lines.log() == std::vector<std::string>{"gets a c",
                                                  "get a",
                                                  "get a b",
                                                  "get a",
                                                  "mg a v",
                                                  "get a",
                                                  "gat 5 a",
                                                  "gat 5 a",
                                                  "gats 5 a",
                                                  "get a"});
}

TEST_CASE("shared get: a line has bounds") {
    Lines lines(1);
    std::string many;
    std::string long_keys;
    std::string misses;
    for (int i = 0; i < 10; ++i) {
        long_keys += get(std::string(240, static_cast<char>('a' + i)));
        misses += end;
    }
    CHECK(lines.world.ask(*lines.clients[0], long_keys) == misses);
    CHECK(lines.log().size() == 3);
    for (const std::string& line : lines.log()) {
        CHECK(line.size() + 2 <= core::shared_get_line_size_max);
    }

    lines.log().clear();
    misses.clear();
    for (int i = 0; i < core::shared_get_keys_max + 1; ++i) {
        many += get("k" + std::to_string(i));
        misses += end;
    }
    CHECK(lines.world.ask(*lines.clients[0], many) == misses);
    REQUIRE(lines.log().size() == 2);
    CHECK(lines.log()[1] == "get k" + std::to_string(core::shared_get_keys_max));
}

TEST_CASE("shared get: what waits for a connection shares, too") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    world.server(0).mood = Mood::Vanished;
    CHECK(world.ask(client, get("a")) == "");
    CHECK(world.ask(client, get("b")) == "");
    world.server(0).mood = Mood::Up;
    world.settle();
    CHECK(World::heard(client) == end + end);
    CHECK(world.server(0).memcached.log == std::vector<std::string>{"get a b"});
}

TEST_CASE("shared get: a value is passed on before the next is there") {
    Lines lines(3);
    lines.mute();
    lines.say({get("a"), get("b"), get("c")});
    CHECK(lines.sent() == "get a b c\r\n");
    lines.reply("VALUE b 0 1\r\n");
    CHECK(lines.heard(0) == end);  // b comes: a missed
    lines.reply("2\r\n");
    CHECK(lines.heard(1) == value("b", "2") + end);
    lines.reply(value("c", "3"));
    CHECK(lines.heard(2) == "");  // the last is answered with the line
    lines.reply(end);
    CHECK(lines.heard(2) == value("c", "3") + end);
    CHECK(lines.world.proxy().is_idle());
}

TEST_CASE("shared get: an error is for all that have no answer yet") {
    const std::string error = "SERVER_ERROR out of memory writing get response\r\n";
    Lines lines(3);
    lines.mute();
    lines.say({get("a"), get("b"), get("c")});
    SUBCASE("at once") {
        lines.reply(error);
        CHECK(lines.heard(0) == error);
    }
    SUBCASE("behind a value") {
        lines.reply(value("a", "1") + error);
        CHECK(lines.heard(0) == value("a", "1") + end);
    }
    CHECK(lines.heard(1) == error);
    CHECK(lines.heard(2) == error);
    // The connection goes on.
    CHECK(lines.sent() == "get a b c\r\n");
    lines.say({get("a"), get("b"), get("c")});
    CHECK(lines.sent() == "get a b c\r\n");
    // Behind the last value: that one's frame is the error.
    lines.reply(value("c", "1") + error);
    CHECK(lines.heard(0) == end);
    CHECK(lines.heard(1) == end);
    CHECK(lines.heard(2).ends_with(error));
}

TEST_CASE("shared get: values that do not fit lose the connection") {
    Lines lines(3);
    lines.mute();
    lines.say({get("a"), get("b"), get("c")});
    SUBCASE("for another key") {
        lines.reply(value("x", "1") + end);
        for (size_t i = 0; i < 3; ++i)
            CHECK(lines.heard(i) == not_asked);
    }
    SUBCASE("in another order") {
        lines.reply(value("b", "1") + value("a", "1") + end);
        CHECK(lines.heard(0) == end);
        CHECK(lines.heard(1) == value("b", "1") + end);
        CHECK(lines.heard(2) == not_asked);
    }
    SUBCASE("once too often") {
        lines.reply(value("a", "1") + value("a", "1") + end);
        CHECK(lines.heard(0) == value("a", "1") + end);
        CHECK(lines.heard(1) == not_asked);
        CHECK(lines.heard(2) == not_asked);
    }
    SUBCASE("the last again and again") {
        lines.reply(value("c", "1") + value("c", "1"));
        CHECK(lines.heard(0) == end);
        CHECK(lines.heard(1) == end);
        CHECK(lines.heard(2) == not_asked);
    }
    SUBCASE("once too often behind the last") {
        lines.reply(value("c", "1") + value("c", "1") + end);
        CHECK(lines.heard(2) == not_asked);
    }
    SUBCASE("no values at all") {
        lines.reply("STORED\r\n");
        for (size_t i = 0; i < 3; ++i)
            CHECK(lines.heard(i) ==
                  server_error(s0 + "sent a response that does not fit the request"));
    }
    SUBCASE("not even a response") {
        lines.reply("VALUE b 0 1\r\n12\r\n");
        for (size_t i = 0; i < 3; ++i) {
            CHECK(lines.heard(i) ==
                  server_error(s0 + "sent a malformed response: a data block does not end "
                                    "where its length says"));
        }
    }
    CHECK(lines.world.link(0) == nullptr);
}

TEST_CASE("shared get: keys made to collide do not swap their answers") {
    const std::string one = "key583084";
    const std::string other = "key1092000";
    REQUIRE(fnv1a_of(one) == fnv1a_of(other));
    Lines lines(3);
    lines.data(other) = "of the other";
    lines.say({get(one), get(other), get(one)});
    CHECK(lines.log().size() == 1);
    CHECK(lines.heard(0) == end);
    CHECK(lines.heard(1) == value(other, "of the other") + end);
    CHECK(lines.heard(2) == end);
    // Nor is one taken for the other when it is alone.
    lines.mute();
    lines.say({get(one)});
    lines.reply(value(other, "of the other") + end);
    CHECK(lines.heard(0) == not_asked);
}

TEST_CASE("shared get: clients leave, and the others get their answers") {
    Lines lines(3);
    lines.mute();
    lines.say({get("a"), get("b"), get("c")});
    SUBCASE("the first") {
        lines.world.drop(*lines.clients[0]);
    }
    SUBCASE("the first, in its value") {
        lines.reply("VALUE a 0 1\r\n");
        lines.world.drop(*lines.clients[0]);
        lines.reply("1\r\n" + value("b", "2") + value("c", "3") + end);
        CHECK(lines.heard(1) == value("b", "2") + end);
        CHECK(lines.heard(2) == value("c", "3") + end);
        return;
    }
    SUBCASE("the last") {
        lines.world.drop(*lines.clients[2]);
    }
    SUBCASE("two") {
        lines.world.drop(*lines.clients[0]);
        lines.world.drop(*lines.clients[2]);
    }
    // In pieces: what belongs to nobody is not kept, and only that.
    lines.reply("VALUE ");
    lines.reply("b 0 3\r\n2");
    lines.reply("22\r\nVALUE c 0 1\r\n");
    lines.reply("3\r\nE");
    lines.reply("ND\r\n");
    CHECK(lines.heard(1) == value("b", "222") + end);
    if (!lines.clients[2]->closed) CHECK(lines.heard(2) == value("c", "3") + end);
    CHECK(lines.world.proxy().is_idle());
}

TEST_CASE("shared get: a value that nobody waits for takes no memory") {
    Lines lines(3);
    lines.mute();
    lines.say({get("a"), get("b"), get("c")});
    lines.world.drop(*lines.clients[1]);
    const uint32_t before = lines.world.loop().blocks().in_use();
    lines.reply("VALUE b 0 1000000\r\n" + std::string(500'000, 'x'));
    CHECK(lines.world.loop().blocks().in_use() <= before + 1);
    lines.reply(std::string(500'000, 'x') + "\r\n" + value("c", "3") + end);
    CHECK(lines.heard(0) == end);
    CHECK(lines.heard(2) == value("c", "3") + end);
}

TEST_CASE("shared get: each has a time limit of its own") {
    Lines lines(3);
    lines.mute();
    Channel& link = *lines.world.link(0);
    // The first is under way and the server does not read: those behind it wait and share.
    link.reads = false;
    lines.say({get("a")});
    lines.say({"", get("b")});
    lines.world.pass(300);
    World::say(*lines.clients[2], get("c"));
    lines.world.pass(150);
    const std::string late = server_error(s0 + "did not answer within 400 ms (timeout)");
    CHECK(lines.heard(0) == late);
    CHECK(lines.heard(1) == late);
    CHECK(lines.heard(2) == "");
    link.reads = true;
    lines.world.settle();
    CHECK(World::heard(link) == "get a\r\nget b c\r\n");
    link.inbound += value("a", "1") + end + value("b", "2") + value("c", "3") + end;
    lines.world.settle();
    CHECK(lines.heard(0) == "");
    CHECK(lines.heard(1) == "");
    CHECK(lines.heard(2) == value("c", "3") + end);
    CHECK(lines.world.proxy().is_idle());
}

TEST_CASE("shared get: a lost connection fails each once") {
    Lines lines(3);
    lines.mute();
    lines.say({get("a"), get("b"), get("c")});
    lines.reply(value("a", "1") + "VALUE b 0 10\r\n12");
    CHECK(lines.heard(0) == value("a", "1") + end);
    lines.world.cut_off(0);
    lines.world.settle();
    CHECK(lines.heard(1) == server_error(s0 + "reset the connection"));
    CHECK(lines.heard(2) == server_error(s0 + "reset the connection"));
    CHECK(lines.heard(0) == "");
}

TEST_CASE("shared get: a value beyond memory fails its own request only") {
    Lines lines(3, {.blocks = 128}, whole(memcached_pool(1)));
    lines.data("a") = "1";
    lines.data("b") = std::string(3'000'000, 'x');
    lines.data("c") = "3";
    lines.say({get("a"), get("b"), get("c")});
    CHECK(lines.log() == std::vector<std::string>{"get a b c"});
    CHECK(lines.heard(0) == value("a", "1") + end);
    CHECK(lines.heard(1) ==
          "SERVER_ERROR ringmain: the response does not fit into buffer memory; see "
          "buffer_memory\r\n");
    CHECK(lines.heard(2) == value("c", "3") + end);
    CHECK(lines.world.proxy().is_idle());
}

TEST_CASE("shared get: what failed for want of memory has one answer, also when it must wait") {
    World world(whole(memcached_pool(2)), {.blocks = 128});
    Channel& first = world.client();
    Channel& second = world.client();
    const std::string large = world.key_on(0, 0);
    const std::string small = world.key_on(0, 1);
    const std::string other = world.key_on(1);
    CHECK(world.ask(first, get(large) + get(other)) == end + end);
    world.server(0).memcached.values[large] = std::string(3'000'000, 'x');
    world.server(0).memcached.values[small] = "1";
    world.server(1).mood = Mood::Mute;
    World::say(first, get(other) + get(large));
    CHECK(world.ask(second, get(small)) == value(small, "1") + end);
    CHECK(world.server(0).memcached.log.back() == "get " + large + " " + small);
    CHECK(World::heard(first) == "");
    world.reply(1, end);
    world.settle();
    CHECK(World::heard(first) ==
          end +
              "SERVER_ERROR ringmain: the response does not fit into buffer memory; see "
              "buffer_memory\r\n");
    CHECK(world.proxy().is_idle());
}

TEST_CASE("shared get: without memory for the beginning of a value the whole line fails") {
    Lines lines(3, {.blocks = 64});
    lines.mute();
    lines.say({get("a"), get("b"), get("c")});
    std::vector<Block*> taken;
    while (lines.world.loop().blocks().available() > 5) {
        taken.push_back(lines.world.loop().blocks().take());
    }
    lines.reply("VAL");
    const std::string full =
        "SERVER_ERROR ringmain: the response does not fit into buffer memory; see "
        "buffer_memory\r\n";
    for (size_t i = 0; i < 3; ++i) {
        CHECK(lines.heard(i) == full);
    }
    for (Block* block : taken) {
        lines.world.loop().blocks().release(block);
    }
    lines.reply("UE b 0 1\r\n2\r\n" + end);
    for (size_t i = 0; i < 3; ++i) {
        CHECK(lines.heard(i) == "");
    }
    CHECK(lines.world.proxy().is_idle());
    CHECK(lines.world.link(0) != nullptr);
}

TEST_CASE("shared get: what comes before the line has left belongs to nobody") {
    const std::string forged = value("b", "forged") + end;
    Lines lines(3);
    lines.mute();
    Channel& link = *lines.world.link(0);
    link.reads = false;
    lines.say({get("a")});
    lines.say({"", get("b")});
    const std::string unasked = server_error(s0 + "sent bytes that nobody asked for");
    // The server answers what it has not read.
    SUBCASE("before anybody joins") {
        lines.reply(end + forged);
        CHECK(lines.heard(0) == end);
        CHECK(lines.heard(1) == unasked);
    }
    SUBCASE("in the batch in which another joins") {
        World::say(*lines.clients[2], get("c"));
        lines.reply(end + forged);
        CHECK(lines.heard(0) == end);
        CHECK(lines.heard(1) == unasked);
        CHECK(lines.heard(2) == unasked);
    }
    SUBCASE("in part") {
        lines.reply(end + "VALUE b 0 6\r\nfor");
        CHECK(lines.heard(0) == end);
        CHECK(lines.heard(1) == unasked);
    }
    CHECK(lines.world.link(0) == nullptr);
}

}  // namespace ringmain::test
