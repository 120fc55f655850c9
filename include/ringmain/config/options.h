// ringmain/config/options.h - the table of everything that a configuration file may say.
//
// One row per option: the reader of the file, its error texts, `ringmain help options` and
// conf/ringmain.toml are all made from it. Defaults are those of the structs in config.h, read
// through the same row: no default is written twice. A new option is a field there and a row in
// src/config/process_options.cc or pool_options.cc.

#pragma once

#include "ringmain/config/config.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::config {

enum class Section : uint8_t { Proxy, Stats, Admin, Pool, Server, User };

inline constexpr std::array sections = {
    Section::Proxy, Section::Stats, Section::Admin, Section::Pool, Section::Server, Section::User};

enum class Type : uint8_t {
    Boolean,
    Integer,
    IntegerOrAuto,  // "auto" is 0 here; the reader of the file resolves it
    Duration,       // milliseconds, or "400ms" "2s" "1m" "1h"
    Size,           // bytes, or "16KiB" "1MiB" "1GiB"
    String,
    Strings,  // a list of them
    Enum,     // one of `names`; its number is the enumerator's
    Listen,   // host:port, [ipv6]:port, or /path with an octal mode
    Address,
    Servers,
    Users,
};

// One value of any type; which member counts follows from the type.
struct Value {
    int64_t number = 0;  // also booleans (0, 1) and enumerators
    std::string text;
    std::vector<std::string> texts;
    config::Address address;
};

// The struct whose member an option is; the one of the option's section is set.
struct Target {
    config::Proxy* proxy = nullptr;
    config::Stats* stats = nullptr;
    config::Admin* admin = nullptr;
    config::Pool* pool = nullptr;
    config::Server* server = nullptr;
    config::User* user = nullptr;
};

struct Option {
    Section section = Section::Proxy;
    std::string_view name = {};
    Type type = Type::String;
    int64_t min = 0;  // of numbers; of strings, in bytes
    int64_t max = 0;
    std::span<const std::string_view> (*names)() = nullptr;
    void (*store)(const Target&, const Value&) = nullptr;
    Value (*fetch)(const Target&) = nullptr;
    std::string_view example = {};  // a TOML value, where the default is no value
    std::string_view help = {};     // one line
    std::string_view doc = {};      // more; may be empty
    bool required = false;
    bool redis_only = false;
    bool power_of_two = false;
    bool secret = false;
    bool fixed = false;  // at start: a reload does not change it
};

[[nodiscard]] std::span<const Option> options(Section section);

// Null when there is none.
[[nodiscard]] const Option* find_option(Section section, std::string_view name);

[[nodiscard]] std::vector<std::string_view> option_names(Section section);

// "[proxy]", "[pool.NAME]", "a server", "a user".
[[nodiscard]] std::string_view title_of(Section section);

// As TOML; empty for no value: an empty text or address.
[[nodiscard]] std::string value_text(const Option& option, const Value& value);

// The default as TOML; empty where there is none.
[[nodiscard]] std::string default_text(const Option& option);

// What may be written, in words: "1 to 256, or \"auto\"".
[[nodiscard]] std::string limits_text(const Option& option);

// The reference for people, and the same as a configuration file with every option.
[[nodiscard]] std::string options_help();
[[nodiscard]] std::string options_toml();

// A configuration as TOML with every option that has a value, defaults included. Secrets are
// "***".
[[nodiscard]] std::string running_toml(const Config& config);

}  // namespace ringmain::config
