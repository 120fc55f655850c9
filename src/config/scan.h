// src/config/scan.h - a first look at TOML text, before and beside its parser.
//
// It finds the values that must not be shown (passwords, whatever their key is misspelt as), and
// keys of absurd depth, on which a parser that builds a tree would run out of stack. It knows
// strings, comments and separators, and needs no valid file: what is unclear counts as secret. And
// it tells which brackets are open where the parser gave up.

#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace ringmain::config {

// Parts of one dotted key, as in a.b.c; the deepest that means anything here has four.
inline constexpr size_t key_depth_max = 16;

struct Span {
    size_t begin = 0;
    size_t end = 0;
};

struct Scan {
    std::vector<Span> secrets;       // in order
    std::optional<size_t> too_deep;  // offset of the first key of too many parts
};

[[nodiscard]] Scan scan(std::string_view text);

// Of redis's ACL, before a password or its digest.
inline constexpr std::string_view acl_password_marks = "><#!";

// Whether a word of the text begins with one of the marks.
[[nodiscard]] bool holds_an_acl_password(std::string_view text,
                                         std::string_view marks = acl_password_marks);

// Whether the byte may stand in a key without quotes.
[[nodiscard]] bool is_bare(char byte);

struct Brackets {
    std::vector<size_t> open;  // offsets of each [ and { that is not closed, outermost first
    size_t content_end = 0;    // behind the last byte that is neither blank nor comment
};

// Of whole lines. None are open where they end within a string.
[[nodiscard]] Brackets open_brackets(std::string_view text);

}  // namespace ringmain::config
