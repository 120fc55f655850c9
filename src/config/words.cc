#include "words.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/hex.h"
#include "ringmain/base/printable.h"

#include <algorithm>
#include <array>

namespace ringmain::config {

namespace {

constexpr size_t shown_size_max = 64;
// Beyond it nobody means an option; it bounds the table of edit_distance.
constexpr size_t word_size_max = 40;

bool contains_ignoring_case(std::string_view text, std::string_view part) {
    for (size_t i = 0; i + part.size() <= text.size(); ++i) {
        if (ascii::equal_ignoring_case(text.substr(i, part.size()), part)) return true;
    }
    return false;
}

std::string lowered(std::string_view word) {
    std::string lower(word);
    std::ranges::transform(lower, lower.begin(), ascii::lower);
    return lower;
}

// "auto_eject" for "auto_eject_hosts": too far apart for a distance, yet clear.
bool one_begins_the_other(std::string_view a, std::string_view b) {
    constexpr size_t shortest = 4;
    if (a.size() < shortest || b.size() < shortest) return false;
    return a.starts_with(b) || b.starts_with(a);
}

}  // namespace

std::string quoted(std::string_view text) {
    std::string out = "'";
    while (!text.empty() && out.size() <= shown_size_max) {
        move_printable(text, out);
    }
    if (!text.empty()) out += "...";
    return out + "'";
}

uint32_t edit_distance(std::string_view a, std::string_view b) {
    a = a.substr(0, word_size_max);
    b = b.substr(0, word_size_max);
    using Row = std::array<uint32_t, word_size_max + 1>;
    Row before_last{};
    Row last{};
    Row row{};
    for (uint32_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (uint32_t i = 1; i <= a.size(); ++i) {
        before_last = last;
        last = row;
        row[0] = i;
        for (uint32_t j = 1; j <= b.size(); ++j) {
            const uint32_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
    }
    return row[b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.empty() || word.size() > word_size_max) return {};
    std::string lower = lowered(word);
    std::ranges::replace(lower, '-', '_');

    std::string_view best;
    auto best_distance = static_cast<uint32_t>(std::clamp(word.size() / 3, size_t{1}, size_t{3}));
    for (const std::string_view candidate : candidates) {
        const uint32_t distance = edit_distance(lower, candidate);
        if (distance > best_distance || (distance == best_distance && !best.empty())) continue;
        best = candidate;
        best_distance = distance;
    }
    if (!best.empty()) return best;
    const auto prefix = std::ranges::find_if(candidates, [&](std::string_view candidate) {
        return one_begins_the_other(lower, candidate);
    });
    return prefix == candidates.end() ? std::string_view{} : *prefix;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
    const std::string_view best = nearest(word, candidates);
    return best.empty() ? std::string{} : "; did you mean '" + std::string(best) + "'?";
}

std::string list_text(std::span<const std::string_view> words, std::string_view last_glue) {
    std::string out;
    for (size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? last_glue : ", ";
        out += words[i];
    }
    return out;
}

void append_wrapped(const Wrapping& wrapping, std::string_view text, std::string& out) {
    const size_t room = wrapping.width - wrapping.margin.size();
    std::string_view before = wrapping.first;
    while (!text.empty()) {
        size_t end = text.size();
        if (end > room) {
            end = text.rfind(' ', room);
            if (end == std::string_view::npos) end = text.find(' ');
            if (end == std::string_view::npos) end = text.size();
        }
        out.append(before).append(text.substr(0, end)).append("\n");
        text.remove_prefix(end == text.size() ? end : end + 1);
        before = wrapping.margin;
    }
}

std::string toml_text(std::string_view text) {
    std::string out = "\"";
    for (const char byte : text) {
        if (byte == '"' || byte == '\\') {
            out += '\\';
            out += byte;
        } else if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) {
            out += "\\u00";
            append_hex(out, static_cast<uint8_t>(byte));
        } else {
            out += byte;
        }
    }
    return out + '"';
}

bool begins_a_name(std::string_view text) {
    const std::string_view where = text.substr(0, text.find(' '));
    const size_t colon = where.rfind(':');
    if (where.size() == text.size() || colon == std::string_view::npos) return false;
    const std::string_view number = where.substr(colon + 1);
    return !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos;
}

bool names_a_secret(std::string_view key) {
    constexpr std::array<std::string_view, 2> names = {"redis_auth", "password"};
    constexpr uint32_t far = 3;  // what nearest() suggests is not shown as it is
    const bool is_near = std::ranges::any_of(names, [key](std::string_view name) {
        const bool in_size = key.size() + far >= name.size() && key.size() <= name.size() + far;
        return in_size && edit_distance(lowered(key), name) <= far;
    });
    if (is_near) return true;
    if (lowered(key) == "acl") return true;
    constexpr std::array<std::string_view, 7> parts = {
        "auth", "pass", "secret", "pw", "token", "cred", "sha256"};
    return std::ranges::any_of(
        parts, [key](std::string_view part) { return contains_ignoring_case(key, part); });
}

bool names_users(std::string_view key) {
    constexpr std::string_view name = "users";
    return key.size() <= name.size() + 1 && edit_distance(lowered(key), name) <= 1;
}

}  // namespace ringmain::config
