#include "ringmain/core/hearers.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/glob.h"

#include <algorithm>
#include <iterator>

#include "lock.h"

namespace ringmain::core {

namespace {

// So many names are looked at while the lock is held.
constexpr size_t portion_max = 64;

}  // namespace

bool Hearers::Entry::is_held(uint32_t server) const {
    return std::ranges::binary_search(servers, server);
}

int64_t Hearers::Entry::more_receivers(uint32_t server) const {
    return is_held(server) ? static_cast<int64_t>(clients) - 1 : 0;
}

void Hearers::Entry::release(uint32_t server) {
    const auto place = std::ranges::lower_bound(servers, server);
    if (place != servers.end() && *place == server) servers.erase(place);
}

Hearers::ByName::iterator Hearers::entry(TopicKind kind, std::string_view name) {
    const auto found = of(kind).find(name);
    return found == of(kind).end() ? of(kind).try_emplace(std::string(name)).first : found;
}

// After it has changed: it goes with its last trace. The one behind it.
Hearers::ByName::iterator Hearers::settle(TopicKind kind, ByName::iterator at) {
    const Entry& entry = at->second;
    if (kind == TopicKind::Pattern) {
        if (entry.is_used() && entry.clients != 1) {
            miscounted_.try_emplace(at->first, &entry);
        } else {
            miscounted_.erase(at->first);
        }
    }
    return entry.is_used() ? std::next(at) : of(kind).erase(at);
}

const Hearers::Entry* Hearers::find(TopicKind kind, std::string_view name) const {
    const ByName& entries = entries_[static_cast<size_t>(kind)];
    const auto found = entries.find(name);
    return found == entries.end() ? nullptr : &found->second;
}

void Hearers::add(TopicKind kind, std::string_view name) {
    const Lock lock(busy_);
    const auto added = entry(kind, name);
    added->second.clients += 1;
    settle(kind, added);
}

void Hearers::remove(TopicKind kind, std::string_view name) {
    const Lock lock(busy_);
    const auto found = of(kind).find(name);
    RM_ASSERT(found != of(kind).end() && found->second.clients > 0);
    found->second.clients -= 1;
    settle(kind, found);
}

void Hearers::hold(TopicKind kind, std::string_view name, uint32_t server) {
    const Lock lock(busy_);
    const auto held = entry(kind, name);
    std::vector<uint32_t>& servers = held->second.servers;
    if (held->second.is_held(server)) return;
    servers.insert(std::ranges::lower_bound(servers, server), server);
    settle(kind, held);
}

void Hearers::release(TopicKind kind, std::string_view name, uint32_t server) {
    const Lock lock(busy_);
    const auto found = of(kind).find(name);
    if (found == of(kind).end()) return;
    found->second.release(server);
    settle(kind, found);
}

// In portions: nobody else changes anything meanwhile.
void Hearers::release_all(uint32_t server) {
    for (const TopicKind kind : {TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard}) {
        auto at = of(kind).begin();
        while (at != of(kind).end()) {
            const Lock lock(busy_);
            for (size_t seen = 0; seen < portion_max && at != of(kind).end(); ++seen) {
                at->second.release(server);
                at = settle(kind, at);
            }
        }
    }
}

int64_t Hearers::more_receivers(TopicKind kind, std::string_view name, uint32_t server) const {
    const Lock lock(busy_);
    const Entry* found = find(kind, name);
    return found == nullptr ? 0 : found->more_receivers(server);
}

int64_t Hearers::more_hearers(TopicKind kind, std::string_view name, uint32_t server) const {
    const Lock lock(busy_);
    const Entry* found = find(kind, name);
    if (found == nullptr) return 0;
    return static_cast<int64_t>(found->clients) - (found->is_held(server) ? 1 : 0);
}

// The next ones behind `last`, or the first, of those that may change a server's number: those that
// change this one's. How many were looked at, less than a portion at the end.
size_t Hearers::copy_patterns(uint32_t server,
                              std::optional<std::string>& last,
                              std::vector<Pattern>& patterns) const {
    patterns.clear();
    const Lock lock(busy_);
    auto at = last.has_value() ? miscounted_.upper_bound(*last) : miscounted_.begin();
    size_t seen = 0;
    for (; at != miscounted_.end() && seen < portion_max; ++at) {
        const int64_t more = at->second->more_receivers(server);
        if (more != 0) patterns.emplace_back(at->first, more);
        seen += 1;
    }
    if (seen == portion_max) last = std::prev(at)->first;
    return seen;
}

// The lock is not held while they are compared: who subscribes meanwhile does not wait for it.
std::optional<int64_t> Hearers::more_by_patterns(std::string_view channel,
                                                 uint32_t server,
                                                 uint64_t& steps) const {
    int64_t more = 0;
    std::optional<std::string> last;
    std::vector<Pattern> patterns;
    size_t seen = portion_max;
    while (seen == portion_max) {
        seen = copy_patterns(server, last, patterns);
        if (steps < seen * pattern_steps_min) return std::nullopt;
        steps -= seen * pattern_steps_min;
        for (const auto& [pattern, receivers] : patterns) {
            const std::optional<bool> matches =
                resp::glob_matches_within(pattern, channel, resp::Letters::AsTheyAre, steps);
            if (!matches.has_value()) return std::nullopt;
            if (*matches) more += receivers;
        }
    }
    return more;
}

}  // namespace ringmain::core
