// tests/sim/ledger.h - who wrote what, and what each server held when: the truth that every answer
// is compared with.
//
// A write has a number of its own (tag), and its value is made from key and tag: "KEY=TAG;filler".
// So a value says whose it is, and all its bytes are known. A server that runs a request enters it
// here; a value that a client reads must have been held, by a server of that key, at some moment
// between question and answer.

#pragma once

#include "ringmain/base/time.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringmain::sim {

using Tag = uint64_t;  // 0: nothing is there

// From here on many values are large.
inline constexpr Tag large_tags = Tag{1} << 32;

[[nodiscard]] std::string value_text(std::string_view key, Tag tag);

// The tag of a value that is whole and one of that key; 0 when it is not.
[[nodiscard]] Tag tag_of(std::string_view key, std::string_view value);

// The same of a value that may have been written to another key.
[[nodiscard]] Tag tag_in(std::string_view value);

// What the ledger knows a member of a set by.
[[nodiscard]] std::string member_name(std::string_view key, Tag member);

class Ledger {
  public:
    Ledger(size_t servers, bool is_large) : first_(is_large ? large_tags : 1), servers_(servers) {}

    struct Write {
        std::string key;
        uint64_t client = 0;
        Instant asked = {};
        Instant ran = Instant::never();
        uint32_t server = 0;  // that ran it
        bool is_cut = false;  // its client has left in the middle of it
    };

    // --- clients ---------------------------------------------------------------------------------

    [[nodiscard]] Tag new_write(std::string_view key, uint64_t client, Instant now);

    [[nodiscard]] const Write& write(Tag tag) const { return writes_[tag - first_]; }

    void cut(Tag tag) { writes_[tag - first_].is_cut = true; }

    // --- servers ---------------------------------------------------------------------------------

    // Says what is wrong with it, else nothing. `last` is the last tag of each client on this
    // connection: it carries a client's writes in their order.
    [[nodiscard]] std::string on_set(uint32_t server,
                                     std::string_view key,
                                     std::string_view value,
                                     Instant now,
                                     std::map<uint64_t, Tag>& last);
    void on_delete(uint32_t server, std::string_view key, Instant now);
    // What is there was written before, to this or another key.
    void on_move(uint32_t server, std::string_view key, Tag tag, Instant now);
    // The server has other data now.
    void on_data(uint32_t server, const std::map<std::string, std::string>& data, Instant now);

    // --- truth -----------------------------------------------------------------------------------

    struct Span {
        Instant from;
        Instant to;
    };

    [[nodiscard]] bool held(uint32_t server, std::string_view key, Tag tag, Span span) const;
    [[nodiscard]] bool may_be_present(uint32_t server, std::string_view key, Span span) const;
    // Something was written there.
    [[nodiscard]] bool was_written(uint32_t server, std::string_view key, Span span) const;

  private:
    struct Entry {
        Instant at;
        Tag tag;
    };

    struct Hash {
        using is_transparent = void;

        size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>()(text);
        }
    };

    using History = std::unordered_map<std::string, std::vector<Entry>, Hash, std::equal_to<>>;

    template <class Fits>
    [[nodiscard]] bool any_entry(uint32_t server, std::string_view key, Span span, Fits fits) const;
    void enter(uint32_t server, std::string_view key, Entry entry);

    Tag first_;
    std::vector<Write> writes_;
    std::vector<History> servers_;
};

}  // namespace ringmain::sim
