#include "ringmain/base/places.h"

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain {

namespace {

struct Thing {
    std::string name;
    int number = 0;
};

}  // namespace

TEST_CASE("the place of each, and of those with the same name the first one's") {
    const std::vector<Thing> things = {{"a", 7}, {"b", -1}, {"", 0}, {"a", 8}, {"c", -1}};
    const auto by_name = places_by(things, &Thing::name);
    CHECK(by_name.size() == 4);
    CHECK(by_name.at("a") == 0);
    CHECK(by_name.at("c") == 4);
    CHECK(by_name.at("") == 2);
    CHECK_FALSE(by_name.contains("d"));
    const auto by_number = places_by(things, &Thing::number);
    CHECK(by_number.at(-1) == 1);
    CHECK(by_number.at(8) == 3);
    CHECK(places_by(std::vector<Thing>(), &Thing::name).empty());
}

TEST_CASE("names that a function finds are looked at where they are") {
    std::vector<std::unique_ptr<Thing>> things;
    for (int i = 0; i < 100; ++i) {
        things.push_back(std::make_unique<Thing>(Thing{std::string(30, 'x') + std::to_string(i)}));
    }
    const auto places =
        places_by(things, [](const auto& thing) -> const std::string& { return thing->name; });
    for (size_t i = 0; i < things.size(); ++i) {
        const auto found = places.find(things[i]->name);
        REQUIRE(found != places.end());
        CHECK(found->second == i);
        CHECK(found->first.data() == things[i]->name.data());
    }
}

}  // namespace ringmain
