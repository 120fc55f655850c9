// ringmain/resp/glob.h - matches names with patterns, as KEYS, PSUBSCRIBE and COMMAND LIST do.
//
//   *             anything
//   ?             one byte
//   [a-z] [^a-z]  one of these, or of all others
//   \x            x itself

#pragma once

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmain::resp {

enum class Letters : uint8_t { InAnyCase, AsTheyAre };

// Takes one element off the front of `pattern`, which is not empty and does not start with '*'.
// True when it stands for `byte`.
[[nodiscard]] constexpr bool take_glob_element(std::string_view& pattern,
                                               char byte,
                                               Letters letters) {
    const auto fold = [letters](char one) {
        return letters == Letters::InAnyCase ? ascii::lower(one) : one;
    };
    const auto take = [&pattern, fold] {
        const char taken = fold(pattern.front());
        pattern.remove_prefix(1);
        return taken;
    };
    const char wanted = fold(byte);
    const char kind = take();
    if (kind == '?') return true;
    if (kind == '\\') return (pattern.empty() ? kind : take()) == wanted;
    if (kind != '[') return kind == wanted;

    const bool inverted = !pattern.empty() && pattern.front() == '^';
    if (inverted) pattern.remove_prefix(1);
    bool found = false;
    // A class without its end goes up to the pattern's end.
    while (!pattern.empty()) {
        const char first = take();
        if (first == ']') break;
        if (first == '\\' && !pattern.empty()) {
            found |= pattern.front() == byte;  // redis folds no case here
            pattern.remove_prefix(1);
        } else if (pattern.size() >= 2 && pattern.front() == '-') {
            pattern.remove_prefix(1);
            const char last = take();
            found |= first <= last ? first <= wanted && wanted <= last
                                   : last <= wanted && wanted <= first;
        } else {
            found |= first == wanted;
        }
    }
    return found != inverted;
}

// Whether it matches, if that can be seen in so many steps (bytes of the pattern that are looked
// at), which are taken off `steps`; nothing if it takes more. There may be |pattern| * |text| of
// them: it goes back to the last '*' only.
[[nodiscard]] constexpr std::optional<bool> glob_matches_within(std::string_view pattern,
                                                                std::string_view text,
                                                                Letters letters,
                                                                uint64_t& steps) {
    std::string_view behind_star;
    size_t retry_at = 0;
    bool seen_star = false;
    size_t at = 0;
    while (at < text.size() || !pattern.empty()) {
        if (steps == 0) return std::nullopt;
        steps -= 1;
        if (!pattern.empty() && pattern.front() == '*') {
            pattern.remove_prefix(1);
            behind_star = pattern;
            retry_at = at;
            seen_star = true;
            continue;
        }
        if (at < text.size() && !pattern.empty()) {
            const size_t size = pattern.size();
            const bool is_it = take_glob_element(pattern, text[at], letters);
            steps -= std::min<uint64_t>(steps, size - pattern.size() - 1);
            if (is_it) {
                at += 1;
                continue;
            }
        }
        if (!seen_star || retry_at >= text.size()) return false;
        retry_at += 1;
        at = retry_at;
        pattern = behind_star;
    }
    return true;
}

[[nodiscard]] constexpr bool glob_matches(std::string_view pattern,
                                          std::string_view text,
                                          Letters letters = Letters::InAnyCase) {
    uint64_t steps = UINT64_MAX;
    return glob_matches_within(pattern, text, letters, steps).value_or(false);
}

}  // namespace ringmain::resp
