// An answer that a server leaves out under a load that never pauses.

#include "ringmain/core/pairing.h"

#include "tests/unit/core/world.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

using core::Pairing;

namespace {

constexpr Duration interval = Duration::millis(500);

constexpr Instant at_ms(int64_t ms) {
    return Instant{} + Duration::millis(ms);
}

std::string value(const std::string& text) {
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// One server that answers each request 20 ms later, when the next one is there; whoever asks for
// the key n is to be told n.
struct Relay {
    explicit Relay(config::Pool pool = redis_pool(1)) : world(std::move(pool)) {
        world.server(0).mood = Mood::Mute;
    }

    void step() {
        Channel& client = world.client();
        World::say(client, resp({"GET", std::to_string(clients.size())}));
        clients.push_back(&client);
        world.settle();
        if (world.link(0) != link) {
            link = world.link(0);
            links += 1;
            asked = 0;
            answered = 0;
        }
        const size_t came = std::exchange(asked, keys_asked().size());
        pauses += asked == came ? 1 : 0;
        world.pass(10);
        for (; answered < came; ++answered) {
            if (std::exchange(leaves_out, false)) continue;
            world.reply(0, value(keys_asked()[answered]));
        }
        world.settle();
    }

    void go_on(uint32_t ms) {
        for (uint32_t i = 0; i < ms / 10; ++i) {
            step();
        }
    }

    // An answer, until new requests are held back behind it.
    void lose_one() {
        go_on(100);
        leaves_out = true;
        for (uint32_t i = 0; i < 150 && !link->server->pairing.holds(); ++i) {
            step();
        }
        REQUIRE(link->server->pairing.holds());
    }

    // On the connection that there is.
    [[nodiscard]] std::vector<std::string> keys_asked() const {
        std::vector<std::string> keys;
        for (size_t at = 0; (at = link->arrived.find("GET\r\n", at)) != std::string::npos;) {
            const size_t begin = link->arrived.find("\r\n", at + 5) + 2;
            at = link->arrived.find("\r\n", begin);
            keys.push_back(link->arrived.substr(begin, at - begin));
        }
        return keys;
    }

    // How many were told what is not theirs; who got an error is told so.
    [[nodiscard]] size_t count_wrong() const {
        size_t count = 0;
        for (size_t i = 0; i < clients.size(); ++i) {
            const std::string& answer = clients[i]->arrived;
            const bool is_right =
                answer.empty() || answer[0] == '-' || answer == value(std::to_string(i));
            count += is_right ? 0 : 1;
        }
        return count;
    }

    [[nodiscard]] int64_t count_errors() const {
        return std::ranges::count_if(
            clients, [](const Channel* client) { return client->arrived.starts_with('-'); });
    }

    World world;
    std::vector<Channel*> clients;
    Channel* link = nullptr;
    uint32_t links = 0;
    size_t asked = 0;     // on it
    size_t answered = 0;  // of those
    size_t pauses = 0;    // steps that brought the server nothing
    bool leaves_out = false;
};

}  // namespace

TEST_CASE("a connection that is at rest now and then holds nothing back") {
    Pairing pairing;
    CHECK(pairing.is_due(at_ms(10)));
    CHECK_FALSE(pairing.must_wait(true, at_ms(10), interval));
    CHECK_FALSE(pairing.is_due(at_ms(509)));
    CHECK(pairing.is_due(at_ms(510)));
    CHECK_FALSE(pairing.must_wait(false, at_ms(510), interval));
    CHECK_FALSE(pairing.must_wait(false, at_ms(1009), interval));
    CHECK_FALSE(pairing.must_wait(true, at_ms(1009), interval));
    CHECK_FALSE(pairing.must_wait(false, at_ms(2008), interval));
    CHECK(pairing.must_wait(false, at_ms(2009), interval));
    CHECK(pairing.holds());
    CHECK(pairing.must_wait(false, at_ms(2010), interval));
    CHECK_FALSE(pairing.must_wait(true, at_ms(2011), interval));
    CHECK_FALSE(pairing.holds());
}

TEST_CASE("what takes long is done rarely") {
    Pairing pairing;
    CHECK(pairing.must_wait(false, at_ms(500), interval));
    pairing.release(at_ms(520), interval);
    CHECK_FALSE(pairing.holds());
    CHECK_FALSE(pairing.is_due(at_ms(2519)));
    CHECK_FALSE(pairing.must_wait(false, at_ms(3019), interval));
    CHECK(pairing.must_wait(false, at_ms(3020), interval));
    pairing.release(at_ms(3021), interval);
    CHECK(pairing.is_due(at_ms(3521)));
}

TEST_CASE(
    "a connection that is never at rest holds back what is new for a round trip now and then") {
    Relay relay;
    relay.go_on(5000);
    CHECK(relay.pauses >= 3);
    CHECK(relay.pauses <= 10);
    relay.step();
    relay.step();
    CHECK(relay.links == 1);
    CHECK(relay.count_wrong() == 0);
    CHECK(relay.clients[relay.clients.size() - 3]->arrived != "");
}

TEST_CASE(
    "an answer that is left out is missed within seconds, and nobody gets another's behind it") {
    Relay relay;
    relay.go_on(100);
    CHECK(relay.links == 1);
    relay.leaves_out = true;
    relay.go_on(1500);
    const size_t wrong = relay.count_wrong();
    CHECK(wrong > 0);
    CHECK(wrong < 150);
    relay.go_on(3000);
    CHECK(relay.links == 2);
    CHECK(relay.count_wrong() == wrong);
}

// Others are served by another connection then, and this one holds nothing back any more.
TEST_CASE("what is held back does not leave behind an answer that is late") {
    Relay relay;
    relay.lose_one();
    Channel* const old = relay.link;
    const size_t asked = relay.keys_asked().size();
    const size_t wrong = relay.count_wrong();
    bool is_replaced = false;
    // What comes in the very batch that finds the answer late is on the way already.
    for (uint32_t i = 0; i < 300; ++i) {
        World::say(relay.world.client(), resp({"GET", "x"}));
        relay.world.pass(10);
        is_replaced = is_replaced || relay.world.link(0) != old;
        REQUIRE(relay.keys_asked().size() == asked);
    }
    CHECK(is_replaced);
    CHECK(relay.count_wrong() == wrong);
}

// It has not left, so it can be served, and has the time that those have who wait for a connection.
TEST_CASE("what is held back behind an answer that is missing is answered on the next connection") {
    Relay relay;
    relay.lose_one();
    Channel* const old = relay.link;
    std::vector<Channel*> held;
    for (uint32_t i = 0; i < 5; ++i) {
        held.push_back(&relay.world.client());
        World::say(*held.back(), resp({"GET", "held" + std::to_string(i)}));
        relay.world.pass(10);
    }
    const auto is_replaced = [&] {
        return relay.world.link(0) != nullptr && relay.world.link(0) != old;
    };
    for (uint32_t i = 0; i < 50 && !is_replaced(); ++i) {
        relay.world.pass(10);
    }
    REQUIRE(is_replaced());
    relay.link = relay.world.link(0);
    relay.world.pass(300);  // of 400 (timeout)
    for (const std::string& key : relay.keys_asked()) {
        relay.world.reply(0, value(key));
    }
    relay.world.settle();
    for (size_t i = 0; i < held.size(); ++i) {
        CAPTURE(i);
        CHECK(held[i]->arrived == value("held" + std::to_string(i)));
    }
}

// What is held back needs two round trips, and has the time of one.
TEST_CASE("a server that is far away loses no request to it") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 28;  // an answer takes 20 ms
    pool.server_failure_limit = 1;
    pool.auto_eject_hosts = true;
    Relay relay(pool);
    relay.go_on(5000);
    CHECK(relay.links == 1);
    CHECK(relay.pauses == 0);
    CHECK(relay.count_errors() == 0);
    CHECK(relay.world.health(0).failures() == 0);
}

TEST_CASE("where a missing answer is not noticed in time nothing is held back") {
    config::Pool pool = redis_pool(1);
    pool.timeout_ms = 0;
    Relay relay(pool);
    relay.go_on(5000);
    CHECK(relay.pauses == 0);
}

}  // namespace ringmain::test
