// ringmain/core/pool.h - one worker's view of a pool: options, placement, servers.
//
// Servers that are out (Server::live) have no keys. One that came back has, with slow_start, a
// share of its keys that grows from none to all: a key comes back when the growing share reaches
// its hash, and until then it lives where it lived while the server was out.
//
// Where there are many servers it takes long to place keys, and those that come back one after the
// other get theirs together: at moments that only the clock says, the same in every worker.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/base/prng.h"
#include "ringmain/base/time.h"
#include "ringmain/config/config.h"
#include "ringmain/core/client_conn.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/scripts.h"
#include "ringmain/core/server.h"
#include "ringmain/core/shared.h"
#include "ringmain/core/throttle.h"
#include "ringmain/core/topics.h"
#include "ringmain/core/user.h"
#include "ringmain/memcached/request_parser.h"
#include "ringmain/placement/placement.h"
#include "ringmain/resp/request_parser.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::core {

class Pool {
  public:
    // `options` and `shared` outlive the pool.
    Pool(BlockPool& blocks, const config::Pool& options, const PoolShared& shared, Share share);

    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() = default;

    [[nodiscard]] bool is_redis() const { return options->protocol == config::Protocol::Redis; }

    // Who connects may do everything at once.
    [[nodiscard]] bool is_open() const { return options->redis_auth.empty() && users.empty(); }

    // Who has no name may do everything.
    [[nodiscard]] bool has_default_user() const {
        return !options->redis_auth.empty() || users.empty();
    }

    // Null when there is no such user.
    [[nodiscard]] const User* find_user(std::string_view name) const;

    // Of all its servers, for what happens seldom.
    [[nodiscard]] std::vector<ServerConn*> connections() const;

    [[nodiscard]] Server& server(uint32_t index) { return *servers[index]; }

    // A reload has lowered databases_max.
    [[nodiscard]] bool has_too_many_databases() const {
        return databases.size() > options->databases_max;
    }

    // Call the next two only while a server is live.
    [[nodiscard]] bool any_live() const { return placed_.keys.any_live(); }

    [[nodiscard]] uint32_t server_of(std::string_view key, Instant now, Prng& prng) const {
        if (ramps_.empty()) return placed_.keys.server_of(key, prng);
        return server_in_ramps(key, now, prng);
    }

    // For what any server can answer: always the same one.
    [[nodiscard]] uint32_t first_live() const;

    // Places keys anew: at first, after a change of Server::live, and when it is time for those
    // that came back (next_return). False when the servers that have keys are the same as before.
    bool place_anew(Instant now);

    [[nodiscard]] Instant next_return() const { return next_return_; }

    // When there is something to do for servers that came back, at the earliest: place_anew(), or
    // end_ramps(). Both and take_places() change it.
    [[nodiscard]] Instant next_change() const {
        return ramps_.empty() ? next_return_ : std::min(next_return_, ramps_.back().until);
    }

    // Before the first place_anew(): from one whose keys live where those of this one do. It has
    // none after this.
    void take_places(Pool& other);

    // Where a key may live until the servers that came back have all of theirs. Call it only while
    // a server is live.
    void append_servers_of(std::string_view key, Prng& prng, std::vector<uint32_t>& found) const;

    [[nodiscard]] bool is_in_ramps() const { return !ramps_.empty(); }

    // Else a key lives anywhere, with every command.
    [[nodiscard]] bool has_places() const {
        return options->placement.distribution != placement::DistributionKind::Random;
    }

    // When the key's place changes next with no change of `placements`; never when it stays.
    [[nodiscard]] Instant moves_at(std::string_view key, Instant now, Prng& prng) const;

    // Forgets those that are at their end.
    void end_ramps(Instant now);

    // Of an earlier configuration: what it still waits for has the times that its name has now.
    void take_times(const config::Pool& newest);

    // What clients have selected besides the pool's own database. Connections of one are in the
    // same place of each server (Server::in_database).
    struct Database {
        uint32_t number = 0;
        uint32_t clients = 0;  // that have it, or ask for it
    };

    const config::Pool* options;
    const PoolShared* shared;
    stats::PoolCounters* counters;  // this worker's
    std::vector<User> users;
    std::vector<std::unique_ptr<Server>> servers;
    resp::RequestLimits resp_limits;
    uint64_t large_from = UINT64_MAX;  // nobody is to wait behind a request that is larger
    memcached::RequestLimits memcached_limits;
    KnownScripts scripts;                                      // that clients have left
    uint32_t clients = 0;                                      // of this worker
    List<ClientConn, &ClientConn::activity_link> by_activity;  // with client_idle_timeout only
    std::vector<Database> databases;
    std::unique_ptr<Topics> topics;        // that clients are subscribed to; null until one is
    uint64_t placements = 0;               // changes whenever a key may have moved, but in ramps
    TurnedOut closings{.what = "closed"};  // clients that are slow, or hold too much
    TurnedOut refusals{.what = "refused", .throttle = Throttle(refusals_told_interval)};
    bool retired = false;  // of an earlier configuration: gets nothing new
    Instant retired_at = {};
    std::vector<ServerConn*> ending;  // retired: connections that may be in use
    std::string no_server_text;       // all servers are out: what was said of it
    uint64_t no_server_batch = 0;     // in that batch

  private:
    // The servers that have keys, and where these live then.
    struct Placed {
        std::vector<bool> in;  // by server
        placement::Placement keys;
    };

    // Of a server.
    struct Return {
        Instant at;
        Instant step = Instant::never();  // when it gets keys; never when it is not on its way back
    };

    // Servers on their way back that get keys at the same time.
    struct Ramp {
        Instant step;
        Instant until;
        // Without these servers and those of the ramps before this one in `ramps_`.
        Placed without;
    };

    [[nodiscard]] static Placed nowhere(const config::Pool& options);
    [[nodiscard]] Placed place(const std::vector<bool>& in,
                               const Placed& near,
                               std::vector<Placed>& known) const;
    [[nodiscard]] std::vector<bool> choose_servers(Instant now);
    [[nodiscard]] std::vector<Instant> note_returns(const std::vector<bool>& in, Instant now);
    [[nodiscard]] Duration placing_interval() const;
    [[nodiscard]] Duration return_interval() const;
    [[nodiscard]] Instant back_at(const Ramp& ramp, uint32_t server, uint32_t hash) const;
    [[nodiscard]] uint32_t server_in_ramps(std::string_view key, Instant now, Prng& prng) const;

    std::unique_ptr<config::Pool> own_options_;  // retired, and with other times than it had
    Placed placed_;
    std::vector<Ramp> ramps_;      // the last to return first
    std::vector<Return> returns_;  // by server; of those in ramps
    Instant next_return_ = Instant::never();
};

}  // namespace ringmain::core
