// tests/sim/scenario.h - what a seed means: the pools, the process, who comes, what goes wrong.
//
// The rates of faults are drawn, too: a seed in which only one kind of fault happens, and often,
// finds what one with a little of everything does not.

#pragma once

#include "ringmain/base/prng.h"
#include "ringmain/base/time.h"
#include "ringmain/config/config.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/pairing.h"

#include <array>
#include <cstdint>
#include <string>

namespace ringmain::sim {

// What may happen to servers, connections, workers.
enum class Mishap : uint8_t {
    Stall,          // a server stands still for a while
    Crawl,          // each of its answers takes long
    Die,            // all connections are reset, new ones refused for a while
    DieEmpty,       // and the data are gone, or old
    Vanish,         // no byte passes for a while, connects hang
    CloseAll,       // it closes its connections
    ResetOne,       // one connection is reset
    CutAnswer,      // an answer ends in the middle, and so does the connection
    SwallowAnswer,  // from now on this connection has no answers
    Malformed,      // an answer that is none
    WrongShape,     // the answer to another command
    WrongKey,       // the value of another key
    Unasked,        // an answer that nobody asked for
    Push,           // a push message
    Loading,        // errors in the server's own words for a while
    WrongPassword,  // for a while
    NoResp3,        // for a while
    Greeting,       // new connections begin with an answer that nobody asked for
    Delay,          // one connection's bytes are late
    PauseWorker,
    PauseAll,  // the machine stands still
    LeaveOut,  // a request is done and never answered: what follows answers others'
};

inline constexpr size_t mishap_count = 22;

struct Scenario {
    explicit Scenario(uint64_t seed);

    // A client that reads never has so much waiting for it.
    static constexpr uint64_t output_limit_ample = 100'000'000;

    config::Config config;
    uint32_t workers = 1;
    uint32_t blocks = 512;     // of each worker's arena
    bool scarce = false;       // so few that requests may fail over it
    bool cut = true;           // receives and sends end anywhere
    uint32_t preconnects = 2;  // that a batch begins
    core::BatchBounds bounds;
    Duration pairing = core::pairing_interval;
    bool calm = false;     // nothing fails
    uint32_t clients = 4;  // at a time
    uint32_t requests = 600;
    uint32_t steps_max = 0;  // of the story; then everything heals
    Duration think = {};     // of a client, between two pipelines, at most
    uint32_t depth_max = 1;  // of a pipeline
    Duration latency_max = {};
    Duration mishap_every = {};
    std::array<uint32_t, mishap_count> weights = {};
    uint32_t weight_sum = 0;
    uint32_t odd_clients = 0;    // in a hundred: deaf, rude, trickling, babbling
    Duration reload_every = {};  // another configuration; 0: never
    bool moves_servers = false;  // with other servers in it, and other weights
    bool changes_auth = false;   // with another password in the first pool, and users
    bool selects = false;        // clients ask for other databases
    bool waits = false;          // and for commands that wait on their server
    bool lingers = false;        // very often, and lists are mostly empty
    bool has_large = false;      // values, many
    bool carries = false;        // and for writes over several servers
    bool has_old = false;        // servers, of which some do not take `ms`
    bool has_silent = false;     // servers, which stand still for several timeouts
    bool forgets = false;        // servers leave answers out
    bool publishes = false;      // and some are subscribed, to what others publish
    Duration long_batch = {};    // that a batch takes, now and then, at most; 0: none does
    bool drains = false;         // at the end the proxy closes its clients, not they themselves

    // The first pool, and often the only one.
    [[nodiscard]] const config::Pool& pool() const { return config.pools[0]; }

    // Whether it is a fault at all that a server of the pool can have, and one that shows.
    [[nodiscard]] static bool may_happen(Mishap mishap, const config::Pool& pool);

    // For the story: all of it in one line.
    [[nodiscard]] std::string text() const;

  private:
    void draw_pool(Prng& prng);
    void draw_mishaps(Prng& prng);
    void draw_forgetful();
};

}  // namespace ringmain::sim
