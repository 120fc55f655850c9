// tests/sim/elements.h - where the elements are that commands carry from server to server in steps.
//
// An element is a value under a key, or a member of a set. It may be in several places for a while,
// but never in none: whoever takes it away from one leaves it in another, unless it was overwritten
// there, or a server has lost its data.

#pragma once

#include "tests/sim/ledger.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ringmain::sim {

class Elements {
  public:
    struct Place {
        uint32_t server;
        std::string key;

        friend auto operator<=>(const Place&, const Place&) = default;
    };

    void put(Tag tag, const Place& place);
    // It was carried elsewhere. Says so when it is nowhere.
    [[nodiscard]] std::string take(Tag tag, const Place& place);
    // Something else is there now, or nothing.
    void overwrite(Tag tag, const Place& place);

    // It may be lost.
    void set_free(Tag tag) { elements_[tag].is_free = true; }

    // All that a server had.
    void lose(uint32_t server);

    // A server has it again, from earlier; whoever took it away from there is not to blame.
    void find_again(Tag tag, const Place& place) {
        elements_[tag].places.insert(place);
        elements_[tag].is_free = true;
    }

    // --- what commands have done, for those who are told so --------------------------------------

    void note_moved(Tag member, const std::string& key) { moved_[{member, key}] += 1; }

    // Whether a client that is told that it moved the member is the only one that is.
    [[nodiscard]] bool hear_moved(Tag member, const std::string& key);

    void note_stored(const std::string& key, size_t count, Instant now) {
        stored_[key].push_back({count, now});
    }

    [[nodiscard]] bool was_stored(const std::string& key, int64_t count, Ledger::Span span) const;

    // Of a set: those that were added to it lately.
    void note_added(const std::string& key, Tag member);

    [[nodiscard]] const std::vector<Tag>& added(const std::string& key) { return added_[key]; }

    [[nodiscard]] uint64_t carried() const { return carried_; }

    void note_carried() { carried_ += 1; }

  private:
    struct Element {
        std::set<Place> places;
        bool is_free = false;  // it may be in none
    };

    struct Stored {
        size_t count;
        Instant at;
    };

    std::map<Tag, Element> elements_;
    std::map<std::pair<Tag, std::string>, uint64_t> moved_;
    std::map<std::string, std::vector<Stored>> stored_;
    std::map<std::string, std::vector<Tag>> added_;
    uint64_t carried_ = 0;
};

}  // namespace ringmain::sim
