// src/core/step_requests.h - what is asked in the steps of a command (core/steps.h), and what the
// answers say.

#pragma once

#include "ringmain/buffer/chain.h"
#include "ringmain/core/steps.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace ringmain::core {

[[nodiscard]] bool is_error(const Chain& answer);

// Of an answer of one line, without its end.
[[nodiscard]] std::string line_of(const Chain& answer);

// Whether one member or key is there, was added, was removed.
[[nodiscard]] bool is_flag(std::string_view line);
[[nodiscard]] bool is_null(std::string_view line);

// Of an array of one: what is in it is left. Else nothing is taken.
[[nodiscard]] bool take_only_element(Chain& answer);

[[nodiscard]] std::string request_text(std::initializer_list<std::string_view> words);

// The value of a key and when it expires, at one moment.
[[nodiscard]] std::string fetch_text(std::string_view key);

struct Fetched {
    int64_t expires_at_ms = 0;  // as RESTORE has it with ABSTTL: 0 is never
    uint64_t dump_offset = 0;   // in the answer: from there on it is one bulk string
    bool exists = false;
};

// Of an answer to fetch_text() that is no error; nothing when it has another shape.
[[nodiscard]] std::optional<Fetched> read_fetched(const Chain& answer);

// How a carry request begins, for so many values that exist: behind it come, for each, its name;
// then for each carry_value_head() and its bulk string; then the words.
[[nodiscard]] std::string carry_head(size_t value_count, size_t word_count);
[[nodiscard]] std::string carry_value_head(int64_t expires_at_ms);

// The command runs unless what is watched was changed: two answers come before EXEC's.
[[nodiscard]] std::string remove_text(std::initializer_list<std::string_view> words);

// Where SMOVE puts a member there is a mark for a moment: who watches it knows of all that do.
[[nodiscard]] std::string mark_of(std::string_view key, std::string_view member);
[[nodiscard]] std::string add_text(std::string_view key, std::string_view member);

// Watches the key, on a connection that may not have been asked whether it takes transactions.
[[nodiscard]] std::string watch_text(std::string_view key);
inline constexpr uint32_t watch_answers = 3;
inline constexpr uint32_t remove_answers = 2;

// WAIT concerns the writes of its own connection: this one is behind all earlier ones of anybody.
// A message goes to the replicas like a write. Clients do not get those of this channel, whatever
// pattern they are subscribed to.
inline constexpr std::string_view wait_channel = "ringmain:wait";
[[nodiscard]] std::string wait_text(std::string_view replicas, std::string_view timeout);

// What this step asks, and whose sake it is for: a clause of the error when it is refused.
[[nodiscard]] std::string question_text(const Steps& steps);

// What of a command is done when it ends in this phase for another reason than its own: a clause.
[[nodiscard]] std::string state_text(const Steps& steps);

}  // namespace ringmain::core
