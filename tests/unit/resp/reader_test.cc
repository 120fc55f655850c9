#include "ringmain/resp/reader.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::resp {

TEST_CASE("values come one after the other, aggregates as headers") {
    Reader reader(
        "*3\r\n:-5\r\n$3\r\na\r\n\r\n*1\r\n$-1\r\n%1\r\n+k\r\n,1.5\r\n=6\r\ntxt:hi\r\n_\r\n");
    const auto next = [&reader] { return reader.next().value(); };
    CHECK(next().number == 3);
    CHECK(next().number == -5);
    CHECK(next().text == "a\r\n");
    CHECK(next().number == 1);
    const Value null = next();
    CHECK(null.is_null);
    CHECK_FALSE(null.is_bulk());
    const Value map = next();
    CHECK(map.is_aggregate());
    CHECK(map.number == 2);
    CHECK(next().text == "k");
    CHECK(next().text == "1.5");
    CHECK(next().text == "hi");
    CHECK(next().is_null);
    CHECK_FALSE(reader.next().has_value());
}

TEST_CASE("a whole value is taken with all that is in it") {
    const std::string nested = "*2\r\n*2\r\n:1\r\n*-1\r\n%1\r\n+a\r\n~0\r\n";
    const std::string text = nested + ":1\r\n";
    Reader reader(text);
    CHECK(reader.next_whole() == nested);
    CHECK(reader.next_whole() == ":1\r\n");
    CHECK(reader.next_whole().empty());
}

TEST_CASE("a text that ends within a value gives nothing") {
    const std::string text = "*2\r\n$3\r\nabc\r\n:12\r\n";
    for (size_t size = 0; size < text.size(); ++size) {
        CAPTURE(size);
        CHECK(Reader(std::string_view(text).substr(0, size)).next_whole().empty());
    }
    CHECK(Reader(text).next_whole() == text);
}

}  // namespace ringmain::resp
