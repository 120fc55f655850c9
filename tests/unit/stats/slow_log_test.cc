#include "ringmain/stats/slow_log.h"

#include <memory>
#include <string>
#include <vector>

#include "sample.h"
#include <doctest/doctest.h>

namespace ringmain::stats {

using test::contains;

namespace {

SlowRequest request_of(int64_t total_us) {
    SlowRequest request;
    request.total_us = total_us;
    request.pool.assign("alpha");
    return request;
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
        log.add(request_of(us % 2 == 0 ? us : 1000 - us));
    }
    REQUIRE(log.latest().size() == 8);
    CHECK(log.latest().front().request.total_us == 20);
    CHECK(log.latest().front().id == 20);
    CHECK(log.latest().back().id == 13);
    REQUIRE(log.slowest().size() == 2);
    CHECK(log.slowest()[0].request.total_us == 999);
    CHECK(log.slowest()[1].request.total_us == 997);
    CHECK(log.added() == 20);
}

TEST_CASE("what workers noted one beside the other is kept in the order of time") {
    SlowLog log(3);
    std::vector<SlowRequest> requests;
    for (const int64_t at : {30, 50, 10, 20, 40}) {
        requests.push_back(request_of(1000 + at));
        requests.back().at_ns = at;
    }
    log.add_all(requests);
    REQUIRE(log.latest().size() == 3);
    for (size_t i = 0; i < 3; ++i) {
        CHECK(log.latest()[i].id == 5 - i);
        CHECK(log.latest()[i].request.at_ns == 50 - 10 * static_cast<int64_t>(i));
    }
    CHECK(log.slowest().front().request.at_ns == 50);
}

TEST_CASE("a slow request is shown with its key escaped and where its time went") {
    SlowLog log(4);
    SlowRequest request = request_of(12'345);
    request.server.assign("cache1 (10.0.0.1:6379)");
    request.worker = 3;
    request.at_ns = 1'800'000'000'123'456'789;
    request.queued_us = 345;
    request.client_id = 9;
    request.key_size = 200;
    request.command.assign("HGETALL");
    request.key.assign("a\"\n\xFF");
    request.client.assign("127.0.0.1:5000");
    log.add(request);
    const std::string expected =
        "{\"id\":1, \"at_ms\":1800000000123, \"pool\":\"alpha\", \"server\":\"cache1 "
        "(10.0.0.1:6379)\", "
        "\"command\":\"HGETALL\", "
        "\"key\":\"a\\\\\\\"\\\\n\\\\xff\", \"key_size\":200, \"client\":\"127.0.0.1:5000\", "
        "\"client_id\":9, \"worker\":3, \"answered\":true, \"total_us\":12345, "
        "\"queued_us\":345, \"server_us\":12000}";
    CHECK(log.to_json(10'000, 2) ==
          "{\"threshold_us\":10000, \"added\":1, \"dropped\":2, \"slowest\": [" + expected +
              "], \"latest\": [" + expected + "]}\n");
}

}  // namespace ringmain::stats
