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

}  // namespace ringmain::core
