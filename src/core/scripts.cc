#include "ringmain/core/scripts.h"

#include <memory>

namespace ringmain::core {

Scripts::~Scripts() {
    const Script* script = newest_.load(std::memory_order_acquire);
    while (script != nullptr) {
        const std::unique_ptr<const Script> dead(script);
        script = dead->next;
    }
}

void Scripts::keep(std::string_view digest, std::string_view text) {
    if (size_.fetch_add(text.size(), std::memory_order_acq_rel) + text.size() > scripts_size_max) {
        size_.fetch_sub(text.size(), std::memory_order_acq_rel);
        return;
    }
    const uint32_t number = count_.fetch_add(1, std::memory_order_acq_rel);
    if (number >= scripts_max) {
        count_.store(scripts_max, std::memory_order_release);
        return;
    }
    auto script = std::make_unique<Script>();
    script->number = number;
    script->generation = generation();
    script->digest = digest;
    script->text = text;
    script->next = newest();
    while (!newest_.compare_exchange_weak(script->next, script.get(), std::memory_order_acq_rel)) {
    }
    (void)script.release();
}

const Script* KnownScripts::find(std::string_view digest) {
    const Script* const newest = scripts_->newest();
    for (const Script* script = newest; script != seen_; script = script->next) {
        // The newest of those with the same digest is met first; what is there is older.
        const auto [found, added] = by_digest_.try_emplace(script->digest, script);
        if (!added && found->second->number < script->number) found->second = script;
    }
    seen_ = newest;
    const auto found = by_digest_.find(digest);
    if (found == by_digest_.end()) return nullptr;
    return found->second->generation == scripts_->generation() ? found->second : nullptr;
}

}  // namespace ringmain::core
