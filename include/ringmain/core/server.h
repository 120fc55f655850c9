// ringmain/core/server.h - one server of a pool and a worker's connections to it.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/config/config.h"
#include "ringmain/core/environment.h"
#include "ringmain/core/health.h"
#include "ringmain/core/large_keys.h"
#include "ringmain/core/server_conn.h"
#include "ringmain/core/silence.h"
#include "ringmain/core/topics.h"
#include "ringmain/stats/counters.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ringmain::core {

class Pool;

// Whether it takes `ms` (src/core/meta_sets.h).
enum class MetaSet : uint8_t { Unknown, Taken, Known, Doubted, TooOld, Flawed };

class Server {  // NOLINT(clang-analyzer-optin.performance.Padding): the order is for readers
  public:
    // The server with that index in the pool's options.
    Server(BlockPool& blocks, Pool& owner, uint32_t index, Share share);

    // The connection that serves a client: the same for the same affinity, so that a client reads
    // what it wrote.
    [[nodiscard]] ServerConn& connection(uint32_t affinity, bool resp3) {
        const uint32_t place = per_kind_ == 1 ? 0 : affinity % per_kind_;
        return *connections_[resp3 ? per_kind_ + place : place];
    }

    // In place of a connection that is late: another one, from now on, and true. The late one is
    // the spare then, until it is closed. False while there is no spare that may connect.
    [[nodiscard]] bool replace(ServerConn& late, Instant now);

    // `refused` stood in for a late one, and the server takes no more connections: the late one has
    // its place again, if it is still there.
    void take_back(ServerConn& refused);

    // One of connection() that could not be connected again; null: there is none.
    [[nodiscard]] ServerConn* failed_place(bool resp3) const;

    // Who would be served by a connection is served by another of its database, which served
    // nobody.
    void give_place(ServerConn& conn, ServerConn& other);
    // The one takes the place of the other, and the other way round.
    void swap_places(const ServerConn& one, const ServerConn& other);

    // The same of the database in that place of Pool::databases.
    [[nodiscard]] ServerConn& in_database(uint16_t slot,
                                          uint32_t number,
                                          uint32_t affinity,
                                          bool resp3);
    // Those that there are; null where there is none.
    [[nodiscard]] std::span<ServerConn* const> in_slot(uint32_t slot) const;

    // One more connection for single clients.
    [[nodiscard]] ServerConn& make_lease();

    // The connection for messages: there is one at most (Link).
    [[nodiscard]] ServerConn& make_subscriber();
    // From another object of the same server, as it is. That has one, and this has none.
    void take_link(Server& other);

    // By one that serves everybody.
    [[nodiscard]] bool is_connected() const;

    // Connections to it, of all workers.
    [[nodiscard]] uint64_t open_connections() const;

    // Whatever may be connected to the server: first those of connection(), then the probe, then
    // what was made on demand. The list grows, its elements stay (but for take_link).
    [[nodiscard]] std::span<const std::unique_ptr<ServerConn>> connections() const {
        return connections_;
    }

    // A byte from it.
    void note_heard(Instant now) {
        if (silence.on_heard(now)) note_change();
    }

    void note_change();

    // Or is so no longer. True: that is new.
    bool become_live(bool is_live);

    // Becomes a server of another pool, which has it at `index`, with its connections as they are.
    void move_to(Pool& owner, uint32_t index, uint32_t worker);

    [[nodiscard]] Pool& pool() const { return *pool_; }

    [[nodiscard]] const config::Server& options() const { return *options_; }

    [[nodiscard]] uint32_t index() const { return index_; }

    // The same in all workers, and in each configuration that has it (ServerShared).
    [[nodiscard]] uint32_t number() const { return number_; }

    [[nodiscard]] Health& health() const { return *health_; }

    // This worker's.
    [[nodiscard]] stats::ServerCounters& counters() const { return *counters_; }

    // For the Proxy, which follows Health once per batch: whether keys are placed here.
    bool live = true;
    // Of an earlier configuration: the next one has it, too, with connections of its own, for
    // another number or database of these, or as another user.
    enum class Remade : uint8_t { No, Connections, Credentials };
    Remade remade = Remade::No;
    // What this worker has heard of it.
    Silence silence;
    // Live, and not silent. Call note_change() after a change of either.
    bool takes_requests = true;
    // Asks a server that is out, or is looked after (health_check_interval), whether it serves. In
    // the worker whose turn it is; null in the others.
    ServerConn* probe = nullptr;
    Duration probe_delay;  // before the next one, should this one fail

    // Of core::Streams.
    uint32_t set_apart = 0;   // connections
    uint32_t stand_ins = 0;   // connections that are to take the place of one, not Ready yet
    bool is_crowded = false;  // no more may be set apart, and others waited behind one more
    LargeKeys large_keys;

    // Of core::Leases.
    uint32_t leased = 0;  // to clients
    List<ServerConn, &ServerConn::idle_lease_link> idle_leases;
    uint32_t idle_lease_count = 0;
    List<ServerConn, &ServerConn::closed_lease_link> closed_leases;
    uint32_t lease_failures = 0;  // in a row
    Instant lease_retry_at = {};
    std::string lease_error;
    bool leases_told = false;        // the first of these failures, in the log
    Instant leases_told_until = {};  // nor is another before that
    bool told_runs_data = false;     // what it did with a command that it does not know, in the log
    // Of memcached.
    bool told_drops = false;  // that it drops responses, in the log
    MetaSet meta_set = MetaSet::Unknown;
    std::string version;  // of one that is TooOld
    // It takes MULTI on a connection of everybody's, and does not end what that begins.
    std::string transactions_refused;
    Instant transactions_refused_until = {};

    // Of core::Subscriptions: null until something is to be subscribed here.
    std::unique_ptr<Link> link;

    // What may wait for one connection: bytes of its `out`, requests sent or not.
    uint64_t queue_size_max = 0;
    uint32_t queue_max = 0;

    // "cache1 (10.0.0.1:6379)", or the address alone when it has no name.
    [[nodiscard]] const std::string& title() const { return title_; }

  private:
    [[nodiscard]] ServerConn* find_spare(const ServerConn& late, Instant now);

    BlockPool* blocks_;
    Pool* pool_ = nullptr;
    const config::Server* options_ = nullptr;
    uint32_t index_ = 0;
    uint32_t number_ = 0;
    uint64_t queue_size_default_;
    Health* health_ = nullptr;
    stats::ServerCounters* counters_ = nullptr;
    std::string title_;
    uint32_t per_kind_;
    // RESP2 (memcached), then RESP3 (redis pools only; opened when a client needs one), then
    // `probe`, then spares, leases and connections of other databases, in any order.
    std::vector<std::unique_ptr<ServerConn>> connections_;
    std::vector<ServerConn*> by_slot_;  // for each slot RESP2, then RESP3
};

}  // namespace ringmain::core
