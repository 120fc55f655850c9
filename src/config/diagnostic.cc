#include "ringmain/config/diagnostic.h"

#include "ringmain/base/counted.h"
#include "ringmain/base/printable.h"

#include <algorithm>
#include <vector>

#include "scan.h"
#include "words.h"

namespace ringmain::config {

namespace {

constexpr size_t shown_before = 60;  // characters of a long line before the place, and in all
constexpr size_t shown_max = 120;

bool is_quote(char byte) {
    return byte == '"' || byte == '\'';
}

// Whether a value stands behind a word: `= x`, `: x`, or a string after nothing at all.
bool begins_with_a_value(std::string_view rest) {
    const bool closed = !rest.empty() && is_quote(rest.front());
    if (closed) rest.remove_prefix(1);
    if (closed && !rest.empty() && is_bare(rest.front())) return true;
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (rest.empty()) return false;
    if (rest.front() != ':') return rest.front() == '=' || is_quote(rest.front());
    return rest.size() == 1 || rest[1] == ' ' || is_quote(rest[1]);
}

// Whether a text that stands there up to an '@' may be a password, not the sign of a rule: "+@all".
bool begins_a_value(std::string_view before, size_t begin) {
    const std::string_view word = before.substr(begin);
    if (word.empty() || word == "+" || word == "-") return false;
    const size_t end = before.substr(0, begin).find_last_not_of(" \t");
    return end != std::string_view::npos &&
           std::string_view("\"'=[,:-").find(before[end]) != std::string_view::npos;
}

// Behind the scheme or the user of "redis://user:password@host". The line's size: nowhere.
size_t url_secret_begin(std::string_view line) {
    constexpr std::string_view scheme_end = "://";
    const size_t scheme = line.find(scheme_end);
    if (scheme != std::string_view::npos && line.find('@', scheme) != std::string_view::npos) {
        return scheme + scheme_end.size();
    }
    for (size_t at = line.find('@'); at != std::string_view::npos; at = line.find('@', at + 1)) {
        const std::string_view before = line.substr(0, at);
        const size_t quote = before.find_last_of("\"'");
        const bool is_quoted = quote != std::string_view::npos;
        const size_t begin = is_quoted ? quote + 1 : before.find_last_of(" \t") + 1;
        const size_t colon = before.find(':', begin);
        if (begins_a_name(before.substr(begin))) continue;
        if (colon != std::string_view::npos) return colon + 1;
        if (begins_a_value(before, begin)) return begin;
    }
    return line.size();
}

// Where a secret begins in a line for which the scanner may be misled, by a broken string in it or
// further up: behind the first word that names one. The line's size: nowhere.
size_t raw_secret_begin(std::string_view line) {
    constexpr std::string_view certain = "redis_auth";
    size_t at = 0;
    while (at < line.size()) {
        size_t end = at;
        while (end < line.size() && is_bare(line[end])) {
            end += 1;
        }
        const std::string_view word = line.substr(at, end - at);
        if (!word.empty() && names_a_secret(word)) {
            const bool is_certain = word.find(certain) != std::string_view::npos;
            if (is_certain || begins_with_a_value(line.substr(end))) {
                return std::min(end, url_secret_begin(line));
            }
        }
        at = end + 1;
    }
    return url_secret_begin(line);
}

// The lines of a text, fit to be shown. Views into the text.
class Excerpts {
  public:
    explicit Excerpts(std::string_view text) : text_(text), secrets_(scan(text).secrets) {
        begins_.push_back(0);
        for (size_t end = text.find('\n'); end != std::string_view::npos;
             end = text.find('\n', end + 1)) {
            begins_.push_back(end + 1);
        }
    }

    void append(const Place& place, std::string& out) {
        if (place.line == 0 || place.line > begins_.size()) return;
        const std::string number = std::to_string(place.line);
        const std::string margin(number.size() < 5 ? 5 - number.size() : 0, ' ');
        const Shown shown = show(place);
        out += margin + number + " | " + shown.line + '\n';
        out += std::string(margin.size() + number.size(), ' ') + " | " + shown.caret + '\n';
    }

  private:
    struct Shown {
        std::string line;
        std::string caret;
    };

    [[nodiscard]] Shown show(const Place& place) {
        size_t at = begins_[place.line - 1];
        const size_t line_end = std::min(text_.find('\n', at), text_.size());
        // A hundred findings may be in one line of megabytes.
        if (end_known_of_ != place.line) end_ = secret_begin(at, line_end);
        end_known_of_ = place.line;
        const size_t end = end_;
        // A place behind what may be shown moves to its end.
        const size_t place_column = std::min<size_t>(place.column, end - at + 1);
        const size_t first = place_column > shown_max - 20 ? place_column - shown_before : 1;
        Shown shown;
        if (first > 1) shown.line = "... ";
        size_t caret_at = 0;
        bool has_caret = false;
        for (size_t column = 1; at < end && column < first + shown_max; ++column) {
            const uint32_t size = printable_size(text_.substr(at, end - at));
            if (column == place_column) {
                caret_at = width_of(shown.line);
                has_caret = true;
            }
            if (column >= first) append_character(at, size, shown.line);
            at += std::max(size, 1U);
        }
        if (!has_caret) caret_at = width_of(shown.line);
        if (at < end) shown.line += " ...";
        if (at >= end && end < line_end) shown.line += "***";
        const size_t width = width_of(shown.line);
        const size_t room = width > caret_at ? width - caret_at : 1;
        shown.caret = std::string(caret_at, ' ') +
                      std::string(std::clamp<size_t>(place.length, 1, room), '^');
        return shown;
    }

    void append_character(size_t at, uint32_t size, std::string& line) const {
        if (size > 0) {
            line += text_.substr(at, size);
        } else if (text_[at] == '\t') {
            line += ' ';
        } else if (text_[at] != '\r') {
            line += '?';
        }
    }

    // Where a line stops being fit to be shown: its end, or the first secret in it.
    [[nodiscard]] size_t secret_begin(size_t begin, size_t end) const {
        const std::string_view line = text_.substr(begin, end - begin);
        size_t raw = begin + raw_secret_begin(line);
        // The line by itself, should the scanner be misled further up.
        const std::vector<Span> own = scan(line).secrets;
        if (!own.empty()) raw = std::min(raw, begin + own.front().begin);
        for (const Span& span : secrets_) {
            if (span.begin >= end) break;
            if (span.end <= begin) continue;
            const size_t first = std::max(span.begin, begin);
            if (raw >= first) return first;
            // Up to the value, where it is the same one.
            const bool is_same = text_.substr(raw, first - raw).find_first_not_of(" \t='\"") ==
                                 std::string_view::npos;
            return is_same ? first : raw;
        }
        return raw;
    }

    static size_t width_of(std::string_view line) {
        return static_cast<size_t>(std::ranges::count_if(
            line, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80; }));
    }

    std::string_view text_;
    std::vector<size_t> begins_;
    std::vector<Span> secrets_;
    uint32_t end_known_of_ = 0;  // the line
    size_t end_ = 0;             // of what may be shown of it
};

std::string_view word_of(Severity severity) {
    return severity == Severity::Error ? "error" : "warning";
}

}  // namespace

std::string render(std::span<const Diagnostic> diagnostics,
                   std::string_view file,
                   std::string_view text) {
    if (diagnostics.empty()) return {};
    Excerpts excerpts(text);
    std::string out;
    for (const Diagnostic& diagnostic : diagnostics) {
        out.append(file).append(":");
        out +=
            std::to_string(diagnostic.place.line) + ":" + std::to_string(diagnostic.place.column);
        out.append(": ").append(word_of(diagnostic.severity)).append(": ");
        out.append(diagnostic.message).append("\n");
        if (diagnostic.shows_line && !text.empty()) excerpts.append(diagnostic.place, out);
    }
    return out;
}

std::string count_text(std::span<const Diagnostic> diagnostics, size_t warnings_left_out) {
    const auto errors = static_cast<size_t>(
        std::ranges::count(diagnostics, Severity::Error, &Diagnostic::severity));
    const size_t warnings = diagnostics.size() - errors + warnings_left_out;
    std::string out;
    if (errors > 0) out += counted(errors, "error");
    if (errors >= diagnostics_max) out += " or more";
    if (errors > 0 && warnings > 0) out += ", ";
    if (warnings > 0) out += counted(warnings, "warning");
    if (warnings_left_out > 0) {
        out += ", " + std::to_string(warnings_left_out) + " of them not shown";
    }
    return out;
}

}  // namespace ringmain::config
