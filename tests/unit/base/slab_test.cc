#include "ringmain/base/slab.h"

#include <vector>

#include <doctest/doctest.h>

using ringmain::Slab;

namespace {

struct Thing {
    explicit Thing(int its_value) : value(its_value) {}

    int value;
    char rest[60] = {};
};

std::vector<Thing*> make(Slab<Thing>& slab, size_t count) {
    std::vector<Thing*> things;
    for (size_t i = 0; i < count; ++i) {
        things.push_back(slab.make(static_cast<int>(i)));
        REQUIRE(things.back() != nullptr);
    }
    return things;
}

void free_all(Slab<Thing>& slab, std::vector<Thing*>& things) {
    for (Thing* thing : things) {
        slab.free(thing);
    }
    things.clear();
}

}  // namespace

TEST_CASE("a slab makes as many as its limit says, and again when some are freed") {
    Slab<Thing> slab(3, 1);
    std::vector<Thing*> things = make(slab, 3);
    CHECK(slab.make(4) == nullptr);
    CHECK(slab.live() == 3);
    slab.free(things.back());
    things.back() = slab.make(5);
    REQUIRE(things.back() != nullptr);
    CHECK(things.back()->value == 5);
    CHECK(things.front()->value == 0);
    free_all(slab, things);
    CHECK(slab.live() == 0);
    CHECK(slab.count() == 3);
}

TEST_CASE("a slab makes more than its limit says when it has to") {
    Slab<Thing> slab(2, 0);
    std::vector<Thing*> things = make(slab, 2);
    things.push_back(slab.make_beyond(7));
    CHECK(things.back()->value == 7);
    CHECK(slab.live() == 3);
    CHECK(slab.make(8) == nullptr);
    free_all(slab, things);
    slab.trim();
    slab.trim();
    CHECK(slab.count() == 0);
    things = make(slab, 2);
    CHECK(slab.make(9) == nullptr);
    free_all(slab, things);
}

TEST_CASE("what was freed last is used first") {
    Slab<Thing> slab(10, 10);
    std::vector<Thing*> things = make(slab, 2);
    Thing* last = things[0];
    slab.free(last);
    things[0] = slab.make(7);
    CHECK(things[0] == last);
    free_all(slab, things);
}

TEST_CASE("a slab gives back what nobody needed since it was asked last") {
    Slab<Thing> slab(1000, 10);
    std::vector<Thing*> things = make(slab, 100);
    free_all(slab, things);
    CHECK(slab.has_spare());
    slab.trim();
    CHECK(slab.count() == 100);  // needed a moment ago
    things = make(slab, 20);
    free_all(slab, things);
    slab.trim();
    CHECK(slab.count() == 20);
    things = make(slab, 5);
    slab.trim();
    slab.trim();
    CHECK(slab.count() == 15);  // those that live, and the spare ones
    CHECK_FALSE(slab.has_spare());
    CHECK(things.front()->value == 0);
    free_all(slab, things);
    slab.trim();
    slab.trim();
    CHECK(slab.count() == 10);
}

TEST_CASE("much is given back in parts") {
    Slab<Thing> slab(100'000, 0);
    std::vector<Thing*> things = make(slab, 40'000);
    free_all(slab, things);
    slab.trim();
    slab.trim();
    CHECK(slab.count() > 10'000);
    CHECK(slab.count() < 40'000);
    for (int i = 0; i < 3; ++i) {
        slab.trim();
    }
    CHECK(slab.count() == 0);
}
