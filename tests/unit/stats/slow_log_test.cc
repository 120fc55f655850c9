#include "ringmain/stats/slow_log.h"

#include <memory>
#include <string>

#include "sample.h"
#include <doctest/doctest.h>

namespace ringmain::stats {

using test::contains;

namespace {

SlowEntry entry_of(int64_t total_us) {
    SlowEntry entry;
    entry.request.total_us = total_us;
    entry.pool = "alpha";
    return entry;
}

}  // namespace

TEST_CASE("what is pushed is popped, in order") {
    const auto queue = std::make_unique<SlowQueue>();
    SlowRequest request;
    CHECK_FALSE(queue->pop(request));
    for (int64_t i = 0; i < 1000; ++i) {
        SlowRequest pushed;
        pushed.total_us = i;
        pushed.key.assign("key:" + std::to_string(i));
        REQUIRE(queue->push(pushed));
        REQUIRE(queue->pop(request));
        CHECK(request.total_us == i);
        CHECK(request.key.view() == "key:" + std::to_string(i));
    }
    CHECK_FALSE(queue->pop(request));
    CHECK(queue->dropped() == 0);
}

TEST_CASE("a full queue drops and counts") {
    const auto queue = std::make_unique<SlowQueue>();
    for (uint32_t i = 0; i < SlowQueue::capacity; ++i) {
        REQUIRE(queue->push({}));
    }
    CHECK_FALSE(queue->push({}));
    CHECK_FALSE(queue->push({}));
    CHECK(queue->dropped() == 2);
    SlowRequest request;
    CHECK(queue->pop(request));
    CHECK(queue->push({}));
}

TEST_CASE("text is cut where it does not fit") {
    ShortText<4> text;
    text.assign("abcdef");
    CHECK(text.view() == "abcd");
    text.assign("");
    CHECK(text.view().empty());
}

TEST_CASE("the latest and the slowest are kept, each up to its limit") {
    SlowLog log(8);
    for (int64_t us = 1; us <= 20; ++us) {
        log.add(entry_of(us % 2 == 0 ? us : 1000 - us));
    }
    REQUIRE(log.latest().size() == 8);
    CHECK(log.latest().front().request.total_us == 20);
    CHECK(log.latest().front().id == 20);
    CHECK(log.latest().back().id == 13);
    REQUIRE(log.slowest().size() == 2);
    CHECK(log.slowest()[0].request.total_us == 999);
    CHECK(log.slowest()[1].request.total_us == 997);
    CHECK(log.added() == 20);
    log.clear();
    CHECK(log.latest().empty());
    CHECK(log.slowest().empty());
    log.add(entry_of(5));
    CHECK(log.latest().front().id == 21);
}

TEST_CASE("a slow request is shown with its key escaped and where its time went") {
    SlowLog log(4);
    SlowEntry entry = entry_of(12'345);
    entry.server = "cache1";
    entry.address = "10.0.0.1:6379";
    entry.worker = 3;
    entry.request.at_ns = 1'800'000'000'123'456'789;
    entry.request.queued_us = 345;
    entry.request.client_id = 9;
    entry.request.key_size = 200;
    entry.request.command.assign("HGETALL");
    entry.request.key.assign("a\"\n\xFF");
    entry.request.client.assign("127.0.0.1:5000");
    log.add(entry);
    const std::string expected =
        "{\"id\":1, \"at_ms\":1800000000123, \"pool\":\"alpha\", \"server\":\"cache1\", "
        "\"address\":\"10.0.0.1:6379\", \"command\":\"HGETALL\", "
        "\"key\":\"a\\\\\\\"\\\\n\\\\xff\", \"key_size\":200, \"client\":\"127.0.0.1:5000\", "
        "\"client_id\":9, \"worker\":3, \"answered\":true, \"total_us\":12345, "
        "\"queued_us\":345, \"server_us\":12000}";
    CHECK(log.to_json(10'000, 2) ==
          "{\"threshold_us\":10000, \"added\":1, \"dropped\":2, \"slowest\": [" + expected +
              "], \"latest\": [" + expected + "]}\n");
}

}  // namespace ringmain::stats
