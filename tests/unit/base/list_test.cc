#include "ringmain/base/list.h"

#include <array>
#include <string>

#include <doctest/doctest.h>

namespace ringmain {

namespace {

struct Element {
    char name = ' ';
    ListLink<Element> link;
};

using Elements = List<Element, &Element::link>;

std::string names(const Elements& list) {
    std::string text;
    for (const Element* one = list.front(); one != nullptr; one = Elements::after(*one)) {
        text += one->name;
    }
    return text;
}

}  // namespace

TEST_CASE("a list keeps the order in which its elements came") {
    std::array<Element, 4> all = {{{'a', {}}, {'b', {}}, {'c', {}}, {'d', {}}}};
    Elements list;
    CHECK(list.empty());
    CHECK(list.pop_front() == nullptr);
    for (Element& one : all) {
        list.add(one);
    }
    list.add(all[1]);  // is in
    CHECK(names(list) == "abcd");
    list.remove(all[1]);
    list.remove(all[1]);
    CHECK(names(list) == "acd");
    CHECK_FALSE(Elements::contains(all[1]));
    list.add(all[1]);
    CHECK(names(list) == "acdb");
    CHECK(list.pop_front() == &all[0]);
    CHECK(list.pop_front() == &all[2]);
    CHECK(names(list) == "db");
    CHECK(list.pop_front() == &all[3]);
    CHECK(list.pop_front() == &all[1]);
    CHECK(list.empty());
}

}  // namespace ringmain
