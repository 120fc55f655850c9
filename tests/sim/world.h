// tests/sim/world.h - everything there is: workers, network, servers, clients, and the clock.
//
// A world is made from a scenario, lives through its story, heals, says goodbye. Time goes from one
// moment at which something can happen to the next. Within a moment: mishaps, then what the network
// brings, then servers, clients, and the workers' batches; after each batch the checks.
//
//   story      faults as drawn, at most steps_max moments
//   healing    no more faults; errors may still come for as long as the limits allow
//   calm       every client asks again, new ones come: no error at all
//   farewell   all leave; nothing may be left

#pragma once

#include "ringmain/base/prng.h"
#include "ringmain/base/time.h"
#include "tests/sim/client.h"
#include "tests/sim/link.h"
#include "tests/sim/realm.h"
#include "tests/sim/scenario.h"
#include "tests/sim/server.h"
#include "tests/sim/talker.h"
#include "tests/unit/core/loop.h"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace ringmain::sim {

struct Worker {
    std::unique_ptr<test::Loop> loop;
    std::deque<Client*> arrivals;
    size_t channels_seen = 1;  // of the loop's; 0 names no channel
    Instant free_at = {};      // its last batch takes until then
    bool is_woken = false;     // a server came or went: the drivers tell each other
    Instant began = {};        // its last batch
    Duration busy = {};        // that it took, where it was a long one
    bool reads_all = false;    // behind such a one
    bool has_unsent = false;   // when it began: of what earlier ones have given to be sent
    Duration stood = {};       // still, since its last batch
    Instant stopped_until = {};
    Instant last_tick = {};
    const config::Config* next_config = nullptr;  // to be adopted in its next batch
    bool is_told_to_drain = false;
    uint32_t batches = 0;
    // Servers, by pool, when its batch began.
    std::vector<std::vector<bool>> was_live = {};
    const config::Config* config = nullptr;  // that it has
};

struct Totals {
    uint64_t seeds = 0;
    uint64_t requests = 0;
    uint64_t served = 0;  // by servers
    uint64_t answers = 0;
    uint64_t known = 0;  // compared to the letter
    uint64_t errors = 0;
    std::array<uint64_t, mishap_count> mishaps = {};
    uint64_t ejections = 0;
    uint64_t returns = 0;
    uint64_t transactions = 0;  // that servers ran
    uint64_t shared_lines = 0;  // memcached: with keys of several clients
    uint64_t flushes = 0;       // the same: of one server
    uint64_t elements = 0;      // taken out of lists for clients that wait
    uint64_t messages = 0;      // that clients got
    uint64_t carried = 0;       // writes with values of other servers
    uint64_t reloads = 0;
    uint64_t closed_slow = 0;  // clients, over their output
    uint64_t drains = 0;       // of clients that waited for something
    uint64_t misled = 0;       // answers to others' requests, behind one that was left out
    uint64_t gaps_held = 0;    // missing answers that all were waited for
    uint64_t partings = 0;     // of clients that ended their side behind a command that waits
    uint64_t batches = 0;
    uint64_t long_batches = 0;
    uint64_t virtual_ms = 0;

    void add(const Totals& other);
};

class World {
  public:
    World(const Scenario& scenario, uint64_t seed, bool tells);
    ~World();

    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // The whole life. Returns what was wrong; empty: nothing.
    [[nodiscard]] std::string run();

    [[nodiscard]] uint64_t steps() const { return steps_; }

    [[nodiscard]] Totals totals() const;

  private:
    // --- the story (world.cc)
    [[nodiscard]] bool story();
    [[nodiscard]] bool healing();
    [[nodiscard]] bool calm();
    [[nodiscard]] bool farewell();
    [[nodiscard]] bool pass(Duration span);
    [[nodiscard]] bool step();
    [[nodiscard]] Instant next_moment() const;
    void invite();
    [[nodiscard]] bool clients_act();
    [[nodiscard]] bool servers_act();
    [[nodiscard]] Duration healing_limit(const Realm& realm) const;

    // --- the network (network.cc)
    void deliver();
    void batch(Worker& worker);
    void begin_batch(Worker& worker);
    void end_batch(Worker& worker);
    void change_config();
    void move_servers(config::Pool& pool);
    void delay_some();
    void note_configs();
    void adopt(Worker& worker);
    void drain(Worker& worker);
    void accept(Worker& worker);
    void happen(Link& link);
    void happen_to_server(Link& link);
    void bring_messages(Link& link);
    [[nodiscard]] bool ends_unseen(const Link& link) const;
    [[nodiscard]] static bool connects_in_vain(const Link& link);
    void note_untaken(uint32_t worker);
    [[nodiscard]] bool is_certain(const Link& link, const Link::Message& message);
    void note_lessee(Link& link);
    void collect(Worker& worker);
    void note_queued(const Worker& worker, Link& link, Instant from);
    [[nodiscard]] std::map<const Server*, Instant> note_given_up(const Worker& worker);
    void forget_links();
    [[nodiscard]] bool is_ready(const Worker& worker) const;
    [[nodiscard]] bool is_ready(const Link& link) const;
    [[nodiscard]] Instant next_of(const Link& link) const;
    [[nodiscard]] Instant next_of(const Worker& worker) const;
    [[nodiscard]] uint32_t index_of(const Worker& worker) const;

    // --- faults (mishaps.cc)
    void cause_mishaps();
    void cause(Mishap mishap);
    void cause_at_server(Mishap mishap, Server& server, Duration span);
    void cause_on_link(Mishap mishap);
    void fall_silent(const Server& server);
    void talk_unasked(Link& link);
    void pause(Worker& worker, Duration span);
    void reset(Link& link);
    void doubt_all(const Realm& realm);
    [[nodiscard]] std::vector<Server*> servers();
    [[nodiscard]] Realm& realm_of(const core::Server& server);
    void doubt_data(const Server& server);
    [[nodiscard]] Link* some_server_link();
    [[nodiscard]] Duration some_span(int64_t ms_max);

    // --- missing answers (gaps.cc)
    void follow_gaps(const Worker& worker);
    void follow_gap(Link& link);
    void begin_gap(Link& link);
    void mislead_clients(const Link& link);
    [[nodiscard]] bool may_hold_back(const Link& link) const;

    // --- what must hold (checks.cc)
    [[nodiscard]] bool check(Worker& worker);
    [[nodiscard]] bool check_connection(const Worker& worker, const core::ServerConn& conn);
    [[nodiscard]] bool check_deadlines(const Worker& worker, const core::ServerConn& conn);
    [[nodiscard]] bool check_server(const Worker& worker, const core::Server& server);
    [[nodiscard]] bool check_client(const Worker& worker, const core::ClientConn& client);
    [[nodiscard]] bool check_idleness(const Worker& worker, const core::ClientConn& client);
    [[nodiscard]] bool check_leases(const Worker& worker);
    [[nodiscard]] bool check_wait(const Worker& worker, const core::ServerConn& conn);
    [[nodiscard]] bool check_counts(const Worker& worker);
    [[nodiscard]] bool check_patience();
    [[nodiscard]] bool check_messages();
    [[nodiscard]] bool check_hearers(const Worker& worker);
    [[nodiscard]] bool check_ejected(const Worker& worker, const core::Server& server);
    [[nodiscard]] bool follow_health();
    [[nodiscard]] bool follow_health(Realm& realm);
    [[nodiscard]] bool check_nothing_left(Worker& worker);
    [[nodiscard]] Duration patience(const config::Pool& pool, Instant since) const;

    // Something is wrong; always false.
    bool fail(std::string text);

    template <class... Parts>
    void tell(const Parts&... parts) const {
        if (tells_) tell_line((std::string() + ... + text_of(parts)));
    }

    static std::string text_of(std::string_view text) { return std::string(text); }

    static std::string text_of(const char* text) { return text; }

    static std::string text_of(const std::string& text) { return text; }

    static std::string text_of(uint64_t number) { return std::to_string(number); }

    void tell_line(const std::string& line) const;

    const Scenario& scenario_;
    Prng prng_;
    bool tells_;
    bool failing_ = false;  // mishaps happen
    bool is_busy_ = false;  // batches may take long
    bool leaving_ = false;  // nobody comes any more
    std::string wrong_;
    Instant now_ = {1'000'000'000};
    Instant last_fault_ = {};    // until when the last one lasts
    Instant connected_at_ = {};  // a worker to a server, the last time
    Instant next_mishap_ = Instant::never();
    Instant next_reload_ = Instant::never();
    uint64_t reloads_ = 0;
    uint64_t drains_ = 0;
    uint64_t gaps_held_ = 0;
    uint64_t long_batches_ = 0;
    std::deque<config::Config> configs_;  // after the first
    uint64_t steps_ = 0;
    std::array<uint64_t, mishap_count> mishaps_ = {};
    uint64_t epoch_ = 0;  // of the servers' health, as last seen
    uint64_t ejections_ = 0;
    uint64_t returns_ = 0;
    std::deque<Realm> realms_;  // as the pools of every configuration
    test::Process process_;
    std::vector<Worker> workers_;
    std::vector<std::unique_ptr<Link>> links_;
    std::vector<std::unique_ptr<Client>> clients_;
    Totals totals_;  // of clients that are gone
    uint64_t clients_invited_ = 0;
    uint64_t requests_left_ = 0;
    std::vector<size_t> order_;  // of the links in a batch
};

}  // namespace ringmain::sim
