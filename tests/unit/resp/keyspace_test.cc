#include "ringmain/resp/keyspace.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::resp {
namespace {

std::string sum(std::initializer_list<std::string_view> texts) {
    const std::vector<std::string_view> all(texts);
    std::string out;
    add_up_keyspaces(all, out);
    return out;
}

TEST_CASE("keys are added up by database, and the mean time to live is that of all") {
    CHECK(sum({}) == "");
    CHECK(sum({"# Keyspace\r\n", ""}) == "");
    CHECK(sum({"# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=500\r\n"}) ==
          "db0:keys=3,expires=1,avg_ttl=500\r\n");
    CHECK(
        sum({"# "
             "Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=500\r\ndb10:keys=1,expires=0,avg_ttl=0\r\n",
             "# Keyspace\r\ndb2:keys=7,expires=7,avg_ttl=9\r\n",
             "# Keyspace\r\ndb0:keys=4,expires=3,avg_ttl=100\r\n"}) ==
        "db0:keys=7,expires=4,avg_ttl=200\r\n"
        "db2:keys=7,expires=7,avg_ttl=9\r\n"
        "db10:keys=1,expires=0,avg_ttl=0\r\n");
    // The product of the largest is no integer of 64 bits.
    CHECK(sum({"db0:keys=4000000000,expires=4000000000,avg_ttl=9000000000000\r\n",
               "db0:keys=4000000000,expires=4000000000,avg_ttl=9000000000000\r\n"}) ==
          "db0:keys=8000000000,expires=8000000000,avg_ttl=9000000000000\r\n");
}

TEST_CASE("fields of newer servers are added up, and other lines passed over") {
    CHECK(
        sum({"db0:keys=1,expires=0,avg_ttl=0,subexpiry=2\r\n", "db0:keys=1,expires=0,avg_ttl=0"}) ==
        "db0:keys=2,expires=0,avg_ttl=0,subexpiry=2\r\n");
    CHECK(sum({"db0:\r\ndbx:keys=1\r\ndb1:keys=x\r\ndb1:keys=-1\r\ndb1\r\ndb1:=1\r\nbd1:keys="
               "1\r\n"}) == "");
}

TEST_CASE("what no server would say has bounds") {
    const std::string most = std::to_string(INT64_MAX);
    const std::string line = "db0:keys=" + most + ",expires=1,avg_ttl=" + most + "\r\n";
    CHECK(sum({line, line}) == "db0:keys=" + most + ",expires=2,avg_ttl=9000000000000000000\r\n");
    std::string fields = "db0:keys=1";
    for (int i = 0; i < 200'000; ++i)
        fields += ",f" + std::to_string(i) + "=1";
    CHECK(sum({fields, fields}).size() < 200);
}

}  // namespace
}  // namespace ringmain::resp
