#include "tests/sim/world.h"

#include "ringmain/core/limits.h"
#include "tests/sim/faults.h"

#include <algorithm>
#include <cstdio>

namespace ringmain::sim {

namespace {

// By then all have asked what they had to ask: some talk slowly.
constexpr Duration calm_limit = Duration::millis(30'000);

void add_client(Totals& totals, const Client& client, const Talker& talker) {
    totals.requests += client.requests();
    totals.partings += client.has_parted() ? 1U : 0U;
    totals.answers += talker.heard().answers;
    totals.known += talker.heard().known;
    totals.errors += talker.heard().errors;
    totals.misled += talker.heard().misled;
}

}  // namespace

void Totals::add(const Totals& other) {
    seeds += other.seeds;
    requests += other.requests;
    served += other.served;
    answers += other.answers;
    known += other.known;
    errors += other.errors;
    for (size_t i = 0; i < mishap_count; ++i) {
        mishaps[i] += other.mishaps[i];
    }
    ejections += other.ejections;
    returns += other.returns;
    shared_lines += other.shared_lines;
    flushes += other.flushes;
    elements += other.elements;
    messages += other.messages;
    carried += other.carried;
    closed_slow += other.closed_slow;
    reloads += other.reloads;
    drains += other.drains;
    partings += other.partings;
    misled += other.misled;
    gaps_held += other.gaps_held;
    transactions += other.transactions;
    batches += other.batches;
    long_batches += other.long_batches;
    virtual_ms += other.virtual_ms;
}

World::World(const Scenario& scenario, uint64_t seed, bool tells)
    : scenario_(scenario), prng_(seed), tells_(tells), process_(scenario.config, scenario.workers) {
    for (uint32_t i = 0; i < scenario.config.pools.size(); ++i) {
        realms_.emplace_back(i, scenario);
        realms_.back().learn(process_.shared.pools[i], scenario.config.pools[i]);
        for (uint32_t worker = 0; worker < scenario.workers; ++worker) {
            realms_.back().open_door(worker, scenario.config.pools[i], {});
        }
    }
    epoch_ = process_.shared.epoch();
    workers_.resize(scenario.workers);
    for (uint32_t i = 0; i < scenario.workers; ++i) {
        const test::Loop::Options options = {.blocks = scenario.blocks,
                                             .seed = seed + i,
                                             .cut = scenario.cut,
                                             .preconnects = scenario.preconnects,
                                             .bounds = scenario.bounds,
                                             .pairing = scenario.pairing,
                                             .process = &process_,
                                             .worker = i};
        workers_[i].loop = std::make_unique<test::Loop>(scenario.config, options);
        workers_[i].loop->set_now(now_);
        workers_[i].config = &scenario.config;
    }
    requests_left_ = scenario.requests;
}

World::~World() {
    if (wrong_.empty()) return;
    // What is left after a failure is no news.
    for (Worker& worker : workers_) {
        static_cast<void>(worker.loop.release());
    }
}

bool World::fail(std::string text) {
    if (wrong_.empty()) wrong_ = std::move(text);
    return false;
}

void World::tell_line(const std::string& line) const {
    std::printf(
        "%10.1f ms  %s\n", static_cast<double>(now_.ns - 1'000'000'000) / 1e6, line.c_str());
}

Totals World::totals() const {
    Totals totals = totals_;
    totals.seeds = 1;
    totals.mishaps = mishaps_;
    totals.ejections = ejections_;
    totals.returns = returns_;
    totals.reloads = reloads_;
    totals.drains = drains_;
    totals.gaps_held = gaps_held_;
    totals.long_batches = long_batches_;
    totals.virtual_ms = static_cast<uint64_t>((now_.ns - 1'000'000'000) / 1'000'000);
    for (const auto& client : clients_) {
        add_client(totals, *client, client->talker());
    }
    for (const Realm& realm : realms_) {
        totals.flushes += realm.truth.flushes;
        totals.elements += realm.truth.elements_taken;
        totals.messages += realm.truth.news_heard;
        totals.carried += realm.truth.elements.carried();
        for (const auto& server : realm.servers) {
            totals.served += server->requests();
            totals.shared_lines += server->shared_lines();
            totals.transactions += server->transactions();
        }
    }
    for (const Worker& worker : workers_) {
        totals.batches += worker.batches;
        totals.closed_slow += worker.loop->counters().worker.clients_closed_slow.get();
    }
    return totals;
}

std::string World::run() {
    tell(scenario_.text());
    for (Worker& worker : workers_) {
        worker.loop->begin();
        worker.loop->proxy().preconnect();
        worker.loop->end();
        worker.batches += 1;
        collect(worker);
    }
    static_cast<void>(story() && healing() && calm() && farewell());
    if (!wrong_.empty()) tell("WRONG: ", wrong_);
    return wrong_;
}

bool World::story() {
    failing_ = !scenario_.calm && scenario_.weight_sum > 0;
    if (failing_) next_mishap_ = now_;
    is_busy_ = scenario_.long_batch.ns > 0;
    if (scenario_.reload_every.ns > 0) next_reload_ = now_ + scenario_.reload_every;
    while (steps_ < scenario_.steps_max) {
        invite();
        const bool quiet = clients_.empty() && requests_left_ == 0;
        if (quiet) return true;
        if (!step()) return false;
    }
    return true;
}

// As long as the limits allow the last fault to be felt: its last request may wait for the whole of
// late_timeouts_max timeouts, and the connection be tried again after that.
Duration World::healing_limit(const Realm& realm) const {
    const config::Pool& pool = *realm.truth.pool;
    const int64_t timeout_ms = pool.timeout_ms * (core::late_timeouts_max + 1);
    const int64_t retry_ms = pool.auto_eject_hosts ? 2 * pool.server_retry_timeout_ms : 0;
    const int64_t wait_ms =
        realm.truth.waits ? (wait_span.ns + core::wait_margin.ns) / 1'000'000 : 0;
    return Duration::millis(timeout_ms + 2 * pool.connect_timeout_ms + retry_ms + wait_ms + 200 +
                            core::backoff_max.to_millis());
}

bool World::healing() {
    tell("-- everything heals");
    failing_ = false;
    is_busy_ = false;
    next_mishap_ = Instant::never();
    next_reload_ = Instant::never();
    for (Server* server : servers()) {
        server->heal();
    }
    for (const auto& link : links_) {
        // A server that has lost count of its answers does not come back with them.
        const bool has_lost_count = link->mute || link->gap_since != Instant::never();
        if (!has_lost_count || link->is_half || link->server == nullptr) continue;
        link->server->truth().faults[link->server->index()] |= Reset;
        reset(*link);
    }
    if (scenario_.calm) return true;
    const Duration late = {std::max<int64_t>(0, last_fault_.ns - now_.ns)};
    Duration limit = {};
    for (const Realm& realm : realms_) {
        limit = std::max(limit, healing_limit(realm));
    }
    if (!pass(Duration{late.ns + limit.ns})) return false;
    for (Realm& realm : realms_) {
        Truth& truth = realm.truth;
        for (uint32_t i = 0; i < realm.servers.size(); ++i) {
            if (!truth.directory.is_configured(i) || realm.health(i).accepts_traffic()) continue;
            return fail(truth.pool->name + ": s" + std::to_string(i) +
                        " has healed and is still out");
        }
        truth.common_faults &= Scarce | Narrow | Old;  // these do not heal
        std::fill(truth.faults.begin(), truth.faults.end(), 0);
        truth.calm_from = now_;
    }
    return true;
}

// Everybody asks again; a new client asks each server.
bool World::calm() {
    tell("-- all is calm");
    requests_left_ = 60 * workers_.size();
    for (const auto& client : clients_) {
        client->go_on(10, now_);
    }
    const Instant until = now_ + calm_limit;
    const auto nobody_waits = [this] {
        return std::all_of(clients_.begin(), clients_.end(), [](const auto& client) {
            return !client->listens() || client->talker().waiting() == 0;
        });
    };
    while (now_ < until && (requests_left_ > 0 || !nobody_waits())) {
        invite();
        if (!step()) return false;
    }
    // Of clients that are closed as idle within milliseconds it takes many to ask all of it.
    if (nobody_waits()) return pass(Duration::millis(200)) && check_messages();
    std::string waiting;
    for (const auto& client : clients_) {
        waiting += " c" + std::to_string(client->number()) + ":" +
                   std::to_string(client->talker().waiting());
        if (client->talker().waiting() == 0) continue;
        const Expected& oldest = client->talker().oldest();
        waiting += " (kind " + std::to_string(static_cast<int>(oldest.kind)) + " " + oldest.name +
                   " " + oldest.exact.substr(0, 30) + " asked at " +
                   std::to_string((oldest.asked.ns - 1'000'000'000) / 1'000'000) + " ms)";
    }
    return fail("the clients have not got their answers though all is calm:" + waiting);
}

bool World::farewell() {
    tell("-- farewell");
    leaving_ = !scenario_.drains;
    if (scenario_.drains) {
        // They are in the midst of it.
        requests_left_ = 60 * workers_.size();
        for (const auto& client : clients_) {
            client->go_on(20, now_);
        }
        const Instant until = now_ + Duration{static_cast<int64_t>(prng_.below(40'000'000))};
        while (now_ < until) {
            invite();
            if (!step()) return false;
        }
        leaving_ = true;
        for (Realm& realm : realms_) {
            realm.truth.is_ending = true;
        }
        for (Worker& worker : workers_) {
            worker.is_told_to_drain = true;
        }
    } else {
        for (const auto& client : clients_) {
            client->say_goodbye();
        }
    }
    // A client that was never taken, for the pool was full, comes and goes.
    if (!pass(Duration::millis(3000))) return false;
    if (!clients_.empty()) return fail("a client that has said goodbye is still connected");
    for (Worker& worker : workers_) {
        if (!check_nothing_left(worker)) return false;
    }
    const bool is_faultless = std::ranges::all_of(realms_, [](const Realm& realm) {
        return std::ranges::all_of(realm.truth.faults, [](uint32_t fault) { return fault == 0; });
    });
    return !scenario_.calm || is_faultless || fail("a fault in a calm world");
}

bool World::pass(Duration span) {
    const Instant until = now_ + span;
    while (now_ < until) {
        if (next_moment() > until) {
            now_ = until;
            return true;
        }
        if (!step()) return false;
    }
    return true;
}

bool World::step() {
    steps_ += 1;
    now_ = std::max(now_ + grid, on_grid(next_moment()));
    if (now_ >= next_mishap_) cause_mishaps();
    if (now_ >= next_reload_) change_config();
    deliver();
    if (!servers_act() || !clients_act()) return false;
    const size_t first = prng_.below(workers_.size());
    for (size_t i = 0; i < workers_.size(); ++i) {
        Worker& worker = workers_[(first + i) % workers_.size()];
        if (now_ < worker.free_at || now_ < worker.stopped_until) continue;
        if (!is_ready(worker)) continue;
        batch(worker);
        if (!check(worker)) return false;
    }
    forget_links();
    return wrong_.empty() && check_patience();
}

Instant World::next_moment() const {
    Instant next = std::min(next_mishap_, next_reload_);
    for (const Worker& worker : workers_) {
        next = std::min(next, next_of(worker));
    }
    for (const auto& link : links_) {
        next = std::min(next, next_of(*link));
    }
    for (const auto& client : clients_) {
        next = std::min(next, client->next_act());
    }
    for (const Realm& realm : realms_) {
        for (const auto& server : realm.servers) {
            next = std::min(next, server->next_end());
        }
    }
    // Clients come all the time.
    const Instant soon = now_ + Duration::millis(100);
    if (requests_left_ > 0 && !leaving_) next = std::min(next, soon);
    return next == Instant::never() ? soon : next;
}

void World::invite() {
    if (leaving_ || requests_left_ == 0 || clients_.size() >= scenario_.clients) return;
    if (prng_.below(4) != 0) return;
    clients_invited_ += 1;
    Realm& realm = realms_[realms_.size() == 1 ? 0 : prng_.below(realms_.size())];
    clients_.push_back(std::make_unique<Client>(clients_invited_, scenario_, realm.truth, prng_));
    const uint64_t worker = prng_.below(workers_.size());
    workers_[worker].arrivals.push_back(clients_.back().get());
    tell("client c",
         clients_invited_,
         " comes to worker ",
         worker,
         " of ",
         realm.truth.pool->name,
         ", manner ",
         static_cast<uint64_t>(clients_.back()->manner()));
}

bool World::clients_act() {
    for (const auto& client : clients_) {
        const uint64_t before = client->requests();
        std::string wrong = client->act(now_, prng_);
        if (!wrong.empty()) return fail(std::move(wrong));
        requests_left_ -= std::min(requests_left_, client->requests() - before);
        if (client->is_gone()) tell("client c", client->number(), " is gone");
    }
    std::erase_if(clients_, [this](const auto& client) {
        if (!client->is_gone()) return false;
        add_client(totals_, *client, client->talker());
        return true;
    });
    return true;
}

bool World::servers_act() {
    for (Server* server : servers()) {
        server->end_waits(now_, prng_);
    }
    for (const auto& link : links_) {
        if (link->server == nullptr || link->was_reset) continue;
        if (link->arrived.empty()) {
            const bool is_new = link->channel->shut && !link->is_half;
            if (is_new && link->to_peer.has_ended(now_) && !link->server->stands_still(now_)) {
                link->server->end_link(*link, now_);
            }
            continue;
        }
        const uint64_t flushes = link->server->truth().flushes;
        std::string wrong = link->server->serve(*link, now_, prng_);
        if (link->gap_since == now_) begin_gap(*link);
        if (!wrong.empty()) return fail(std::move(wrong));
        if (link->server->truth().flushes != flushes) {
            doubt_all(realms_[link->server->truth().index]);
        }
    }
    return true;
}

}  // namespace ringmain::sim
