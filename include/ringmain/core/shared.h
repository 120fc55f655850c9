// ringmain/core/shared.h - what the workers of a process share about its pools and servers.
//
// Made by the control thread, before the workers see it. Inside is nothing but atomics, and what
// they guard: each worker writes counters of its own, and Health makes one decision per server that
// all of them follow.
//
// A server that a new configuration has too keeps its counters, and its health where it is asked
// for the same database by the same user with the same password: that outlives a reload, and
// workers that have not adopted the new one yet agree with those that have. Else its health begins
// anew, and what those still find out with what was corrected holds for nobody else; but a server
// that is out for another reason stays out. One that no configuration in use has any more is
// forgotten: should it come back, it begins anew.

#pragma once

#include "ringmain/config/config.h"
#include "ringmain/core/health.h"
#include "ringmain/core/hearers.h"
#include "ringmain/core/scripts.h"
#include "ringmain/stats/counters.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace ringmain::core {

struct ServerShared {
    ServerShared(uint32_t place, std::vector<stats::ServerCounters>& figures)
        : number(place), counters(figures) {}

    uint32_t number;  // the worker whose turn it is probes it: the number modulo workers
    Health health;
    std::vector<stats::ServerCounters>& counters;  // by worker
};

// A pool of one configuration. The objects it points to are the Shared's.
struct PoolShared {
    std::vector<stats::PoolCounters>* counters = nullptr;  // by worker
    std::vector<ServerShared*> servers;  // in placement order, as config::Pool::servers
    Scripts* scripts = nullptr;
    std::deque<Hearers>* hearers = nullptr;  // by worker
};

class Shared {
  public:
    Shared(const config::Config& config, uint32_t workers);

    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() = default;

    // Changes whenever a server comes or goes: a worker that sees a new value places keys anew.
    [[nodiscard]] uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

    void announce_change() { epoch_.fetch_add(1, std::memory_order_acq_rel); }

    // As config::Config::pools. The control thread's, like `pools`.
    [[nodiscard]] std::vector<PoolShared> pools_of(const config::Config& config);

    // Of the process, by the descriptors that the configuration leaves: clients and extra
    // connections (Leases) together; 0: no limit.
    std::atomic<uint64_t> clients_max = 0;

    // Changes when somebody is refused over it: who keeps what nobody uses gives it up.
    [[nodiscard]] uint64_t shortages() const { return shortages_.load(std::memory_order_relaxed); }

    void announce_shortage() { shortages_.fetch_add(1, std::memory_order_relaxed); }

    // Forgets what none of these points to, nor `pools`. The control thread's.
    void forget_others(const std::vector<const std::vector<PoolShared>*>& used);

    // Of the configuration that the process started with, until nobody uses that any more.
    std::vector<PoolShared> pools;

  private:
    // Counters of commands mean something within one protocol only.
    using PoolKey = std::pair<std::string, config::Protocol>;
    using ServerKey = std::tuple<PoolKey, std::string, config::Address>;
    // User, password, redis_db.
    using Access = std::tuple<std::string, std::string, uint32_t>;

    struct KnownServer {
        KnownServer(uint32_t workers, uint32_t place) : number(place), counters(workers) {}

        uint32_t number;
        std::vector<stats::ServerCounters> counters;  // by worker
        std::map<Access, ServerShared> by_access;
    };

    [[nodiscard]] static ServerShared& access(KnownServer& known,
                                              const config::Pool& pool,
                                              const config::Server& server);

    uint32_t workers_;
    std::atomic<uint64_t> epoch_ = 1;
    std::atomic<uint64_t> shortages_ = 0;
    // What configurations in use name, by pool, and by that, ring name and address.
    std::map<PoolKey, std::vector<stats::PoolCounters>> pools_by_key_;
    std::map<std::string, Scripts, std::less<>> scripts_by_pool_;
    std::map<std::string, std::deque<Hearers>, std::less<>> hearers_by_pool_;
    std::map<ServerKey, KnownServer> servers_by_key_;
    uint32_t last_number_ = 0;
};

}  // namespace ringmain::core
