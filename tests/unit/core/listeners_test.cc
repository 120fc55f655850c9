#include "ringmain/core/listeners.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::core {

TEST_CASE("listeners are counted by kind and name, and forgotten when the last has left") {
    Listeners listeners;
    CHECK(listeners.count(TopicKind::Channel, "c") == 0);
    listeners.add(TopicKind::Channel, "c");
    listeners.add(TopicKind::Channel, "c");
    listeners.add(TopicKind::Shard, "c");
    listeners.add(TopicKind::Channel, "d");
    CHECK(listeners.count(TopicKind::Channel, "c") == 2);
    CHECK(listeners.count(TopicKind::Shard, "c") == 1);
    listeners.remove(TopicKind::Channel, "c");
    CHECK(listeners.count(TopicKind::Channel, "c") == 1);
    listeners.remove(TopicKind::Channel, "c");
    CHECK(listeners.count(TopicKind::Channel, "c") == 0);
    CHECK(listeners.count(TopicKind::Channel, "d") == 1);
    CHECK(listeners.count(TopicKind::Shard, "c") == 1);
}

TEST_CASE("of each pattern that matches all listeners but one are more than a server knows") {
    Listeners listeners;
    const auto more = [&listeners](std::string_view channel) {
        uint64_t steps = 10'000;
        return listeners.more_by_patterns(channel, steps);
    };
    for (int i = 0; i < 3; ++i) {
        listeners.add(TopicKind::Pattern, "news:*");
        listeners.add(TopicKind::Pattern, "*:a");
        listeners.add(TopicKind::Pattern, "NEWS:*");
        listeners.add(TopicKind::Channel, "news:a");
    }
    listeners.add(TopicKind::Pattern, "*");
    CHECK(more("news:a") == 4);
    CHECK(more("news:b") == 2);
    CHECK(more("other") == 0);
    listeners.remove(TopicKind::Pattern, "news:*");
    CHECK(more("news:b") == 1);
}

TEST_CASE("patterns are looked at in portions, each once, as long as there are steps") {
    Listeners listeners;
    for (const uint64_t count : {0U, 1U, 63U, 64U, 65U, 128U, 1000U}) {
        CAPTURE(count);
        while (listeners.count(TopicKind::Pattern, "") < 2) {
            listeners.add(TopicKind::Pattern, "");
        }
        for (uint64_t i = 0; i < count; ++i) {
            const std::string pattern = "c*" + std::to_string(i);
            while (listeners.count(TopicKind::Pattern, pattern) < 1 + i % 3) {
                listeners.add(TopicKind::Pattern, pattern);
            }
        }
        uint64_t wanted = 0;
        for (uint64_t i = 0; i < count; ++i) {
            if (std::string("777").ends_with(std::to_string(i))) wanted += i % 3;
        }
        uint64_t steps = 100'000;
        CHECK(listeners.more_by_patterns("c777", steps) == wanted);
        CHECK(steps < 100'000);
        CHECK(steps > 50'000);
        uint64_t few = 100'000 - steps - 1;
        CHECK_FALSE(listeners.more_by_patterns("c777", few).has_value());
        CHECK(listeners.more_by_patterns("", steps) == 1);
    }
}

TEST_CASE("a pattern that takes too long is not compared to its end") {
    Listeners listeners;
    const std::string channel(60'000, 'a');
    const std::string pattern = "*" + std::string(1000, 'a') + "b";
    uint64_t steps = 1000;
    listeners.add(TopicKind::Pattern, pattern);
    CHECK(listeners.more_by_patterns(channel, steps) == 0);  // one client more or less: the server
    listeners.add(TopicKind::Pattern, pattern);
    CHECK_FALSE(listeners.more_by_patterns(channel, steps).has_value());
    CHECK(steps == 0);
}

}  // namespace ringmain::core
