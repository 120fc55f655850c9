// src/memcached/words.h - walks over the words of a command line.
//
// Words are parted by blanks, any number of them, as memcached does it. Nothing else parts words:
// to memcached a TAB is a part of a key as any letter is. A NUL or a CR inside a word is
// remembered, so that the caller can refuse the line: with a NUL memcached takes the line to end,
// and a CR others.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringmain::memcached {

inline constexpr std::string_view line_end = "\r\n";

// Blank, control character or DEL: what ends nearly every key. A key may hold some of them (Words).
[[nodiscard]] constexpr bool is_special(char byte) {
    const auto value = static_cast<unsigned char>(byte);
    return value <= ' ' || value == 0x7F;
}

// What no key may hold.
[[nodiscard]] constexpr bool breaks_line(char byte) {
    return byte == '\0' || byte == '\r' || byte == '\n';
}

// Which of eight bytes is the first special one; 8: none is.
[[nodiscard]] constexpr size_t first_special(uint64_t eight) {
    constexpr uint64_t ones = 0x0101010101010101U;
    constexpr uint64_t highs = 0x8080808080808080U;
    static_assert(std::endian::native == std::endian::little);
    const uint64_t below_33 = (eight - ones * 33) & ~eight;
    const uint64_t del = eight ^ (ones * 0x7F);
    const uint64_t is_del = (del - ones) & ~del;
    // A borrow can mark bytes behind the first that is special, none before it.
    return static_cast<size_t>(std::countr_zero((below_33 | is_del) & highs)) / 8;
}

// Offset of the first special byte at or behind `from`; the size when there is none. Eight bytes
// at a time: a key is some 20 to 60 bytes long.
[[nodiscard]] inline size_t find_special(std::string_view text, size_t from) {
    while (text.size() - from >= sizeof(uint64_t)) {
        uint64_t eight = 0;
        std::memcpy(&eight, text.data() + from, sizeof eight);
        const size_t found = first_special(eight);
        from += found;
        if (found < sizeof eight) return from;
    }
    while (from < text.size() && !is_special(text[from])) {
        from += 1;
    }
    return from;
}

// Of a delete without anything behind it some servers take the key for the word "noreply". The zero
// is what is left of a delay, and all of them take it.
[[nodiscard]] inline bool needs_zero(std::string_view deleted_key) {
    return deleted_key == "noreply";
}

class Words {
  public:
    explicit Words(std::string_view line) : line_(line) {}

    // The next word; empty at the end of the line.
    [[nodiscard]] std::string_view next() {
        // At first, or at the blank behind the word before.
        const bool is_usual = at_ > 0 && at_ + 1 < line_.size() && line_[at_ + 1] != ' ';
        if (is_usual) [[likely]] {
            at_ += 1;
        } else if (at_ == line_.size() || !skip_blanks()) {
            return {};
        }
        const size_t begin = at_;
        at_ = find_special(line_, at_);
        if (at_ < line_.size() && line_[at_] != ' ') [[unlikely]] {
            find_blank();
        }
        return {line_.data() + begin, at_ - begin};
    }

    [[nodiscard]] bool has_break() const { return has_break_; }

    [[nodiscard]] bool is_regular() const { return is_regular_; }

  private:
    // False: at the end of the line.
    [[gnu::noinline]] bool skip_blanks() {
        const size_t blanks_begin = at_;
        while (at_ < line_.size() && line_[at_] == ' ') {
            at_ += 1;
        }
        const size_t blanks = at_ - blanks_begin;
        const bool at_end = at_ == line_.size();
        // One blank between words, none before the first and behind the last.
        if (blanks != (blanks_begin == 0 || at_end ? 0U : 1U)) is_regular_ = false;
        return !at_end;
    }

    // From a special byte that is none on.
    [[gnu::cold]] void find_blank() {
        while (at_ < line_.size() && line_[at_] != ' ') {
            if (breaks_line(line_[at_])) has_break_ = true;
            at_ = find_special(line_, at_ + 1);
        }
    }

    std::string_view line_;
    size_t at_ = 0;
    bool has_break_ = false;
    bool is_regular_ = true;
};

}  // namespace ringmain::memcached
