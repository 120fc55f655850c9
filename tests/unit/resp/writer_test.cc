#include "ringmain/resp/writer.h"

#include <cstdint>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::resp {
namespace {

template <class Write, class... Args>
std::string written(Write write, Args... args) {
    std::string out = "-";
    write(out, args...);
    return out.substr(1);
}

TEST_CASE("headers of every size fit") {
    CHECK(Header('$', 0).view() == "$0\r\n");
    CHECK(Header('*', 12).view() == "*12\r\n");
    CHECK(Header('$', UINT64_MAX).view() == "$18446744073709551615\r\n");
}

TEST_CASE("a line stays one line") {
    CHECK(written(write_simple, "PONG") == "+PONG\r\n");
    CHECK(written(write_error, "ERR syntax error") == "-ERR syntax error\r\n");
    CHECK(written(write_error, "ERR unknown command 'X\r\n+OK'") ==
          "-ERR unknown command 'X  +OK'\r\n");
}

TEST_CASE("bulks and integers") {
    CHECK(written(write_bulk, "") == "$0\r\n\r\n");
    CHECK(written(write_bulk, "a\r\nb") == "$4\r\na\r\nb\r\n");
    CHECK(written(write_integer, INT64_MIN) == ":-9223372036854775808\r\n");
    CHECK(written(write_integer, 7) == ":7\r\n");
}

TEST_CASE("what RESP2 has no type for looks as redis makes it look") {
    CHECK(written(write_null, Version::Resp2) == "$-1\r\n");
    CHECK(written(write_null, Version::Resp3) == "_\r\n");
    CHECK(written(write_text, "a\r\n", Version::Resp2) == "$3\r\na\r\n\r\n");
    CHECK(written(write_text, "a\r\n", Version::Resp3) == "=7\r\ntxt:a\r\n\r\n");
    CHECK(written(write_array_header, uint64_t{2}) == "*2\r\n");
    CHECK(written(write_set_header, uint64_t{2}, Version::Resp2) == "*2\r\n");
    CHECK(written(write_set_header, uint64_t{2}, Version::Resp3) == "~2\r\n");
    CHECK(written(write_map_header, uint64_t{2}, Version::Resp2) == "*4\r\n");
    CHECK(written(write_map_header, uint64_t{2}, Version::Resp3) == "%2\r\n");
}

}  // namespace
}  // namespace ringmain::resp
