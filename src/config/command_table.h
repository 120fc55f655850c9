// src/config/command_table.h - the commands and options of the command line, one row each.
//
// The parser and the help texts read it. A new option is a row here and a field in
// ringmain/config/command_line.h.

#pragma once

#include "ringmain/config/command_line.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace ringmain::config {

struct VerbRow {
    Verb verb;
    std::string_view name;
    std::string_view usage;
    std::string_view summary;
    std::string_view doc;
};

inline constexpr std::array verb_table = {
    VerbRow{Verb::Run,
            "run",
            "ringmain [run] -c FILE [-v LEVEL] [-o LOGFILE] [-p PIDFILE] [-d]",
            "serve the pools of a configuration",
            "Signals: TERM and INT stop when the requests in flight are answered, a second one at\n"
            "once; HUP reads the configuration again and opens the log anew, USR1 only opens the\n"
            "log anew; TTIN and TTOU raise and lower the log level.\n"},
    VerbRow{
        Verb::Check,
        "check",
        "ringmain check FILE            (also: ringmain -t -c FILE)",
        "say everything that is wrong with a configuration",
        "Prints every error and warning with its place; '-' reads standard input. Exit status 0\n"
        "when the configuration is accepted (warnings allowed), 1 otherwise.\n"},
    VerbRow{
        Verb::Doctor,
        "doctor",
        "ringmain doctor [-c FILE]",
        "say whether io_uring can be used here, and what stands in the way",
        "Looks at the kernel, kernel.io_uring_disabled, seccomp, and the limits on locked memory\n"
        "and open files; with -c also at what that configuration needs. Its last line says "
        "whether\n"
        "the sockets are served with io_uring or with epoll, as io_backend decides.\n"},
    VerbRow{
        Verb::Locate,
        "locate",
        "ringmain locate -c FILE [--pool NAME] [--hex] [KEY...]",
        "say which server a key lives on",
        "Prints for each key: the key, its server's name, that server's address and the 32-bit\n"
        "hash, with tabs between. Without KEY it reads one key per line from standard input.\n"
        "Nothing is connected to.\n"},
    VerbRow{
        Verb::Migrate,
        "migrate",
        "ringmain migrate nutcracker.yml",
        "turn twemproxy's configuration into ringmain's",
        "Prints TOML on standard output; '-' reads standard input. Keys stay on their servers.\n"},
    VerbRow{
        Verb::Commands,
        "commands",
        "ringmain commands",
        "say how each command of redis is served",
        "Prints a line for each command and subcommand of Redis 7.0: by the server of its key,\n"
        "split, by all servers, by ringmain, or refused and why. The same text is in\n"
        "conf/commands.txt.\n"},
    VerbRow{Verb::Help,
            "help",
            "ringmain help [COMMAND | options [--toml] | metrics | errors | environment]",
            "explain a command, the configuration, metrics, errors, the environment",
            "help options lists everything that a configuration may say; with --toml as a\n"
            "configuration file with every option and its default.\n"},
};

enum class OptionId : uint8_t {
    Config,
    Test,
    LogLevel,
    LogFile,
    PidFile,
    Daemonize,
    Pool,
    Hex,
    Toml,
    Version,
    Help,
};

struct OptionRow {
    OptionId id;
    char letter;  // '\0': none
    std::string_view name;
    std::string_view value;  // empty: takes none
    uint32_t verbs;          // bits of the commands that it is for
    std::string_view help;
};

constexpr uint32_t bit(Verb verb) {
    return 1U << static_cast<uint32_t>(verb);
}

inline constexpr uint32_t every_verb = UINT32_MAX;

inline constexpr std::array option_table = {
    OptionRow{OptionId::Config,
              'c',
              "conf-file",
              "FILE",
              bit(Verb::Run) | bit(Verb::Check) | bit(Verb::Doctor) | bit(Verb::Locate),
              "the configuration"},
    OptionRow{OptionId::Test,
              't',
              "test-conf",
              {},
              bit(Verb::Run) | bit(Verb::Check),
              "check the configuration and stop"},
    OptionRow{OptionId::LogLevel,
              'v',
              "verbose",
              "LEVEL",
              bit(Verb::Run),
              "error, warning, notice, info or debug; or twemproxy's 0 to 11"},
    OptionRow{OptionId::LogFile, 'o', "output", "LOGFILE", bit(Verb::Run), "where the log goes"},
    OptionRow{OptionId::PidFile,
              'p',
              "pid-file",
              "PIDFILE",
              bit(Verb::Run),
              "where the process id is written"},
    OptionRow{OptionId::Daemonize, 'd', "daemonize", {}, bit(Verb::Run), "run in the background"},
    OptionRow{OptionId::Pool,
              '\0',
              "pool",
              "NAME",
              bit(Verb::Locate),
              "the pool; needed where the file has several"},
    OptionRow{OptionId::Hex,
              '\0',
              "hex",
              {},
              bit(Verb::Locate),
              "keys are written in hexadecimal; '-' is the empty key"},
    OptionRow{OptionId::Toml, '\0', "toml", {}, bit(Verb::Help), "as a configuration file"},
    OptionRow{OptionId::Version, 'V', "version", {}, every_verb, "print the version and stop"},
    OptionRow{OptionId::Help, 'h', "help", {}, every_verb, "print a help text and stop"},
};

// What twemproxy has on the command line and ringmain elsewhere.
struct ReplacedRow {
    char letter;
    std::string_view name;
    std::string_view remedy;
};

inline constexpr std::array replaced_table = {
    ReplacedRow{
        's', "stats-port", "write [stats] listen = \"127.0.0.1:PORT\" in the configuration"},
    ReplacedRow{'a', "stats-addr", "write [stats] listen = \"ADDRESS:22222\" in the configuration"},
    ReplacedRow{'i', "stats-interval", "write [stats] interval = \"1s\" in the configuration"},
    ReplacedRow{
        'm',
        "mbuf-size",
        "buffers have one size; write [proxy] buffer_memory = \"2GiB\" in the configuration "
        "to limit their memory"},
    ReplacedRow{'D',
                "describe-stats",
                "the port is [stats] listen in the configuration; see 'ringmain help options'"},
};

}  // namespace ringmain::config
