#include "ringmain/base/list.h"

#include <array>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

namespace ringmain {

namespace {

struct Element {
    char name = ' ';
    ListLink<Element> link;
};

using Elements = List<Element, &Element::link>;

static_assert(std::forward_iterator<Elements::Iterator>);

std::string names(const Elements& list) {
    std::string text;
    for (const Element& one : list) {
        text += one.name;
    }
    return text;
}

std::string names_backwards(const Elements& list) {
    std::string text;
    for (const Element* one = list.back(); one != nullptr; one = list.before(*one)) {
        text += one->name;
    }
    return text;
}

}  // namespace

TEST_CASE("a queue ends where its last element was taken back") {
    struct Waiting {
        Waiting* next = nullptr;
    };

    std::array<Waiting, 3> all;
    Fifo<Waiting, &Waiting::next> queue;
    for (Waiting& one : all) {
        queue.push_back(&one);
    }
    CHECK(queue.back() == &all[2]);
    CHECK(queue.pop_back() == &all[2]);
    CHECK(queue.back() == &all[1]);
    CHECK(all[1].next == nullptr);
    queue.push_back(&all[2]);
    CHECK(queue.pop_front() == &all[0]);
    CHECK(queue.pop_back() == &all[2]);
    CHECK(queue.pop_back() == &all[1]);
    CHECK(queue.empty());
    CHECK(queue.back() == nullptr);
    queue.push_back(&all[0]);
    CHECK(queue.front() == &all[0]);
    CHECK(queue.size() == 1);
}

TEST_CASE("a list keeps the order in which its elements came") {
    std::array<Element, 4> all = {{{'a', {}}, {'b', {}}, {'c', {}}, {'d', {}}}};
    Elements list;
    CHECK(list.empty());
    CHECK(list.pop_front() == nullptr);
    CHECK(list.back() == nullptr);
    for (Element& one : all) {
        list.add(one);
    }
    list.add(all[1]);  // is in
    CHECK(names(list) == "abcd");
    CHECK(names_backwards(list) == "dcba");
    list.remove(all[1]);
    list.remove(all[1]);
    CHECK(names(list) == "acd");
    CHECK_FALSE(Elements::contains(all[1]));
    list.add(all[1]);
    CHECK(names(list) == "acdb");
    CHECK(names_backwards(list) == "bdca");
    CHECK(list.pop_front() == &all[0]);
    CHECK(list.pop_front() == &all[2]);
    CHECK(names(list) == "db");
    CHECK(list.pop_front() == &all[3]);
    CHECK(list.pop_front() == &all[1]);
    CHECK(list.empty());
}

}  // namespace ringmain
