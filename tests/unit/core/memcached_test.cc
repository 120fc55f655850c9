// memcached clients: what is forwarded, split, silenced and answered here.

#include "tests/unit/core/world.h"
#include "tests/unit/memcached/binary_packets.h"

#include <array>

#include <doctest/doctest.h>

namespace ringmain::test {

TEST_CASE("memcached: classic commands reach the key's server and come back") {
    World world(memcached_pool(3));
    Channel& client = world.client();
    CHECK(world.ask(client, set("a", "5")) == "STORED\r\n");
    CHECK(world.ask(client, "get a\r\n") == value("a", "5") + "END\r\n");
    CHECK(world.ask(client, "gets a\r\n") == "VALUE a 0 1 7\r\n5\r\nEND\r\n");
    CHECK(world.ask(client, "gat 10 a\r\n") == value("a", "5") + "END\r\n");
    CHECK(world.ask(client, "add a 0 0 1\r\nx\r\n") == "NOT_STORED\r\n");
    CHECK(world.ask(client, "incr a 2\r\n") == "7\r\n");
    CHECK(world.ask(client, "touch a 9\r\n") == "TOUCHED\r\n");
    CHECK(world.ask(client, "delete a\r\n") == "DELETED\r\n");
    CHECK(world.ask(client, "delete a\r\n") == "NOT_FOUND\r\n");
    CHECK(world.ask(client, "get a\r\n") == "END\r\n");
    CHECK(world.ask(client, "ms a 2\r\nhi\r\n") == "HD\r\n");
    CHECK(world.ask(client, "mg a v\r\n") == "VA 2\r\nhi\r\n");
    CHECK(world.ask(client, "mg b v\r\n") == "EN\r\n");
    CHECK(world.ask(client, "md a\r\n") == "HD\r\n");
}

TEST_CASE("memcached: a get of many keys is joined in the order of the keys") {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        World world(memcached_pool(3), {.seed = seed, .cut = true});
        Channel& client = world.client();
        std::string line = "get";
        std::string expected;
        for (int i = 0; i < 40; ++i) {
            const std::string key = "key" + std::to_string(i);
            line += " " + key;
            if (i % 3 == 0) continue;
            const std::string data(static_cast<size_t>(i) * 100, 'v');
            CHECK(world.ask(client, set(key, data)) == "STORED\r\n");
            expected += value(key, data);
        }
        CHECK(world.ask(client, line + "\r\n") == expected + "END\r\n");
        CHECK(world.ask(client, "get key1 key1 key2 key1\r\n") ==
              value("key1", std::string(100, 'v')) + value("key1", std::string(100, 'v')) +
                  value("key2", std::string(200, 'v')) + value("key1", std::string(100, 'v')) +
                  "END\r\n");
    }
}

TEST_CASE("memcached: keys may have bytes that are no letters, however many are asked for") {
    for (const std::string odd : {"\x01", "\t", "\x7f", "\xff"}) {
        CAPTURE(odd);
        World world(memcached_pool(3), {.seed = 3, .cut = true});
        Channel& client = world.client();
        std::string line = "get";
        std::string expected;
        for (int i = 0; i < 40; ++i) {
            std::string key = "key" + std::to_string(i);
            if (i % 3 == 0) key += odd + "e";
            if (i % 5 == 0) key += odd;
            CHECK(world.ask(client, set(key, key)) == "STORED\r\n");
            line += " " + key;
            expected += value(key, key);
            if (i % 13 > 0) CHECK(world.ask(client, line + "\r\n") == expected + "END\r\n");
        }
    }
}

// memcached takes a longer line for a get only, unless it happens to have all of it at once.
TEST_CASE("memcached: a gat of many keys reaches a server in lines that it takes") {
    for (const uint32_t servers : {1U, 3U}) {
        CAPTURE(servers);
        World world(memcached_pool(servers), {.seed = servers, .cut = true});
        Channel& client = world.client();
        for (const std::string word : {"gat", "gats"}) {
            std::string line = word + " 100";
            std::string expected;
            for (int i = 0; i < 200; ++i) {
                const std::string key = std::to_string(i) + std::string(40, 'k');
                line += " " + key;
                if (i % 3 == 0) continue;
                CHECK(world.ask(client, set(key, "v")) == "STORED\r\n");
                expected += "VALUE " + key + " 0 1" + (word == "gats" ? " 7" : "") + "\r\nv\r\n";
            }
            CHECK(world.ask(client, line + "\r\n") == expected + "END\r\n");
        }
        for (uint32_t i = 0; i < servers; ++i) {
            for (const std::string& line : world.server(i).memcached.log) {
                CHECK(line.size() + 2 <= 1024);
            }
        }
    }
}

TEST_CASE("memcached: zeros in front of the time of a long gat cost nothing") {
    World world(memcached_pool(2));
    Channel& client = world.client();
    std::string line = "gat " + std::string(2000, '0');
    std::string expected;
    for (int i = 0; i < 300; ++i) {
        const std::string key = "k" + std::to_string(i);
        CHECK(world.ask(client, set(key, "v")) == "STORED\r\n");
        line += " " + key;
        expected += "VALUE " + key + " 0 1\r\nv\r\n";
    }
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).memcached.log.clear();
    }
    CHECK(world.ask(client, line + "\r\n") == expected + "END\r\n");
    for (uint32_t i = 0; i < 2; ++i) {
        CHECK(world.server(i).memcached.log.size() <= 2);
    }
}

TEST_CASE("memcached: noreply is silent, whatever happens, and the order stays") {
    World world(memcached_pool(2));
    Channel& client = world.client();
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    CHECK(world.ask(client, set(a, "1", " noreply") + "get " + a + "\r\n") ==
          value(a, "1") + "END\r\n");
    CHECK(world
              .ask(client,
                   "add " + a + " 0 0 1 noreply\r\nx\r\n" + "delete b noreply\r\n" +
                       "incr nothing 1 noreply\r\n" + "touch nothing 1 noreply\r\n" +
                       "flush_all noreply\r\nverbosity 1 noreply\r\nversion\r\n")
              .starts_with("VERSION "));
    world.server(1).mood = Mood::Refusing;
    world.cut_off(1);
    CHECK(world.ask(client, set(b, "1", " noreply") + "flush_all noreply\r\nmn\r\n") == "MN\r\n");
    // Known to be down by now.
    CHECK(world.ask(client, set(b, "1", " noreply") + "flush_all noreply\r\nmn\r\n") == "MN\r\n");
    // An error that a server gives is silent, too.
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    world.pass(500);
    CHECK(world.ask(client, "flush_all noreply\r\n" + set(a, "1", " noreply") + "mn\r\n") == "");
    world.reply(0, "ERROR\r\nSERVER_ERROR out of memory storing object\r\n");
    world.reply(1, "OK\r\n");
    world.settle();
    CHECK(World::heard(client) == "MN\r\n");
}

TEST_CASE("memcached: noreply without room is silent") {
    World world(memcached_pool(2), {.blocks = 32});
    Channel& client = world.client();
    CHECK(world.ask(client, "flush_all\r\n") == "OK\r\n");
    std::vector<Block*> taken;
    while (world.loop().blocks().available() > 5) {
        taken.push_back(world.loop().blocks().take());
    }
    CHECK(world.ask(client, set("a", "1", " noreply") + "flush_all noreply\r\nmn\r\n") == "MN\r\n");
    CHECK(world.ask(client, "flush_all\r\n") ==
          "SERVER_ERROR ringmain: out of buffer memory; see buffer_memory\r\n");
    for (Block* block : taken) {
        world.loop().blocks().release(block);
    }
}

TEST_CASE("memcached: quiet meta commands speak only when there is something to say") {
    World world(memcached_pool(2));
    Channel& client = world.client();
    CHECK(world.ask(client,
                    "mg none v q\r\nms a 2 q\r\nhi\r\nmg a v q\r\nmd none q\r\nmd a q\r\nmn\r\n") ==
          "VA 2\r\nhi\r\nNF\r\nMN\r\n");
    // q is for the proxy: the servers get every command with an answer.
    world.server(0).mood = Mood::Refusing;
    world.server(1).mood = Mood::Refusing;
    world.cut_off(0);
    CHECK(world.ask(client, "mg " + world.key_on(0) + " v q\r\nmn\r\n") ==
          "SERVER_ERROR ringmain: server s0 (10.0.0.1:7000) refused the connection\r\nMN\r\n");
}

TEST_CASE("memcached: broadcasts go to every server and give one answer") {
    World world(memcached_pool(3));
    Channel& client = world.client();
    CHECK(world.ask(client, set("a", "1") + set("b", "1") + set("c", "1") + set("d", "1")) ==
          "STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\n");
    const std::string stats = world.ask(client, "stats\r\n");
    CHECK(stats.starts_with("STAT pid 5\r\nSTAT curr_items 4\r\nSTAT rusage_user 1.500000\r\n"));
    CHECK(stats.find("STAT ringmain_clients 1\r\n") != std::string::npos);
    CHECK(stats.ends_with("END\r\n"));
    CHECK(world.ask(client, "stats reset\r\n") == "RESET\r\n");
    CHECK(world.ask(client, "stats ringmain\r\n").starts_with("STAT ringmain_version 0.1.0\r\n"));
    CHECK(world.ask(client, "stats extstore\r\n") ==
          "CLIENT_ERROR ringmain: 'stats extstore' is per server: ask the server\r\n");
    CHECK(world.ask(client, "stats conns\r\n") ==
          "CLIENT_ERROR ringmain: 'stats conns' of a server are ringmain's: ask it\r\n");
    CHECK(world.ask(client, "stats detail maybe\r\n") ==
          "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
    CHECK(world.ask(client, "stats detail\r\n") ==
          "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
    CHECK(world.ask(client, "flush_all\r\n") == "OK\r\n");
    for (uint32_t i = 0; i < 3; ++i) {
        CHECK(world.server(i).memcached.values.empty());
    }
    CHECK(world.ask(client, "verbosity 1\r\n") == "OK\r\n");
}

TEST_CASE("memcached: stats of a kind are joined as is honest for it") {
    World world(memcached_pool(3));
    Channel& client = world.client();
    const auto ask = [&](const std::string& kind, const std::vector<std::string>& answers) {
        for (uint32_t i = 0; i < 3; ++i) {
            world.server(i).memcached.canned["stats"] = answers[i];
        }
        return world.ask(client, "stats " + kind + "\r\n");
    };
    const std::string end = "END\r\n";
    CHECK(ask("settings",
              {"STAT maxbytes 64\r\nSTAT evictions on\r\nSTAT inter NULL\r\nEND\r\n",
               "STAT maxbytes 64\r\nSTAT evictions off\r\nSTAT inter NULL\r\nEND\r\n",
               "STAT maxbytes 64\r\nSTAT evictions on\r\nSTAT newer 1\r\nEND\r\n"}) ==
          "STAT maxbytes 64\r\nSTAT evictions@s0 on\r\nSTAT evictions@s1 off\r\n"
          "STAT evictions@s2 on\r\nSTAT inter NULL\r\nSTAT newer 1\r\nEND\r\n");
    CHECK(ask("items",
              {"STAT items:1:number 2\r\nSTAT items:1:age 7\r\nSTAT items:1:evicted_time "
               "0\r\nEND\r\n",
               end,
               "STAT items:1:number 3\r\nSTAT items:1:age 5\r\nSTAT items:1:evicted_time 9\r\n"
               "STAT items:2:number 1\r\nEND\r\n"}) ==
          "STAT items:1:number 5\r\nSTAT items:1:age 7\r\nSTAT items:1:evicted_time 9\r\n"
          "STAT items:2:number 1\r\nEND\r\n");
    const std::string first = "STAT 1:chunk_size 96\r\nSTAT 1:used_chunks 3\r\n";
    CHECK(ask("slabs",
              {first + "STAT active_slabs 1\r\nSTAT total_malloced 10\r\nEND\r\n",
               first + "STAT 2:chunk_size 120\r\nSTAT active_slabs 2\r\nEND\r\n",
               "STAT active_slabs 0\r\nSTAT total_malloced 5\r\nEND\r\n"}) ==
          "STAT 1:chunk_size 96\r\nSTAT 1:used_chunks 6\r\nSTAT active_slabs 2\r\n"
          "STAT total_malloced 15\r\nSTAT 2:chunk_size 120\r\nEND\r\n");
    CHECK(ask("slabs", {first + end, "STAT 1:chunk_size 80\r\n" + end, end}) ==
          "CLIENT_ERROR ringmain: servers' slab classes differ: ask each server\r\n");
    CHECK(ask("sizes",
              {"STAT 96 1\r\nSTAT 1024 2\r\nEND\r\n", end, "STAT 128 5\r\nSTAT 96 3\r\nEND\r\n"}) ==
          "STAT 96 4\r\nSTAT 128 5\r\nSTAT 1024 2\r\nEND\r\n");
    const std::string disabled = "STAT sizes_status disabled\r\nEND\r\n";
    CHECK(ask("sizes", {disabled, disabled, disabled}) == disabled);
    CHECK(ask("sizes", {end, end, end}) == end);
    CHECK(ask("detail on", {"OK\r\n", "OK\r\n", "OK\r\n"}) == "OK\r\n");
    CHECK(ask("detail dump",
              {"PREFIX a get 1 hit 2 set 3 del 4\r\nEND\r\n",
               end,
               "PREFIX b get get 9 hit 0 set 0 del 1\r\nPREFIX a get 10 hit 20 set 30 del 40\r\n"
               "END\r\n"}) ==
          "PREFIX a get 11 hit 22 set 33 del 44\r\nPREFIX b get get 9 hit 0 set 0 del 1\r\n"
          "END\r\n");
    CHECK(ask("items", {end, "SERVER_ERROR out of memory\r\n", end}) ==
          "SERVER_ERROR out of memory\r\n");
}

TEST_CASE("memcached: stats whose answer is no STAT lines never reach a server") {
    World world(memcached_pool(2));
    Channel& client = world.client();
    for (const std::string line : {"stats cachedump 1 10",
                                   "stats cachedump 1 10 reset",
                                   "stats proxyfuncs",
                                   "stats sizes_enable",
                                   "stats sizes_disable"}) {
        CAPTURE(line);
        CHECK(world.ask(client, line + "\r\n").starts_with("CLIENT_ERROR ringmain: 'stats "));
    }
    CHECK(world.ask(client, "stats nonsense\r\n") == "ERROR\r\n");
    CHECK(world.counters().fragments.get() == 0);
}

TEST_CASE("memcached: a down server is told in the protocol's words") {
    World world(memcached_pool(2));
    world.server(1).mood = Mood::Refusing;
    Channel& client = world.client();
    const std::string down =
        "SERVER_ERROR ringmain: server s1 (10.0.0.1:7001) refused the connection\r\n";
    const std::string a = world.key_on(0);
    const std::string b = world.key_on(1);
    CHECK(world.ask(client, "get " + b + "\r\n") == down);
    CHECK(world.ask(client, "get " + a + " " + b + "\r\n") == down);
    CHECK(world.ask(client, "flush_all\r\n") == down);
    CHECK(world.ask(client, "get " + a + "\r\n") == "END\r\n");
}

TEST_CASE("memcached: a value for another key closes the connection") {
    const std::string wrong =
        "SERVER_ERROR ringmain: server s0 (10.0.0.1:7000) sent a value for a key that was not "
        "asked for\r\n";
    World world(memcached_pool(2));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const std::string a = world.key_on(0, 0);
    const std::string b = world.key_on(0, 1);
    const std::string other = world.key_on(1);
    world.server(1).memcached.values[other] = "1";
    SUBCASE("of one key") {
        CHECK(world.ask(client, "get " + a + "\r\n") == "");
        world.reply(0, value("x", "1") + "END\r\n");
    }
    SUBCASE("two values for one key") {
        CHECK(world.ask(client, "get " + a + "\r\n") == "");
        world.reply(0, value(a, "1") + value(a, "2") + "END\r\n");
    }
    SUBCASE("in a part of one key") {
        CHECK(world.ask(client, "get " + a + " " + other + "\r\n") == "");
        world.reply(0, value("x", "1") + "END\r\n");
    }
    SUBCASE("in a part of several keys") {
        CHECK(world.ask(client, "get " + a + " " + b + " " + other + "\r\n") == "");
        world.reply(0, value(other, "1") + "END\r\n");
    }
    SUBCASE("more values than keys") {
        CHECK(world.ask(client, "get " + a + " " + b + " " + other + "\r\n") == "");
        world.reply(0, value(a, "1") + value(b, "1") + value(b, "1") + "END\r\n");
    }
    world.settle();
    CHECK(World::heard(client) == wrong);
    CHECK(world.link(0) == nullptr);
}

TEST_CASE("memcached: values without an end close the connection, whoever still waits") {
    using memcached::test::packet;
    const std::string expiry = memcached::test::number(5, 4);
    World places(memcached_pool(2));
    const std::string a = places.key_on(0);
    const std::string other = places.key_on(1);
    const std::vector<std::string> requests = {
        "get " + a + "\r\n",
        "gets " + a + "\r\n",
        "gat 5 " + a + "\r\n",
        "get " + a + " " + other + "\r\n",
        "get " + other + " " + a + " " + other + " " + other + "\r\n",
        set(a, "1"),
        "mg " + a + " v\r\n",
        packet({.opcode = 0x00, .key = a}),
        packet({.opcode = 0x1C, .key = a, .extras = expiry}),
        packet({.opcode = 0x1D, .key = a, .extras = expiry}),
    };
    const std::string large = "VALUE " + a + " 0 200000\r\n" + std::string(200'000, 'x') + "\r\n";
    for (const std::string& request : requests) {
        for (const std::string& one : {value(a, "1"), large}) {
            for (const bool leaves : {false, true}) {
                CAPTURE(request);
                CAPTURE(leaves);
                World world(memcached_pool(2));
                world.server(0).mood = Mood::Mute;
                Channel& client = world.client();
                CHECK(world.ask(client, request) == "");
                if (leaves) world.drop(client);
                world.reply(0, one + one);
                world.settle();
                CHECK(world.link(0) == nullptr);
                if (!leaves && one != large) {
                    CHECK(World::heard(client).find("that was not asked for") != std::string::npos);
                }
            }
        }
    }
}

TEST_CASE("memcached: a key that would end a response's line stays with who sent it") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    // "x\r\nEN\r\nHD"
    CHECK(world.ask(client, "mg eA0KRU4NCkhE b N30 k\r\n") ==
          "CLIENT_ERROR ringmain: a response cannot hold this key: leave out the flag k\r\n");
    CHECK(world.ask(client, "me eA0KRU4NCkhE b\r\n") ==
          "CLIENT_ERROR ringmain: a response cannot hold this key: ask the server\r\n");
    CHECK(world.ask(client, "mn\r\n") == "MN\r\n");
}

TEST_CASE("memcached: behind a line of whose data nobody knows where it ends nothing is run") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    // Of an empty key.
    CHECK(world.ask(client, "mn\r\nset  0 0 9\r\nflush_all\r\n") ==
          "MN\r\nCLIENT_ERROR ringmain: nobody knows where the data of this line ends\r\n");
    CHECK(client.closed);
    CHECK(world.link(0) == nullptr);  // nobody asked for one
}

TEST_CASE("memcached: a meta response that names another key closes the connection") {
    World world(memcached_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    const auto said = [&](std::string_view request, const std::string& response) {
        CHECK(world.ask(client, request) == "");
        world.reply(0, response);
        world.settle();
        return World::heard(client);
    };
    SUBCASE("its own") {
        CHECK(said("mg a k v\r\n", "VA 1 ka\r\n1\r\n") == "VA 1 ka\r\n1\r\n");
        CHECK(said("ms a 1 k\r\n1\r\n", "HD ka\r\n") == "HD ka\r\n");
        CHECK(said("mg a v\r\n", "VA 1\r\n1\r\n") == "VA 1\r\n1\r\n");
        // Which of several ways of writing it in base64 comes back is the server's affair.
        CHECK(said("mg YWI= b k v\r\n", "VA 1 b kYWI=\r\n1\r\n") == "VA 1 b kYWI=\r\n1\r\n");
        // Of an item that was stored with flag b, whoever asks.
        CHECK(said("mg ab k v\r\n", "VA 1 kYWI= b\r\n1\r\n") == "VA 1 kYWI= b\r\n1\r\n");
        CHECK(said("mg ab k\r\n", "HD kYWI= b\r\n") == "HD kYWI= b\r\n");
        CHECK(world.link(0) != nullptr);
    }
    SUBCASE("another in base64") {
        CHECK(said("mg a k\r\n", "HD kYWI= b\r\n").ends_with("was not asked for\r\n"));
        CHECK(world.link(0) == nullptr);
    }
    SUBCASE("another with a value") {
        CHECK(said("mg a k v\r\n", "VA 1 s1 kb O1\r\n1\r\n").ends_with("was not asked for\r\n"));
        CHECK(world.link(0) == nullptr);
    }
    SUBCASE("another without a value") {
        CHECK(said("ma a k\r\n", "HD kb\r\n").ends_with("was not asked for\r\n"));
        CHECK(world.link(0) == nullptr);
    }
}

TEST_CASE("memcached: a value for none of several keys closes the connection") {
    const std::vector<std::string> others = {"b", "d", "c", "5", "get", "gat"};
    for (const std::string verb : {"get", "gets", "gat 5"}) {
        for (size_t i = 0; i < 2 * others.size(); ++i) {
            const bool has_long_line = i % 2 == 1;
            if (has_long_line && verb == "gat 5") continue;  // it would be several lines
            const std::string& other = others[i / 2];
            CAPTURE(verb);
            CAPTURE(other);
            World world(memcached_pool(1));
            world.server(0).mood = Mood::Mute;
            Channel& client = world.client();
            std::string line = verb + "  a bc";
            for (int key = 0; has_long_line && key < 3000; ++key) {
                line += " key" + std::to_string(key);
            }
            CHECK(world.ask(client, line + "\r\n") == "");
            const std::string right = "VALUE bc 0 1\r\nx\r\nEND\r\n";
            world.reply(0, right);
            world.settle();
            CHECK(World::heard(client) == right);
            CHECK(world.ask(client, line + "\r\n") == "");
            world.reply(0, "VALUE " + other + " 0 6\r\nSECRET\r\nEND\r\n");
            world.settle();
            CHECK(World::heard(client).ends_with("that was not asked for\r\n"));
            CHECK(world.link(0) == nullptr);
            CHECK(world.proxy().is_idle());
        }
    }
}

TEST_CASE("memcached: each value of several is compared with the keys, however they come") {
    const auto value = [](const std::string& key) { return "VALUE " + key + " 0 1\r\nx\r\n"; };
    std::string line = "get";
    std::string all;
    std::string some;
    for (int number = 0; number < 3000; ++number) {
        const std::string key = "key" + std::to_string(number);
        line += (number % 7 == 0 ? "  " : " ") + key;
        all += value(key);
        if (number % 5 == 2) some += value(key);
    }
    const std::string end = "END\r\n";

    struct Case {
        std::string request;
        std::string answer;
        bool is_right;
    };

    const std::vector<Case> cases = {
        {line, all + end, true},
        {line, some + end, true},
        {line, value("key2999") + end, true},
        {line, some + value("key2999") + end, true},
        {line, some + value("key5") + end, true},
        {line, some + value("key3000") + end, false},
        {line, all + value("key2999") + end, false},
        {line,
         all.substr(0, all.size() - value("key2999").size()) + value("key29999") + end,
         false},
        {line, all.substr(0, all.size() - value("key2999").size()) + value("key") + end, false},
        {"get a b a", value("a") + value("b") + value("a") + end, true},
        {"get a b a", value("b") + value("a") + end, true},
        {"get a b c", value("a") + value("c") + value("secret") + end, false},
        {"get a b c", value("c") + value("b") + value("a") + end, true},
        {"get a b c", value("b") + value("b") + value("c") + value("a") + end, false},
        {"gets a b c", value("a") + value("b c") + end, false},
        {"gat 5 a b c", value("a") + value("5") + end, false},
    };
    for (const Case& one : cases) {
        for (const size_t piece : {size_t{7}, one.answer.size()}) {
            if (piece < one.answer.size() && one.answer.size() > 100'000) continue;
            CAPTURE(one.request.substr(0, 20));
            CAPTURE(piece);
            World world(memcached_pool(1));
            world.server(0).mood = Mood::Mute;
            Channel& client = world.client();
            CHECK(world.ask(client, one.request + "\r\n") == "");
            for (size_t at = 0; at < one.answer.size() && world.link(0) != nullptr; at += piece) {
                world.reply(0, one.answer.substr(at, piece));
                world.settle();
            }
            const std::string heard = World::heard(client);
            CHECK((heard == one.answer) == one.is_right);
            CHECK((world.link(0) != nullptr) == one.is_right);
            if (!one.is_right) CHECK(heard.starts_with("SERVER_ERROR ringmain: server s0 "));
            CHECK_FALSE(client.closed);
            CHECK(world.proxy().is_idle());
        }
    }
}

TEST_CASE("memcached: a value that nobody waits for any more is not compared") {
    World world(memcached_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, "get a b\r\n") == "");
    world.drop(client);
    Channel& other = world.client();
    CHECK(world.ask(other, "get a b\r\n") == "");
    const std::string values = "VALUE a 0 1\r\nx\r\nVALUE b 0 1\r\nx\r\nEND\r\n";
    world.reply(0, values + values);
    world.settle();
    CHECK(World::heard(other) == values);
}

TEST_CASE("memcached: a response that does not fit closes the connection") {
    World world(memcached_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, set("a", "1") + "get a\r\n") == "");
    world.reply(0, "END\r\n");
    world.settle();
    const std::string misfit =
        "SERVER_ERROR ringmain: server s0 (10.0.0.1:7000) sent a response that does not fit the "
        "request\r\n";
    CHECK(World::heard(client) == misfit + misfit);
    CHECK(world.link(0) == nullptr);
}

TEST_CASE("memcached: an error to the line of a command with data closes the connection") {
    for (const std::string error : {"ERROR\r\n", "CLIENT_ERROR bad command line format\r\n"}) {
        CAPTURE(error);
        World world(memcached_pool(1));
        world.server(0).mood = Mood::Mute;
        Channel& client = world.client();
        CHECK(world.ask(client, set("a", "1") + "get a\r\n") == "");
        world.reply(0, error);
        world.settle();
        CHECK(World::heard(client) ==
              error +
                  "SERVER_ERROR ringmain: server s0 (10.0.0.1:7000) refuses the command and may "
                  "run its data\r\n");
        // It is what the client asked that was wrong: others are served at once.
        world.server(0).mood = Mood::Up;
        CHECK(world.ask(world.client(), "get b\r\n") == "END\r\n");
    }
}

TEST_CASE("memcached: an error to the data itself closes nothing") {
    World world(memcached_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, set("a", "1") + "get a\r\n") == "");
    world.reply(0, "SERVER_ERROR out of memory storing object\r\nEND\r\n");
    world.settle();
    CHECK(World::heard(client) == "SERVER_ERROR out of memory storing object\r\nEND\r\n");
}

// Old versions hang up on whoever sends them a line of more than 1024 bytes.
TEST_CASE("memcached: numbers of zeros make no long lines") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    const std::string zeros(400, '0');
    CHECK(world.ask(client, "set a " + zeros + " " + zeros + " " + zeros + "1\r\n5\r\n") ==
          "STORED\r\n");
    CHECK(world.ask(client, "incr a " + zeros + zeros + zeros + zeros + "1\r\n") == "6\r\n");
    CHECK(world.ask(client, "gat " + zeros + zeros + zeros + " a\r\n") ==
          value("a", "6") + "END\r\n");
    CHECK(world.server(0).memcached.log ==
          std::vector<std::string>{"set a 0 0 1", "incr a 1", "gat 0 a"});
}

TEST_CASE("memcached: stats that do not end fail alone") {
    World world(memcached_pool(1));
    world.server(0).mood = Mood::Mute;
    Channel& client = world.client();
    CHECK(world.ask(client, "stats\r\nget a\r\n") == "");
    std::string lines;
    for (uint32_t i = 0; i < 5000; ++i) {
        lines += "STAT a" + std::to_string(i) + " 1\r\n";
    }
    for (size_t sent = 0; sent <= 4 << 20; sent += lines.size()) {
        world.reply(0, lines);
        world.settle();
    }
    CHECK(World::heard(client) ==
          "SERVER_ERROR ringmain: the servers' answers to 'stats' are together larger than 4194304 "
          "bytes; ask the servers themselves\r\n");
    world.reply(0, lines + "END\r\n" + "VALUE a 0 1\r\nx\r\nEND\r\n");
    world.settle();
    CHECK(World::heard(client) == "VALUE a 0 1\r\nx\r\nEND\r\n");
}

TEST_CASE("memcached: what several servers say to stats has one limit") {
    std::string lines;
    for (uint32_t i = 0; i < 100; ++i) {
        lines += "PREFIX a" + std::to_string(i) + " get 1 hit 0 set 2 del 0\r\n";
    }
    // Crossed while the second answers, and with the end of its answer.
    const size_t all = (4 << 20) / lines.size();
    for (const size_t first : {all / 2, all}) {
        CAPTURE(first);
        const std::array<size_t, 2> counts = {first, all + 1 - first};
        World world(memcached_pool(2));
        world.server(0).mood = Mood::Mute;
        world.server(1).mood = Mood::Mute;
        Channel& client = world.client();
        CHECK(world.ask(client, "stats detail dump\r\nmn\r\n") == "");
        for (uint32_t server = 0; server < 2; ++server) {
            for (size_t sent = 0; sent + 1 < counts[server]; ++sent) {
                world.reply(server, lines);
                world.settle();
            }
            world.reply(server, lines + "END\r\n");
            world.settle();
        }
        CHECK(World::heard(client) ==
              "SERVER_ERROR ringmain: the servers' answers to 'stats' are together larger than "
              "4194304 bytes; ask the servers themselves\r\nMN\r\n");
        CHECK(world.loop().blocks().in_use() <= 3);
        CHECK(world.proxy().is_idle());
        // Both connections go on.
        CHECK(world.ask(client, "stats reset\r\n") == "");
        world.reply(0, "RESET\r\n");
        world.reply(1, "RESET\r\n");
        world.settle();
        CHECK(World::heard(client) == "RESET\r\n");
    }
}

TEST_CASE("memcached: stats that end on no server fail at once when they are too large") {
    World world(memcached_pool(3));
    for (uint32_t server = 0; server < 3; ++server) {
        world.server(server).mood = Mood::Mute;
    }
    Channel& client = world.client();
    CHECK(world.ask(client, "stats\r\nmn\r\n") == "");
    std::string lines;
    for (uint32_t i = 0; i < 5000; ++i) {
        lines += "STAT a" + std::to_string(i) + " 1\r\n";
    }
    for (size_t sent = 0; sent <= 4 << 20; sent += 3 * lines.size()) {
        for (uint32_t server = 0; server < 3; ++server) {
            world.reply(server, lines);
            world.settle();
        }
    }
    // All have gone on since.
    for (uint32_t server = 0; server < 3; ++server) {
        world.reply(server, "STAT a 1\r\n");
        world.settle();
    }
    CHECK(World::heard(client) ==
          "SERVER_ERROR ringmain: the servers' answers to 'stats' are together larger than 4194304 "
          "bytes; ask the servers themselves\r\nMN\r\n");
    CHECK(world.loop().blocks().in_use() <= 3);
}

TEST_CASE("memcached: what a client pipelines behind sixteen stats waits for them") {
    World world(memcached_pool(2));
    world.server(0).mood = Mood::Mute;
    world.server(1).mood = Mood::Mute;
    const std::string binary = memcached::test::packet({.opcode = 0x10, .key = "reset"});
    for (const std::string& question : {std::string("stats reset\r\n"), binary}) {
        Channel& client = world.client();
        std::string all;
        for (int i = 0; i < 20; ++i) {
            all += question;
        }
        CHECK(world.ask(client, all) == "");
        std::string heard;
        for (const size_t asked : {size_t{16}, size_t{4}}) {
            CHECK(world.proxy().live_requests() == asked);
            for (size_t i = 0; i < asked; ++i) {
                world.reply(0, "RESET\r\n");
                world.reply(1, "RESET\r\n");
            }
            world.settle();
            heard += World::heard(client);
        }
        std::string expected;
        const std::string answer =
            question == binary ? heard.substr(0, heard.size() / 20) : "RESET\r\n";
        for (int i = 0; i < 20; ++i) {
            expected += answer;
        }
        CHECK(heard == expected);
        CHECK(world.proxy().is_idle());
    }
}

TEST_CASE("memcached: what is answered here") {
    World world(memcached_pool(1));
    Channel& client = world.client();
    CHECK(world.ask(client, "version\r\n") == "VERSION 1.6.18\r\n");
    CHECK(world.ask(client, "mn\r\n") == "MN\r\n");
    CHECK(world.ask(client, "nonsense\r\n") == "ERROR\r\n");
    CHECK(world.ask(client, "get\r\n") == "ERROR\r\n");
    CHECK(
        world.ask(client, "set a 0 0 1\r\nxx\r\n").starts_with("CLIENT_ERROR bad data chunk\r\n"));
    CHECK(world.proxy().refusal(0) == "ERROR Too many open connections\r\n");
    CHECK(world.ask(client, "get a\r\nquit\r\nget b\r\n") == "END\r\n");
    CHECK(client.closed);
}

TEST_CASE("memcached: a value beyond request_size_max is swallowed, and the client goes on") {
    config::Pool pool = memcached_pool(1);
    pool.request_size_max = 100'000;
    World world(pool, {.cut = true});
    Channel& client = world.client();
    CHECK(world.ask(client, set("a", std::string(500'000, 'x')) + "version\r\n") ==
          "SERVER_ERROR object too large for cache\r\nVERSION 1.6.18\r\n");
    CHECK(world.loop().blocks().in_use() <= 3);
}

TEST_CASE("memcached: a value beyond request_size_max leaves no older one behind") {
    config::Pool pool = memcached_pool(3);
    pool.request_size_max = 1000;
    const std::string large(2000, 'x');
    const std::string refusal = "SERVER_ERROR object too large for cache\r\n";
    for (const bool cut : {false, true}) {
        World world(pool, {.cut = cut});
        Channel& client = world.client();
        for (uint32_t server = 0; server < 3; ++server) {
            const std::string key = world.key_on(server);
            const std::string get = "get " + key + "\r\n";
            world.ask(client, set(key, "old"));
            CHECK(world.ask(client, get + set(key, large) + get) ==
                  "VALUE " + key + " 0 3\r\nold\r\nEND\r\n" + refusal + "END\r\n");
            CHECK(world.server(server).memcached.log.back() == "get " + key);
            world.ask(client, set(key, "old"));
            CHECK(world.ask(client, "ms " + key + " 2000 q\r\n" + large + "\r\nmn\r\n" + get) ==
                  refusal + "MN\r\nEND\r\n");
            world.ask(client, set(key, "old"));
            CHECK(
                world.ask(client, "set " + key + " 0 0 2000 noreply\r\n" + large + "\r\n" + get) ==
                "END\r\n");
            // What others than set refuse, they leave alone, as memcached does.
            world.ask(client, set(key, "old"));
            CHECK(world.ask(client, "append " + key + " 0 0 2000\r\n" + large + "\r\n" + get) ==
                  refusal + "VALUE " + key + " 0 3\r\nold\r\nEND\r\n");
        }
        // Nor does memcached remove a value for an ms that it would refuse at any size.
        const std::string key = world.key_on(0);
        const std::string get = "get " + key + "\r\n";
        const std::string old = "VALUE " + key + " 0 3\r\nold\r\nEND\r\n";
        world.ask(client, set(key, "old"));
        for (const char* flags : {"Mz", "z", "c S", "MSS", "Tx", "k k"}) {
            CAPTURE(flags);
            const std::string line = "ms " + key + " 2000 " + flags + "\r\n";
            CHECK(world.ask(client, line + large + "\r\n" + get).ends_with("\r\n" + old));
        }
        for (const char* flags : {"", "MS", "ME", "Mr", "T0 F1 c", "k s I C5", "T007 Oabc"}) {
            CAPTURE(flags);
            world.ask(client, set(key, "old"));
            const std::string line = "ms " + key + " 2000 " + flags + "\r\n";
            CHECK(world.ask(client, line + large + "\r\n" + get) == refusal + "END\r\n");
        }
        // The key is placed and removed as what it stands for: "a b".
        const uint32_t server = world.server_of("a b");
        world.ask(client, "ms YSBi 3 b\r\nold\r\n");
        CHECK(world.ask(client, "ms YSBi 2000 b\r\n" + large + "\r\n") == refusal);
        CHECK(world.server(server).memcached.log.back() == "md YSBi b");
    }
}

TEST_CASE("memcached: a value beyond request_size_max is refused, whatever its server says") {
    config::Pool pool = memcached_pool(1);
    pool.request_size_max = 1000;
    World world(pool);
    Channel& client = world.client();
    const std::string large(2000, 'x');
    const std::string refusal = "SERVER_ERROR object too large for cache\r\n";
    world.ask(client, "get a\r\n");
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, set("a", large) + "mn\r\n").empty());
    world.pass(1000);
    CHECK(World::heard(client) == refusal + "MN\r\n");
    world.server(0).mood = Mood::Refusing;
    world.pass(2000);
    CHECK(world.ask(client, set("a", large) + "mn\r\n") == refusal + "MN\r\n");
}

}  // namespace ringmain::test
