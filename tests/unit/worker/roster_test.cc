#include "ringmain/worker/roster.h"

#include <cstdint>
#include <random>

#include <doctest/doctest.h>

namespace ringmain::worker {
namespace {

// Accepted by whomever the kernel chose.
void accept(Roster& roster, uint32_t workers, uint32_t clients) {
    std::minstd_rand random(clients);
    for (uint32_t i = 0; i < clients; ++i) {
        static_cast<void>(roster.place(static_cast<uint32_t>(random()) % workers));
    }
}

TEST_CASE("few clients are shared out to one, whoever accepts them") {
    constexpr uint32_t workers = 4;
    for (uint32_t clients = 0; clients <= 4 * workers; ++clients) {
        CAPTURE(clients);
        Roster roster(workers);
        for (uint32_t i = 0; i < clients; ++i) {
            static_cast<void>(roster.place(0));
        }
        for (uint32_t i = 0; i < workers; ++i) {
            CHECK(roster.clients(i) >= clients / workers);
            CHECK(roster.clients(i) <= (clients + workers - 1) / workers);
        }
    }
}

TEST_CASE("many clients are shared out within an eighth, and most stay where they came") {
    constexpr uint32_t workers = 4;
    Roster roster(workers);
    accept(roster, workers, 4000);
    for (uint32_t i = 0; i < workers; ++i) {
        CHECK(roster.clients(i) > 800);
        CHECK(roster.clients(i) < 1200);
    }
    uint32_t moved = 0;
    for (uint32_t i = 0; i < workers; ++i) {
        if (roster.place(i) != i) moved += 1;
    }
    CHECK(moved <= 1);
}

TEST_CASE("who has left makes room") {
    Roster roster(2);
    CHECK(roster.place(0) == 0);
    CHECK(roster.place(0) == 1);
    roster.leave(1);
    CHECK(roster.place(0) == 1);
    roster.keep(1);
    CHECK(roster.clients(1) == 2);
    CHECK(roster.place(1) == 0);
}

TEST_CASE("a worker with another configuration is handed nobody") {
    Roster roster(3);
    roster.adopt(0, 2);
    CHECK(roster.place(0) == 0);
    CHECK(roster.place(0) == 0);
    roster.adopt(2, 2);
    CHECK(roster.place(0) == 2);
    CHECK(roster.place(1) == 1);
}

TEST_CASE(
    "who drains, or waits for another configuration, is handed nobody and hands over nobody") {
    Roster roster(3);
    roster.keep(0);
    roster.close(1);
    roster.close(2);
    CHECK(roster.place(0) == 0);
    roster.keep(1);
    CHECK(roster.place(1) == 1);
    roster.adopt(1, 2);
    roster.adopt(0, 2);
    roster.keep(1);
    roster.keep(1);
    CHECK(roster.place(1) == 0);
}

TEST_CASE("one worker keeps all") {
    Roster roster(1);
    CHECK(roster.place(0) == 0);
    CHECK(roster.place(0) == 0);
    CHECK(roster.clients(0) == 2);
}

}  // namespace
}  // namespace ringmain::worker
