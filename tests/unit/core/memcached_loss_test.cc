// Errors of a memcached that say more of its connection than of the request that they answer.

#include "tests/unit/core/warm_memcached.h"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

const std::string no_memory = "SERVER_ERROR out of memory writing get response\r\n";
const std::string dropped = server_error(
    s0 +
    "had no memory for a response and dropped those before it: raise its read_buf_mem_limit, "
    "or ask for fewer values at once");

// One server, which is connected and answers only what a test says, and clients.
struct Short : WarmMemcached {
    explicit Short(size_t count, const config::Pool& pool = memcached_pool(1))
        : WarmMemcached(count, pool) {
        mute();
    }
};

}  // namespace

TEST_CASE("memcached loss: a server that drops responses is not believed about the others") {
    Short few(5);
    few.say({"mg foo v\r\n",
             "get foo foo foo\r\n",
             "get nope\r\n",
             "get nope2\r\nmn\r\n",
             set("a", "1") + "get a\r\n"});
    few.reply(no_memory + "END\r\n");
    CHECK(few.heard(0) == no_memory);
    CHECK(few.heard(1) == dropped);
    CHECK(few.heard(2) == dropped);
    CHECK(few.heard(3) == dropped + "MN\r\n");
    CHECK(few.heard(4) == dropped + dropped);
    CHECK(few.world.link(0) == nullptr);
    CHECK(few.world.counters().server_failures.get() == 0);
    // It is begun anew, at once, and the log has heard of it: once.
    const auto told = [&] {
        return std::ranges::count(few.world.loop().notices(),
                                  "pool main: " + dropped.substr(23, dropped.size() - 25));
    };
    CHECK(told() == 1);
    few.say({get("a"), "mg b v\r\n"});
    few.reply(no_memory);
    CHECK(few.heard(0) == no_memory);
    CHECK(few.heard(1) == dropped);
    CHECK(told() == 1);
    few.world.server(0).mood = Mood::Up;
    CHECK(few.world.ask(*few.clients[0], set("a", "1") + get("a")) ==
          "STORED\r\n" + value("a", "1") + "END\r\n");
    CHECK(few.world.counters().server_failures.get() == 0);
}

TEST_CASE("memcached loss: a request that is alone on its connection is who it was dropped for") {
    Short alone(3);
    Channel* link = alone.world.link(0);
    alone.say({"get a b c\r\n"});
    alone.reply(no_memory);
    CHECK(alone.heard(0) == no_memory);
    // So are several in one line.
    alone.say({get("a"), get("b"), get("c")});
    alone.reply(no_memory);
    for (size_t i = 0; i < 3; ++i) {
        CHECK(alone.heard(i) == no_memory);
    }
    CHECK(alone.world.link(0) == link);
    // With another behind them they are not.
    alone.say({get("a"), get("b"), "md a\r\n"});
    alone.reply(no_memory + "HD\r\n");
    CHECK(alone.heard(0) == no_memory);
    CHECK(alone.heard(1) == no_memory);
    CHECK(alone.heard(2) == dropped);
    CHECK(alone.world.link(0) == nullptr);
}

TEST_CASE("memcached loss: that error is no answer to what reads nothing") {
    const std::string packet_set = "ms a 1 T9 Z\r\n1\r\n";
    for (const std::string& request :
         {set("a", "1"), std::string("incr a 1\r\n"), std::string("ms a 1\r\n1\r\n"), packet_set}) {
        CAPTURE(request);
        Short writes(2);
        writes.say({request, "get a b\r\n"});
        writes.reply(no_memory);
        CHECK(writes.heard(0) == dropped);
        CHECK(writes.heard(1) == dropped);
        CHECK(writes.world.link(0) == nullptr);
        CHECK(writes.world.counters().server_failures.get() == 0);
    }
}

TEST_CASE(
    "memcached loss: nobody waits for the dropped response any more, and it comes in pieces") {
    Short leaves(2);
    leaves.say({"gat 1 a b\r\n", "mg a v\r\n"});
    leaves.world.drop(*leaves.clients[0]);
    leaves.reply(no_memory.substr(0, 30));
    leaves.reply(no_memory.substr(30) + "EN\r\n");
    CHECK(leaves.heard(1) == dropped);
    CHECK(leaves.world.link(0) == nullptr);
}

TEST_CASE("memcached loss: another error, or that one behind values, is one request's") {
    Short others(2);
    Channel* link = others.world.link(0);
    others.say({"get a b\r\n", "mg a v\r\n"});
    others.reply("SERVER_ERROR out of memory\r\nEN\r\n");
    CHECK(others.heard(0) == "SERVER_ERROR out of memory\r\n");
    CHECK(others.heard(1) == "EN\r\n");
    others.say({"get a b\r\n", "mg a v\r\n"});
    others.reply(value("a", "1") + no_memory + "EN\r\n");
    CHECK(others.heard(0) == value("a", "1") + no_memory);
    CHECK(others.heard(1) == "EN\r\n");
    CHECK(others.world.link(0) == link);
}

}  // namespace ringmain::test
