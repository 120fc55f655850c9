#include "ringmain/core/listeners.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

namespace ringmain::core {

namespace {

constexpr uint32_t here = 7;
constexpr uint32_t elsewhere = 3;

}  // namespace

TEST_CASE("listeners are counted by kind and name, and forgotten when the last has left") {
    Listeners listeners;
    const auto count = [&listeners](TopicKind kind, const char* name) {
        return listeners.more_listeners(kind, name, here);
    };
    CHECK(count(TopicKind::Channel, "c") == 0);
    listeners.add(TopicKind::Channel, "c");
    listeners.add(TopicKind::Channel, "c");
    listeners.add(TopicKind::Shard, "c");
    listeners.add(TopicKind::Channel, "d");
    CHECK(count(TopicKind::Channel, "c") == 2);
    CHECK(count(TopicKind::Shard, "c") == 1);
    listeners.remove(TopicKind::Channel, "c");
    CHECK(count(TopicKind::Channel, "c") == 1);
    listeners.remove(TopicKind::Channel, "c");
    CHECK(count(TopicKind::Channel, "c") == 0);
    CHECK(count(TopicKind::Channel, "d") == 1);
    CHECK(count(TopicKind::Shard, "c") == 1);
}

TEST_CASE("a server reaches the listeners whose subscription it holds, and counts one of them") {
    Listeners listeners;
    constexpr auto kind = TopicKind::Channel;
    const auto more = [&listeners](uint32_t server) {
        return std::pair(listeners.more_receivers(kind, "c", server),
                         listeners.more_listeners(kind, "c", server));
    };
    using Counts = std::pair<int64_t, int64_t>;
    listeners.hold(kind, "c", here);
    CHECK(more(here) == Counts(-1, -1));  // before the first, or behind the last
    for (int i = 0; i < 3; ++i) {
        listeners.add(kind, "c");
    }
    CHECK(more(here) == Counts(2, 2));
    CHECK(more(elsewhere) == Counts(0, 3));
    listeners.hold(kind, "c", elsewhere);
    listeners.hold(kind, "c", elsewhere);
    CHECK(more(elsewhere) == Counts(2, 2));
    listeners.release(kind, "c", here);
    listeners.release(kind, "c", here);
    listeners.release(kind, "d", here);
    CHECK(more(here) == Counts(0, 3));
    CHECK(more(elsewhere) == Counts(2, 2));
    for (int i = 0; i < 3; ++i) {
        listeners.remove(kind, "c");
    }
    CHECK(more(elsewhere) == Counts(-1, -1));
    listeners.release(kind, "c", elsewhere);
    CHECK(more(elsewhere) == Counts(0, 0));
}

TEST_CASE("a server that is lost holds nothing, of however many names") {
    Listeners listeners;
    for (const TopicKind kind : {TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard}) {
        for (int i = 0; i < 200; ++i) {
            const std::string name = std::to_string(i);
            if (i % 2 == 0) listeners.add(kind, name);
            listeners.hold(kind, name, here);
            if (i % 3 == 0) listeners.hold(kind, name, elsewhere);
        }
    }
    listeners.release_all(here);
    for (const TopicKind kind : {TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard}) {
        for (int i = 0; i < 200; ++i) {
            const std::string name = std::to_string(i);
            const int clients = i % 2 == 0 ? 1 : 0;
            CHECK(listeners.more_listeners(kind, name, here) == clients);
            CHECK(listeners.more_listeners(kind, name, elsewhere) ==
                  clients - (i % 3 == 0 ? 1 : 0));
        }
    }
}

TEST_CASE("of each pattern that matches all listeners but one are more than a server knows") {
    Listeners listeners;
    const auto more = [&listeners](std::string_view channel) {
        uint64_t steps = 10'000;
        return listeners.more_by_patterns(channel, here, steps);
    };
    for (const char* pattern : {"news:*", "*:a", "NEWS:*", "*"}) {
        listeners.hold(TopicKind::Pattern, pattern, here);
    }
    for (int i = 0; i < 3; ++i) {
        listeners.add(TopicKind::Pattern, "news:*");
        listeners.add(TopicKind::Pattern, "*:a");
        listeners.add(TopicKind::Pattern, "NEWS:*");
        listeners.add(TopicKind::Pattern, "n*");
        listeners.add(TopicKind::Channel, "news:a");
    }
    listeners.add(TopicKind::Pattern, "*");
    CHECK(more("news:a") == 4);
    CHECK(more("news:b") == 2);
    CHECK(more("other") == 0);
    listeners.remove(TopicKind::Pattern, "news:*");
    CHECK(more("news:b") == 1);
    listeners.hold(TopicKind::Pattern, "n*", elsewhere);
    CHECK(more("news:b") == 1);
    listeners.release(TopicKind::Pattern, "news:*", here);
    CHECK(more("news:b") == 0);
    listeners.remove(TopicKind::Pattern, "*");
    CHECK(more("news:b") == -1);
}

TEST_CASE("patterns are looked at in portions, each once, as long as there are steps") {
    Listeners listeners;
    for (const uint64_t count : {0U, 1U, 63U, 64U, 65U, 128U, 1000U}) {
        CAPTURE(count);
        const auto fill = [&listeners](const std::string& pattern, uint64_t clients) {
            listeners.hold(TopicKind::Pattern, pattern, here);
            const auto more = static_cast<int64_t>(clients) - 1;
            while (listeners.more_receivers(TopicKind::Pattern, pattern, here) < more) {
                listeners.add(TopicKind::Pattern, pattern);
            }
        };
        fill("", 2);
        for (uint64_t i = 0; i < count; ++i) {
            fill("c*" + std::to_string(i), 1 + i % 3);
        }
        int64_t wanted = 0;
        for (uint64_t i = 0; i < count; ++i) {
            if (std::string("777").ends_with(std::to_string(i))) wanted += int64_t(i % 3);
        }
        uint64_t steps = 100'000;
        CHECK(listeners.more_by_patterns("c777", here, steps) == wanted);
        CHECK(steps < 100'000);
        CHECK(steps > 50'000);
        uint64_t few = 100'000 - steps - 1;
        CHECK_FALSE(listeners.more_by_patterns("c777", here, few).has_value());
        CHECK(listeners.more_by_patterns("", here, steps) == 1);
    }
}

TEST_CASE("a pattern that takes too long is not compared to its end") {
    Listeners listeners;
    const std::string channel(60'000, 'a');
    const std::string pattern = "*" + std::string(1000, 'a') + "b";
    uint64_t steps = 1000;
    listeners.hold(TopicKind::Pattern, pattern, here);
    listeners.add(TopicKind::Pattern, pattern);
    CHECK(listeners.more_by_patterns(channel, here, steps) ==
          0);  // one client more or less: the server
    listeners.add(TopicKind::Pattern, pattern);
    CHECK_FALSE(listeners.more_by_patterns(channel, here, steps).has_value());
    CHECK(steps == 0);
}

}  // namespace ringmain::core
