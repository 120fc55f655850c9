#include "ringmain/resp/command_list.h"

#include "tests/files.h"
#include "tests/unit/resp/golden.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::resp {

// After a change of the table: RINGMAIN_WRITE_CONF=1 unit_resp, or
// `ringmain commands > conf/commands.txt`.
TEST_CASE("conf/commands.txt is what the command table generates") {
    const std::string path = RM_GOLDEN_FOLDER "/../../conf/commands.txt";
    if (std::getenv("RINGMAIN_WRITE_CONF") != nullptr) std::ofstream(path) << commands_text();
    CHECK(ringmain::test::text_in(path) == commands_text());
}

TEST_CASE("a line says how a command is served") {
    const std::string text = "\n" + commands_text();
    for (const char* line : {
             "GET                         by key",
             "LMOVE                       by keys",
             "LMPOP                       by keys, or in turn: each server is asked in the order "
             "of the keys, one at a time",
             "BLMOVE                      by keys, waiting on a connection of the client's own",
             "BLPOP                       by keys, waiting on a connection of the client's own, or "
             "in turn: each server is asked in the order of the keys, then one after the other is "
             "waited on",
             "COPY                        by keys, or in steps: the sources are read, then the "
             "destination is written at once",
             "WAIT                        all servers: the smallest of their numbers, waiting on "
             "connections of the client's own",
             "SUNION                      by keys, or computed of what the servers hold",
             "MGET                        split: the values in the order of the keys",
             "DBSIZE                      all servers: the sum of their numbers",
             "CONFIG SET                  all servers: OK when all say so (with config_commands = "
             "true)",
             "OBJECT ENCODING             by key",
             "COMMAND                     ringmain",
             "COMMAND DOCS                ringmain",
             "LOLWUT                      any server",
             "INFO                        ringmain, and of all servers what they hold and do, "
             "added up",
             "EVALSHA                     by keys, which is told first what SCRIPT LOAD or EVAL "
             "has left anywhere",
             "PUBLISH                     by channel, placed like a key; clients of ringmain are "
             "counted one by one",
             "SUBSCRIBE                   ringmain, with one subscription for all clients of a "
             "worker",
             "PUBSUB NUMSUB               all servers: of each channel its own server's number",
         }) {
        CAPTURE(line);
        CHECK(text.find("\n" + std::string(line) + "\n") != std::string::npos);
    }
    CHECK(text.find("\nSAVE                        refused: it acts on one server") !=
          std::string::npos);
    // Containers by their subcommands, and what clients of later versions say not at all.
    CHECK(text.find("\nCONFIG ") != std::string::npos);
    CHECK(text.find("\nCONFIG  ") == std::string::npos);
    CHECK(text.find("WAITAOF") == std::string::npos);
}

}  // namespace ringmain::resp
