#include "tests/sim/directory.h"

#include "ringmain/base/prng.h"
#include "tests/sim/answers.h"

#include <algorithm>

namespace ringmain::sim {

namespace {

constexpr Instant long_ago = {-1'000'000'000'000};

}  // namespace

uint32_t number_of(std::string_view server) {
    return static_cast<uint32_t>(number_in(server.substr(1)).value_or(0));
}

Directory::Directory(const config::Pool& pool)
    : pool_(&pool), returned_at_(pool.servers.size(), long_ago) {
    ages_.push_back({.since = {}, .live = {}, .pools = {&pool}});
    change(std::vector<bool>(pool.servers.size(), true), {});
    returned_at_.assign(pool.servers.size(), long_ago);
    ages_.back().returned = 0;
    ages_.erase(ages_.begin());
}

void Directory::change(const std::vector<bool>& live, Instant now) {
    const Duration slow_start = Duration::millis(pool_->slow_start_ms);
    const std::vector<bool>& before = ages_.back().live;
    Age age = {.since = now, .live = live, .pools = ages_.back().pools};
    for (uint32_t i = 0; i < live.size(); ++i) {
        if (!live[i]) continue;
        age.in |= Set{1} << i;
        if (before.empty() || !before[i]) returned_at_[i] = now;
        if (slow_start.ns > 0 && now - returned_at_[i] <= slow_start) age.returned |= Set{1} << i;
    }
    age.perhaps = perhaps_in(age);
    ages_.push_back(std::move(age));
}

void Directory::change_pools(std::vector<const config::Pool*> pools, Instant now) {
    Age age = ages_.back();
    age.since = now;
    age.pools = std::move(pools);
    ages_.push_back(std::move(age));
}

void Directory::divide(bool is_divided, Instant now) {
    if (is_divided == is_divided_) return;
    is_divided_ = is_divided;
    Age age = ages_.back();
    age.since = now;
    age.perhaps = perhaps_in(age);
    ages_.push_back(std::move(age));
}

Directory::Set Directory::perhaps_in(const Age& age) const {
    const Set all = (Set{1} << age.live.size()) - 1;
    return is_divided_ ? all & ~age.in : 0;
}

bool Directory::is_shifting(Instant now) const {
    const Duration slow_start = Duration::millis(pool_->slow_start_ms);
    return slow_start.ns > 0 &&
           std::any_of(returned_at_.begin(), returned_at_.end(), [&](Instant returned_at) {
               return now - returned_at <= slow_start;
           });
}

Directory::Set Directory::servers_in(const config::Pool& pool) {
    Set set = 0;
    for (const config::Server& server : pool.servers) {
        set |= Set{1} << number_of(server.ring_name);
    }
    return set;
}

const Directory::Placed& Directory::placed(const config::Pool& pool, Set in) {
    const auto found = placements_.find({&pool, in});
    if (found != placements_.end()) return found->second;
    std::vector<placement::Node> nodes = pool.nodes();
    std::vector<uint32_t> numbers;
    for (uint32_t i = 0; i < nodes.size(); ++i) {
        numbers.push_back(number_of(pool.servers[i].ring_name));
        nodes[i].live = (in >> numbers[i] & 1) != 0;
    }
    return placements_
        .emplace(std::pair(&pool, in),
                 Placed{placement::Placement(pool.placement, nodes), std::move(numbers)})
        .first->second;
}

const std::vector<uint32_t>& Directory::servers_of(std::string_view key, Instant from, Instant to) {
    found_.clear();
    for (size_t i = ages_.size(); i-- > 0;) {
        if (ages_[i].since > to) continue;
        for (const config::Pool* pool : ages_[i].pools) {
            add_of(ages_[i], *pool, key);
        }
        if (ages_[i].since < from) break;
    }
    return found_;
}

void Directory::add_of(const Age& age, const config::Pool& pool, std::string_view key) {
    const Set configured = servers_in(pool);
    const Set returned = (age.returned | age.perhaps) & configured;
    // All subsets of `returned`, from all of it down to none.
    for (Set out = returned;; out = (out - 1) & returned) {
        const Set in = (age.in | age.perhaps) & configured & ~out;
        if (is_random()) {
            for (uint32_t i = 0; i < age.live.size(); ++i) {
                if ((in >> i & 1) != 0) add(i);
            }
        } else if (in != 0) {
            Prng unused(0);
            const Placed& at = placed(pool, in);
            add(at.numbers[at.placement.server_of(key, unused)]);
        }
        if (out == 0) return;
    }
}

void Directory::add(uint32_t server) {
    if (std::find(found_.begin(), found_.end(), server) == found_.end()) found_.push_back(server);
}

bool Directory::may_have(uint32_t server, std::string_view key, Instant from, Instant to) {
    const std::vector<uint32_t>& servers = servers_of(key, from, to);
    return std::find(servers.begin(), servers.end(), server) != servers.end();
}

bool Directory::must_have(uint32_t server, std::string_view key) {
    const Age& age = ages_.back();
    return std::ranges::all_of(age.pools, [&](const config::Pool* pool) {
        const Set in = age.in & servers_in(*pool);
        if (in == 0) return false;
        Prng unused(0);
        const Placed& at = placed(*pool, in);
        return at.numbers[at.placement.server_of(key, unused)] == server;
    });
}

bool Directory::was_empty(Instant from, Instant to) const {
    for (size_t i = ages_.size(); i-- > 0;) {
        if (ages_[i].since > to) continue;
        for (const config::Pool* pool : ages_[i].pools) {
            if ((ages_[i].in & servers_in(*pool)) == 0) return true;
        }
        if (ages_[i].since < from) break;
    }
    return false;
}

bool Directory::was_configured(uint32_t server, Instant from, Instant to) const {
    for (size_t i = ages_.size(); i-- > 0;) {
        if (ages_[i].since > to) continue;
        for (const config::Pool* pool : ages_[i].pools) {
            if ((servers_in(*pool) >> server & 1) == 0) return false;
        }
        if (ages_[i].since < from) break;
    }
    return true;
}

bool Directory::is_configured(uint32_t server) const {
    return std::ranges::any_of(ages_.back().pools, [server](const config::Pool* pool) {
        return (servers_in(*pool) >> server & 1) != 0;
    });
}

}  // namespace ringmain::sim
