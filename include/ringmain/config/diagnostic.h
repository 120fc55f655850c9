// ringmain/config/diagnostic.h - what is wrong with a file of the user's, where, and how to say so.
//
//   conf/ringmain.toml:14:1: error: unknown key 'timeot' in [pool.beta]; did you mean 'timeout'?
//      14 | timeot = "400ms"
//         | ^^^^^^
//
// Lines and columns count from 1, columns in characters. The excerpt shows neither control
// characters nor the value of a password.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::config {

enum class Severity : uint8_t { Warning, Error };

struct Place {
    uint32_t line = 1;
    uint32_t column = 1;
    uint32_t length = 1;  // characters under which the caret line goes; within one line
};

struct Diagnostic {
    Severity severity = Severity::Error;
    Place place = {};
    std::string message = {};  // names the thing, the limit and the remedy
    // False where the line itself might give a secret away.
    bool shows_line = true;
};

// All of them, in order, each with its excerpt. `text` is what they were found in.
[[nodiscard]] std::string render(std::span<const Diagnostic> diagnostics,
                                 std::string_view file,
                                 std::string_view text);

// Of each severity so many are kept. A file is read up to the last error of these, and to its end
// whatever is warned about.
inline constexpr size_t diagnostics_max = 100;

// "2 errors, 1 warning"; empty when there is none.
[[nodiscard]] std::string count_text(std::span<const Diagnostic> diagnostics,
                                     size_t warnings_left_out);

}  // namespace ringmain::config
