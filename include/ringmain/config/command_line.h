// ringmain/config/command_line.h - argv -> what to do; the help texts come from the same table.
//
// The letters are twemproxy's where the meaning is (-c -t -v -o -p -d -V -h); those of its options
// that became keys of the configuration are refused with the key's name. Options may be clustered
// (-dc FILE) and carry their value (-v5, --conf-file=FILE); "--" ends them.

#pragma once

#include "ringmain/config/config.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::config {

enum class Verb : uint8_t { Run, Check, Doctor, Locate, Migrate, Commands, Help, Version };

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the order is for readers.
struct CommandLine {
    Verb verb = Verb::Run;
    std::string file;  // run, check, doctor (may be empty), locate: TOML; migrate: YAML
    std::optional<LogLevel> log_level;
    std::string log_file;
    std::string pid_file;
    bool daemonize = false;
    std::string pool;               // locate
    bool hex = false;               // locate
    std::vector<std::string> keys;  // locate; empty: one per line from standard input
    std::string topic;              // help: empty, or one that has a text
    bool toml = false;              // help options
    std::string error;  // not empty: wrong usage, exit status 2; ends without a line end

    [[nodiscard]] bool accepted() const { return error.empty(); }
};

// Without argv[0].
[[nodiscard]] CommandLine parse_command_line(std::span<const char* const> arguments);

// "ringmain 0.1.0"
[[nodiscard]] std::string_view version_text();

// What `help` prints for an accepted command line.
[[nodiscard]] std::string help_text(std::string_view topic, bool toml);

}  // namespace ringmain::config
