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

// Once in each of eight bytes: 1, and the highest bit.
inline constexpr uint64_t ones = 0x0101010101010101U;
inline constexpr uint64_t highs = 0x8080808080808080U;
static_assert(std::endian::native == std::endian::little);  // the first byte is the lowest

// Which of eight bytes is the first special one; 8: none is.
[[nodiscard]] constexpr size_t first_special(uint64_t eight) {
    const uint64_t below_33 = (eight - ones * 33) & ~eight;
    const uint64_t del = eight ^ (ones * 0x7F);
    const uint64_t is_del = (del - ones) & ~del;
    // A borrow can mark bytes behind the first that is special, none before it.
    return static_cast<size_t>(std::countr_zero((below_33 | is_del) & highs)) / 8;
}

// The highest bit of each of eight bytes that is a blank. No carry goes from one to the next.
[[nodiscard]] constexpr uint64_t blanks_of(uint64_t eight) {
    const uint64_t others = eight ^ (ones * ' ');
    return ~(((others & ~highs) + ~highs) | others) & highs;
}

// Not 0 in the highest bits when one of eight bytes is below a blank. DEL, which keys may hold, is
// none of these.
[[nodiscard]] constexpr uint64_t controls_of(uint64_t eight) {
    return (eight - ones * ' ') & ~eight;
}

[[nodiscard]] inline uint64_t load_eight(const char* at) {
    uint64_t eight = 0;
    std::memcpy(&eight, at, sizeof eight);
    return eight;
}

// Short texts of which both are at hand; memcmp() is a call.
[[nodiscard]] inline bool is_same(const char* a, const char* b, size_t size) {
    constexpr size_t step = sizeof(uint64_t);
    if (size < step) return std::memcmp(a, b, size) == 0;
    for (size_t at = 0; at + step < size; at += step) {
        if (load_eight(a + at) != load_eight(b + at)) return false;
    }
    return load_eight(a + size - step) == load_eight(b + size - step);
}

// From `from` on, where fewer than eight bytes are left; 0xFF stands behind them.
[[nodiscard]] inline uint64_t load_tail(std::string_view text, size_t from) {
    const size_t left = text.size() - from;
    const uint64_t behind = ~uint64_t{0} << 8 * left;
    if (text.size() >= sizeof(uint64_t)) [[likely]] {
        return load_eight(text.data() + text.size() - sizeof(uint64_t)) >> (64 - 8 * left) | behind;
    }
    uint64_t eight = 0;
    for (size_t i = text.size(); i > from; --i) {
        eight = eight << 8 | static_cast<unsigned char>(text[i - 1]);
    }
    return eight | behind;
}

// Calls `take` with the offset of each blank from `from` on, in order. Returns whether a control
// character stands there, too. Eight bytes at a time, each once.
template <class Take>
[[nodiscard]] inline bool each_blank(std::string_view text, size_t from, Take take) {
    uint64_t controls = 0;
    const auto look = [&](uint64_t eight) {
        controls |= controls_of(eight);
        for (uint64_t blanks = blanks_of(eight); blanks != 0; blanks &= blanks - 1) {
            take(from + static_cast<size_t>(std::countr_zero(blanks)) / 8);
        }
    };
    for (; text.size() - from >= sizeof(uint64_t); from += sizeof(uint64_t)) {
        look(load_eight(text.data() + from));
    }
    if (from < text.size()) look(load_tail(text, from));
    return (controls & highs) != 0;
}

// Offset of the first special byte at or behind `from`; the size when there is none. Eight bytes
// at a time: a key is some 20 to 60 bytes long.
[[nodiscard]] inline size_t find_special(std::string_view text, size_t from) {
    while (text.size() - from >= sizeof(uint64_t)) {
        const size_t found = first_special(load_eight(text.data() + from));
        from += found;
        if (found < sizeof(uint64_t)) return from;
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

    // How much of the line has been read: to behind the word that was the last.
    [[nodiscard]] size_t position() const { return at_; }

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
