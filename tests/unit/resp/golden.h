// tests/unit/resp/golden.h - reads what redis-server 7.0.15 was recorded to answer.

#pragma once

// Set by the build; this is for a compiler that looks at the header alone.
#ifndef RM_GOLDEN_FOLDER
#define RM_GOLDEN_FOLDER "tests/golden"
#endif

#include "tests/files.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

inline std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (size_t end = 0; (end = text.find(separator)) != std::string_view::npos;) {
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    parts.emplace_back(text);
    return parts;
}

// The rows of a file in tests/golden, each cut at its tabs; without comments.
inline std::vector<std::vector<std::string>> golden_rows(const std::string& name) {
    const std::string text = text_in(RM_GOLDEN_FOLDER "/" + name);
    REQUIRE_FALSE(text.empty());
    std::vector<std::vector<std::string>> rows;
    for (const std::string& line : split(text, '\n')) {
        if (!line.empty() && line.front() != '#') rows.push_back(split(line, '\t'));
    }
    return rows;
}

// The words of a recorded request; "%" stands for the empty one.
inline std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words = split(text, ' ');
    for (std::string& word : words) {
        if (word == "%") word.clear();
    }
    return words;
}

}  // namespace ringmain::test
