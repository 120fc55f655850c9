// Large responses that break off: the client gets all that was due before, the beginning, and its
// end.

#include "tests/unit/core/streaming.h"
#include "tests/unit/memcached/binary_packets.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr size_t cut_at = 100'000;

const std::string cut_value(2 * cut_at, 'v');

config::Pool memcached_streaming() {
    config::Pool pool = memcached_pool(1);
    pool.stream_threshold = threshold;
    return pool;
}

// A silent server, and a client that has asked it.
struct CutOff {
    CutOff(const config::Pool& pool, std::string_view requests)
        : world(pool, {.blocks = 1024}), client(&world.client()) {
        world.server(0).mood = Mood::Mute;
        CHECK(world.ask(*client, requests) == "");
        link = world.link(0);
        REQUIRE(link != nullptr);
    }

    // All of it comes in one batch, and with it the end.
    std::string hear_to_the_end(std::string_view bytes) {
        link->inbound += bytes;
        link->inbound_end = true;
        world.settle();
        return World::heard(*client);
    }

    World world;
    Channel* client;
    Channel* link = nullptr;
};

}  // namespace

TEST_CASE("a large response that breaks off takes nothing with it that was due before") {
    const std::string sent = ":1\r\n" + bulk(cut_value).substr(0, cut_at);
    CutOff asked(streaming_pool(),
                 resp({"INCR", "n"}) + resp({"GET", "big"}) + resp({"INCR", "n"}) + resp({"PING"}));
    CHECK(asked.hear_to_the_end(sent) == sent);
    CHECK(asked.client->closed);
}

TEST_CASE("memcached: a large response that breaks off takes nothing with it") {
    const std::string sent =
        "STORED\r\n" +
        ("VALUE big 0 " + std::to_string(cut_value.size()) + "\r\n" + cut_value).substr(0, cut_at);
    CutOff asked(memcached_streaming(),
                 "set n 0 0 1\r\n1\r\nget big\r\nset n 0 0 1\r\n2\r\nmn\r\n");
    CHECK(asked.hear_to_the_end(sent) == sent);
    CHECK(asked.client->closed);
}

TEST_CASE("binary: a large response that breaks off takes nothing with it") {
    using memcached::test::noop;
    using memcached::test::packet;
    using memcached::test::responses_in;
    const std::string removal = packet({.opcode = 0x04, .key = "small"});
    CutOff asked(memcached_streaming(),
                 removal + packet({.opcode = 0x00, .key = "big"}) + removal + noop);
    const std::string heard = asked.hear_to_the_end(
        "HD\r\n" + ("VALUE big 0 " + std::to_string(cut_value.size()) + " 7\r\n" + cut_value)
                       .substr(0, cut_at));
    constexpr size_t header = 24;
    CHECK(responses_in(heard.substr(0, header)) == "04 s00");
    const std::string value = heard.substr(2 * header + 4);  // behind its header and its flags
    CHECK(value.size() > cut_at - 100);
    CHECK(value == cut_value.substr(0, value.size()));
    CHECK(asked.client->closed);
}

TEST_CASE("a response without an end is read no longer than somebody may wait for it") {
    const std::string element = bulk(std::string(8 << 20, 'x'));
    for (const bool is_mute : {false, true}) {
        CAPTURE(is_mute);
        const std::string get = resp({"GET", "a"});
        CutOff cut(streaming_pool(), is_mute ? resp({"CLIENT", "REPLY", "OFF"}) + get : get);
        cut.link->inbound += "*2147483647\r\n" + element;
        cut.world.settle();
        World::heard(*cut.client);
        Channel& behind = cut.world.client();
        World::say(behind, get);
        if (!is_mute) cut.world.drop(*cut.client);
        for (uint64_t sent = element.size(); sent < uint64_t{1} << 30; sent += element.size()) {
            CHECK_FALSE(cut.link->closed);
            cut.link->inbound += element;
            cut.world.settle();
        }
        cut.link->inbound += element;
        cut.world.settle();
        CHECK(cut.link->closed);
        CHECK(World::heard(behind) ==
              "-ERR ringmain: server s0 (10.0.0.1:7000) sent more than 1 GiB of a response that "
              "nobody waits for\r\n");
        CHECK(bytes_in_use(cut.world) < threshold);
    }
}

TEST_CASE("a client that has the beginning of a response takes it at its own pace") {
    const std::string sent = "$5\r\nfirst\r\n" + bulk(cut_value).substr(0, cut_at);
    config::Pool pool = streaming_pool(2);
    pool.client_output_timeout_ms = 1000;
    for (const bool reads : {true, false}) {
        CAPTURE(reads);
        World world(pool, {.blocks = 1024});
        world.server(0).mood = Mood::Mute;
        Channel& client = world.client();
        client.reads = false;
        // Behind it is what another server answers meanwhile, and what has no end either.
        const std::string a = world.key_on(0);
        const std::string b = world.key_on(1);
        world.server(1).mood = Mood::Mute;
        CHECK(world.ask(
                  client,
                  resp({"GET", a}) + resp({"GET", a}) + resp({"GET", b}) + resp({"GET", b})) == "");
        Channel& other = *world.link(1);
        other.inbound += bulk(cut_value).substr(0, cut_at);
        Channel& link = *world.link(0);
        link.inbound += sent;
        link.inbound_end = true;
        world.settle();
        CHECK_FALSE(client.closed);
        World::say(client, resp({"PING"}));  // nobody reads it
        other.inbound += bulk(cut_value).substr(cut_at) + bulk("last");
        world.pass(500);
        CHECK_FALSE(client.closed);
        CHECK(World::heard(client) == "");
        if (reads) {
            client.reads = true;
            client.sip = 10'000;
            world.pass(500);
            CHECK(World::heard(client) == sent);
        } else {
            world.pass(3000);
        }
        CHECK(client.closed);
        CHECK(world.counters().worker.clients_closed_slow.get() == (reads ? 0 : 1));
    }
}

}  // namespace ringmain::test
