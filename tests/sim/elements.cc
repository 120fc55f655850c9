#include "tests/sim/elements.h"

#include <algorithm>

namespace ringmain::sim {

void Elements::put(Tag tag, const Place& place) {
    Element& element = elements_[tag];
    element.places.insert(place);
    element.is_free = false;
}

std::string Elements::take(Tag tag, const Place& place) {
    Element& element = elements_[tag];
    element.places.erase(place);
    if (!element.places.empty() || element.is_free) return {};
    return "element " + std::to_string(tag) + " is taken away from " + place.key + " of s" +
           std::to_string(place.server) + " and is nowhere else";
}

void Elements::overwrite(Tag tag, const Place& place) {
    Element& element = elements_[tag];
    if (element.places.erase(place) > 0) element.is_free = true;
}

void Elements::lose(uint32_t server) {
    for (auto& [tag, element] : elements_) {
        const size_t lost = std::erase_if(
            element.places, [server](const Place& place) { return place.server == server; });
        if (lost > 0) element.is_free = true;
    }
}

bool Elements::hear_moved(Tag member, const std::string& key) {
    const auto found = moved_.find({member, key});
    if (found == moved_.end() || found->second == 0) return false;
    found->second -= 1;
    return true;
}

bool Elements::was_stored(const std::string& key, int64_t count, Ledger::Span span) const {
    const auto found = stored_.find(key);
    return found != stored_.end() && std::ranges::any_of(found->second, [&](const Stored& one) {
               return one.at >= span.from && one.at <= span.to &&
                      static_cast<int64_t>(one.count) == count;
           });
}

void Elements::note_added(const std::string& key, Tag member) {
    constexpr size_t added_max = 1;
    std::vector<Tag>& added = added_[key];
    added.push_back(member);
    if (added.size() > added_max) added.erase(added.begin());
}

}  // namespace ringmain::sim
