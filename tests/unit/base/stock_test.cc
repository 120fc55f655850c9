#include "ringmain/base/stock.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using ringmain::Stock;

TEST_CASE("what was put back is taken again as it is, the last one first") {
    Stock<std::string> stock(2);
    std::string& first = stock.take("one");
    std::string& second = stock.take("two");
    CHECK(stock.live() == 2);
    stock.put(first);
    stock.put(second);
    std::string& again = stock.take("three");
    CHECK(&again == &second);
    CHECK(again == "two");
    stock.drop(again);
    CHECK(stock.live() == 0);
    CHECK(stock.spare() == 1);
}

TEST_CASE("a stock gives back what nobody needed since it was asked last") {
    Stock<std::string> stock(3);
    std::vector<std::string*> taken;
    for (int i = 0; i < 50; ++i) {
        taken.push_back(&stock.take("text"));
    }
    for (std::string* text : taken) {
        stock.put(*text);
    }
    CHECK(stock.has_spare());
    stock.trim();
    CHECK(stock.spare() == 50);  // needed a moment ago
    std::string& one = stock.take("text");
    stock.trim();
    CHECK(stock.spare() == 3);
    CHECK_FALSE(stock.has_spare());
    stock.put(one);
    stock.trim();
    stock.trim();
    CHECK(stock.spare() == 3);
}
