// src/config/words.h - texts made fit for a message, for TOML and for lines of a width, and the
// guess at what was meant.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::config {

// In single quotes; control and broken characters become '?', a long text is cut.
[[nodiscard]] std::string quoted(std::string_view text);

// The candidate that is most like `word`, or empty when none is like enough.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> candidates);

// "; did you mean 'X'?", or empty.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> candidates);

// In the double quotes of TOML.
[[nodiscard]] std::string toml_text(std::string_view text);

// "a, b or c"
[[nodiscard]] std::string list_text(std::span<const std::string_view> words,
                                    std::string_view last_glue);

struct Wrapping {
    std::string_view first;   // what stands before the first line
    std::string_view margin;  // and before the others, as wide
    size_t width;
};

// Lines of at most that width, broken at blanks (a longer word stays whole); none of an empty text.
void append_wrapped(const Wrapping& wrapping, std::string_view text, std::string& out);

// Differences (insert, remove, change, swap of neighbours) between two words.
[[nodiscard]] uint32_t edit_distance(std::string_view a, std::string_view b);

// Of what stands in front of '@' in a server's text: whether that is "host:port[:weight] " and the
// beginning of a name. Else it is a user and a password, perhaps.
[[nodiscard]] bool begins_a_name(std::string_view text);

// Whether a key of that name, perhaps misspelt, may hold a password.
[[nodiscard]] bool names_a_secret(std::string_view key);

// Whether a key of that name, perhaps misspelt, may hold the users of a pool.
[[nodiscard]] bool names_users(std::string_view key);

}  // namespace ringmain::config
