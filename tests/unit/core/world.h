// tests/unit/core/world.h - one pool, its servers and its clients, around a real Proxy.
//
// A test says what happens and then lets it happen:
//
//   World world(redis_pool(2));
//   Channel& client = world.client();
//   CHECK(world.ask(client, resp({"GET", "a"})) == "$-1\r\n");
//
// Nothing happens by itself: settle() runs batches until nothing moves, pass() lets time go on. At
// the end of a World nothing may be left in the arena, and no request may be alive (loop.h).

#pragma once

#include "tests/unit/core/fake_server.h"
#include "tests/unit/core/loop.h"
#include "tests/unit/core/wire.h"

#include <deque>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::test {

enum class Mood : uint8_t {
    Up,
    Mute,      // takes connections and requests, answers nothing; a test may reply() for it
    Refusing,  // no connection
    Vanished,  // connections are neither taken nor refused
};

struct FakeServer {
    Mood mood = Mood::Up;
    FakeRedis redis;
    FakeMemcached memcached;
};

// Servers s0, s1, ... at 10.0.0.1:7000, 10.0.0.1:7001, ...; no preconnect.
[[nodiscard]] config::Pool redis_pool(uint32_t servers);
[[nodiscard]] config::Pool memcached_pool(uint32_t servers);

// How errors and notices name the first.
inline const std::string s0 = "server s0 (10.0.0.1:7000) ";

class World {
  public:
    explicit World(config::Pool pool, const Loop::Options& options = {});
    ~World();

    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // --- clients ---------------------------------------------------------------------------------

    [[nodiscard]] Channel& client();

    static void say(Channel& client, std::string_view bytes) { client.inbound += bytes; }

    // What arrived since it was last asked.
    static std::string heard(Channel& channel) { return std::exchange(channel.arrived, {}); }

    // Says it, waits until nothing moves, and returns what came.
    std::string ask(Channel& client, std::string_view bytes);

    // The client is gone at once.
    void drop(Channel& client);

    // --- servers ---------------------------------------------------------------------------------

    [[nodiscard]] FakeServer& server(uint32_t index) { return servers_[index]; }

    // The open connection to a server; null when there is none.
    [[nodiscard]] Channel* link(uint32_t server, bool resp3 = false);

    // All open ones that serve everybody.
    [[nodiscard]] std::vector<Channel*> links(uint32_t server);

    // The same of the connection that probes it.
    [[nodiscard]] Channel* probe(uint32_t server);

    // The open connections to it that single clients hold, or may hold.
    [[nodiscard]] std::vector<Channel*> leases(uint32_t server);

    // The open connection that brings messages; null when there is none.
    [[nodiscard]] Channel* subscription(uint32_t server);

    // Bytes from a server on its open connection.
    void reply(uint32_t server, std::string_view bytes, bool resp3 = false);

    // The first so many servers answer nothing by themselves.
    void mute(uint32_t servers);

    // The server resets its connection.
    void cut_off(uint32_t server, bool resp3 = false);

    // The server closes its connection behind what it has sent.
    void hang_up(uint32_t server, bool resp3 = false);

    // The server of a key, and the n-th of the keys "k0", "k1", ... that live on a server.
    [[nodiscard]] uint32_t server_of(std::string_view key);
    [[nodiscard]] std::string key_on(uint32_t server, uint32_t n = 0);

    // --- configuration ---------------------------------------------------------------------------

    // From now on. Servers are the same ones when their ports are.
    void adopt(std::vector<config::Pool> pools);
    // The same in the midst of a batch, behind what happens on so many of the channels.
    void adopt_amid(std::vector<config::Pool> pools, size_t behind);

    // --- time ------------------------------------------------------------------------------------

    // One batch: everything that is there goes in. With `chance` below 100 each event waits for a
    // later batch with the rest of the probability.
    void step(uint64_t chance = 100);
    // Batches until nothing moves. The clock stands still.
    void settle();
    // Lets time go on in ticks.
    void pass(int64_t ms);

    [[nodiscard]] Loop& loop() { return *loop_; }

    [[nodiscard]] core::Proxy& proxy() { return loop_->proxy(); }

    [[nodiscard]] core::Counters& counters() { return loop_->counters(); }

    [[nodiscard]] core::Health& health(uint32_t server) {
        return proxy().pools()[0]->servers[server]->health();
    }

    [[nodiscard]] const config::Pool& pool() const { return config_.pools[0]; }

  private:
    [[nodiscard]] core::ServerConn& connection(uint32_t server, bool resp3);
    [[nodiscard]] static uint32_t index_of(const core::ServerConn& conn);
    void serve(Channel& channel);
    void bring_messages();
    void happen(Channel& channel);
    config::Config& keep(std::vector<config::Pool> pools);

    config::Config config_;
    std::deque<config::Config> adopted_;
    std::vector<FakeServer> servers_;
    std::map<uint32_t, Session> sessions_;  // by channel
    std::optional<Loop> loop_;
};

[[nodiscard]] inline const stats::PoolCounters& pool_counters(World& world) {
    return *world.proxy().pools()[0]->counters;
}

[[nodiscard]] inline const stats::ServerCounters& server_counters(World& world, uint32_t server) {
    return world.proxy().pools()[0]->servers[server]->counters();
}

}  // namespace ringmain::test
