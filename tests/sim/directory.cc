#include "tests/sim/directory.h"

#include "ringmain/base/prng.h"

#include <algorithm>

namespace ringmain::sim {

namespace {

constexpr Instant long_ago = {-1'000'000'000'000};

}  // namespace

Directory::Directory(const config::Pool& pool)
    : pool_(&pool), returned_at_(pool.servers.size(), long_ago) {
    change(std::vector<bool>(pool.servers.size(), true), {});
    returned_at_.assign(pool.servers.size(), long_ago);
    ages_.back().returned = 0;
}

void Directory::change(const std::vector<bool>& live, Instant now) {
    const Duration slow_start = Duration::millis(pool_->slow_start_ms);
    Age age = {.since = now, .live = live};
    for (uint32_t i = 0; i < live.size(); ++i) {
        if (!live[i]) continue;
        age.in |= Set{1} << i;
        if (ages_.empty() || !ages_.back().live[i]) returned_at_[i] = now;
        if (slow_start.ns > 0 && now - returned_at_[i] <= slow_start) age.returned |= Set{1} << i;
    }
    ages_.push_back(std::move(age));
}

bool Directory::is_shifting(Instant now) const {
    const Duration slow_start = Duration::millis(pool_->slow_start_ms);
    return slow_start.ns > 0 &&
           std::any_of(returned_at_.begin(), returned_at_.end(), [&](Instant returned_at) {
               return now - returned_at <= slow_start;
           });
}

const placement::Placement& Directory::placement_of(Set in) {
    const auto found = placements_.find(in);
    if (found != placements_.end()) return found->second;
    std::vector<placement::Node> nodes = pool_->nodes();
    for (uint32_t i = 0; i < nodes.size(); ++i) {
        nodes[i].live = (in >> i & 1) != 0;
    }
    return placements_.emplace(in, placement::Placement(pool_->placement, nodes)).first->second;
}

const std::vector<uint32_t>& Directory::servers_of(std::string_view key, Instant from, Instant to) {
    found_.clear();
    for (size_t i = ages_.size(); i-- > 0;) {
        if (ages_[i].since > to) continue;
        add_of(ages_[i], key);
        if (ages_[i].since < from) break;
    }
    return found_;
}

void Directory::add_of(const Age& age, std::string_view key) {
    // All subsets of `returned`, from all of it down to none.
    for (Set out = age.returned;; out = (out - 1) & age.returned) {
        const Set in = age.in & ~out;
        if (is_random()) {
            for (uint32_t i = 0; i < age.live.size(); ++i) {
                if ((in >> i & 1) != 0) add(i);
            }
        } else if (in != 0) {
            Prng unused(0);
            add(placement_of(in).server_of(key, unused));
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

bool Directory::was_empty(Instant from, Instant to) const {
    for (size_t i = ages_.size(); i-- > 0;) {
        if (ages_[i].since > to) continue;
        if (ages_[i].in == 0) return true;
        if (ages_[i].since < from) break;
    }
    return false;
}

}  // namespace ringmain::sim
