// src/config/findings.h - collects what is wrong, and what is odd, up to a limit, while a file is
// read.

#pragma once

#include "ringmain/config/diagnostic.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmain::config {

// As people count: lines, and characters in a line of UTF-8.
[[nodiscard]] inline Place place_of_offset(std::string_view text, size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const std::string_view line = before.substr(before.rfind('\n') + 1);
    const auto characters = std::ranges::count_if(
        line, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80; });
    return {.line = static_cast<uint32_t>(std::ranges::count(before, '\n') + 1),
            .column = static_cast<uint32_t>(characters + 1),
            .length = 1};
}

class Findings {
  public:
    void error(const Place& place, std::string message) {
        add(error_count_, Severity::Error, place, std::move(message));
    }

    void warn(const Place& place, std::string message) {
        add(warning_count_, Severity::Warning, place, std::move(message));
    }

    [[nodiscard]] size_t error_count() const { return error_count_; }

    [[nodiscard]] size_t warnings_left_out() const {
        return warning_count_ - std::min(warning_count_, diagnostics_max);
    }

    // Nothing more that is wrong would be told: reading may end, for the file is refused.
    [[nodiscard]] bool full() const { return error_count_ >= diagnostics_max; }

    [[nodiscard]] std::vector<Diagnostic>& found() { return found_; }

  private:
    void add(size_t& count, Severity severity, const Place& place, std::string message) {
        count += 1;
        if (count > diagnostics_max) return;
        found_.push_back({.severity = severity, .place = place, .message = std::move(message)});
    }

    std::vector<Diagnostic> found_;
    size_t error_count_ = 0;
    size_t warning_count_ = 0;
};

}  // namespace ringmain::config
