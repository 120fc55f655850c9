#include "ringmain/resp/acl.h"

#include "tests/contains.h"

#include <initializer_list>

#include <doctest/doctest.h>

namespace ringmain::resp {

namespace {

using test::contains;

std::string ask_acl(std::initializer_list<std::string_view> arguments) {
    std::string out;
    answer_acl_cat(out, std::span(arguments.begin(), arguments.size()));
    return out;
}

}  // namespace

TEST_CASE("ACL CAT tells the categories in redis's order") {
    const std::string all = ask_acl({"ACL", "CAT"});
    CHECK(all.starts_with("*21\r\n$8\r\nkeyspace\r\n$4\r\nread\r\n$5\r\nwrite\r\n"));
    CHECK(all.ends_with("$11\r\ntransaction\r\n$9\r\nscripting\r\n"));
}

TEST_CASE("ACL CAT tells the commands and subcommands of a category") {
    CHECK(ask_acl({"ACL", "CAT", "TRANSACTION"}) ==
          "*5\r\n$7\r\ndiscard\r\n$4\r\nexec\r\n$5\r\nmulti\r\n$7\r\nunwatch\r\n$5\r\n"
          "watch\r\n");
    const std::string connection = ask_acl({"acl", "cat", "connection"});
    CHECK(contains(connection, "$9\r\nclient|id\r\n"));
    CHECK_FALSE(contains(connection, "client|setinfo"));  // younger than redis 7.0
}

TEST_CASE("ACL CAT of what is no category is an error") {
    CHECK(ask_acl({"ACL", "CAT", "nonsense"}) == "-ERR Unknown category 'nonsense'\r\n");
    CHECK(ask_acl({"ACL", "CAT", ""}) == "-ERR Unknown category ''\r\n");
    CHECK(ask_acl({"ACL", "CAT", "read", "x"}) ==
          "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.\r\n");
}

}  // namespace ringmain::resp
