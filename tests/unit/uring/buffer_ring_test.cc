#include "ringmain/uring/buffer_ring.h"

#include "tests/unit/uring/rig.h"

#include <cerrno>

namespace ringmain::uring::test {

TEST_CASE("bytes arrive in the buffers of the group, in the order they were provided") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        Buffers buffers(rig, 4, 8);
        constexpr std::array<uint16_t, 3> order = {2, 0, 3};
        for (const uint16_t id : order)
            buffers.provide(id);
        CHECK(buffers.ring.held() == 0);
        buffers.ring.publish();
        CHECK(buffers.ring.held() == 3);
        CHECK_FALSE(buffers.ring.holds(1));

        bool armed = false;
        uint32_t served = 0;
        for (const uint16_t id : order) {
            if (!armed) rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
            pair.write("abc");
            const Completion done = rig.wait_for_one();
            CHECK(done.buffer() == id);
            CHECK(buffers.take(done) == "abc");
            served += 1;
            CHECK(buffers.ring.held() == 3 - served);
            armed = done.more();
            CHECK(armed == rig.has(Feature::MultishotReceive));
        }
    }
}

TEST_CASE("an id may stand for other memory each time") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        Buffers buffers(rig, 1, 8);
        std::string elsewhere(16, '.');
        buffers.provide_all();
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {.shots = Shots::One}, named(1));
        pair.write("here");
        CHECK(buffers.take(rig.wait_for_one()) == "here");
        buffers.ring.provide(0, elsewhere.data(), 16);
        buffers.ring.publish();
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {.shots = Shots::One}, named(1));
        pair.write("and now there");
        const Completion done = rig.wait_for_one();
        CHECK(done.result == 13);
        CHECK(elsewhere.substr(0, 13) == "and now there");
        CHECK(buffers.memory[0].substr(0, 4) == "here");
    }
}

TEST_CASE("without buffers a receive ends, and goes on when it is armed again") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        Buffers buffers(rig, 2, 4);
        buffers.provide_all();
        pair.write("aaaabbbbccccdd");
        std::string received;
        uint32_t times_empty = 0;
        bool armed = false;
        while (received.size() < 14) {
            if (!armed) rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
            armed = true;
            for (const Completion& done : rig.wait_for(1)) {
                if (!done.more()) armed = false;
                if (done.result == -ENOBUFS) {
                    CHECK_FALSE(done.more());
                    CHECK(buffers.ring.held() == 0);
                    times_empty += 1;
                    buffers.provide_all();
                    continue;
                }
                received += buffers.take(done);
            }
        }
        CHECK(received == "aaaabbbbccccdd");
        CHECK(times_empty > 0);
    }
}

TEST_CASE("a receive that waits first needs no buffer until bytes come") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        Buffers buffers(rig, 2, 4);
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {.poll_first = true}, named(1));
        CHECK(rig.is_quiet());
        buffers.provide_all();
        pair.write("x");
        CHECK(buffers.take(rig.wait_for_one()) == "x");
    }
}

TEST_CASE("the end of the stream takes no buffer") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset);
        Pair pair;
        Buffers buffers(rig, 2, 4);
        buffers.provide_all();
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
        rig.ring.submit();
        pair.far.close();
        const Completion done = rig.wait_for_one();
        CHECK(done.result == 0);
        CHECK_FALSE(done.more());
        CHECK_FALSE(done.has_buffer());
        CHECK(buffers.ring.held() == 2);
    }
}

TEST_CASE("cancelling a receive stops it, and what arrives later waits in the socket") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        Buffers buffers(rig, 2, 4);
        buffers.provide_all();
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
        rig.ring.submit();
        rig.ring.cancel(pair.near.get(), named(1), named(2));
        for (const Completion& done : rig.wait_for(2)) {
            if (done.user_data == named(1)) CHECK(done.result < 0);
            CHECK_FALSE(done.more());
        }
        pair.write("late");
        CHECK(rig.is_quiet());
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(3));
        CHECK(buffers.take(rig.wait_for_one()) == "late");
    }
}

TEST_CASE("two groups do not mix") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair first;
        const Pair second;
        Buffers left(rig, 1, 8, 1);
        Buffers right(rig, 1, 8, 2);
        left.provide_all();
        right.provide_all();
        rig.ring.receive(first.near.get(), 1, {.shots = Shots::One}, named(1));
        rig.ring.receive(second.near.get(), 2, {.shots = Shots::One}, named(2));
        second.write("right");
        CHECK(right.take(rig.wait_for_one()) == "right");
        CHECK(left.ring.held() == 1);
        first.write("left");
        CHECK(left.take(rig.wait_for_one()) == "left");
    }
}

TEST_CASE("the ring goes round many times") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        Buffers buffers(rig, 4, 8);
        buffers.provide_all();
        bool armed = false;
        for (uint32_t i = 0; i < 70'000; i += 7) {
            if (!armed) rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
            const std::string text = std::to_string(i);
            pair.write(text);
            const Completion done = rig.wait_for_one();
            REQUIRE(buffers.take(done) == text);
            buffers.provide(done.buffer());
            buffers.ring.publish();
            armed = done.more();
        }
    }
}

TEST_CASE("closing a buffer ring ends the receives on it") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        Buffers buffers(rig, 2, 8);
        buffers.provide_all();
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
        rig.ring.submit();
        CHECK(rig.is_quiet());
        buffers.ring.close();
        CHECK(buffers.ring.held() == 0);
        pair.write("x");
        CHECK(rig.wait_for_one().result == -ENOBUFS);
    }
}

TEST_CASE("a group that is taken cannot be opened twice") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Buffers buffers(rig, 2, 8, 5);
        BufferRing second;
        const Status opened = second.open(rig.ring, {.entries = 2, .group = 5});
        REQUIRE_FALSE(opened.ok());
        CHECK(opened.error().find("EEXIST") != std::string::npos);
    }
}

}  // namespace ringmain::uring::test
