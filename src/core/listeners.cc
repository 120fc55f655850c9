#include "ringmain/core/listeners.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/lock.h"
#include "ringmain/resp/glob.h"

#include <iterator>

namespace ringmain::core {

namespace {

// So many patterns are looked at while the lock is held.
constexpr size_t portion_max = 64;

}  // namespace

void Listeners::add(TopicKind kind, std::string_view name) {
    const Lock lock(busy_);
    auto& counts = counts_[static_cast<size_t>(kind)];
    const auto found = counts.find(name);
    if (found == counts.end()) {
        counts.emplace(name, 1);
    } else {
        found->second += 1;
    }
}

void Listeners::remove(TopicKind kind, std::string_view name) {
    const Lock lock(busy_);
    auto& counts = counts_[static_cast<size_t>(kind)];
    const auto found = counts.find(name);
    RM_ASSERT(found != counts.end());
    found->second -= 1;
    if (found->second == 0) counts.erase(found);
}

uint64_t Listeners::count(TopicKind kind, std::string_view name) const {
    const Lock lock(busy_);
    const auto& counts = counts_[static_cast<size_t>(kind)];
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
}

// The next ones behind `last`, or the first: those that more than one client listens to. How many
// were looked at, less than a portion at the end.
size_t Listeners::copy_patterns(std::optional<std::string>& last,
                                std::vector<Pattern>& patterns) const {
    patterns.clear();
    const Lock lock(busy_);
    const auto& counts = counts_[static_cast<size_t>(TopicKind::Pattern)];
    auto at = last.has_value() ? counts.upper_bound(*last) : counts.begin();
    size_t seen = 0;
    for (; at != counts.end() && seen < portion_max; ++at) {
        if (at->second > 1) patterns.emplace_back(at->first, at->second);
        seen += 1;
    }
    if (seen == portion_max) last = std::prev(at)->first;
    return seen;
}

// The lock is not held while they are compared: who subscribes meanwhile does not wait for it.
std::optional<uint64_t> Listeners::more_by_patterns(std::string_view channel,
                                                    uint64_t& steps) const {
    uint64_t more = 0;
    std::optional<std::string> last;
    std::vector<Pattern> patterns;
    size_t seen = portion_max;
    while (seen == portion_max) {
        seen = copy_patterns(last, patterns);
        if (steps < seen * pattern_steps_min) return std::nullopt;
        steps -= seen * pattern_steps_min;
        for (const auto& [pattern, count] : patterns) {
            const std::optional<bool> matches =
                resp::glob_matches_within(pattern, channel, resp::Letters::AsTheyAre, steps);
            if (!matches.has_value()) return std::nullopt;
            if (*matches) more += count - 1;
        }
    }
    return more;
}

}  // namespace ringmain::core
