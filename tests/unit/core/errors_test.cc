// Errors that are answered here, whatever the servers do: the words of redis and memcached.

#include "tests/unit/core/world.h"

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

struct Case {
    std::string request;
    std::string answer;  // without its line end
};

void play(World& world, const std::vector<Case>& cases) {
    for (const Case& one : cases) {
        CAPTURE(one.request.substr(0, 100));
        Channel& client = world.client();
        CHECK(world.ask(client, one.request) == one.answer + "\r\n");
        world.drop(client);
    }
}

}  // namespace

TEST_CASE("commands whose words are wrong") {
    World world(redis_pool(2));
    play(world,
         {
             {resp({"COMMAND", "GETKEYS", "NONSENSE", "a"}), "-ERR Invalid command specified"},
             {resp({"COMMAND", "GETKEYS", "PING", "a"}), "-ERR The command has no key arguments"},
             {resp({"COMMAND", "GETKEYS", "GET", "a", "b"}),
              "-ERR Invalid number of arguments specified for command"},
             {resp({"COMMAND", "GETKEYS", "ZUNION", "9", "a"}),
              "-ERR Invalid arguments specified for command"},
             {resp({"COMMAND", "LIST", "FILTERBY", "PATTERN", std::string(600, 'x')}),
              "-ERR ringmain: a pattern for command names has at most 512 bytes"},
             {resp({"COMMAND", "LIST", "FILTERBY"}), "-ERR syntax error"},
             {resp({"HELLO", "x"}), "-ERR Protocol version is not an integer or out of range"},
             {resp({"HELLO", "4"}), "-NOPROTO unsupported protocol version"},
             {resp({"HELLO", "2", "x"}), "-ERR Syntax error in HELLO option 'x'"},
             {resp({"SELECT", "x"}), "-ERR value is not an integer or out of range"},
             {resp({"SELECT", "99999999999"}),
              "-ERR value is out of range, value must between -2147483648 and 2147483647"},
             {resp({"SELECT", "-1"}), "-ERR DB index is out of range"},
             {resp({"CLIENT", "SETNAME", "a b"}),
              "-ERR Client names cannot contain spaces, newlines or special characters."},
             {resp({"CLIENT", "SETINFO", "x", "y"}), "-ERR Unrecognized option 'x'"},
             {resp({"CLIENT", "SETINFO", "lib-name", "a b"}),
              "-ERR lib-name cannot contain spaces, newlines or special characters."},
             {resp({"SCAN", "x"}), "-ERR invalid cursor"},
             {resp({"BLPOP", world.key_on(0), world.key_on(1), "x"}),
              "-ERR timeout is not a float or out of range"},
             {resp({"EXEC"}), "-ERR EXEC without MULTI"},
             {resp({"DISCARD"}), "-ERR DISCARD without MULTI"},
         });
    Channel& client = world.client();
    const std::string words = resp({"MULTI"}) + resp({"MULTI"}) + resp({"WATCH", "a"}) +
                              resp({"SAVE"}) + resp({"SUBSCRIBE", "a"});
    CHECK(world.ask(client, words) ==
          "+OK\r\n-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n"
          "-ERR Command not allowed inside a transaction\r\n"
          "-ERR ringmain: 'SUBSCRIBE' is not supported inside MULTI: a transaction runs on one "
          "server, on a connection that clients share\r\n");
}

TEST_CASE("what is no request of redis") {
    config::Pool pool = redis_pool(1);
    const std::string error = "-ERR Protocol error: ";
    SUBCASE("to everybody") {
        World world(pool);
        play(world,
             {
                 {"*1\r\nx3\r\n", error + "expected '$', got 'x'"},
                 {"*x\r\n", error + "invalid multibulk length"},
                 {"*1\r\n$x\r\n", error + "invalid bulk length"},
                 {"*" + std::string(70'000, '1'), error + "too big mbulk count string"},
                 {"*1\r\n$" + std::string(70'000, '1'), error + "too big bulk count string"},
                 {std::string(70'000, 'x'), error + "too big inline request"},
                 {"*1\r\n$4\r\nPINGxx", error + "invalid line end after bulk"},
                 {"GET \"a\r\n", error + "unbalanced quotes in request"},
             });
    }
    SUBCASE("to those who have not said their password") {
        pool.redis_auth = "secret";
        World world(pool);
        play(world,
             {
                 {"*11\r\n", error + "unauthenticated multibulk length"},
                 {"*1\r\n$20000\r\n", error + "unauthenticated bulk length"},
             });
    }
}

TEST_CASE("commands of memcached whose words are wrong") {
    World world(memcached_pool(2));
    const std::string client = "CLIENT_ERROR ";
    play(world,
         {
             {"nonsense\r\n", "ERROR"},
             {"set k x 0 1\r\na\r\n", client + "bad command line format"},
             {"delete k 5 x\r\n",
              client + "bad command line format.  Usage: delete <key> [noreply]"},
             {"set k 0 0 1\r\nabc\r\n", client + "bad data chunk\r\nERROR"},
             {"incr k x\r\n", client + "invalid numeric delta argument"},
             {"touch k x\r\n", client + "invalid exptime argument"},
             {"mg ==== b\r\n", client + "error decoding key"},
             {"mg k v v\r\n", client + "duplicate flag"},
             {"mg k !\r\n", client + "invalid flag"},
             {"watch\r\n",
              client + "ringmain: 'watch' is not supported: it takes over the whole connection"},
             {"stats cachedump 1 1\r\n",
              client + "ringmain: 'stats cachedump' is per server: ask the server"},
         });
}

}  // namespace ringmain::test
