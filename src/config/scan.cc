#include "scan.h"

#include "ringmain/base/ascii.h"

#include <algorithm>

#include "words.h"

namespace ringmain::config {

namespace {

bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
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
        if (byte == '#') {
            comment();
        } else if (byte == '"' || byte == '\'') {
            const size_t begin = at_;
            const size_t end = string_end(begin);
            const std::string_view inside = text_.substr(begin + 1, end - begin - 1);
            // An escape may spell any key.
            const bool secret =
                inside.find('\\') != std::string_view::npos || names_a_secret(inside);
            at_ = end;
            word(secret, false);
        } else if (is_bare(byte)) {
            const size_t begin = at_;
            while (at_ < text_.size() && is_bare(text_[at_])) {
                at_ += 1;
            }
            word(names_a_secret(text_.substr(begin, at_ - begin)), true);
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

    // After a word, which may be a key or a part of one. What is hidden is still walked through:
    // it may hold keys of its own.
    void word(bool secret, bool bare) {
        secret = secret || chain_is_secret_;
        const bool is_hidden = !found_.secrets.empty() && found_.secrets.back().end > at_;
        if (!secret || is_hidden) return;
        const size_t next = skip_blanks(at_);
        const char byte = next < text_.size() ? text_[next] : '\n';
        if (byte == '.') {
            chain_is_secret_ = true;
        } else if (byte == '=') {
            const size_t value = skip_blanks(next + 1);
            hide(value, value_end(value));
        } else if (bare) {
            hide(at_, at_);
        }
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
        size_t brackets = 0;
        size_t at = begin;
        while (at < text_.size()) {
            const char inner = text_[at];
            if (inner == '"' || inner == '\'') {
                at = string_end(at);
                continue;
            }
            at = inner == '#' ? line_end(at) : at + 1;
            if (inner == '[' || inner == '{') brackets += 1;
            if (inner == ']' || inner == '}') brackets -= 1;
            if (brackets == 0) break;
        }
        return at;
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
    Scan found_;
};

}  // namespace

Scan scan(std::string_view text) {
    return Scanner(text).run();
}

bool is_bare(char byte) {
    const char low = ascii::lower(byte);
    return ascii::is_digit(byte) || (low >= 'a' && low <= 'z') || byte == '_' || byte == '-';
}

Brackets open_brackets(std::string_view text) {
    return Scanner(text).brackets();
}

}  // namespace ringmain::config
