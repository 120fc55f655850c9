// SORT reads keys of which only the server knows how they go on: those that live there.

#include "tests/unit/core/world.h"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

struct Sorting {
    explicit Sorting(const std::string& hash_tag, uint32_t servers = 2)
        : world(pool(hash_tag, servers)), client(world.client()) {
        for (uint32_t i = 0; i < servers; ++i) {
            world.server(i).redis.canned["SORT"] = "*0\r\n";
            world.server(i).redis.canned["SORT_RO"] = "*0\r\n";
        }
    }

    static config::Pool pool(const std::string& hash_tag, uint32_t servers) {
        config::Pool pool = redis_pool(servers);
        pool.placement.hash_tag = hash_tag;
        return pool;
    }

    // A tag whose keys live on that server.
    std::string tag_on(uint32_t server) {
        std::string tag = "t";
        while (world.server_of(tag) != server) {
            tag += 't';
        }
        return tag;
    }

    // Whether the server got it.
    bool passes(const std::vector<std::string>& words) {
        const std::string heard = world.ask(client, resp(words));
        if (heard == "*0\r\n") return true;
        CHECK(heard.starts_with("-CROSSSLOT ringmain: the keys of '" + words[0] +
                                "' live on several servers; give them a common hash tag"));
        return false;
    }

    World world;
    Channel& client;
};

}  // namespace

TEST_CASE("SORT may read keys that live where its own does, as the hash tag of the pattern says") {
    Sorting sorting("{}");
    const std::string here = sorting.tag_on(0);
    const std::string there = sorting.tag_on(1);
    const std::string key = "list{" + here + "}";
    CHECK(sorting.world.server_of(key) == 0);
    for (const std::string command : {"SORT", "SORT_RO"}) {
        CAPTURE(command);
        CHECK(sorting.passes({command, key, "ASC", "ALPHA"}));
        CHECK(sorting.passes({command, key, "BY", "w_{" + here + "}_*"}));
        CHECK(sorting.passes(
            {command, key, "BY", "{" + here + "}*->w", "GET", "d{" + here + "}*", "GET", "#"}));
        CHECK(sorting.passes({command, key, "BY", "nosort"}));
        CHECK_FALSE(sorting.passes({command, key, "BY", "w_{" + there + "}_*"}));
        CHECK_FALSE(sorting.passes(
            {command, key, "BY", "w_{" + here + "}_*", "GET", "d_{" + there + "}_*"}));
        // The element may have a tag of its own.
        CHECK_FALSE(sorting.passes({command, key, "BY", "w_*"}));
        CHECK_FALSE(sorting.passes({command, key, "BY", "w_*{" + here + "}"}));
        CHECK_FALSE(sorting.passes({command, key, "BY", "{" + here + "*}"}));
        CHECK_FALSE(sorting.passes({command, key, "BY", "w_{}_*{" + here + "}"}));
        CHECK_FALSE(sorting.passes({command, key, "BY", "w_{" + here + "_*"}));
    }
    const std::vector<std::string>& log = sorting.world.server(0).redis.log;
    CHECK(std::ranges::count_if(
              log, [](const std::string& line) { return line.starts_with("SORT"); }) == 8);
    CHECK(sorting.world.server(1).redis.log.empty());
}

TEST_CASE("without hash tags SORT may read other keys where there is one server only") {
    Sorting two("");
    const std::string key = "list{" + two.tag_on(0) + "}";
    CHECK(two.passes({"SORT", key}));
    CHECK_FALSE(two.passes({"SORT", key, "BY", "w_{" + two.tag_on(0) + "}_*"}));
    Sorting one("", 1);
    CHECK(one.passes({"SORT", key, "BY", "w_*", "GET", "d_*"}));
}

}  // namespace ringmain::test
