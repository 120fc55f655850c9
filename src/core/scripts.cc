#include "ringmain/core/scripts.h"

#include "ringmain/base/assert.h"
#include "ringmain/base/sha1.h"

#include <algorithm>
#include <utility>

#include "lock.h"

namespace ringmain::core {

namespace {

constexpr int64_t places = 8192;
static_assert(scripts_max + run_scripts_max <= places);

}  // namespace

int64_t ScriptId::pack() const {
    return static_cast<int64_t>(number) * places + place;
}

ScriptId ScriptId::unpack(int64_t packed) {
    return {.place = static_cast<uint32_t>(packed % places),
            .number = static_cast<uint64_t>(packed / places)};
}

// --- of all workers ------------------------------------------------------------------------------

ScriptId Scripts::find(std::string_view digest) const {
    const Lock lock(busy_);
    const auto found = by_digest_.find(digest);
    return found == by_digest_.end() ? ScriptId() : found->second->id;
}

std::optional<std::string> Scripts::text(ScriptId id) const {
    const Lock lock(busy_);
    if (!id.is_one() || !is_kept(id)) return std::nullopt;
    return by_place_[id.place]->text;
}

// The lock is held.
bool Scripts::make_room(uint64_t size, Origin origin) {
    if (origin == Origin::Loaded) {
        const bool has_room =
            loaded_count_ < scripts_max && loaded_size_ + size <= scripts_size_max;
        if (!has_room && !std::exchange(was_full_, true)) {
            is_full_.store(true, std::memory_order_release);
        }
        return has_room;
    }
    if (size > run_script_size_max) return false;
    while (run_.size() >= run_scripts_max || run_size_ + size > run_scripts_size_max) {
        let_go(*run_.front());
    }
    return true;
}

// The lock is held.
void Scripts::let_go(const Script& script) {
    (*kept_.load(std::memory_order_relaxed))[script.id.place].store(0, std::memory_order_release);
    if (script.is_loaded) {
        loaded_count_ -= 1;
        loaded_size_ -= script.text.size();
    } else {
        run_size_ -= script.text.size();
        run_.erase(std::ranges::find(run_, &script));
    }
    by_digest_.erase(script.digest);
    free_places_.push_back(script.id.place);
    by_place_[script.id.place] = nullptr;
}

ScriptId Scripts::keep(std::string_view digest, std::string_view text, Origin origin) {
    const Lock lock(busy_);
    const auto found = by_digest_.find(digest);
    if (found != by_digest_.end()) {
        const Script& script = *found->second;
        const bool may_stay = origin == Origin::Run || script.is_loaded;
        if (may_stay || !make_room(text.size(), origin)) return script.id;
        // It is not to be put out any more.
        let_go(script);
    } else if (!make_room(text.size(), origin)) {
        return {};
    }
    if (kept_.load(std::memory_order_relaxed) == nullptr) {
        kept_.store(std::make_unique<Kept>().release(), std::memory_order_release);
    }
    if (free_places_.empty()) {
        free_places_.push_back(static_cast<uint32_t>(by_place_.size()));
        by_place_.push_back(nullptr);
    }
    auto script = std::make_unique<Script>();
    script->digest = digest;
    script->text = text;
    script->id = {.place = free_places_.back(), .number = ++last_number_};
    script->is_loaded = origin == Origin::Loaded;
    free_places_.pop_back();
    if (script->is_loaded) {
        loaded_count_ += 1;
        loaded_size_ += text.size();
    } else {
        run_size_ += text.size();
        run_.push_back(script.get());
    }
    const ScriptId id = script->id;
    by_digest_.emplace(script->digest, script.get());
    by_place_[id.place] = std::move(script);
    (*kept_.load(std::memory_order_relaxed))[id.place].store(id.number, std::memory_order_release);
    return id;
}

void Scripts::drop(ScriptId id) {
    if (!id.is_one()) return;
    const Lock lock(busy_);
    // Its place may be another's by now.
    if (is_kept(id)) let_go(*by_place_[id.place]);
    if (std::ranges::find(none_, id.number) != none_.end()) return;
    none_[none_next_++ % none_.size()] = id.number;
}

bool Scripts::is_none(uint64_t number) const {
    const Lock lock(busy_);
    return std::ranges::find(none_, number) != none_.end();
}

void Scripts::forget() {
    const Lock lock(busy_);
    generation_.fetch_add(1, std::memory_order_acq_rel);
    was_full_ = false;
    while (!by_digest_.empty()) {
        let_go(*by_digest_.begin()->second);
    }
}

// --- of one --------------------------------------------------------------------------------------

// What is kept is bounded; so is what is known of it.
void KnownScripts::prune() {
    constexpr size_t known_max = size_t{2} * (scripts_max + run_scripts_max);
    if (size() < known_max) return;
    const auto is_gone = [this](const auto& known) { return !scripts_->is_kept(known.second); };
    std::erase_if(by_digest_, is_gone);
    std::erase_if(by_text_, is_gone);
}

ScriptId KnownScripts::find(const std::string& digest) {
    const auto found = by_digest_.find(digest);
    if (found != by_digest_.end() && scripts_->is_kept(found->second)) return found->second;
    const ScriptId id = scripts_->find(digest);
    if (id.is_one()) {
        prune();
        by_digest_.insert_or_assign(digest, id);
    }
    return id;
}

ScriptId KnownScripts::keep_run(std::string_view text, uint64_t hash) {
    const auto found = by_text_.find(hash);
    if (found != by_text_.end() && scripts_->is_kept(found->second)) return found->second;
    if (text.size() > run_script_size_max) return {};
    const ScriptId id = scripts_->keep(sha1_hex(text), text, Scripts::Origin::Run);
    RM_ASSERT(id.is_one());
    prune();
    by_text_.insert_or_assign(hash, id);
    return id;
}

void KnownScripts::keep_loaded(std::string_view digest,
                               std::string_view text,
                               uint64_t generation) {
    if (generation != scripts_->generation()) return;
    static_cast<void>(scripts_->keep(digest, text, Scripts::Origin::Loaded));
}

}  // namespace ringmain::core
