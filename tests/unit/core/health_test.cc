#include "ringmain/core/health.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::core {

namespace {

constexpr Health::Rules limit_two = {.eject = true, .failure_limit = 2};

Instant at(int64_t ms) {
    return Instant{} + Duration::millis(ms);
}

Health::Verdict fail(Health& health,
                     int64_t began_ms,
                     int64_t now_ms,
                     Health::Rules rules = limit_two) {
    return health.on_failure({.began = at(began_ms), .now = at(now_ms), .reason = "broke"}, rules);
}

}  // namespace

TEST_CASE("the failure that reaches the limit ejects, and no other says that it did") {
    Health health;
    CHECK(fail(health, 10, 20) == Health::Verdict::Counted);
    CHECK(health.accepts_traffic());
    CHECK(fail(health, 30, 40) == Health::Verdict::Ejected);
    CHECK_FALSE(health.accepts_traffic());
    CHECK(health.changed_at() == at(40));
    CHECK(health.change_reason() == "broke");
    CHECK(health.ejections() == 1);
    CHECK(fail(health, 50, 60) == Health::Verdict::Counted);
    CHECK(health.ejections() == 1);
}

TEST_CASE("what began before the last failure that counted is the same failure") {
    Health health;
    CHECK(fail(health, 10, 20) == Health::Verdict::Counted);
    CHECK(fail(health, 10, 21) == Health::Verdict::Ignored);
    CHECK(fail(health, 20, 22) == Health::Verdict::Ignored);
    CHECK(health.failures() == 1);
    CHECK(fail(health, 21, 23) == Health::Verdict::Ejected);
}

TEST_CASE("a success ends the series, if what it answers began after the last failure") {
    Health health;
    CHECK(fail(health, 10, 20) == Health::Verdict::Counted);
    health.on_success(at(20));
    CHECK(health.failures() == 1);
    health.on_success(at(21));
    CHECK(health.failures() == 0);
    CHECK(fail(health, 30, 40) == Health::Verdict::Counted);
    CHECK(health.accepts_traffic());
}

TEST_CASE("without ejection failures are counted and nothing else") {
    Health health;
    for (int64_t i = 1; i < 10; ++i) {
        CHECK(fail(health, i * 10, i * 10 + 1, {.eject = false, .failure_limit = 1}) ==
              Health::Verdict::Counted);
    }
    CHECK(health.accepts_traffic());
    CHECK(health.failures() == 9);
}

TEST_CASE("an ejected server is brought back by a probe only, and starts anew") {
    Health health;
    static_cast<void>(fail(health, 10, 20));
    static_cast<void>(fail(health, 30, 40));
    CHECK_FALSE(health.on_success(at(50)));
    CHECK_FALSE(health.accepts_traffic());
    CHECK(health.readmit(at(100), "answered"));
    CHECK(health.accepts_traffic());
    CHECK(health.changed_at() == at(100));
    CHECK(health.change_reason() == "answered");
    CHECK_FALSE(health.readmit(at(101), "answered"));
    CHECK(health.failures() == 0);
    CHECK(fail(health, 90, 110) == Health::Verdict::Ignored);  // from before
    CHECK(fail(health, 105, 115) == Health::Verdict::Counted);
}

TEST_CASE("a series of failures is told once, and so is its end") {
    Health health;
    static_cast<void>(fail(health, 10, 20));
    CHECK(health.tell_once());
    CHECK_FALSE(health.tell_once());
    CHECK(health.failures() == 1);
    CHECK(health.on_success(at(30)));
    CHECK_FALSE(health.on_success(at(31)));
    CHECK(health.tell_once());
}

TEST_CASE("in a series of failures silence is told once, whatever was told before") {
    Health health;
    static_cast<void>(fail(health, 10, 20));
    CHECK(health.tell_once());
    CHECK(health.tell_silence());
    CHECK_FALSE(health.tell_silence());
    CHECK(health.failures() == 1);
    CHECK(health.on_success(at(30)));
    CHECK(health.tell_silence());
    CHECK_FALSE(health.tell_once());
}

TEST_CASE("of those who want to connect to a server that is down one gets the turn") {
    Health health;
    CHECK_FALSE(health.is_down());
    health.forbid_until(at(100), "refused");
    CHECK(health.last_error() == "refused");
    CHECK(health.is_down());
    CHECK_FALSE(health.take_turn(at(99), at(200)));
    CHECK(health.take_turn(at(100), at(200)));
    CHECK_FALSE(health.take_turn(at(100), at(200)));
    CHECK_FALSE(health.take_turn(at(199), at(300)));
    CHECK(health.take_turn(at(200), at(300)));  // the other one was never heard of again
    health.allow();
    CHECK_FALSE(health.is_down());
    CHECK_FALSE(health.take_turn(at(400), at(500)));  // no turns: anybody may
}

TEST_CASE("a shared text is read as it was written, or its beginning") {
    SharedText text;
    CHECK(text.read().empty());
    text.write("refused the connection");
    CHECK(text.read() == "refused the connection");
    text.write("x");
    CHECK(text.read() == "x");
    const std::string longer(500, 'y');
    text.write(longer);
    CHECK(text.read() == longer.substr(0, SharedText::size_max));
}

}  // namespace ringmain::core
