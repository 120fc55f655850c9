#include "src/worker/name_search.h"

#include "ringmain/uring/clock.h"

#include <string>

#include <doctest/doctest.h>
#include <poll.h>

namespace ringmain::worker {

namespace {

constexpr Instant search_begin = {1'000'000'000};

struct Searching {
    Inbox inbox;
    Resolver resolver;
    NameSearch search{resolver, inbox};

    void wait_until_ended() {
        while (!search.has_ended(search_begin)) {
            pollfd wanted = {.fd = search.descriptor(), .events = POLLIN, .revents = 0};
            REQUIRE(poll(&wanted, 1, 20000) == 1);
            search.take();
        }
    }
};

}  // namespace

TEST_CASE("a search has ended when all names are known") {
    Searching rig;
    rig.search.begin({}, search_begin);
    CHECK(rig.search.has_ended(search_begin));
    CHECK(rig.search.result().value().empty());
    rig.search.begin({{"pool 'a'", "localhost", 1}, {"pool 'b'", "localhost", 2}}, search_begin);
    CHECK_FALSE(rig.search.has_ended(search_begin));
    rig.wait_until_ended();
    const Result<NamedAddresses> found = rig.search.result();
    REQUIRE(found.ok());
    const std::string host = found.value().at("localhost").host();
    CHECK((host == "127.0.0.1" || host == "[::1]"));
}

TEST_CASE("a search ends with the first name that has no address") {
    Searching rig;
    rig.search.begin({{"pool 'a'", "no-such-host.invalid", 1}}, search_begin);
    rig.wait_until_ended();
    CHECK(rig.search.result().error().starts_with(
        "pool 'a': cannot resolve 'no-such-host.invalid': "));
    rig.search.begin({{"pool 'a'", "localhost", 1}}, search_begin);
    rig.wait_until_ended();
    CHECK(rig.search.result().ok());
}

TEST_CASE("a search ends when its time is up, and what comes later is not of the next one") {
    Searching rig;
    rig.search.begin({{"pool 'a'", "localhost", 1}}, search_begin);
    CHECK(rig.search.deadline() == search_begin + NameSearch::limit);
    CHECK(rig.search.has_ended(rig.search.deadline()));
    CHECK(rig.search.result().error() ==
          "pool 'a': cannot resolve 'localhost': no name server has answered within 10 s: check "
          "the name and /etc/resolv.conf, or write the address");
    rig.search.begin({{"pool 'b'", "127.0.0.9", 1}, {"pool 'c'", "localhost", 1}}, search_begin);
    rig.wait_until_ended();
    CHECK(rig.search.result().value().at("127.0.0.9").host() == "127.0.0.9");
}

}  // namespace ringmain::worker
