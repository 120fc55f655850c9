#include "ringmain/resp/errors.h"

#include "ringmain/resp/commands.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

// All texts as redis-server 7.0.15 gave them.

namespace ringmain::resp {

namespace {

std::string unknown(const std::vector<std::string>& arguments) {
    return unknown_command(arguments);
}

std::string expected(const std::string& name, const std::string& arguments) {
    return "-ERR unknown command '" + name + "', with args beginning with: " + arguments + "\r\n";
}

}  // namespace

TEST_CASE("an unknown command is told with its first arguments") {
    CHECK(unknown({"foo"}) == expected("foo", ""));
    CHECK(unknown({"FOOBAR", "a", "b"}) == expected("FOOBAR", "'a' 'b' "));
    CHECK(unknown({""}) == expected("", ""));
    CHECK(unknown({"foo", "", "", ""}) == expected("foo", "'' '' '' "));
}

TEST_CASE("line ends become blanks, other bytes stay") {
    CHECK(unknown({"fo\r\no", "a\r\nb", "c"}) == expected("fo  o", "'a  b' 'c' "));
    CHECK(unknown({"foo", "x\ty\nz"}) == expected("foo", "'x\ty z' "));
    CHECK(unknown({"fo\xff\"'o",
                   "a\xff"
                   "b'x\x01"}) == expected("fo\xff\"'o",
                                           "'a\xff"
                                           "b'x\x01' "));
}

TEST_CASE("text ends at a NUL") {
    CHECK(unknown({std::string("f\0oo", 4), std::string("a\0b", 3)}) == expected("f", "'a' "));
}

TEST_CASE("128 bytes of the name and of the arguments are shown") {
    const std::string a(200, 'a');
    CHECK(unknown({std::string(200, 'f'), a, "b"}) ==
          expected(std::string(128, 'f'), "'" + a.substr(0, 128) + "' "));
    const auto after = [&a](size_t size, const std::string& next) {
        return unknown({"foo", a.substr(0, size), next, "c"});
    };
    CHECK(after(120, std::string(20, 'b')) ==
          expected("foo", "'" + a.substr(0, 120) + "' 'bbbbb' "));
    CHECK(after(124, "b") == expected("foo", "'" + a.substr(0, 124) + "' 'b' "));
    CHECK(after(125, "bcd") == expected("foo", "'" + a.substr(0, 125) + "' "));
}

TEST_CASE("of empty arguments 43 are shown, and more need not be given") {
    std::vector<std::string> arguments(61);
    arguments[0] = "foo";
    std::string list;
    for (int i = 0; i < 43; ++i) {
        list += "'' ";
    }
    CHECK(unknown(arguments) == expected("foo", list));
    arguments.resize(shown_arguments_max);
    CHECK(unknown(arguments) == expected("foo", list));
}

TEST_CASE("an unknown subcommand names the container's HELP") {
    const Command& client = *find_command("client");
    CHECK(unknown_subcommand(client, "MAINT_NOTIFICATIONS") ==
          "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n");
    CHECK(unknown_subcommand(client, "foo\r\nbar") ==
          "-ERR unknown subcommand 'foo  bar'. Try CLIENT HELP.\r\n");
    CHECK(unknown_subcommand(client, "") == "-ERR unknown subcommand ''. Try CLIENT HELP.\r\n");
    CHECK(unknown_subcommand(*find_command("config"), std::string(200, 'x')) ==
          "-ERR unknown subcommand '" + std::string(128, 'x') + "'. Try CONFIG HELP.\r\n");
}

TEST_CASE("a wrong number of arguments names the command, with its container") {
    CHECK(wrong_arity(*find_command("GET")) ==
          "-ERR wrong number of arguments for 'get' command\r\n");
    CHECK(wrong_arity(*find_by_full_name("client|setname")) ==
          "-ERR wrong number of arguments for 'client|setname' command\r\n");
}

}  // namespace ringmain::resp
