#include "ringmain/core/pool.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace ringmain::core {

Pool::Pool(BlockPool& blocks,
           const config::Pool& pool_options,
           const PoolShared& pool_shared,
           Share share)
    : options(&pool_options),
      shared(&pool_shared),
      counters(&(*pool_shared.counters)[share.worker]),
      users(pool_options.users.begin(), pool_options.users.end()),
      scripts(*pool_shared.scripts),
      placed_(nowhere(pool_options)) {
    counters->latency.prepare();
    resp_limits.request_size_max = pool_options.request_size_max;
    if (pool_options.stream_threshold > 0) large_from = pool_options.stream_threshold;
    resp_limits.arguments_max = pool_options.request_arguments_max;
    memcached_limits.value_size_max = pool_options.request_size_max;
    for (uint32_t i = 0; i < pool_options.servers.size(); ++i) {
        servers.push_back(std::make_unique<Server>(blocks, *this, i, share));
    }
}

const User* Pool::find_user(std::string_view name) const {
    const auto found = std::ranges::find(users, name, &User::name);
    return found == users.end() ? nullptr : &*found;
}

std::vector<ServerConn*> Pool::connections() const {
    std::vector<ServerConn*> all;
    for (const auto& server : servers) {
        for (const auto& conn : server->connections()) {
            all.push_back(conn.get());
        }
    }
    return all;
}

uint32_t Pool::first_live() const {
    const auto found =
        std::ranges::find_if(servers, [](const auto& server) { return server->live; });
    RM_ASSERT(found != servers.end());
    return static_cast<uint32_t>(found - servers.begin());
}

void Pool::take_times(const config::Pool& newest) {
    if (own_options_ == nullptr) own_options_ = std::make_unique<config::Pool>(*options);
    own_options_->timeout_ms = newest.timeout_ms;
    own_options_->connect_timeout_ms = newest.connect_timeout_ms;
    own_options_->late_connection_timeout_ms = newest.late_connection_timeout_ms;
    options = own_options_.get();
}

// --- placement -----------------------------------------------------------------------------------

namespace {

// With fewer servers keys are placed in no time.
constexpr size_t many_servers = 50;

// Some twenty times what it takes to place keys, by server.
constexpr Duration placing_interval_by_server = Duration::micros(100);

// With slow_start, so many times servers get keys while it lasts.
constexpr int64_t steps_max = 16;

// The next multiple; it may be that moment.
Instant next_multiple(Instant at, Duration interval) {
    if (interval.ns == 0) return at;
    return {(at.ns + interval.ns - 1) / interval.ns * interval.ns};
}

// When it gets keys, or the first of them.
Instant step_of(const Health& health, Duration interval) {
    return health.ejections() == 0 ? Instant{} : next_multiple(health.changed_at(), interval);
}

}  // namespace

// Between two times that keys are placed because servers came back.
Duration Pool::placing_interval() const {
    if (servers.size() < many_servers) return {};
    return {placing_interval_by_server.ns * static_cast<int64_t>(servers.size())};
}

Duration Pool::return_interval() const {
    if (servers.size() < many_servers) return {};
    return std::max(placing_interval(), {Duration::millis(options->slow_start_ms).ns / steps_max});
}

// Who came back a moment ago waits for others, unless nobody else is there.
std::vector<bool> Pool::choose_servers(Instant now) {
    next_return_ = Instant::never();
    std::vector<bool> in(servers.size());
    for (const Duration interval : {return_interval(), placing_interval(), Duration{}}) {
        bool any = false;
        for (const auto& server : servers) {
            if (!server->live) continue;
            // The clock of who brought it back may be ahead.
            const bool is_at_once = interval == Duration{};
            const Instant step = is_at_once ? now : step_of(server->health(), interval);
            // Whoever has keys keeps them, whatever interval another configuration makes of it.
            const bool has_keys =
                server->index() < placed_.in.size() && placed_.in[server->index()];
            const bool is_in = has_keys || step <= now;
            in[server->index()] = is_in;
            any = any || step <= now;
            if (!is_in) next_return_ = std::min(next_return_, step);
        }
        if (any) break;
    }
    return in;
}

// The steps, the last one first, of the servers that are in the first slow_start of their return,
// and of those that got keys at the same time: they are in one ramp to its end.
std::vector<Instant> Pool::note_returns(const std::vector<bool>& in, Instant now) {
    const Duration length = Duration::millis(options->slow_start_ms);
    std::map<Instant, Instant, std::greater<>> last_by_step;
    returns_.assign(servers.size(), {});
    for (const auto& server : servers) {
        const Health& health = server->health();
        const bool is_back = in[server->index()] && health.ejections() > 0;
        const Instant step = is_back ? step_of(health, return_interval()) : Instant{};
        if (!is_back || now - step >= length) continue;  // nobody comes back behind his step
        returns_[server->index()] = {.at = health.changed_at(), .step = step};
        Instant& last = last_by_step[step];
        last = std::max(last, health.changed_at());
    }
    std::vector<Instant> steps;
    for (const auto& [step, last] : last_by_step) {
        if (now - last < length) steps.push_back(step);
    }
    for (Return& back : returns_) {
        if (std::ranges::find(steps, back.step) == steps.end()) back = {};
    }
    return steps;
}

Pool::Placed Pool::nowhere(const config::Pool& options) {
    return {.in = {}, .keys = {options.placement, {}}};
}

// One of those that are known, if it is among them; else made from `near`.
Pool::Placed Pool::place(const std::vector<bool>& in,
                         const Placed& near,
                         std::vector<Placed>& known) const {
    const auto same = std::ranges::find(known, in, &Placed::in);
    if (same != known.end()) {
        Placed placed = std::move(*same);
        known.erase(same);
        return placed;
    }
    std::vector<placement::Node> nodes = options->nodes();
    for (size_t i = 0; i < nodes.size(); ++i) {
        nodes[i].live = in[i];
    }
    return {.in = in, .keys = {options->placement, nodes, near.in.empty() ? nullptr : &near.keys}};
}

bool Pool::place_anew(Instant now) {
    std::vector<bool> in = choose_servers(now);
    const bool is_same = in == placed_.in;
    // What was placed before is what is placed now without those that came back since.
    std::vector<Placed> known;
    known.push_back(std::move(placed_));
    for (Ramp& ramp : ramps_) {
        known.push_back(std::move(ramp.without));
    }
    ramps_.clear();
    placed_ = place(in, known.front(), known);
    for (const Instant step : note_returns(in, now)) {
        Instant last;
        for (size_t i = 0; i < in.size(); ++i) {
            if (returns_[i].step != step) continue;
            in[i] = false;
            last = std::max(last, returns_[i].at);
        }
        // They all come back to nothing: it is theirs at once.
        if (std::ranges::find(in, true) == in.end()) break;
        const Placed& near = ramps_.empty() ? placed_ : ramps_.back().without;
        ramps_.push_back({.step = step,
                          .until = last + Duration::millis(options->slow_start_ms),
                          .without = place(in, near, known)});
    }
    if (!is_same) placements += 1;
    return !is_same;
}

void Pool::take_places(Pool& other) {
    placed_ = std::exchange(other.placed_, nowhere(*other.options));
    ramps_ = std::exchange(other.ramps_, {});
}

void Pool::end_ramps(Instant now) {
    // The first to return is the first to be back.
    while (!ramps_.empty() && now >= ramps_.back().until) {
        ramps_.pop_back();
    }
}

// The key's place in the order of return depends on the server too, or the same keys would come
// back first everywhere.
Instant Pool::back_at(const Ramp& ramp, uint32_t server, uint32_t hash) const {
    const Return& back = returns_[server];
    if (back.step != ramp.step) return {};
    const uint64_t rank = Prng((uint64_t{server} << 32) | hash).next() >> 32;
    const auto length = static_cast<uint64_t>(options->slow_start_ms);
    const uint64_t passed = ((rank + 1) * length + UINT32_MAX) >> 32;
    return std::max(ramp.step, back.at + Duration::millis(static_cast<int64_t>(passed)));
}

void Pool::append_servers_of(std::string_view key, Prng& prng, std::vector<uint32_t>& found) const {
    found.push_back(placed_.keys.server_of(key, prng));
    for (const Ramp& ramp : ramps_) {
        found.push_back(ramp.without.keys.server_of(key, prng));
    }
}

uint32_t Pool::server_in_ramps(std::string_view key, Instant now, Prng& prng) const {
    const uint32_t hash = placed_.keys.hash_of(key);
    uint32_t server = placed_.keys.server_of(key, prng);
    // Each step goes back in time, to before the return of that server.
    for (const Ramp& ramp : ramps_) {
        if (now < back_at(ramp, server, hash)) server = ramp.without.keys.server_of(key, prng);
    }
    return server;
}

Instant Pool::moves_at(std::string_view key, Instant now, Prng& prng) const {
    Instant next = Instant::never();
    if (ramps_.empty() || !has_places()) return next;
    const uint32_t hash = placed_.keys.hash_of(key);
    uint32_t server = placed_.keys.server_of(key, prng);
    for (const Ramp& ramp : ramps_) {
        const Instant back = back_at(ramp, server, hash);
        if (now >= back) continue;
        next = std::min(next, back);
        server = ramp.without.keys.server_of(key, prng);
    }
    return next;
}

}  // namespace ringmain::core
