#include "ringmain/core/listeners.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/lock.h"
#include "ringmain/resp/glob.h"

namespace ringmain::core {

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

uint64_t Listeners::more_by_patterns(std::string_view channel) const {
    const Lock lock(busy_);
    uint64_t more = 0;
    for (const auto& [pattern, count] : counts_[static_cast<size_t>(TopicKind::Pattern)]) {
        if (!resp::glob_matches(pattern, channel, resp::Letters::AsTheyAre)) continue;
        more += count - 1;
    }
    return more;
}

}  // namespace ringmain::core
