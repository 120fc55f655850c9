#include "ringmain/core/hearers.h"

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

TEST_CASE("hearers are counted by kind and name, and forgotten when the last has left") {
    Hearers hearers;
    const auto count = [&hearers](TopicKind kind, const char* name) {
        return hearers.more_hearers(kind, name, here);
    };
    CHECK(count(TopicKind::Channel, "c") == 0);
    hearers.add(TopicKind::Channel, "c");
    hearers.add(TopicKind::Channel, "c");
    hearers.add(TopicKind::Shard, "c");
    hearers.add(TopicKind::Channel, "d");
    CHECK(count(TopicKind::Channel, "c") == 2);
    CHECK(count(TopicKind::Shard, "c") == 1);
    hearers.remove(TopicKind::Channel, "c");
    CHECK(count(TopicKind::Channel, "c") == 1);
    hearers.remove(TopicKind::Channel, "c");
    CHECK(count(TopicKind::Channel, "c") == 0);
    CHECK(count(TopicKind::Channel, "d") == 1);
    CHECK(count(TopicKind::Shard, "c") == 1);
}

TEST_CASE("a server reaches the hearers whose subscription it holds, and counts one of them") {
    Hearers hearers;
    constexpr auto kind = TopicKind::Channel;
    const auto more = [&hearers](uint32_t server) {
        return std::pair(hearers.more_receivers(kind, "c", server),
                         hearers.more_hearers(kind, "c", server));
    };
    using Counts = std::pair<int64_t, int64_t>;
    hearers.hold(kind, "c", here);
    CHECK(more(here) == Counts(-1, -1));  // before the first, or behind the last
    for (int i = 0; i < 3; ++i) {
        hearers.add(kind, "c");
    }
    CHECK(more(here) == Counts(2, 2));
    CHECK(more(elsewhere) == Counts(0, 3));
    hearers.hold(kind, "c", elsewhere);
    hearers.hold(kind, "c", elsewhere);
    CHECK(more(elsewhere) == Counts(2, 2));
    hearers.release(kind, "c", here);
    hearers.release(kind, "c", here);
    hearers.release(kind, "d", here);
    CHECK(more(here) == Counts(0, 3));
    CHECK(more(elsewhere) == Counts(2, 2));
    for (int i = 0; i < 3; ++i) {
        hearers.remove(kind, "c");
    }
    CHECK(more(elsewhere) == Counts(-1, -1));
    hearers.release(kind, "c", elsewhere);
    CHECK(more(elsewhere) == Counts(0, 0));
}

TEST_CASE("a server that is lost holds nothing, of however many names") {
    Hearers hearers;
    for (const TopicKind kind : {TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard}) {
        for (int i = 0; i < 200; ++i) {
            const std::string name = std::to_string(i);
            if (i % 2 == 0) hearers.add(kind, name);
            hearers.hold(kind, name, here);
            if (i % 3 == 0) hearers.hold(kind, name, elsewhere);
        }
    }
    hearers.release_all(here);
    for (const TopicKind kind : {TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard}) {
        for (int i = 0; i < 200; ++i) {
            const std::string name = std::to_string(i);
            const int clients = i % 2 == 0 ? 1 : 0;
            CHECK(hearers.more_hearers(kind, name, here) == clients);
            CHECK(hearers.more_hearers(kind, name, elsewhere) == clients - (i % 3 == 0 ? 1 : 0));
        }
    }
}

TEST_CASE("of each pattern that matches all hearers but one are more than a server knows") {
    Hearers hearers;
    const auto more = [&hearers](std::string_view channel) {
        uint64_t steps = 10'000;
        return hearers.more_by_patterns(channel, here, steps);
    };
    for (const char* pattern : {"news:*", "*:a", "NEWS:*", "*"}) {
        hearers.hold(TopicKind::Pattern, pattern, here);
    }
    for (int i = 0; i < 3; ++i) {
        hearers.add(TopicKind::Pattern, "news:*");
        hearers.add(TopicKind::Pattern, "*:a");
        hearers.add(TopicKind::Pattern, "NEWS:*");
        hearers.add(TopicKind::Pattern, "n*");
        hearers.add(TopicKind::Channel, "news:a");
    }
    hearers.add(TopicKind::Pattern, "*");
    CHECK(more("news:a") == 4);
    CHECK(more("news:b") == 2);
    CHECK(more("other") == 0);
    hearers.remove(TopicKind::Pattern, "news:*");
    CHECK(more("news:b") == 1);
    hearers.hold(TopicKind::Pattern, "n*", elsewhere);
    CHECK(more("news:b") == 1);
    hearers.release(TopicKind::Pattern, "news:*", here);
    CHECK(more("news:b") == 0);
    hearers.remove(TopicKind::Pattern, "*");
    CHECK(more("news:b") == -1);
}

TEST_CASE("patterns are looked at in portions, each once, as long as there are steps") {
    Hearers hearers;
    for (const uint64_t count : {0U, 1U, 63U, 64U, 65U, 128U, 1000U}) {
        CAPTURE(count);
        const auto fill = [&hearers](const std::string& pattern, uint64_t clients) {
            hearers.hold(TopicKind::Pattern, pattern, here);
            const auto more = static_cast<int64_t>(clients) - 1;
            while (hearers.more_receivers(TopicKind::Pattern, pattern, here) < more) {
                hearers.add(TopicKind::Pattern, pattern);
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
        CHECK(hearers.more_by_patterns("c777", here, steps) == wanted);
        CHECK(steps < 100'000);
        CHECK(steps > 50'000);
        uint64_t few = 100'000 - steps - 1;
        CHECK_FALSE(hearers.more_by_patterns("c777", here, few).has_value());
        CHECK(hearers.more_by_patterns("", here, steps) == 1);
    }
}

TEST_CASE("patterns that have one client each take no steps") {
    Hearers hearers;
    for (int i = 0; i < 1000; ++i) {
        const std::string pattern = "c*" + std::to_string(i);
        hearers.add(TopicKind::Pattern, pattern);
        hearers.hold(TopicKind::Pattern, pattern, here);
    }
    uint64_t steps = 0;
    CHECK(hearers.more_by_patterns("c777", here, steps) == 0);
    hearers.add(TopicKind::Pattern, "c*777");
    CHECK_FALSE(hearers.more_by_patterns("c777", here, steps).has_value());
    steps = 100;
    CHECK(hearers.more_by_patterns("c777", here, steps) == 1);
    hearers.remove(TopicKind::Pattern, "c*777");
    hearers.remove(TopicKind::Pattern, "c*777");
    CHECK(hearers.more_by_patterns("c777", here, steps) == -1);
    hearers.release_all(here);
    steps = 0;
    CHECK(hearers.more_by_patterns("c777", here, steps) == 0);
}

TEST_CASE("a pattern that takes too long is not compared to its end") {
    Hearers hearers;
    const std::string channel(60'000, 'a');
    const std::string pattern = "*" + std::string(1000, 'a') + "b";
    uint64_t steps = 1000;
    hearers.hold(TopicKind::Pattern, pattern, here);
    hearers.add(TopicKind::Pattern, pattern);
    CHECK(hearers.more_by_patterns(channel, here, steps) ==
          0);  // one client more or less: the server
    hearers.add(TopicKind::Pattern, pattern);
    CHECK_FALSE(hearers.more_by_patterns(channel, here, steps).has_value());
    CHECK(steps == 0);
}

}  // namespace ringmain::core
