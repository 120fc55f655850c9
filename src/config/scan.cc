#include "scan.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <array>
#include <string>

#include "words.h"

namespace ringmain::config {

namespace {

bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

bool is_any_of(std::string_view word, std::span<const std::string_view> words) {
    return std::ranges::find(words, word) != words.end();
}

// Of a user; what stands behind any other key of it, or behind none, may be its password.
bool is_harmless_in_a_user(std::string_view key) {
    constexpr std::array<std::string_view, 3> keys = {"name", "keys", "commands"};
    return is_any_of(key, keys);
}

class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    Scan run() {
        while (at_ < text_.size()) {
            step();
        }
        return std::move(found_);
    }

    [[nodiscard]] Brackets brackets() const {
        Brackets found;
        size_t at = 0;
        while (at < text_.size()) {
            const char byte = text_[at];
            if (byte == '#') {
                at = line_end(at);
                continue;
            }
            const bool is_string = byte == '"' || byte == '\'';
            if (byte == '[' || byte == '{') found.open.push_back(at);
            if ((byte == ']' || byte == '}') && !found.open.empty()) found.open.pop_back();
            at = is_string ? string_end(at) : at + 1;
            if (is_string && at == text_.size()) return {};
            if (!is_space(byte)) found.content_end = at;
        }
        return found;
    }

  private:
    void step() {
        const char byte = text_[at_];
        if (byte == '[' && begins_a_line()) header();
        if (byte == '#') {
            comment();
        } else if (byte == '"' || byte == '\'') {
            const size_t begin = at_;
            const size_t end = string_end(begin);
            const std::string_view inside = text_.substr(begin + 1, end - begin - 1);
            // It may spell any key, or a blank and a mark.
            const bool has_escape = inside.find('\\') != std::string_view::npos;
            const bool secret = has_escape || names_a_secret(inside);
            at_ = end;
            const bool is_rule = is_in_users() ? has_escape || holds_an_acl_password(inside)
                                               : holds_an_acl_password(inside, ">");
            if (is_rule && !is_hidden()) hide(begin, end);
            word(secret, begin, false);
        } else if (is_bare(byte)) {
            const size_t begin = at_;
            while (at_ < text_.size() && is_bare(text_[at_])) {
                at_ += 1;
            }
            word(names_a_secret(text_.substr(begin, at_ - begin)), begin, true);
        } else {
            separator(byte);
            at_ += 1;
        }
    }

    void comment() {
        const size_t end = line_end(at_);
        const size_t secret = text_.substr(at_, end - at_).find("redis_auth");
        if (secret != std::string_view::npos) {
            found_.secrets.push_back({at_ + secret + std::string_view("redis_auth").size(), end});
        }
        at_ = end;
    }

    void separator(char byte) {
        if (byte == '.') {
            depth_ += 1;
            if (depth_ == key_depth_max && !found_.too_deep) found_.too_deep = at_;
        } else if (byte != ' ' && byte != '\t') {
            depth_ = 0;
            chain_is_secret_ = false;
        }
    }

    // Behind a word, which began at `begin` and may be a key or a part of one. What is hidden is
    // still walked through: it may hold keys of its own.
    void word(bool secret, size_t begin, bool bare) {
        secret = secret || chain_is_secret_;
        const size_t next = skip_blanks(at_);
        const char byte = next < text_.size() ? text_[next] : '\n';
        const bool assigns = byte == '=' || byte == ':';
        const std::string_view name = unquoted(text_.substr(begin, at_ - begin));
        if (is_in_users() && !(secret && (assigns || byte == '.'))) {
            word_of_users(name, begin, assigns, next);
            return;
        }
        if (!is_in_users() && at_ >= header_end_ && names_users(name)) {
            secret = secret || byte == '.';
            const bool has_value = std::string_view("=:+[{").find(byte) != std::string_view::npos;
            if (has_value) users_end_ = end_of_users(name, next);
        }
        if (!secret || is_hidden()) return;
        if (byte == '.') {
            chain_is_secret_ = true;
        } else if (assigns) {
            const size_t value = skip_blanks(next + 1);
            hide(value, value_end(value));
        } else if (bare) {
            hide(at_, at_);
        }
    }

    // Of what is behind `users`, however it is spelt and written; `user = "name"` is a server's.
    [[nodiscard]] size_t end_of_users(std::string_view name, size_t next) const {
        const size_t here = std::min(text_.find_first_not_of(" \t=:+>", next), text_.size());
        const size_t value = skip_lines(here);
        const bool is_bracket =
            value < text_.size() && (text_[value] == '[' || text_[value] == '{');
        if (value < line_end(here)) {
            const bool is_a_name = !is_bracket && ascii::equal_ignoring_case(name, "user");
            return is_a_name ? users_end_ : value_end(value);
        }
        if (is_bracket && !is_header(value)) return value_end(value);
        // As YAML has them, in the lines below.
        return text_[next] == ':' ? std::min(text_.find("\n[", here), text_.size()) : here;
    }

    // Over blanks and comments.
    [[nodiscard]] size_t skip_lines(size_t at) const {
        while (at < text_.size() && (is_space(text_[at]) || text_[at] == '#')) {
            at = text_[at] == '#' ? line_end(at) : at + 1;
        }
        return at;
    }

    [[nodiscard]] bool is_header(size_t at) const {
        const size_t name = text_.find_first_not_of('[', at);
        return name != at && name != std::string_view::npos && is_bare(text_[name]);
    }

    // Whatever stands there by mistake may be a password: users = { app = "..." }.
    void word_of_users(std::string_view name, size_t begin, bool is_key, size_t equals) {
        if (begin < shown_end_) return;
        const size_t value = is_key ? skip_blanks(equals + 1) : begin;
        if (is_key && is_harmless_in_a_user(name)) {
            shown_end_ = short_value_end(value);
        } else if (!is_hidden()) {
            hide(value, is_key ? value_end(value) : at_);
        }
    }

    [[nodiscard]] bool is_hidden() const {
        return !found_.secrets.empty() && found_.secrets.back().end > at_;
    }

    [[nodiscard]] bool is_in_users() const {
        return at_ >= header_end_ && (at_ <= users_end_ || is_section_of_users_);
    }

    [[nodiscard]] bool begins_a_line() const {
        const std::string_view before = text_.substr(0, at_);
        const size_t end = before.find_last_not_of(" \t");
        const bool is_within_value = at_ < users_end_ || at_ < shown_end_ || is_hidden();
        return !is_within_value && (end == std::string_view::npos || before[end] == '\n');
    }

    // [[pool.a.users]], [pool.a.users.b], [users]; not [pool.users].
    void header() {
        header_end_ = line_end(at_);
        std::string_view name = text_.substr(at_, header_end_ - at_);
        is_section_of_users_ = false;
        for (size_t i = 0; !name.empty(); ++i) {
            const std::string_view part = name.substr(0, name.find('.'));
            name.remove_prefix(std::min(part.size() + 1, name.size()));
            is_section_of_users_ = is_section_of_users_ || (i != 1 && names_users(unquoted(part)));
        }
    }

    static std::string_view unquoted(std::string_view word) {
        constexpr std::string_view around = "\"'[] \t\r";
        const size_t begin = word.find_first_not_of(around);
        if (begin == std::string_view::npos) return {};
        return word.substr(begin, word.find_first_of(around, begin) - begin);
    }

    // On to the end of the line, too: a broken value does not end where it should.
    void hide(size_t begin, size_t end) {
        found_.secrets.push_back({begin, line_end(end)});
        chain_is_secret_ = false;
    }

    // The end of a string or of a bracket of strings; any other value ends with its line.
    [[nodiscard]] size_t value_end(size_t begin) const {
        if (begin >= text_.size()) return begin;
        const char byte = text_[begin];
        if (byte == '"' || byte == '\'') return string_end(begin);
        if (byte != '[' && byte != '{') return line_end(begin);
        std::string open;
        size_t at = begin;
        while (at < text_.size()) {
            const char inner = text_[at];
            if (inner == '"' || inner == '\'') {
                at = string_end(at);
                continue;
            }
            at = inner == '#' ? line_end(at) : at + 1;
            if (inner == '[' || inner == '{') open.push_back(inner);
            // One that closes another is there by mistake, and ends nothing.
            const char opened = inner == ']' ? '[' : '{';
            if ((inner == ']' || inner == '}') && open.back() == opened) open.pop_back();
            if (open.empty()) break;
        }
        return at;
    }

    // As value_end(), but what is neither string nor list ends before the next key.
    [[nodiscard]] size_t short_value_end(size_t begin) const {
        if (begin >= text_.size()) return begin;
        const bool is_plain = std::string_view("\"'[").find(text_[begin]) == std::string_view::npos;
        return is_plain ? std::min(text_.find_first_of(",}]\n", begin), text_.size())
                        : value_end(begin);
    }

    // Behind the closing quote; a string of one line ends with its line at the latest.
    [[nodiscard]] size_t string_end(size_t begin) const {
        const char quote = text_[begin];
        const bool is_long =
            begin + 2 < text_.size() && text_[begin + 1] == quote && text_[begin + 2] == quote;
        size_t at = begin + (is_long ? 3 : 1);
        while (at < text_.size()) {
            const char byte = text_[at];
            if (byte == '\\' && quote == '"') {
                at += 2;
            } else if (!is_long && byte == quote) {
                return at + 1;
            } else if (!is_long && byte == '\n') {
                return at;
            } else if (is_long && text_.substr(at, 3) == std::string_view(long_quote(quote))) {
                return long_string_end(at, quote);
            } else {
                at += 1;
            }
        }
        return text_.size();
    }

    // Up to two quotes may stand directly before the closing three.
    [[nodiscard]] size_t long_string_end(size_t at, char quote) const {
        size_t end = at + 3;
        while (end < text_.size() && end < at + 5 && text_[end] == quote) {
            end += 1;
        }
        return end;
    }

    static const char* long_quote(char quote) { return quote == '"' ? R"(""")" : "'''"; }

    [[nodiscard]] size_t skip_blanks(size_t at) const {
        while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) {
            at += 1;
        }
        return at;
    }

    [[nodiscard]] size_t line_end(size_t at) const {
        return std::min(text_.find('\n', at), text_.size());
    }

    std::string_view text_;
    size_t at_ = 0;
    size_t depth_ = 0;
    bool chain_is_secret_ = false;
    bool is_section_of_users_ = false;
    size_t header_end_ = 0;
    size_t users_end_ = 0;  // of the value of `users`, perhaps misspelt
    size_t shown_end_ = 0;  // of a value in there that is no password
    Scan found_;
};

}  // namespace

Scan scan(std::string_view text) {
    return Scanner(text).run();
}

bool holds_an_acl_password(std::string_view text, std::string_view marks) {
    for (size_t at = text.find_first_of(marks); at != std::string_view::npos;
         at = text.find_first_of(marks, at + 1)) {
        if (at == 0 || is_space(text[at - 1]) || text[at - 1] == ',') return true;
    }
    return false;
}

bool is_bare(char byte) {
    return ascii::is_letter(byte) || ascii::is_digit(byte) || byte == '_' || byte == '-';
}

Brackets open_brackets(std::string_view text) {
    return Scanner(text).brackets();
}

}  // namespace ringmain::config
