#include "ringmain/core/listeners.h"

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
    for (int i = 0; i < 3; ++i) {
        listeners.add(TopicKind::Pattern, "news:*");
        listeners.add(TopicKind::Pattern, "*:a");
        listeners.add(TopicKind::Pattern, "NEWS:*");
        listeners.add(TopicKind::Channel, "news:a");
    }
    listeners.add(TopicKind::Pattern, "*");
    CHECK(listeners.more_by_patterns("news:a") == 4);
    CHECK(listeners.more_by_patterns("news:b") == 2);
    CHECK(listeners.more_by_patterns("other") == 0);
    listeners.remove(TopicKind::Pattern, "news:*");
    CHECK(listeners.more_by_patterns("news:b") == 1);
}

}  // namespace ringmain::core
